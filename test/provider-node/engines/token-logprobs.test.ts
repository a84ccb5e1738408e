import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { NEVER, tokenLogprob } from '../../../provider-node/engines/token-logprobs.ts'

const PARTS = ['Hello', ' world', '', 'é'].map((text) => new TextEncoder().encode(text))
const tokens = { bytes: (token: number) => PARTS[token] ?? Uint8Array.of(0xf0, 0x9f) }

describe("a token's log probability", () => {
  it('is the natural logarithm of its share, with the likeliest alternatives, likeliest first', () => {
    const logits = Float32Array.from([0.1, 0.2, 0.3, 0.4].map(Math.log))
    const { token, logprob, bytes, top_logprobs: top } = tokenLogprob(logits, 1, 2, tokens)
    expect([token, bytes]).toEqual([' world', [...Buffer.from(' world')]])
    expect(logprob).toBeCloseTo(Math.log(0.2), 5)
    expect(top.map((one) => one.token)).toEqual(['é', ''])
    expect(top[0]?.logprob).toBeCloseTo(Math.log(0.4), 5)
    expect(top[0]?.bytes).toEqual([0xc3, 0xa9])
    expect(top[1]?.bytes).toEqual([])
  })

  it('names no alternatives when none are asked for, and all when there are fewer', () => {
    const logits = Float32Array.from([1, 2])
    expect(tokenLogprob(logits, 0, 0, tokens).top_logprobs).toEqual([])
    expect(tokenLogprob(logits, 0, 20, tokens).top_logprobs).toHaveLength(2)
  })

  it('shows half a character as U+FFFD, its bytes exactly', () => {
    expect(tokenLogprob(new Float32Array(5), 4, 0, tokens)).toMatchObject({ token: '\uFFFD', bytes: [0xf0, 0x9f] })
  })

  it('overflows for no logits, sums to one over the vocabulary, and is never above zero', () => {
    const someLogits = fc.array(fc.float({ min: -(2 ** 100), max: 2 ** 100, noNaN: true }), {
      minLength: 1,
      maxLength: 20,
    })
    fc.assert(
      fc.property(
        fc.oneof(someLogits, fc.array(fc.float({ min: -30, max: 30, noNaN: true }), { minLength: 1, maxLength: 20 })),
        (values) => {
          const logits = Float32Array.from(values)
          const all = values.map((_, token) => tokenLogprob(logits, token, 0, tokens).logprob)
          expect(all.every((logprob) => logprob <= 0 && logprob >= NEVER)).toBe(true)
          expect(all.reduce((sum, logprob) => sum + Math.exp(logprob), 0)).toBeCloseTo(1, 6)
        },
      ),
    )
  })

  it('is a number that JSON can write also for a token that never comes', () => {
    const logits = Float32Array.from([0, -Infinity])
    expect(tokenLogprob(logits, 1, 0, tokens).logprob).toBe(NEVER)
    expect(tokenLogprob(logits, 0, 0, tokens).logprob).toBe(0)
  })
})
