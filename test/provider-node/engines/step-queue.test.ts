import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
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

describe('a reader who wants no more than one piece in ten milliseconds', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }))
  afterEach(() => void vi.useRealTimers())
  const settled = () => new Promise((resolve) => setImmediate(resolve))

  it('gets the first at once, and then joined what came until the time was over', async () => {
    const queue = new StepQueue()
    queue.push(step(0, 'a', 1))
    expect(await queue.take(10)).toEqual([step(0, 'a', 1)])
    const heard: string[] = []
    const second = queue.take(10).then((steps) => heard.push(steps?.map(({ text }) => text).join('|') ?? 'end'))
    queue.push(step(0, 'b', 2))
    queue.push(step(0, 'c', 3))
    vi.advanceTimersByTime(9)
    await settled()
    expect(heard).toEqual([])
    queue.push(step(0, 'd', 4))
    vi.advanceTimersByTime(1)
    await second
    expect(heard).toEqual(['bcd'])
    vi.advanceTimersByTime(10)
    queue.push(step(0, 'e', 5))
    expect(await queue.take(10)).toEqual([step(0, 'e', 5)])
  })

  it.each([
    ['the end of a choice', (queue: StepQueue) => queue.push(step(1, 'z', 3, { finishReason: 'stop' })), ['b', 'z']],
    ['the end of all', (queue: StepQueue) => queue.end(), ['b']],
    ['a failure', (queue: StepQueue) => queue.fail(new Error('broken')), ['b']],
  ])('is told %s without delay', async (_, end, texts) => {
    const queue = new StepQueue()
    queue.push(step(0, 'a', 1))
    await queue.take(10)
    const second = queue.take(10)
    queue.push(step(0, 'b', 2))
    await settled()
    end(queue)
    expect((await second)?.map(({ text }) => text)).toEqual(texts)
  })

  it('is told at once of an end that was there before', async () => {
    const queue = new StepQueue()
    queue.push(step(0, 'a', 1))
    await queue.take(10)
    queue.push(step(0, 'b', 2, { finishReason: 'length' }))
    expect(await queue.take(10)).toEqual([step(0, 'b', 2, { finishReason: 'length' })])
  })
})
