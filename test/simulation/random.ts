// One stream of chance per simulated world: the same seed tells the same story, to the byte. The generator is sfc32, small and well tested.
import type { RandomBytes } from '../../protocol/units.ts'

export class Random {
  readonly #state: Uint32Array

  constructor(seed: number) {
    this.#state = Uint32Array.of(seed, Math.floor(seed / 2 ** 32), 0x9e3779b9, 1)
    // Seeds differ in few bits; a dozen rounds spread them.
    for (let i = 0; i < 12; i++) this.#next()
  }

  /** 0 ≤ x < 1 */
  fraction(): number {
    return this.#next() / 2 ** 32
  }

  /** 0 … below - 1 */
  below(below: number): number {
    return Math.floor(this.fraction() * below)
  }

  /** from … to, both included */
  between(from: number, to: number): number {
    return from + this.below(to - from + 1)
  }

  chance(share: number): boolean {
    return this.fraction() < share
  }

  pick<T>(list: readonly T[]): T {
    const found = list[this.below(list.length)]
    if (found === undefined) throw new Error('nothing to pick from')
    return found
  }

  shuffled<T>(list: readonly T[]): T[] {
    return list
      .map((item) => [this.#next(), item] as const)
      .sort(([a], [b]) => a - b)
      .map(([, item]) => item)
  }

  readonly bytes: RandomBytes = (length) => Uint8Array.from({ length }, () => this.below(256))

  #next(): number {
    const s = this.#state
    const [a = 0, b = 0, c = 0, d = 0] = s
    const sum = (a + b + d) >>> 0
    s[3] = d + 1
    s[0] = b ^ (b >>> 9)
    s[1] = c + (c << 3)
    s[2] = ((c << 21) | (c >>> 11)) + sum
    return sum
  }
}
