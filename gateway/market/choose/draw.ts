// The seeded draw behind `choose`: weighted, without replacement, repeatable by anyone who has the seed and the weights.
// Pure; the generator is xoshiro128** (Blackman, Vigna 2018), seeded from sha256 of the seed's text.
import { sha256Hex } from '../../../protocol/canonical.ts'

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

/** What can be drawn from: the first `count`, each as wide as its weight. */
export interface Line {
  /** the weights up to here, this one included; it never falls */
  readonly upTo: Float64Array
  readonly count: number
  /** positions drawn before, which cannot be drawn again; ascending */
  readonly taken: readonly number[]
  /** only for those whose weight is lost beside the others': whether it can be drawn at all */
  readonly canBe: (position: number) => boolean
}

/** A position, with a chance as its weight among those that are left; -1 when none is. @param random 0 ≤ random < 1 */
export function drawOne({ upTo, count, taken, canBe }: Line, random: number): number {
  const begin = (position: number) => upTo[position - 1] ?? 0
  const end = (position: number) => upTo[position] ?? 0
  const takenWeight = taken.reduce((sum, position) => sum + end(position) - begin(position), 0)
  let point = random * Math.max(0, end(count - 1) - takenWeight)
  // As if the taken ones were cut out of the line.
  for (const position of taken) if (point >= begin(position)) point += end(position) - begin(position)
  const found = firstBeyond(upTo, count, point)
  const isLeft = (position: number) => canBe(position) && !taken.includes(position)
  for (let position = found; position < count; position++) if (isLeft(position)) return position
  for (let position = Math.min(found, count) - 1; position >= 0; position--) if (isLeft(position)) return position
  return -1
}

/** The first position whose weight reaches beyond the point, by halving. */
function firstBeyond(upTo: Float64Array, count: number, point: number): number {
  let [low, high] = [0, count]
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((upTo[middle] ?? 0) > point) high = middle
    else low = middle + 1
  }
  return low
}

const rotate = (value: number, bits: number): number => (value << bits) | (value >>> (32 - bits))
