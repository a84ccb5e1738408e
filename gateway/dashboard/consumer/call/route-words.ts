// Why a call went where it went, in words (pure): how the first node was found, what each other one lost by, and what became of every attempt.
import type { Choice, Candidate } from '../../../../protocol/choice.ts'
import type { AttemptView } from '../../../../protocol/generation.ts'
import { usd } from '../../ui/usd.ts'

/** By what an offer was left out, or put behind. Codes: gateway/market/choose. */
const LOST: Readonly<Record<string, string>> = {
  excluded: 'may not be used for this call',
  only: 'is not in your list provider.only',
  ignore: 'is in your list provider.ignore',
  allow_fallbacks: 'is not in provider.order, and fallbacks were not allowed',
  max_price: 'costs more than your provider.max_price',
  max_latency: 'begins later than your provider.max_latency, or was not measured yet',
  min_throughput: 'is slower than your provider.min_throughput, or was not measured yet',
  parameters: 'does not honour a parameter of your request',
  require_parameters: 'does not say which parameters it honours, and you required that',
  require_pinned: 'does not load the model’s own files, and you required that',
  data_collection: 'may keep prompts, and you denied that',
  regions: 'is not known to stand in your regions',
  context: 'has too small a context for this request',
  output: 'permits shorter answers than you asked for',
  busy: 'had no place free',
  breaker_open: 'had failed shortly before and was left to recover',
  price: 'costs more than twice the cheapest',
  draw: 'could have been drawn, and another one was',
  order: 'stands behind in your own order',
  sort: 'stands behind in the order you asked for',
}
/** of a reason that this page does not know yet */
const reasonOf = (code: string): string => LOST[code] ?? `was left out (${code})`

const SORTS = { price: 'the cheapest', throughput: 'the fastest', latency: 'the one that begins first' } as const

/** One sentence for one candidate. */
export function whyOf({ lost, turn }: Candidate): string {
  if (lost === null) return 'was chosen'
  return turn !== null && turn > 1 ? `${reasonOf(lost)}; it would have been asked as number ${turn}` : reasonOf(lost)
}

/** @returns sentences, in the order in which they are read */
export function choiceWords(choice: Choice): string[] {
  const { offers, chosen, candidates, others } = choice
  const model = choice.model ?? 'this model'
  const isOne = offers === 1
  const first = candidates.find(({ nodeId }) => nodeId === chosen)
  const left = countLeftOut(choice)
  return [
    `${offers} ${isOne ? 'node' : 'nodes'} offered ${model}.`,
    ...(left.length > 0 ? [`Left out: ${left.map(([words, count]) => `${words} (${count})`).join('; ')}.`] : []),
    chosen === null ? 'Nobody could be asked.' : foundWords(choice, first),
    ...(choice.panic ? ['More than half of the nodes that fit were failing, so none was left out for that.'] : []),
    ...(others.offers > 0 ? [`${others.offers} further offers are counted here and not listed.`] : []),
  ]
}

function foundWords({ by, sort, chosen, candidates, others }: Choice, first: Candidate | undefined): string {
  const running = candidates.filter(({ from }) => from !== null).length
  const price = first ? ` Its price for this call was estimated at ${usd(first.price)}.` : ''
  const isOnly = running === 1 && (others.lost['draw'] ?? 0) === 0
  if (by === 'sort' && sort !== null) return `You asked for ${SORTS[sort]}: ${chosen}.${price}`
  if (by === 'order') return `${chosen} stands first in your own order.${price}`
  if (by === 'exploration')
    return `This was one of the few calls (1 %) whose node is drawn evenly among the cheap ones, so that nodes that have become better are found: ${chosen}.${price}`
  if (isOnly) return `${chosen} was the only one that could be asked.${price}`
  return `${chosen} was drawn, with a chance of ${percent(first?.share ?? 0)}: cheaper, faster and more reliable nodes are drawn more often.${price}`
}

/** Reasons with how many they left out; those that only came behind are none. */
function countLeftOut({ candidates, others }: Choice): [string, number][] {
  const counts = new Map<string, number>()
  const add = (code: string, count: number) => counts.set(code, (counts.get(code) ?? 0) + count)
  for (const { lost } of candidates) if (lost !== null) add(lost, 1)
  for (const [code, count] of Object.entries(others.lost)) add(code, count)
  return [...counts]
    .filter(([code]) => code !== 'draw' && code !== 'order' && code !== 'sort')
    .sort(([, a], [, b]) => b - a)
    .map(([code, count]) => [reasonOf(code), count])
}

/** @example percent(0.6667) // '67 %'; percent(0.004) // '0.4 %' */
export function percent(share: number): string {
  const hundred = share * 100
  return `${hundred > 0 && hundred < 1 ? Number(hundred.toPrecision(1)) : Math.round(hundred)} %`
}

/** What became of one attempt. @example '1. node_… answered: first output after 80 ms, whole after 400 ms.' */
export function attemptWords({ attempt, nodeId, outcome, reason, firstTokenMs, durationMs }: AttemptView): string {
  const began = firstTokenMs === null ? '' : `first output after ${duration(firstTokenMs)}, `
  const who = `${attempt + 1}. ${nodeId}`
  if (outcome === 'served') return `${who} answered: ${began}whole after ${duration(durationMs)}.`
  if (outcome === 'cancelled') return `${who} was told to stop after ${duration(durationMs)}, because the caller left.`
  return `${who} did not finish (${began}${duration(durationMs)}): ${reason ?? outcome}.`
}

/** @example count(1, 'call') // '1 call' */
export const count = (number: number, one: string): string =>
  `${number.toLocaleString('en')} ${number === 1 ? one : `${one}s`}`

/** @example duration(1_234) // '1.23 s' */
export const duration = (ms: number): string =>
  ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toPrecision(3)} s`
