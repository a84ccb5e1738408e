// Where an offer's prices stand among the others of its model (rule). Judged by `rank` itself over typical calls, so that what is said of them is what
// happens to real ones. Health and free places are told elsewhere: here every offer of one's own counts as healthy and free.
import { TENSOR_TASKS, type Task } from '../../../protocol/model.ts'
import type { Units } from '../../../protocol/price.ts'
import { bytes, tokens, type Instant } from '../../../protocol/units.ts'
import { CHOOSE, rank, type Explanation } from '../choose/choose.ts'
import type { Offer } from '../market-port.ts'

/** A kind of call that is not sent here, with what it costs in decimal dollars. */
export interface TooDear {
  /** @example '1,000 tokens in and 500 out' */
  readonly words: string
  readonly here: string
  readonly cheapest: string
  /** how many times the cheapest is the most */
  readonly capTimes: number
}

/**
 * The first typical call that its price keeps away; null when there is none.
 * @param rivals live offers of all other nodes
 * @example prices 21 and 10 a million: too dear; 20 and 10: not
 */
export function tooDear(offer: Offer, rivals: readonly Offer[], task: Task, now: Instant): TooDear | null {
  for (const { units, words } of typicalOf(task)) {
    const { candidates } = chosen(offer, rivals, units, now)
    const own = candidates.find(({ nodeId }) => nodeId === offer.nodeId)
    if (own?.lost !== 'price') continue
    const prices = candidates.filter(({ lost }) => lost === null || lost === 'draw').map(({ price }) => price)
    const cheapest = prices.reduce((low, price) => (nanosOf(price) < nanosOf(low) ? price : low), own.price)
    const capTimes = Number(CHOOSE.priceCapPercent) / 100
    return { words, here: short(own.price), cheapest: short(cheapest), capTimes }
  }
  return null
}

/** Its chance of the usual call, 0…1. */
export function shareOf(offer: Offer, rivals: readonly Offer[], task: Task, now: Instant): number {
  const [usual] = typicalOf(task)
  const { candidates } = chosen(offer, rivals, usual.units, now)
  return candidates.find(({ nodeId }) => nodeId === offer.nodeId)?.share ?? 0
}

function chosen(offer: Offer, rivals: readonly Offer[], estimate: Units, now: Instant): Explanation {
  const fit: Offer = { ...offer, breaker: 'closed', breakerUntil: null, inFlight: 0 }
  return rank([...rivals, fit], { seed: 'status', now, estimate }).explanation
}

interface Typical {
  readonly units: Units
  readonly words: string
}

const text = (input: number, output: number): Typical => ({
  units: { inputTokens: tokens(input), outputTokens: tokens(output) },
  words: `${input.toLocaleString('en-US')} tokens in and ${output.toLocaleString('en-US')} out`,
})
const tensors = (size: number): Typical => ({
  units: { inputTokens: tokens(0), outputTokens: tokens(0), tensorBytes: bytes(size) },
  words: `${size.toLocaleString('en-US')} bytes of tensors`,
})

/** The usual one first, then those that are mostly input or mostly output, large or small. */
function typicalOf(task: Task): readonly [Typical, ...Typical[]] {
  if (TENSOR_TASKS.has(task)) return [tensors(1_000_000), tensors(10_000)]
  if (task === 'embeddings') return [text(500, 0)]
  return [text(1_000, 500), text(8_000, 200), text(100, 1_000)]
}

const nanosOf = (usd: string): bigint => BigInt(usd.replace('.', ''))
/** @example short('0.000060000') // '0.00006' */
const short = (usd: string): string => usd.replace(/0+$/, '').replace(/\.$/, '')
