// `souk-node bench`: what this machine does with each configured model, in a few seconds each, and what to ask for it so that an hour of the machine
// brings in what it shall. Touches neither gateway nor callers; the market's prices stand beside it where the gateway tells them.
import { createClient } from '../../protocol/client.ts'
import type { OfferPrices } from '../../protocol/node.ts'
import { PriceRangeReply, type PriceRange } from '../../protocol/operator.ts'
import { toUsd } from '../../protocol/units.ts'
import { homeFolder, loadConfig } from '../config.ts'
import { savePrices } from '../config-edit.ts'
import { readClaim } from '../claim.ts'
import { findConfigured, readConfigured } from '../configured.ts'
import type { Pace } from '../measure/drive.ts'
import { measureModel, type Measured } from '../measure/measure-model.ts'
import { hourlyNanos, OUTPUT_TIMES_INPUT, suggestPrices, type Costs } from '../measure/suggest.ts'
import { OperatorError, usageError } from '../operator-error.ts'
import type { Command } from './commands.ts'
import { COLUMNS, JSON_OPTION, SHARED_OPTIONS, wrap, type ParsedOptions, type Terminal } from './options.ts'
import { progressLog } from './progress.ts'

/** s per model unless asked otherwise; ms to wait for the market's prices */
const SECONDS = 6
const MARKET_MS = 5_000

export const benchCommand: Command = {
  spec: {
    name: 'bench',
    details: [
      'Measures each model with one call and with ever more at the same time, in this process: stop the node first, or both would compute at once.',
      'With --per-hour, or --power-watts and --price-per-kwh, it suggests prices; --apply writes them into config.json.',
    ],
    arguments: [{ name: 'MODEL', help: 'only this one: its id or folder', isOptional: true }],
    options: {
      ...SHARED_OPTIONS,
      seconds: { type: 'string', value: 'N', help: `seconds per model (${SECONDS})` },
      'per-hour': { type: 'string', value: 'USD', help: 'what an hour of this machine should earn at full use' },
      'power-watts': { type: 'string', value: 'W', help: 'what it draws while it computes' },
      'price-per-kwh': { type: 'string', value: 'USD', help: 'what you pay for a kilowatt-hour' },
      apply: { type: 'boolean', help: 'write the suggested prices into config.json' },
      force: { type: 'boolean', help: 'measure although the node runs: what it serves meanwhile is not counted' },
      ...JSON_OPTION,
    },
  },
  run: runBench,
}

interface Row extends Measured {
  readonly asked: OfferPrices
  readonly suggested: OfferPrices | null
  /** null: the gateway did not tell */
  readonly market: PriceRange | null
}

export async function runBench(
  options: ParsedOptions,
  { print, tell, env }: Terminal,
  stop: () => Promise<void>,
): Promise<void> {
  const forMs = secondsOf(options.text('seconds')) * 1_000
  const hour = hourOf(options)
  if (options.flag('apply') && hour === null)
    throw usageError('--apply needs --per-hour, or --power-watts and --price-per-kwh')
  const home = homeFolder(options.text('home'), env)
  const config = await loadConfig(home, env)
  const running = await readClaim(home)
  if (running && !options.flag('force'))
    throw new OperatorError(
      `a node runs on this state folder (process ${running.pid}): stop it first, or measure beside it with --force`,
    )
  const [wanted] = options.positionals
  const configured = await readConfigured(config, home)
  const entries = wanted === undefined ? config.models : [findConfigured(configured, wanted).entry]
  const leaving = new AbortController()
  void stop().then(() => leaving.abort(new OperatorError('stopped')))
  const rows: Row[] = []
  for (const entry of entries) {
    tell(`measuring ${entry.folder} …`)
    const measured = await measureModel(entry, { home, env, log: progressLog(tell), signal: leaving.signal, forMs })
    const suggested = hour === null ? null : suggestPrices(measured.task, measured.best, hour)
    if (options.flag('apply') && suggested) await savePrices(home, entry.folder, suggested)
    rows.push({ ...measured, asked: entry.prices, suggested, market: await marketOf(config.gateway, measured.model) })
  }
  const assumptions = hour === null ? null : assumed(toUsd(hour))
  if (options.flag('json')) return print(JSON.stringify({ models: rows, assumptions, applied: options.flag('apply') }))
  for (const row of rows) for (const line of shown(row)) print(line)
  const end = assumptions ?? 'With --per-hour USD, or --power-watts W --price-per-kwh USD, this suggests prices.'
  for (const line of wrap(end, COLUMNS)) print(line)
  if (options.flag('apply'))
    print(
      '\nconfig.json has the suggested prices now. They hold for callers when the gateway knows them: a registered node tells it when it runs.',
    )
}

