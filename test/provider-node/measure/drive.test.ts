// Counting what was done in a second, and where more calls at the same time bring nothing more. The clock is the test's.
import { describe, expect, it } from 'vitest'
import { drive, levels, middle, type Pace } from '../../../provider-node/measure/drive.ts'
import { bestOf, hasPeaked } from '../../../provider-node/measure/measure-model.ts'
import type { Workload } from '../../../provider-node/measure/workload.ts'

const DONE = { inputTokens: 10, outputTokens: 5, bytes: 100, vectors: 1, firstMs: 3 }
const pace = (concurrency: number, outputTokens: number): Pace => ({
  concurrency,
  calls: 1,
  inputTokens: 0,
  outputTokens,
  bytes: 0,
  vectors: 0,
  firstMs: null,
  callMs: 1,
})

describe('drive', () => {
  it('counts what was done by the time it took, and waits for what is under way', async () => {
    let at = 0
    const work: Workload = () => {
      at += 400
      return Promise.resolve(DONE)
    }
    const measured = await drive(work, {
      concurrency: 1,
      forMs: 1_000,
      now: () => at,
      signal: new AbortController().signal,
    })
    // The third call begins at 800 ms and ends at 1,200.
    expect(measured).toEqual({
      concurrency: 1,
      calls: 2.5,
      inputTokens: 25,
      outputTokens: 12.5,
      bytes: 250,
      vectors: 2.5,
      firstMs: 3,
      callMs: 400,
    })
  })

  it('keeps so many calls under way, and no more', async () => {
    let running = 0
    let most = 0
    let at = 0
    const work: Workload = async () => {
      most = Math.max(most, ++running)
      await Promise.resolve()
      at += 100
      running -= 1
      return DONE
    }
    await drive(work, { concurrency: 3, forMs: 1_000, now: () => at, signal: new AbortController().signal })
    expect([most, running]).toEqual([3, 0])
  })

  it('ends the other calls when one fails', async () => {
    let ended = 0
    const work: Workload = (index, signal) =>
      index === 1
        ? Promise.reject(new Error('it failed'))
        : new Promise((_, reject) => signal.addEventListener('abort', () => (ended++, reject(new Error('left')))))
    await expect(
      drive(work, { concurrency: 3, forMs: 1_000, now: () => 0, signal: new AbortController().signal }),
    ).rejects.toThrow('it failed')
    expect(ended).toBe(2)
  })

  it('ends when nobody waits any more', async () => {
    const leaving = new AbortController()
    const work: Workload = () => {
      leaving.abort(new Error('stopped'))
      return Promise.resolve(DONE)
    }
    await expect(drive(work, { concurrency: 1, forMs: 1e9, now: () => 0, signal: leaving.signal })).rejects.toThrow(
      'stopped',
    )
  })
})

describe('the levels', () => {
  it.each([
    [1, [1]],
    [2, [1, 2]],
    [12, [1, 2, 4, 8, 12]],
    [16, [1, 2, 4, 8, 16]],
  ])('up to %i double', (most, expected) => {
    expect(levels(most)).toEqual(expected)
  })

  it.each([
    [[100, 200, 400], 4, false],
    [[100, 200, 205], 2, false],
    [[100, 200, 205, 206], 2, true],
    [[100, 90, 80], 1, true],
    [[100, 90, 200], 4, false],
    [[100], 1, false],
  ])('of %j the best is that with %i calls', (paces, best, peaked) => {
    const measured = paces.map((tokens, index) => pace(2 ** index, tokens))
    expect([bestOf(measured)?.concurrency, hasPeaked(measured)]).toEqual([best, peaked])
  })

  it('takes the middle of unequal times', () => {
    expect([middle([3, 1, 2]), middle([5]), middle([])]).toEqual([2, 5, 0])
  })
})
