// A short run of the simulator: `npm run simulate` is the long one. Every promise is checked after every step; a failing seed is told with
// the first that broke, and `SEED=n npm run simulate` tells its whole story.
import { describe, expect, it } from 'vitest'
import seeds from './regression-seeds.json'
import { simulate } from './simulate.ts'

const SEEDS = 20

describe('the simulated market', () => {
  it.each(Array.from({ length: SEEDS }, (_, n) => n + 1))(
    'keeps every promise of the ledger (seed %i)',
    async (seed) => {
      const { violation, steps } = await simulate(seed)
      expect(violation).toBeNull()
      expect(steps).toBeGreaterThan(100)
    },
  )

  it('keeps them in seeds that once broke one', async () => {
    for (const seed of seeds.simulator) expect((await simulate(seed)).violation, `seed ${seed}`).toBeNull()
  })

  it('tells the same story twice, byte for byte', async () => {
    const tell = async (seed: number) => {
      const lines: string[] = []
      const { hash } = await simulate(seed, (line) => lines.push(line))
      return { hash, text: lines.join('\n') }
    }
    const [first, again, other] = [await tell(7), await tell(7), await tell(8)]
    expect(again).toEqual(first)
    expect(other.hash).not.toBe(first.hash)
  })
})