function secondsOf(text: string | undefined): number {
  if (text === undefined) return SECONDS
  if (!/^\d{1,4}(\.\d+)?$/.test(text) || Number(text) <= 0) throw usageError('option --seconds needs a number above 0')
  return Number(text)
}

/** null: nothing was said of what an hour costs */
function hourOf(options: ParsedOptions): ReturnType<typeof hourlyNanos> | null {
  const costs: Costs = {
    perHour: options.text('per-hour'),
    watts: options.text('power-watts'),
    perKwh: options.text('price-per-kwh'),
  }
  if ((costs.watts === undefined) !== (costs.perKwh === undefined))
    throw usageError('--power-watts and --price-per-kwh belong together')
  if (costs.perHour === undefined && costs.watts === undefined) return null
  try {
    const hour = hourlyNanos(costs)
    if (hour > 0n) return hour
  } catch {
    // The sentence below says what an amount looks like.
  }
  throw usageError('costs are decimal numbers above 0, as in --power-watts 250 --price-per-kwh 0.30')
}

const assumed = (usd: string): string =>
  `Suggested prices bring in ${trimmed(usd)} dollars an hour at the best pace above, with this machine busy all the time on that model alone; one that is busy a tenth of the time needs ten times as much. An output token is asked ${OUTPUT_TIMES_INPUT} times an input token. The fee of the gateway and the royalty of the author come off.`

const marketOf = async (gateway: string, model: string): Promise<PriceRange | null> => {
  const { send } = createClient({ url: gateway, timeoutMs: MARKET_MS })
  return send('GET', `/api/models/${model}/prices`, PriceRangeReply).catch(() => null)
}

const LABEL = 11

function shown(row: Row): string[] {
  const { model, engine, alone, best, asked, suggested, market } = row
  const what = Object.entries(engine).map(([name, value]) => `${name} ${value}`)
  const line = (label: string, text: string) => {
    const [first = '', ...rest] = wrap(text, COLUMNS - LABEL - 2)
    return [`  ${label.padEnd(LABEL)}${first}`, ...rest.map((more) => ' '.repeat(LABEL + 2) + more)]
  }
  return [
    `${model}  (${what.join(', ')})`,
    ...line('one call', paceText(row, alone)),
    ...(best.concurrency > 1 ? line(`${best.concurrency} calls`, `${paceText(row, best)}: the best`) : []),
    ...line('you ask', pricesText(asked)),
    ...(suggested ? line('suggested', pricesText(suggested)) : []),
    ...(market?.low && market.high
      ? line('others ask', `${market.offers} offers, from ${pricesText(market.low)} to ${pricesText(market.high)}`)
      : []),
    '',
  ]
}

function paceText(
  { task }: Measured,
  { outputTokens, inputTokens, vectors, bytes, calls, firstMs, callMs }: Pace,
): string {
  if (task === 'chat') return `${rate(outputTokens)} tokens/s, the first after ${Math.round(firstMs ?? callMs)} ms`
  if (task === 'embeddings')
    return `${rate(vectors)} vectors/s (${rate(inputTokens)} tokens/s), ${callMs.toFixed(1)} ms a call`
  return `${(bytes / 1e6).toFixed(3)} MB/s of tensors, ${rate(calls)} calls/s, ${callMs.toFixed(1)} ms a call`
}

/** What is asked for something, in dollars. */
function pricesText(prices: Partial<Record<keyof OfferPrices, string | undefined>>): string {
  const parts = [
    ['per million input tokens', prices.inputPerMillion],
    ['per million output tokens', prices.outputPerMillion],
    ['per million tensor bytes', prices.bytesPerMillion],
    ['per call', prices.perCall],
  ].filter(([, usd]) => usd !== undefined && Number(usd) > 0)
  return parts.length === 0 ? 'nothing' : parts.map(([unit, usd]) => `${trimmed(usd ?? '')} ${unit}`).join(', ')
}

const trimmed = (usd: string): string => (usd.includes('.') ? usd.replace(/\.?0+$/, '') : usd)
const rate = (perSecond: number): string => Math.round(perSecond).toLocaleString('en-US')
