// A choice again from what was kept of it, so that whoever doubts one draws by its seed among the weights it was made with. Weighted draws stand on
// xoshiro128** (Blackman, Vigna 2018), seeded by sha256 of the seed. Without a schema, so that a page can repeat a draw without carrying them all.
import { sha256Hex } from './canonical.ts'
import type { Candidate } from './choice.ts'

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
