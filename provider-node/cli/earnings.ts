// `souk-node earnings`: what this node did, by its own receipts, beside what the gateway paid for it, and every difference with what it means. A
// difference is information and no failure. Works beside a running node; changes nothing.
import type { EarningView } from '../../protocol/operator.ts'
import type { GatewayApi } from '../gateway-api.ts'
import { OperatorError, sentenceFor, usageError } from '../operator-error.ts'
import { dayOf } from '../receipts/history.ts'
import { readOwnWork } from '../receipts/own-work.ts'
import { reconcile, type Difference, type Reconciliation, type Row } from '../receipts/reconcile.ts'
import type { Command } from './commands.ts'
import { COLUMNS, JSON_OPTION, SHARED_OPTIONS, wrap, type ParsedOptions, type Terminal } from './options.ts'
import { openRegistered } from './registered.ts'

const DAY_MS = 86_400_000
/** days shown unless asked otherwise */
const DAYS = 7
/** pages asked of the gateway: 100,000 calls and more, beyond which shorter spans are the way */
const PAGES_MAX = 1_000
/** call ids shown of one difference; `--json` has all */
const CALLS_SHOWN = 5

export const earningsCommand: Command = {
  spec: {
    name: 'earnings',
    details: [
      "Compares this node's own receipts with what the gateway paid, by day (UTC) and model, and says what each difference means.",
      'Differences are usual: probes and self-tests are not paid, and new calls are not settled yet.',
    ],
    options: {
      ...SHARED_OPTIONS,
      from: { type: 'string', value: 'DAY', help: `first day, as 2026-01-31 (${DAYS} days with today)` },
      to: { type: 'string', value: 'DAY', help: 'last day (today)' },
      ...JSON_OPTION,
    },
  },
  run: (options, terminal) => runEarnings(options, terminal),
}

/** @throws OperatorError when there is no registered node, or the gateway cannot be asked */
export async function runEarnings(
  options: ParsedOptions,
  terminal: Terminal,
  now: () => number = Date.now,
): Promise<void> {
  const days = daysOf(options, now())
  const { home, config, api } = await openRegistered(options, terminal)
  const { nodeId } = config
  // A call that ends at midnight is of one day here and of the next there: both sides are read a day further.
  const wide = { from: shifted(days.from, -1), to: shifted(days.to, 1) }
  const paid = await paidIn(api, wide)
  const own = await readOwnWork(home, wide).catch((cause: unknown) => {
    throw sentenceFor(`the receipts in ${home} cannot be read`, cause)
  })
  const result = reconcile(own, paid, days, now())
  if (options.flag('json')) return terminal.print(JSON.stringify({ nodeId, ...days, ...result }))
  for (const line of shown(`${config.name} (${nodeId})`, days, result)) terminal.print(line)
}

interface Days {
  readonly from: string
  readonly to: string
}

/** @throws OperatorError with exit code 2 */
function daysOf(options: ParsedOptions, now: number): Days {
  const to = dayGiven(options, 'to') ?? dayOf(now)
  const from = dayGiven(options, 'from') ?? shifted(to, 1 - DAYS)
  if (from > to) throw usageError(`--from ${from} is after --to ${to}: see souk-node earnings --help`)
  return { from, to }
}

function dayGiven(options: ParsedOptions, name: string): string | null {
  const text = options.text(name)
  if (text === undefined) return null
  const at = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : NaN
  // Date.parse takes 31 February for 3 March where the format allows it.
  if (Number.isNaN(at) || dayOf(at) !== text)
    throw usageError(`--${name} is no day like 2026-01-31: see souk-node earnings --help`)
  return text
}

const shifted = (day: string, by: number): string => dayOf(Date.parse(`${day}T00:00:00Z`) + by * DAY_MS)

async function paidIn(api: GatewayApi, days: Days): Promise<EarningView[]> {
  const query = { from: `${days.from}T00:00:00.000Z`, to: `${shifted(days.to, 1)}T00:00:00.000Z` }
  const paid: EarningView[] = []
  let cursor: string | undefined
  for (let pages = 0; pages < PAGES_MAX; pages++) {
    const page = await api.earnings({ ...query, ...(cursor === undefined ? {} : { cursor }) })
    paid.push(...page.data)
    if (page.nextCursor === null) return paid
    cursor = page.nextCursor
  }
  throw new OperatorError('these days have too many calls for one comparison: ask for fewer, with --from and --to')
}

function shown(node: string, { from, to }: Days, { rows, total, differences }: Reconciliation): string[] {
  const title = `${node}, ${from === to ? from : `${from} to ${to}`} (UTC), in US dollars`
  if (rows.length === 0) return [title, '', 'This node served nothing in these days, and was paid nothing.']
  const days = rows.flatMap((row, index) => [
    ...(row.day === rows[index - 1]?.day ? [] : ['', row.day]),
    `  ${row.model}`,
    ...lines(row),
  ])
  const isMore = rows.length > 1
  return [
    title,
    ...days,
    ...(isMore ? ['', 'Together', ...lines(total)] : []),
    '',
    ...(differences.length === 0
      ? ['No differences: everything this node did was paid as its receipts say.']
      : ['Differences', ...differences.flatMap(explained)]),
  ]
}

function lines({
  served,
  failed,
  paid,
  claimed,
  counted,
  expected,
  charged,
  earned,
}: Omit<Row, 'day' | 'model'>): string[] {
  const pair = (name: string, left: string, right: string) =>
    `    ${name.padEnd(9)}${left.padEnd(28)}${right}`.trimEnd()
  const tokens = (sums: Row['claimed']) => `${grouped(sums.inputTokens)} + ${grouped(sums.outputTokens)}`
  const hasTokens = claimed.inputTokens + claimed.outputTokens + counted.inputTokens + counted.outputTokens > 0
  const hasBytes = claimed.tensorBytes + counted.tensorBytes > 0
  return [
    pair(
      'calls',
      `served ${grouped(served)}`,
      `paid ${grouped(paid)}${failed > 0 ? `, failed here ${grouped(failed)}` : ''}`,
    ),
    ...(hasTokens ? [pair('tokens', `claimed ${tokens(claimed)}`, `paid ${tokens(counted)}`)] : []),
    ...(hasBytes
      ? [pair('bytes', `claimed ${grouped(claimed.tensorBytes)}`, `paid ${grouped(counted.tensorBytes)}`)]
      : []),
    pair('dollars', `expected ${expected}`, `charged ${charged}`),
    pair('', '', `earned ${earned}`),
  ]
}

function explained({ kind, meaning, expected, charged, calls }: Difference): string[] {
  const money =
    kind === 'lower' || kind === 'higher'
      ? `expected ${expected}, charged ${charged}`
      : kind === 'no_receipt'
        ? `charged ${charged}`
        : `expected ${expected}`
  const ids = calls
    .slice(0, CALLS_SHOWN)
    .map(({ callId, attempt }) => (attempt === 0 ? callId : `${callId} (attempt ${attempt})`))
  const more = calls.length - ids.length
  return [
    `  ${grouped(calls.length)} ${calls.length === 1 ? 'call' : 'calls'}, ${money}`,
    ...wrap(meaning, COLUMNS - 4).map((line) => `    ${line}`),
    ...ids.map((id) => `      ${id}`),
    ...(more > 0 ? [`      and ${grouped(more)} more: see --json`] : []),
  ]
}

/** @example '12,345' */
const grouped = (count: number): string => String(count).replace(/\B(?=(\d{3})+$)/g, ',')
