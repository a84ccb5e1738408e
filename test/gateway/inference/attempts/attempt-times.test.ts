import { describe, expect, it } from 'vitest'
import { CALL_TIMEOUTS } from '../../../../gateway/core/limits.ts'
import { attemptTimes } from '../../../../gateway/inference/attempts/attempt-times.ts'
import { NODE_PATHS } from '../../../../protocol/node.ts'
import { tokens } from '../../../../protocol/units.ts'

const times = (path: string, inputTokens: number, hasAnother: boolean, body: string | Uint8Array = '') =>
  attemptTimes(CALL_TIMEOUTS, {
    path,
    candidate: { most: { inputTokens: tokens(inputTokens), outputTokens: tokens(1) } },
    body,
    hasAnother,
  })
const { chat, completions, embeddings, infer } = NODE_PATHS

describe('the last one', () => {
  it.each<[string, string, number, number, number]>([
    ['a chat', chat, 0, 10_000, 20_000],
    ['a completion', completions, 0, 10_000, 20_000],
    ['a longer chat', chat, 1_000, 10_000, 22_000],
    ['vectors, whose head comes with them', embeddings, 1_000, 32_000, 22_000],
  ])('has the long limits: %s', (_, path, inputTokens, headMs, outputMs) => {
    const { headMs: head, outputMs: output } = times(path, inputTokens, false)
    expect([head, output(9_999)]).toEqual([headMs, outputMs])
  })
})

describe('one behind which another can be asked', () => {
  it.each<[string, string, number, number, number, number]>([
    ['a chat whose head is there at once', chat, 0, 0, 10_000, 10_000],
    ['a chat whose head took four seconds', chat, 0, 4_000, 10_000, 6_000],
    ['a chat whose head took all of it', chat, 0, 10_000, 10_000, 1],
    ['a chat of five thousand tokens', chat, 5_000, 0, 10_000, 10_000],
    ['a chat of one more', chat, 5_001, 0, 10_000, 10_002],
    ['vectors', embeddings, 1_000, 0, 10_000, 10_000],
  ])('has ten seconds for both, or what its input takes: %s', (_, path, inputTokens, passed, headMs, outputMs) => {
    const { headMs: head, outputMs: output } = times(path, inputTokens, true)
    expect([head, output(passed)]).toEqual([headMs, outputMs])
  })
  it('has more for tensors that take longer to arrive', () => {
    const body = new Uint8Array(12_000_000)
    expect(times(infer, 0, true, body).headMs).toBe(12_000)
    expect(times(infer, 0, false, body).headMs).toBe(42_000)
  })
  it('may be silent for ten seconds between two outputs that nobody has seen', () => {
    expect(times(chat, 0, true).unseenGapMs).toBe(10_000)
    expect(times(chat, 0, false).unseenGapMs).toBe(20_000)
  })
  it('never has longer than the last one would', () => {
    for (const inputTokens of [0, 1_000, 100_000])
      for (const path of [chat, embeddings]) {
        const [short, long] = [times(path, inputTokens, true), times(path, inputTokens, false)]
        expect(short.headMs).toBeLessThanOrEqual(long.headMs)
        expect(short.outputMs(0)).toBeLessThanOrEqual(long.outputMs(0))
      }
  })
})
