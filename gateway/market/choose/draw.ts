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

/** Positions of `weights` in drawn order: each draw is proportional to the weights that are left. */
export function drawOrder(weights: readonly number[], random: () => number): number[] {
  const left = weights.map((_, position) => position)
  const order: number[] = []
  while (left.length > 0) {
    const slot = drawOne(
      left.map((position) => weights[position] ?? 0),
      random,
    )
    order.push(...left.splice(slot, 1))
  }
  return order
}

function drawOne(weights: readonly number[], random: () => number): number {
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  let point = random() * total
  for (const [slot, weight] of weights.entries()) {
    point -= weight
    if (point < 0) return slot
  }
  return weights.length - 1
}

const rotate = (value: number, bits: number): number => (value << bits) | (value >>> (32 - bits))
