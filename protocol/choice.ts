// How a call's nodes were chosen, as it is kept with the call and told to its payer; and the same choice again from it, so that whoever doubts one
// draws by its seed among the weights it was made with. Weighted draws stand on xoshiro128** (Blackman, Vigna 2018), seeded by sha256 of the seed.
import { z } from 'zod'
import { sha256Hex } from './canonical.ts'

export const Candidate = z.object({
  nodeId: z.string(),
  /** of the estimate, decimal dollars */
  price: z.string(),
  /** 0 for those that could not be asked */
  weight: z.number(),
  /** its chance to be asked first, 0…1, exploration included */
  share: z.number(),
  /** 1: asked first; null: not at all */
  turn: z.number().int().nullable(),
  /** what left it out, or put another one first; null: it was chosen */
  lost: z.string().nullable(),
  /** where its weight begins among those the first one was taken from; null: it is not one of them */
  from: z.number().nullable(),
  /** its place among those exploration reaches */
  explored: z.number().int().nullable(),
  /** what it was sorted by, lowest first: millionths of nanos, or ms */
  value: z.number().nullable(),
})
export type Candidate = z.infer<typeof Candidate>

/** Of one model that was to serve the call. */
export const Choice = z.object({
  /** absent: kept before calls had fallback models */
  model: z.string().optional(),
  seed: z.string(),
  chosen: z.string().nullable(),
  by: z.enum(['draw', 'exploration', 'order', 'sort']).nullable(),
  sort: z.enum(['price', 'throughput', 'latency']).nullable(),
  /** more than half of those that fit were broken, so that no breaker was heeded */
  panic: z.boolean(),
  offers: z.number().int(),
  /** decimal dollars: a lower price counts as this one */
  cheapest: z.string(),
  /** the weights of those the first one was taken from, together */
  total: z.number(),
  explore: z.object({ offers: z.number().int(), share: z.number() }),
  candidates: z.array(Candidate),
  /** those that are only counted */
  others: z.object({ offers: z.number().int(), weight: z.number(), lost: z.record(z.string(), z.number().int()) }),
})
export type Choice = z.infer<typeof Choice>

/** What of a choice is drawn again. */
export interface Replayed<Id extends string = string> {
  readonly seed: string
  readonly sort: string | null
  readonly total: number
  readonly explore: { readonly offers: number; readonly share: number }
  readonly candidates: readonly (Pick<Candidate, 'from' | 'weight' | 'explored' | 'value'> & { readonly nodeId: Id })[]
}

/** @returns the node chosen then; another one, or null, when the seed, a weight or a value was changed since */
export function replay<Id extends string>({ seed, sort, total, explore, candidates }: Replayed<Id>): Id | null {
  const group = candidates.filter(({ from }) => from !== null)
  if (sort !== null) return first(group)?.nodeId ?? null
  const random = seededRandom(seed)
  const isExploring = random() < explore.share && explore.offers > 0
  const even = Math.floor(random() * explore.offers)
  if (isExploring) return group.find(({ explored }) => explored === even)?.nodeId ?? null
  const point = random() * total
  return group.find((candidate) => isHit(candidate, point))?.nodeId ?? null
}

/** Numbers in [0, 1), the same sequence for the same seed. */
export function seededRandom(seed: string): () => number {
  const digest = sha256Hex(seed)
  const word = (index: number) => parseInt(digest.slice(index * 8, index * 8 + 8), 16)
  let [a, b, c, d] = [word(0), word(1), word(2), word(3)]
  return () => {
    const result = Math.imul(rotate(Math.imul(b, 5), 7), 9) >>> 0
    const shifted = b << 9
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= shifted
    d = rotate(d, 11)
    return result / 2 ** 32
  }
}

const rotate = (value: number, bits: number): number => (value << bits) | (value >>> (32 - bits))

type Drawn<Id extends string> = Replayed<Id>['candidates'][number]

const first = <Id extends string>(group: readonly Drawn<Id>[]): Drawn<Id> | undefined =>
  group.reduce<Drawn<Id> | undefined>((best, one) => (!best || comesBefore(one, best) ? one : best), undefined)

/** Lowest value first, unknown ones last; of two with one value the heavier. */
function comesBefore(a: Drawn<string>, b: Drawn<string>): boolean {
  if (a.value === b.value) return a.weight > b.weight
  return b.value === null || (a.value !== null && a.value < b.value)
}

const isHit = ({ from, weight }: Drawn<string>, point: number): boolean =>
  from !== null && from <= point && point < from + weight
