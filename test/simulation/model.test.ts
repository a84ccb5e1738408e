// The real ledger of one account against a naive one of lists and bigints: the same orders, the same answers, the same money.
import { expect, it } from 'vitest'
import { findDifference } from './model.ts'
import seeds from './regression-seeds.json'

const RUNS = 2_000

it(`answers like a list of lines and a map of holds (${RUNS} stories)`, { timeout: 300_000 }, async () => {
  expect(await findDifference(RUNS)).toBeNull()
})

it('does so in the stories that once differed', async () => {
  for (const seed of seeds.model) expect(await findDifference(100, seed), `seed ${seed}`).toBeNull()
})
