import { describe, expect, it } from 'vitest'
import type { TextStep } from '../../../provider-node/engines/engine.ts'
import { StepQueue } from '../../../provider-node/engines/step-queue.ts'

const step = (choice: number, text: string, outputTokens: number, overrides: Partial<TextStep> = {}): TextStep => ({
  choice,
  text,
  outputTokens,
  logprobs: [],
  finishReason: null,
  ...overrides,
})
const told = (token: string) => ({ token, logprob: -1, bytes: null, top_logprobs: [] })

describe('steps that wait for their reader', () => {
  it('are joined per choice and never across choices, each with the latest count of all', async () => {
    const queue = new StepQueue()
    queue.push(step(0, 'a', 1, { logprobs: [told('a')] }))
    queue.push(step(1, 'x', 2))
    queue.push(step(0, 'b', 3, { logprobs: [told('b')], finishReason: 'stop' }))
    queue.push(step(1, 'y', 4))
    expect(await queue.take()).toEqual([
      step(0, 'ab', 4, { logprobs: [told('a'), told('b')], finishReason: 'stop' }),
      step(1, 'xy', 4),
    ])
    queue.push(step(1, 'z', 5, { finishReason: 'length' }))
    queue.end()
    expect(await queue.take()).toEqual([step(1, 'z', 5, { finishReason: 'length' })])
    expect(await queue.take()).toBeNull()
  })

  it('come one by one to who iterates, and to who waits already', async () => {
    const queue = new StepQueue()
    const texts: string[] = []
    const reading = (async () => {
      for await (const { text } of queue) texts.push(text)
    })()
    await Promise.resolve()
    queue.push(step(0, 'a', 1))
    await new Promise((resolve) => setImmediate(resolve))
    queue.push(step(0, 'b', 2))
    queue.push(step(1, 'c', 3))
    queue.end()
    await reading
    expect(texts).toEqual(['a', 'b', 'c'])
  })

  it('are read before the failure behind them', async () => {
    const queue = new StepQueue()
    queue.push(step(0, 'a', 1))
    queue.fail(new Error('broken'))
    expect(await queue.take()).toHaveLength(1)
    await expect(queue.take()).rejects.toThrow('broken')
  })
})
