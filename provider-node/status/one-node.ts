// One node on one screen (rule): how it is, what it did and earned, what it asks beside what others ask, and in words why it gets no traffic.
import type { NodeStatusView, PriceRange } from '../../protocol/operator.ts'
import type { Continent } from '../../protocol/routing.ts'
import { COLUMNS, wrap } from '../cli/options.ts'
import { count, dollars, since, span, table } from '../cli/table.ts'
import type { NodeFacts } from './facts.ts'
import { healthOf, promisesOf, windowTable } from './one-offer.ts'

export function showNode(facts: NodeFacts, nowMs: number): string[] {
  const { config, status, problem } = facts
  return [
    ...rows([
      ['node', [status?.node.name ?? config?.name, status?.node.id ?? config?.nodeId].filter(Boolean).join('  ')],
      ['folder', facts.home],
      ['gateway', config?.gateway],
      ['state', status ? stateOf(status) : 'unknown'],
      ['probation', status?.probation ? probationOf(status.probation) : undefined],
      ['reached', status ? reachOf(status, nowMs) : undefined],
      ['stands in', status?.node.region ? CONTINENTS[status.node.region] : undefined],
      ['process', processOf(facts, nowMs)],
      [
        'last call',
        status
          ? status.lastCallAt === null
            ? 'never'
            : `${span(nowMs - Date.parse(status.lastCallAt))} ago`
          : undefined,
      ],
      ['receipts', backlogOf(facts, nowMs)],
      ['there', status?.receipts ? receiptsOf(status.receipts) : undefined],
    ]),
    ...(problem === null ? [] : ['', ...paragraph(`The gateway's part is missing: ${problem}.`)]),
    ...(status ? ['', ...trafficOf(status.traffic)] : []),
    ...(status ? offersOf(status) : configured(facts)),
    ...(status ? why(status) : []),
    ...listed('Notices', status?.notices ?? []),
    ...listed('Receipts', status?.receipts?.words ?? []),
  ]
}

const rows = (pairs: readonly (readonly [string, string | undefined])[]): string[] =>
  pairs.flatMap(([name, text]) => (text === undefined ? [] : hanging(`${name.padEnd(11)}`, text)))

const stateOf = ({ node }: NodeStatusView): string => `${node.state}${node.reason ? `: ${node.reason}` : ''}`

function probationOf({ served, attempts, waitingShare, until }: NonNullable<NodeStatusView['probation']>): string {
  const done = served === null ? `ends with ${attempts} served calls` : `${served} of ${attempts} calls served`
  return `${done}; ${Math.round(waitingShare * 100)} % of what it earns waits until ${until.slice(0, 10)}`
}

const CONTINENTS: Readonly<Record<Continent, string>> = {
  AF: 'Africa',
  AN: 'Antarctica',
  AS: 'Asia',
  EU: 'Europe',
  NA: 'North America',
  OC: 'Oceania',
  SA: 'South America',
}

function reachOf({ node }: NodeStatusView, nowMs: number): string {
  const { link } = node
  if (!link) return `at ${node.endpoint}`
  if (link.upSince !== null && (link.downSince === null || link.upSince > link.downSince))
    return `by its link, up ${since(link.upSince, nowMs)}`
  return link.downSince === null
    ? 'by its link, which was never up'
    : `by its link, down ${since(link.downSince, nowMs)}`
}

function processOf({ running }: NodeFacts, nowMs: number): string {
  if (!running) return 'none runs on this folder: souk-node start'
  return `${running.pid}${running.url ? `, listens at ${running.url}` : ''}, runs ${since(running.startedAt, nowMs)}`
}

function backlogOf({ backlog }: NodeFacts, nowMs: number): string {
  if (!backlog) return 'cannot be read: run souk-node doctor'
  const { waiting, oldestAt, rejected } = backlog
  const age = oldestAt === null ? '' : `, the oldest for ${span(nowMs - oldestAt)}`
  return `${count(waiting)} waiting${age}; ${count(rejected)} refused by the gateway`
}

