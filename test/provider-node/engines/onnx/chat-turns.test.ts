// The scheduler of one model's thread, with a graph that says what it is told and counts its steps.
import { describe, expect, it } from 'vitest'
import type { Tensor } from 'onnxruntime-node'
import type { TextJob } from '../../../../provider-node/engines/engine.ts'
import { ChatTurns } from '../../../../provider-node/engines/onnx/chat-turns.ts'
import type { ReplyFromWorker } from '../../../../provider-node/engines/onnx/messages.ts'
import { aJob } from '../../jobs.ts'

const END = 0
/** The graph fails on this one. */
const BROKEN = 200
const job = (overrides: Partial<TextJob> = {}): TextJob => aJob('', { outputTokensMax: 100, ...overrides })

/** Tokens 1…255 stand for their byte. The graph says `script` by position, then the end token. */
function turns(script: readonly number[], options: { contextTokens?: number; concurrencyMax?: number } = {}) {
  const replies: ReplyFromWorker[] = []
  const steps: { positions: number; tokens: readonly number[] }[] = []
  let release: (() => void) | null = null
  const state = (positions: number) => ({ past: {} satisfies Record<string, Tensor>, positions })
  const scheduler = new ChatTurns({
    decoder: {
      empty: state(0),
      async step({ positions }, tokens) {
        if (tokens.includes(BROKEN)) throw new RangeError('of the graph')
        steps.push({ positions, tokens })
        const logits = new Float32Array(256)
        logits[script[positions + tokens.length - 1] ?? END] = 1
        return { logits, state: state(positions + tokens.length) }
      },
    },
    tokenizer: { specials: new Set([END]), bytes: (token) => Uint8Array.of(token) },
    contextTokens: options.contextTokens ?? 50,
    concurrencyMax: options.concurrencyMax ?? 2,
    reply: (message) => replies.push(message),
    breathe: () => new Promise((resolve) => (release = resolve)),
  })
  /** Lets the scheduler take one more step. */
  const step = async () => {
    release?.()
    release = null
    for (let i = 0; i < 20; i++) await Promise.resolve()
  }
  const run = async (count = 100) => {
    for (let i = 0; i < count; i++) await step()
  }
  return { scheduler, replies, steps, step, run }
}

const HELLO = [...Buffer.from('hello')]
const texts = (replies: ReplyFromWorker[], id: number) =>
  replies.flatMap((reply) => (reply.type === 'step' && reply.id === id ? [reply.text] : [])).join('')

describe('chat turns', () => {
  it('feeds the prompt once and each token after it, and does not count the end token', async () => {
    const { scheduler, replies, steps, run } = turns([...HELLO])
    scheduler.add(1, job(), [9])
    await run()
    expect(texts(replies, 1)).toBe('hello')
    expect(replies[0]).toEqual({ type: 'accepted', id: 1, inputTokens: 1 })
    expect(replies.at(-1)).toMatchObject({ outputTokens: 5, finishReason: 'stop' })
    expect(steps.map(({ positions, tokens }) => [positions, tokens.length])).toEqual(
      [0, 1, 2, 3, 4, 5].map((p) => [p, 1]),
    )
  })

  it.each([
    ['at max_tokens', { outputTokensMax: 3 }, 50, 'hel'],
    ['where the context ends', {}, 4, 'hel'],
  ])('ends with length %s', async (_, limits, contextTokens, text) => {
    const { scheduler, replies, run } = turns([...HELLO], { contextTokens })
    scheduler.add(1, job(limits), [9])
    await run()
    expect(texts(replies, 1)).toBe(text)
    expect(replies.at(-1)).toMatchObject({ outputTokens: 3, finishReason: 'length' })
  })

  it('takes a prompt that leaves room for one token, and refuses one that leaves none', async () => {
    const { scheduler, replies, run } = turns([1, 1, 1, 65], { contextTokens: 4 })
    scheduler.add(1, job(), [9, 9, 9])
    scheduler.add(2, job(), [9, 9, 9, 9])
    await run()
    expect(replies).toContainEqual({ type: 'too_long', id: 2 })
    expect(replies.at(-1)).toMatchObject({ id: 1, outputTokens: 1, finishReason: 'length' })
  })

  it('stops before the next step when the caller leaves', async () => {
    const { scheduler, replies, steps, step, run } = turns([...HELLO])
    scheduler.add(1, job(), [9])
    await step()
    await step()
    const before = steps.length
    scheduler.cancel(1)
    await run()
    expect(steps.length).toBe(before)
    expect(replies.at(-1)).toEqual({ type: 'cancelled', id: 1, outputTokens: before })
    scheduler.cancel(1)
    expect(replies.filter((reply) => reply.type === 'cancelled')).toHaveLength(1)
  })

  it('stops before its next step also when another one is being computed', async () => {
    const { scheduler, steps, step, run } = turns(new Array(40).fill(65))
    scheduler.add(1, job({ outputTokensMax: 4 }), [9])
    scheduler.add(2, job(), new Array(20).fill(9))
    const isSecond = (taken: (typeof steps)[number] | undefined) =>
      (taken?.positions ?? 0) + (taken?.tokens.length ?? 0) >= 20
    const longer = () => steps.filter(isSecond).length
    // Until the second has begun and the first has just had its turn again: the second would be next.
    while (longer() === 0 || isSecond(steps.at(-1))) await step()
    const before = longer()
    scheduler.cancel(2)
    await run()
    expect(longer()).toBe(before)
    expect(steps.length - before).toBe(4)
  })

  it('drops a caller who leaves while waiting, without a step', async () => {
    const { scheduler, replies, steps, run } = turns([...HELLO], { concurrencyMax: 1 })
    scheduler.add(1, job(), [9])
    scheduler.add(2, job(), [9])
    scheduler.cancel(2)
    await run()
    expect(replies).toContainEqual({ type: 'cancelled', id: 2, outputTokens: 0 })
    expect(steps).toHaveLength(6)
  })

  it('gives each sequence a step in turn, no more of them than allowed', async () => {
    const { scheduler, replies, run } = turns([...HELLO], { concurrencyMax: 2 })
    for (const id of [1, 2, 3]) scheduler.add(id, job(), [9])
    await run()
    const order = replies.flatMap((reply) => (reply.type === 'step' ? [reply.id] : []))
    // The first was alone when it took its first step.
    expect(order.slice(0, 5)).toEqual([1, 1, 2, 1, 2])
    expect(order.indexOf(3)).toBeGreaterThan(order.lastIndexOf(1))
    expect([1, 2, 3].map((id) => texts(replies, id))).toEqual(['hello', 'hello', 'hello'])
  })

  it('ends one sequence at its stop sequence and goes on with the others', async () => {
    const { scheduler, replies, run } = turns([...HELLO], { contextTokens: 50 })
    scheduler.add(1, job(), [9])
    scheduler.add(2, job({ stop: ['l'] }), [9])
    await run()
    expect(texts(replies, 2)).toBe('he')
    expect(replies.filter((reply) => reply.type === 'step' && reply.finishReason === 'stop')).toHaveLength(2)
  })

  it('reports a failure of the graph and goes on with the others', async () => {
    const { scheduler, replies, run } = turns([...HELLO])
    scheduler.add(1, job(), [BROKEN])
    scheduler.add(2, job(), [9])
    await run()
    expect(replies).toContainEqual({ type: 'failed', id: 1, reason: 'RangeError' })
    expect(texts(replies, 2)).toBe('hello')
  })
})
