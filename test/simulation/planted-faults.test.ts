// The proofs bite: each planted bug is found by the simulator within a few seeds, or by the model within a few stories, all of which the
// ledger as it is passes. `--silent=false` prints which seed found which.
import { afterAll, describe, expect, it } from 'vitest'
import { PLANTED_FAULTS, type PlantedFault } from './planted-faults.ts'
import { plant, type Planted } from './planting.ts'

const SEEDS = 60
const RUNS = 400
/** of fast-check, so that the same stories are told to every bug */
const MODEL_SEED = 7
const found: string[] = []

afterAll(() => console.log(found.join('\n')))

describe('a planted fault is found', () => {
  it.each(PLANTED_FAULTS.map((fault) => [fault.name, fault] as const))(
    '%s',
    { timeout: 240_000 },
    async (name, fault) => {
      const how = await find(fault, await plant(fault))
      expect(how, `nothing finds that ${name}`).not.toBeNull()
      found.push(`${name}\n    ${how}`)
    },
  )

  it('and where nothing is planted, nothing is', { timeout: 600_000 }, async () => {
    const whole = await plant({ edits: [] })
    for (let seed = 1; seed <= SEEDS; seed++) expect((await whole.simulate(seed)).violation, `seed ${seed}`).toBeNull()
    expect(await whole.findDifference(RUNS, MODEL_SEED)).toBeNull()
  })

  it('only where its line stands exactly once', async () => {
    await expect(plant({ edits: [{ file: 'calls/hold.ts', from: 'a line that has moved', to: '' }] })).rejects.toThrow(
      '0 times',
    )
    await expect(plant({ edits: [{ file: 'calls/hold.ts', from: 'hold.end', to: '' }] })).rejects.toThrow('times')
  })
})

/** The likelier finder first. */
async function find({ by }: PlantedFault, planted: Planted): Promise<string | null> {
  return by === 'model'
    ? ((await byModel(planted)) ?? (await bySimulator(planted)))
    : ((await bySimulator(planted)) ?? (await byModel(planted)))
}

async function byModel({ findDifference }: Planted): Promise<string | null> {
  const difference = await findDifference(RUNS, MODEL_SEED)
  return difference && `model: ${difference.split('\n')[0]}`
}

async function bySimulator({ simulate }: Planted): Promise<string | null> {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const { violation, steps } = await simulate(seed)
    if (violation !== null) return `simulator, seed ${seed}, step ${steps}: ${violation.slice(0, 160)}`
  }
  return null
}
