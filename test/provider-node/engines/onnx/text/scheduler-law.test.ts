// The laws of the scheduler over any calls, arrivals, limits and hang-ups, with a graph whose next token follows from all it has read: a call is
// answered as if it were alone, nobody is forgotten, and nothing stays behind.
import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { TextJob } from '../../../../../provider-node/engines/engine.ts'
import { aGraph, aScheduler, aTextJob, END, type Says } from './fake-graph.ts'

/** Depends on every token and its place; ends now and then. */
const says: Says = (tokens) => {
  let hash = 7
  for (const token of tokens) hash = (hash * 31 + token + 1) % 1_000_003
  return hash % 9 === 0 ? END : 65 + (hash % 26)
}

const CONTEXT = 40
const call = fc.record({
  prompt: fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 30 }),
  outputTokensMax: fc.integer({ min: 1, max: 20 }),
  choices: fc.integer({ min: 1, max: 3 }),
  account: fc.constantFrom('a', 'b', 'c'),
  /** rounds of the scheduler until it comes, and then until its caller leaves; null: stays */
  after: fc.integer({ min: 0, max: 3 }),
  leavesAfter: fc.option(fc.integer({ min: 0, max: 12 })),
})
/** In the middle of which run of the graph which call leaves too. */
const hangUps = fc.uniqueArray(fc.record({ run: fc.integer({ min: 1, max: 30 }), id: fc.nat({ max: 9 }) }), {
  selector: ({ run }) => run,
  maxLength: 4,
})
const limits = fc.record({
  rowsMax: fc.integer({ min: 1, max: 5 }),
  prefillTokensMax: fc.integer({ min: 1, max: 40 }),
  cachePositionsMax: fc.integer({ min: 1, max: 200 }),
})

async function aloneWith(job: TextJob, prompt: readonly number[]): Promise<string> {
  const { scheduler, run, textOf } = aScheduler(says, { rowsMax: 1, contextTokens: CONTEXT })
  scheduler.add(1, { ...job, choices: 1 }, prompt)
  await run(60)
  return textOf(1)
}

it('answers everybody as if they were alone, whoever else comes and goes', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(call, { minLength: 1, maxLength: 10 }), limits, hangUps, async (calls, given, others) => {
      const { scheduler, step, run, textOf, endOf, batches } = aScheduler(
        says,
        { ...given, contextTokens: CONTEXT },
        (number) => others.filter((hangUp) => hangUp.run === number).forEach(({ id }) => scheduler.cancel(id)),
      )
      const leaving = new Map<number, number>()
      const leave = () => {
        for (const [id, rounds] of leaving) {
          if (rounds === 0) scheduler.cancel(id)
          leaving.set(id, rounds - 1)
        }
      }
      const jobs = calls.map(({ prompt, after, leavesAfter, ...overrides }) => ({
        ...{ prompt, after, leavesAfter },
        job: aTextJob(overrides),
      }))
      for (const [id, { job, prompt, after, leavesAfter }] of jobs.entries()) {
        for (let round = 0; round < after; round++) {
          leave()
          await step()
        }
        scheduler.add(id, job, prompt)
        if (leavesAfter !== null) leaving.set(id, leavesAfter)
      }
      for (let round = 0; round < 14; round++) {
        leave()
        await step()
      }
      await run(900)
      for (const [id, { job, prompt, leavesAfter }] of jobs.entries()) {
        const alone = await aloneWith(job, prompt)
        const end = endOf(id)
        expect(['step', 'cancelled']).toContain(end?.type)
        if (leavesAfter === null && !others.some((hangUp) => hangUp.id === id)) expect(end?.type).toBe('step')
        for (let choice = 0; choice < job.choices; choice++) {
          if (end?.type === 'step') expect(textOf(id, choice)).toBe(alone)
          else expect(alone.startsWith(textOf(id, choice))).toBe(true)
        }
      }
      expect(Math.max(0, ...batches)).toBeLessThanOrEqual(given.rowsMax)
    }),
    { numRuns: 120 },
  )
})

it('is a test that can fail: another prompt gives another answer, and so does another place', async () => {
  const { decoder } = aGraph(says)
  const logits = async (tokens: readonly number[]) => {
    const [fed] = await decoder.prefill([{ row: null, tokens }])
    return fed && 'logits' in fed ? fed.logits.indexOf(1) : -1
  }
  const given = await Promise.all(
    [
      [1, 2, 3],
      [1, 2, 4],
      [3, 2, 1],
      [2, 3],
    ].map(logits),
  )
  expect(new Set(given).size).toBeGreaterThan(2)
})