/** As the gateway has them. */
function receiptsOf({ calls, owed, late, refused }: NonNullable<NodeStatusView['receipts']>): string {
  const gone = refused.reduce((sum, { count: some }) => sum + some, 0)
  return `of its newest ${count(calls)} ${calls === 1 ? 'call' : 'calls'}: ${count(owed)} owed, ${count(late)} late; ${count(gone)} refused in 30 days`
}

function trafficOf({ hour, day, month }: NodeStatusView['traffic']): string[] {
  const line = (name: string, sum: NodeStatusView['traffic']['hour']) => [
    name,
    count(sum.calls),
    count(sum.errors),
    count(sum.inputTokens),
    count(sum.outputTokens),
    (sum.tensorBytes / 1e6).toFixed(1),
    dollars(sum.earned),
  ]
  return table([
    ['last', 'calls', 'failed', 'tokens in', 'out', 'tensor MB', 'earned $'],
    line('hour', hour),
    line('day', day),
    line('30 days', month),
  ])
}

function offersOf(status: NodeStatusView): string[] {
  return status.node.offers.flatMap((offer) => {
    const range = status.prices.find(({ model }) => model === offer.model) ?? null
    const health = status.health.find(({ model }) => model === offer.model)
    return [
      '',
      ...paragraph(`${offer.model}  ${offer.state}${offer.reason ? `: ${offer.reason}` : ''}`),
      ...(health ? hanging('  health     ', healthOf(health, offer)) : []),
      ...(health?.windows ? windowTable(health.windows).map((line) => `  ${line}`) : []),
      ...hanging('  promises   ', promisesOf(offer)),
      ...priceTable(offer.prices, range).map((line) => `  ${line}`),
    ]
  })
}

type Prices = NodeStatusView['node']['offers'][number]['prices']

/** Every kind of price, and what it is called beside a number of dollars. */
export const PRICE_KINDS = [
  ['inputPerMillion', 'input, $ per million'],
  ['outputPerMillion', 'output, $ per million'],
  ['cachedInputPerMillion', 'cached input'],
  ['bytesPerMillion', 'tensor bytes, $ per million'],
  ['perCall', '$ per call'],
] as const

/** Kinds of price that anybody asks for, one's own beside the market's. */
export function priceTable(own: Prices, range: PriceRange | null): string[] {
  const others = range === null ? null : [range.low, range.median, range.high]
  const shown = PRICE_KINDS.filter(
    ([kind]) =>
      // Cached input that costs what input costs says nothing.
      (kind !== 'cachedInputPerMillion' || own[kind] !== own.inputPerMillion) &&
      [own, ...(others ?? [])].some((prices) => prices && Number(prices[kind]) > 0),
  )
  const head = ['', 'yours', ...(range === null ? [] : ['low', 'median', 'high'])]
  const line = ([kind, name]: (typeof PRICE_KINDS)[number]) => [
    name,
    dollars(own[kind]),
    ...(others ?? []).map((prices) => (prices ? dollars(prices[kind]) : '–')),
  ]
  const lines = table([head, ...shown.map(line)])
  if (range !== null)
    lines[0] = `${lines[0] ?? ''}   of ${range.offers} other ${range.offers === 1 ? 'offer' : 'offers'}`
  return shown.length === 0 ? ['free of charge'] : lines
}

function configured({ config }: NodeFacts): string[] {
  if (!config) return []
  return ['', 'In config.json:', ...config.models.map(({ folder }) => `  ${folder}`)]
}

const why = ({ reasons }: NodeStatusView): string[] =>
  reasons.length === 0
    ? ['', 'Nothing stands in the way of traffic.']
    : listed('Why there is no traffic, or less than there could be', reasons)

const listed = (title: string, sentences: readonly string[]): string[] =>
  sentences.length === 0 ? [] : ['', `${title}:`, ...sentences.flatMap((sentence) => hanging('  - ', sentence))]

const paragraph = (text: string): string[] => wrap(text, COLUMNS)

function hanging(head: string, text: string): string[] {
  const [first = '', ...more] = wrap(text, COLUMNS - head.length)
  return [head + first, ...more.map((line) => ' '.repeat(head.length) + line)]
}
