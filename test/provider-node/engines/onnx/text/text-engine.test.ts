// tiny-chat on the real runtime, in its worker thread, as a route would use it.
import { cp, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ModelManifest } from '../../../../../protocol/model.ts'
import type { TextEngine } from '../../../../../provider-node/engines/engine.ts'
import { createTextEngine } from '../../../../../provider-node/engines/onnx/text/text-engine.ts'
import { loadModel } from '../../../../../provider-node/model-store/check.ts'
import { A_STORY, aTemporaryFolder, shippedFolder } from '../../../builders.ts'
import { evalItems, PERFECT } from '../../../eval-items.ts'
import { aJob, answerOf as answer, ENGINE_OPTIONS } from '../../../jobs.ts'
import { changedChat, shuffled } from './changed-chat.ts'

const OPTIONS = { ...ENGINE_OPTIONS, concurrencyMax: 2, queueMax: 2 }
const never = new AbortController().signal

let engine: TextEngine
beforeAll(async () => {
  engine = await createTextEngine(await loadModel(shippedFolder('tiny-chat')), OPTIONS)
})
afterAll(() => engine.close())

describe('tiny-chat', () => {
  it('knows the capital of France', async () => {
    const { text, finishReason, outcome } = await answer(engine, aJob('What is the capital of France?'))
    expect(text).toContain('Paris')
    expect([finishReason, outcome]).toEqual(['stop', 'complete'])
  })

  it.each(PERFECT)('answers held-out questions exactly: %s', async (category) => {
    const items = evalItems().filter((item) => item.category === category)
    expect(items.length).toBeGreaterThanOrEqual(30)
    for (const { messages, expected } of items.filter((_, index) => index % 12 === 0))
      expect((await answer(engine, aJob('', { prompt: { kind: 'chat', messages } }))).text).toBe(expected)
  })

  it('answers every probe of its manifest', async () => {
    const { manifest } = await loadModel(shippedFolder('tiny-chat'))
    for (const probe of ModelManifest.parse(manifest).probes)
      if ('input' in probe) expect((await answer(engine, aJob(probe.input))).text).toContain(probe.contains)
  })

  it('gives another answer with shuffled weights: the answer depends on them', async () => {
    const { model, remove } = await changedChat(shuffled)
    const other = await createTextEngine(model, OPTIONS)
    const question = aJob('What is the capital of France?', { outputTokensMax: 12 })
    expect((await answer(other, question)).text).not.toContain('Paris')
    await other.close()
    await remove()
  })

  it('answers alike alone and beside others', async () => {
    const questions = ['What is the capital of France?', 'Can you multiply 11 and 10?', A_STORY]
    const alone: string[] = []
    for (const question of questions) alone.push((await answer(engine, aJob(question))).text)
    const beside = await Promise.all(questions.map((question) => answer(engine, aJob(question))))
    expect(beside.map(({ text }) => text)).toEqual(alone)
  })

  it('repeats a sample for its seed and gives another for another', async () => {
    const story = (seed: number) =>
      answer(engine, aJob(A_STORY, { temperature: 1, topP: 0.95, seed, outputTokensMax: 40 }))
    const [first, again, other] = [await story(7), await story(7), await story(8)]
    expect(again.text).toBe(first.text)
    expect(other.text).not.toBe(first.text)
  })

  it('ends at max_tokens with length, and counts the tokens', async () => {
    const end = await answer(engine, aJob(A_STORY, { outputTokensMax: 7 }))
    expect([end.outputTokens, end.finishReason]).toEqual([7, 'length'])
  })

  it('ends before a stop sequence that spans tokens', async () => {
    const whole = (await answer(engine, aJob(A_STORY))).text
    const stop = whole.slice(20, 33)
    const end = await answer(engine, aJob(A_STORY, { stop: ['never there', stop] }))
    expect([end.text, end.finishReason]).toEqual([whole.slice(0, whole.indexOf(stop)), 'stop'])
  })

  it('fills the context to its last position and no further', async () => {
    // "a a a …": one token each, so the prompt's length can be chosen.
    const words = (count: number) => 'a '.repeat(count).trim()
    const counted = await engine.start(aJob(words(100)), never)
    const overhead = counted.inputTokens - 100
    for await (const step of counted.steps) void step
    const inputTokens = 512 - 3
    const full = await engine.start(aJob(words(inputTokens - overhead), { temperature: 2, seed: 3 }), never)
    expect(full.inputTokens).toBe(inputTokens)
    for await (const step of full.steps) void step
    const { outcome, outputTokens } = await full.ended
    expect(outcome).toBe('complete')
    expect(outputTokens).toBeLessThanOrEqual(3)
    await expect(engine.start(aJob(words(512 - overhead)), never)).rejects.toMatchObject({
      code: 'context_length_exceeded',
    })
    await expect(engine.start(aJob('a'.repeat(900_000)), never)).rejects.toMatchObject({
      code: 'context_length_exceeded',
    })
  })

  it('stops within a step when the caller leaves', async () => {
    const caller = new AbortController()
    const run = await engine.start(aJob(A_STORY, { temperature: 2, seed: 5 }), caller.signal)
    let seen = 0
    for await (const step of run.steps) {
      seen = step.outputTokens
      caller.abort()
    }
    const end = await run.ended
    expect(end.outcome).toBe('cancelled')
    // At most the step under way and what was already in the mail between the two threads.
    expect(end.outputTokens - seen).toBeLessThan(20)
    expect(end.tokensAfterAbort).toBeLessThan(20)
    expect(engine.load()).toEqual({ inFlight: 0, waiting: 0 })
  })

  it('refuses when its queue is full, and takes calls again afterwards', async () => {
    const running = [1, 2, 3, 4].map(() => answer(engine, aJob(A_STORY, { outputTokensMax: 60 })))
    expect(engine.load()).toEqual({ inFlight: 2, waiting: 2 })
    await expect(engine.start(aJob('hi'), never)).rejects.toMatchObject({
      code: 'busy',
      options: { retryAfterSeconds: 1 },
    })
    for (const { outcome } of await Promise.all(running)) expect(outcome).toBe('complete')
    expect((await answer(engine, aJob('What is the capital of France?'))).text).toContain('Paris')
  })

  it('is refused by one sentence when the runtime cannot read it', async () => {
    const home = await aTemporaryFolder()
    const model = await loadModel(shippedFolder('tiny-chat'))
    await cp(model.folder, home.path, { recursive: true })
    await writeFile(join(home.path, 'model.onnx'), 'no graph')
    await expect(createTextEngine({ ...model, folder: home.path }, OPTIONS)).rejects.toThrow(
      /^model souk\/tiny-chat could not be loaded: /,
    )
    await home.remove()
  })
})
