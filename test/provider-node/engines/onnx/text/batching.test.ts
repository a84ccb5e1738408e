// Continuous batching with the real model on the real runtime: the same tokens alone and beside others, whoever they are; and nothing that stays
// behind when callers come and go as they like.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { TextEngine, TextJob } from '../../../../../provider-node/engines/engine.ts'
import { createTextEngine } from '../../../../../provider-node/engines/onnx/text/text-engine.ts'
import { loadModel } from '../../../../../provider-node/model-store/check.ts'
import { seededRandom } from '../../../../../provider-node/engines/sampling.ts'
import { A_STORY, shippedFolder } from '../../../builders.ts'
import { evalItems } from '../../../eval-items.ts'
import { aJob, answerOf, ENGINE_OPTIONS } from '../../../jobs.ts'

const rows: number[] = []
const observe = { ...ENGINE_OPTIONS.observe, batch: (calls: number) => void rows.push(calls) }
const engineOf = async (concurrencyMax: number) =>
  createTextEngine(await loadModel(shippedFolder('tiny-chat')), {
    ...{ ...ENGINE_OPTIONS, concurrencyMax, queueMax: 1_000, observe },
  })

/** Dialogues of every category: of a few tokens and of nearly five hundred. */
const JOBS: TextJob[] = evalItems()
  .filter((_, index) => index % 12 === 0)
  .map(({ messages }) => aJob('', { prompt: { kind: 'chat', messages }, outputTokensMax: 48 }))

let one: TextEngine
let eight: TextEngine
let many: TextEngine
beforeAll(async () => {
  ;[one, eight, many] = await Promise.all([engineOf(1), engineOf(8), engineOf(32)])
})
afterAll(() => Promise.all([one, eight, many].map((engine) => engine.close())))

const tokensOf = async (engine: TextEngine, job: TextJob) => {
  const { text, outputTokens, finishReason } = await answerOf(engine, job)
  return { text, outputTokens, finishReason }
}

describe('greedy answers', () => {
  let alone: Awaited<ReturnType<typeof tokensOf>>[] = []
  beforeAll(async () => {
    for (const job of JOBS) alone.push(await tokensOf(one, job))
  }, 120_000)

  it('have been asked of all kinds', () => {
    expect(JOBS.length).toBeGreaterThanOrEqual(190)
    expect(new Set(alone.map(({ text }) => text)).size).toBeGreaterThan(150)
  })

  it('are token-equal in batches of eight, of mixed lengths', async () => {
    rows.length = 0
    expect(await Promise.all(JOBS.map((job) => tokensOf(eight, job)))).toEqual(alone)
    expect(Math.max(...rows)).toBe(8)
  }, 60_000)

  it('are token-equal in batches of thirty-two, in another order', async () => {
    rows.length = 0
    const order = shuffledIndexes(JOBS.length, 3)
    const given = await Promise.all(order.map((index) => tokensOf(many, JOBS[index] ?? aJob(''))))
    expect(given).toEqual(order.map((index) => alone[index]))
    expect(Math.max(...rows)).toBe(32)
  }, 60_000)

  it('are token-equal when others with samples, stops and many choices come and go between them', async () => {
    const random = seededRandom(11)
    const given = await Promise.all(
      JOBS.slice(0, 100).map(async (job) => {
        await new Promise((resolve) => setTimeout(resolve, random() * 300))
        const caller = new AbortController()
        const noise = aJob(A_STORY, {
          temperature: 1.5,
          seed: Math.floor(random() * 1_000),
          choices: 1 + Math.floor(random() * 3),
        })
        const beside = many.start(noise, caller.signal).catch(() => null)
        setTimeout(() => caller.abort(), random() * 200)
        const answer = await tokensOf(many, job)
        await (
          await beside
        )?.ended
        return answer
      }),
    )
    expect(given).toEqual(alone.slice(0, 100))
  }, 60_000)
})

it('gives each choice of a seed the same answer with few rows and with many', async () => {
  const choicesOf = async (engine: TextEngine) => {
    const job = aJob(A_STORY, { temperature: 1, seed: 5, choices: 4, outputTokensMax: 30 })
    const run = await engine.start(job, new AbortController().signal)
    return (await run.ended).texts
  }
  const texts = await choicesOf(many)
  expect(new Set(texts).size).toBe(4)
  expect(await choicesOf(one)).toEqual(texts)
})

it('feeds long prompts in parts without another answer, and answers short ones meanwhile', async () => {
  const long = JOBS.filter(({ prompt }) => prompt.kind === 'chat' && prompt.messages.length > 10)
  expect(long.length).toBeGreaterThan(2)
  const both = await Promise.all([...long, aJob('What is the capital of France?')].map((job) => tokensOf(eight, job)))
  const alone = []
  for (const job of long) alone.push(await tokensOf(one, job))
  expect(both.slice(0, -1)).toEqual(alone)
  expect(both.at(-1)?.text).toContain('Paris')
})

it('refuses who has not begun in time, and goes on', async () => {
  const running = answerOf(one, aJob(A_STORY))
  const late = one.start(aJob('hello', { startBy: Date.now() - 1 }), new AbortController().signal)
  await expect(late).rejects.toMatchObject({ code: 'busy', options: { retryAfterSeconds: expect.any(Number) } })
  expect((await running).outcome).toBe('complete')
})

it('keeps no slot of two hundred callers, of whom many leave at any moment', async () => {
  const random = seededRandom(23)
  const outcomes = await Promise.all(
    Array.from({ length: 200 }, async (_, index) => {
      const caller = new AbortController()
      const job = aJob(index % 3 ? A_STORY : 'What is the capital of France?', {
        ...{ account: `account ${index % 7}`, choices: 1 + (index % 4), temperature: index % 2, seed: index },
        ...{ outputTokensMax: 1 + Math.floor(random() * 40) },
      })
      await new Promise((resolve) => setTimeout(resolve, random() * 500))
      const leavesAfter = random() * 400
      if (random() < 0.6) setTimeout(() => caller.abort(), leavesAfter)
      const run = await eight.start(job, caller.signal).catch(() => null)
      if (!run) return 'left'
      if (random() < 0.5) for await (const step of run.steps) if (step.finishReason) break
      return (await run.ended).outcome
    }),
  )
  expect(new Set(outcomes)).toContain('complete')
  expect(new Set(outcomes)).not.toContain('failed')
  expect(eight.load()).toEqual({ inFlight: 0, waiting: 0 })
  expect((await answerOf(eight, aJob('What is the capital of France?'))).text).toContain('Paris')
}, 60_000)

function shuffledIndexes(count: number, seed: number): number[] {
  const random = seededRandom(seed)
  return Array.from({ length: count }, (_, index) => ({ index, key: random() }))
    .sort((a, b) => a.key - b.key)
    .map(({ index }) => index)
}
