// Where an offer's prices stand among the others of its model (rule). Judged by the choice itself over typical calls, so that what is said of them is what
// happens to real ones. Health and free places are told elsewhere: here every offer of one's own counts as healthy and free.
import { TENSOR_TASKS, type Task } from '../../../protocol/model.ts'
import type { Units } from '../../../protocol/price.ts'
import { bytes, tokens, type Instant } from '../../../protocol/units.ts'
import { standing } from '../choose/choose.ts'
import { CHOOSE } from '../choose/policy.ts'
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
  const offers = amongRivals(offer, rivals)
  for (const { units, words } of typicalOf(task)) {
    const own = standing(offers, offer.nodeId, { seed: SEED, now, estimate: units })
    if (own?.lost !== 'price') continue
    return { words, here: short(own.price), cheapest: short(own.cheapest), capTimes: CHOOSE.priceCap }
  }
  return null
}

/** Its chance of the usual call, 0…1. */
export function shareOf(offer: Offer, rivals: readonly Offer[], task: Task, now: Instant): number {
  const [usual] = typicalOf(task)
  const input = { seed: SEED, now, estimate: usual.units }
  return standing(amongRivals(offer, rivals), offer.nodeId, input)?.share ?? 0
}

/** Nothing that is asked here is left to the draw. */
const SEED = 'status'

const amongRivals = (offer: Offer, rivals: readonly Offer[]): Offer[] => [
  ...rivals,
  { ...offer, breaker: 'closed', breakerUntil: null, inFlight: 0 },
]

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

/** @example short('0.000060000') // '0.00006' */
const short = (usd: string): string => usd.replace(/0+$/, '').replace(/\.$/, '')
