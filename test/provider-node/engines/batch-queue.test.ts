// Who is computed when, and with whom. What computes is a list of batches that the test ends by hand; the clock is the test's.
import { setMaxListeners } from 'node:events'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Seat, Turn } from '../../../provider-node/engines/batch-call.ts'
import { BatchQueue } from '../../../provider-node/engines/batch-queue.ts'
import { EngineRefusal } from '../../../provider-node/engines/engine.ts'

interface Running {
  readonly jobs: readonly string[]
  readonly seats: readonly Seat<string>[]
  /** Every job is answered by itself in capitals. */
  end(): Promise<void>
  fail(): Promise<void>
}

const LATER = Number.MAX_SAFE_INTEGER
const never = new AbortController().signal
// One signal for all calls of this file.
setMaxListeners(0, never)
/** Lets everything that is ready happen. */
const settled = () => vi.advanceTimersByTimeAsync(0)

beforeEach(() => void vi.useFakeTimers({ now: 0 }))
afterEach(() => void vi.useRealTimers())

function aQueue(overrides: { lanes?: number; concurrencyMax?: number; queueMax?: number; batchMax?: number } = {}) {
  const running: Running[] = []
  const batches: number[] = []
  const waits: number[] = []
  /** whose waits they are */
  const named: AbortSignal[] = []
  const queue = new BatchQueue<string, string>({
    ...{ lanes: 1, concurrencyMax: 8, queueMax: 8, batchMax: 8, batchCostMax: 100 },
    ...overrides,
    compute: (seats) =>
      new Promise((resolve, reject) => {
        const jobs = seats.map(({ job }) => job)
        const entry = {
          ...{ jobs, seats },
          end: () => end(() => resolve(jobs.map((job) => job.toUpperCase()))),
          fail: () => end(() => reject(new Error('the graph threw'))),
        }
        const end = (how: () => void) => {
          running.splice(running.indexOf(entry), 1)
          how()
          return settled().then(() => undefined)
        }
        running.push(entry)
      }),
    now: () => Date.now(),
    observe: {
      batch: (calls) => batches.push(calls),
      waited(seconds, call) {
        waits.push(seconds)
        if (call) named.push(call)
      },
    },
  })
  const submit = (job: string, turn: Partial<Turn> = {}, signal: AbortSignal = never) => {
    const answer = queue.submit(job, { account: 'a', startBy: LATER, cost: 1, batchKey: 'k', ...turn }, signal)
    // Looked at later, often after it was refused.
    answer.catch(() => undefined)
    return answer
  }
  const now = () => running.map(({ jobs }) => jobs.join(''))
  return { queue, submit, running, now, batches, waits, named, endNext: () => running[0]?.end() }
}

const refusal = (code: string, message?: string) => expect.objectContaining({ code, ...(message && { message }) })

describe('batches', () => {
  it('are not waited for: a lone call starts at once', () => {
    const { submit, now } = aQueue()
    void submit('x')
    expect(now()).toEqual(['x'])
  })

  it('are formed of what came while the lane was busy', async () => {
    const { submit, now, endNext, batches } = aQueue()
    const answers = ['x', 'y', 'z'].map((job) => submit(job))
    expect(now()).toEqual(['x'])
    await endNext()
    expect(now()).toEqual(['yz'])
    await endNext()
    expect(await Promise.all(answers)).toEqual(['X', 'Y', 'Z'])
    expect(batches).toEqual([1, 2])
  })

  it('hold at most batchMax calls', async () => {
    const { submit, now, endNext } = aQueue({ batchMax: 3 })
    for (const job of 'xabcd') void submit(job)
    await endNext()
    expect(now()).toEqual(['abc'])
    await endNext()
    expect(now()).toEqual(['d'])
    await endNext()
    expect(now()).toEqual([])
  })

  it('are single calls when the model gains nothing', async () => {
    const { submit, now, endNext } = aQueue({ batchMax: 1 })
    for (const job of 'xy') void submit(job)
    await endNext()
    expect(now()).toEqual(['y'])
  })

  it('hold calls of one key only, and the others keep their turn', async () => {
    const { submit, now, endNext } = aQueue()
    void submit('x')
    for (const [job, batchKey] of [
      ['a', 'k'],
      ['b', 'other'],
      ['c', 'k'],
      ['d', null],
      ['e', null],
    ] as const)
      void submit(job, { batchKey, account: `account ${job}` })
    const seen: string[] = []
    for (let i = 0; i < 4; i++) {
      await endNext()
      seen.push(...now())
    }
    expect(seen).toEqual(['ac', 'b', 'd', 'e'])
  })

  it.each([
    { costs: [50, 50, 1], batches: ['ab', 'c'] },
    { costs: [50, 51, 1], batches: ['ac', 'b'] },
    { costs: [500, 1, 1], batches: ['a', 'bc'] },
  ])('cost at most their budget: $costs', async ({ costs, batches }) => {
    const { submit, now, endNext } = aQueue()
    void submit('x')
    costs.forEach((cost, index) => void submit('abc'.charAt(index), { cost, account: `account ${index}` }))
    await endNext()
    const seen = [...now()]
    await endNext()
    expect([...seen, ...now()]).toEqual(batches)
  })

  it('are computed side by side in so many lanes, within concurrencyMax', async () => {
    const { submit, now, queue, running } = aQueue({ lanes: 2, concurrencyMax: 3, queueMax: 8, batchMax: 8 })
    for (const job of 'xyabcd') void submit(job)
    expect(now()).toEqual(['x', 'y'])
    await running[1]?.end()
    expect(now()).toEqual(['x', 'ab'])
    expect(queue.load()).toEqual({ inFlight: 3, waiting: 2 })
  })
})

describe('a batch handed ahead', () => {
  const ahead = () => {
    const all = aQueue({ batchMax: 2, concurrencyMax: 4 })
    void all.submit('x')
    return all
  }

  it('is a full one, given to a single lane while it computes, and counts as waiting until then', async () => {
    const { submit, now, queue, endNext, batches } = ahead()
    void submit('a')
    expect(now()).toEqual(['x'])
    const b = submit('b')
    expect([now(), queue.load(), batches]).toEqual([['x', 'ab'], { inFlight: 1, waiting: 2 }, [1]])
    void submit('c')
    void submit('d')
    expect(now()).toEqual(['x', 'ab'])
    await endNext()
    expect([now(), queue.load(), batches]).toEqual([['ab', 'cd'], { inFlight: 2, waiting: 2 }, [1, 2]])
    await endNext()
    expect(await b).toBe('B')
    await endNext()
    expect([now(), queue.load(), batches]).toEqual([[], { inFlight: 0, waiting: 0 }, [1, 2, 2]])
  })

  it('is told of callers who leave it, and counts without them', async () => {
    const { submit, running, endNext, batches } = ahead()
    const caller = new AbortController()
    const [a, b] = [submit('a', {}, caller.signal), submit('b')]
    caller.abort()
    await expect(a).rejects.toEqual(refusal('internal', 'The caller left.'))
    expect(running[1]?.seats.map(({ isGone }) => isGone)).toEqual([true, false])
    await endNext()
    expect(batches).toEqual([1, 1])
    await endNext()
    expect(await b).toBe('B')
  })

  it('does not fail for one who has left it and was computed all the same', async () => {
    const { submit, running, endNext } = ahead()
    const caller = new AbortController()
    const a = submit('a')
    void submit('bad', {}, caller.signal)
    caller.abort()
    await endNext()
    await running[0]?.fail()
    await endNext()
    expect(await a).toBe('A')
  })

  it('has not begun, and so is refused at its deadline', async () => {
    const { submit, running, endNext, batches, queue } = ahead()
    const late = [submit('a', { startBy: 100 }), submit('b', { startBy: 100 })]
    await vi.advanceTimersByTimeAsync(101)
    for (const call of late) await expect(call).rejects.toEqual(refusal('busy'))
    expect(running[1]?.seats.every(({ isGone }) => isGone)).toBe(true)
    await endNext()
    await endNext()
    expect([batches, queue.load()]).toEqual([[1], { inFlight: 0, waiting: 0 }])
    void submit('y')
    expect(running.map(({ jobs }) => jobs)).toEqual([['y']])
  })

  it('is computed one by one when it throws, behind whatever was handed ahead of that', async () => {
    const { submit, running, endNext, now } = ahead()
    const [a, bad] = [submit('a'), submit('bad')]
    await endNext()
    const c = submit('c')
    const d = submit('d')
    expect(now()).toEqual(['abad', 'cd'])
    await running[0]?.fail()
    expect(now()).toEqual(['cd', 'a'])
    await endNext()
    await endNext()
    await running[0]?.fail()
    expect(await Promise.all([a, c, d])).toEqual(['A', 'C', 'D'])
    await expect(bad).rejects.toEqual(refusal('internal', 'The model failed.'))
  })
})

describe('a full queue', () => {
  it('refuses the first call beyond its limit at once, and takes calls again afterwards', async () => {
    const { submit, queue, endNext } = aQueue({ concurrencyMax: 2, queueMax: 3, batchMax: 1 })
    for (const job of 'abcde') void submit(job)
    expect(queue.load()).toEqual({ inFlight: 1, waiting: 4 })
    await expect(submit('f')).rejects.toEqual(refusal('busy', 'The queue of this model is full.'))
    await endNext()
    void submit('f')
    expect(queue.load()).toEqual({ inFlight: 1, waiting: 4 })
  })

  it('says when to come back: the calls before, at the measured pace', async () => {
    const { submit, endNext } = aQueue({ concurrencyMax: 1, queueMax: 4 })
    const retryAfter = () =>
      submit('late').then(
        () => null,
        (cause: unknown) => (cause instanceof EngineRefusal ? cause.options?.retryAfterSeconds : null),
      )
    for (const job of 'abcde') void submit(job)
    expect(await retryAfter()).toBe(1)
    await vi.advanceTimersByTimeAsync(3_000)
    await endNext()
    void submit('f')
    expect(await retryAfter()).toBe(15)
    await vi.advanceTimersByTimeAsync(600_000)
    await endNext()
    void submit('g')
    expect(await retryAfter()).toBe(60)
  })
})

describe('a deadline', () => {
  it('refuses who has not begun by then, without waiting for the lane', async () => {
    const { submit, now, queue, endNext, batches } = aQueue()
    void submit('x')
    const late = submit('late', { startBy: 1_000 })
    const patient = submit('y', { startBy: 1_002 })
    const outcome = expect(late).rejects.toEqual(refusal('busy', 'The queue of this model did not get to it.'))
    await vi.advanceTimersByTimeAsync(1_000)
    expect(queue.load().waiting).toBe(2)
    await vi.advanceTimersByTimeAsync(1)
    await outcome
    expect(queue.load().waiting).toBe(1)
    await endNext()
    expect(now()).toEqual(['y'])
    await endNext()
    expect(await patient).toBe('Y')
    expect(batches).toEqual([1, 1])
  })

  it('refuses by then also when the timer is there before the clock', async () => {
    const { submit, queue } = aQueue()
    void submit('x')
    const late = submit('late', { startBy: 1_000 })
    const outcome = expect(late).rejects.toEqual(refusal('busy', 'The queue of this model did not get to it.'))
    await vi.advanceTimersByTimeAsync(999)
    // The timers' own clock runs on: two of its milliseconds are one of everybody's.
    vi.setSystemTime(998)
    await vi.advanceTimersByTimeAsync(2)
    expect(queue.load().waiting).toBe(1)
    await vi.advanceTimersByTimeAsync(1)
    await outcome
    expect(queue.load().waiting).toBe(0)
  })

  it('that has passed already is refused without a run', async () => {
    vi.setSystemTime(2_000)
    const { submit, now } = aQueue()
    await expect(submit('x', { startBy: 1_999 })).rejects.toEqual(refusal('busy'))
    expect(now()).toEqual([])
    void submit('x', { startBy: 2_000 })
    expect(now()).toEqual(['x'])
  })

  it('no longer concerns who is being computed', async () => {
    const { submit, endNext } = aQueue()
    const answer = submit('x', { startBy: 1_000 })
    await vi.advanceTimersByTimeAsync(5_000)
    await endNext()
    expect(await answer).toBe('X')
  })
})

describe('a caller who leaves', () => {
  it('while waiting costs no run', async () => {
    const { submit, now, endNext, batches, queue } = aQueue()
    void submit('x')
    const caller = new AbortController()
    const answer = submit('y', {}, caller.signal)
    caller.abort()
    await expect(answer).rejects.toEqual(refusal('internal', 'The caller left.'))
    expect(queue.load()).toEqual({ inFlight: 1, waiting: 0 })
    await endNext()
    expect([now(), batches]).toEqual([[], [1]])
  })

  it('before it came costs nothing either', async () => {
    const { submit, now } = aQueue()
    await expect(submit('x', {}, AbortSignal.abort())).rejects.toEqual(refusal('internal'))
    expect(now()).toEqual([])
  })

  it('while being computed is answered at once, and its place is free when the batch has ended', async () => {
    const { submit, queue, running, endNext } = aQueue()
    const caller = new AbortController()
    const answer = submit('x', {}, caller.signal)
    caller.abort()
    await expect(answer).rejects.toEqual(refusal('internal'))
    expect(running[0]?.seats[0]?.isGone).toBe(true)
    expect(queue.load().inFlight).toBe(1)
    await endNext()
    expect(queue.load()).toEqual({ inFlight: 0, waiting: 0 })
  })
})

describe('a batch that throws', () => {
  it('is computed one by one, so that the guilty call alone fails', async () => {
    const { submit, now, running, endNext, batches, queue } = aQueue()
    void submit('x')
    const caller = new AbortController()
    const [a, bad, gone, c] = [submit('a'), submit('bad'), submit('gone', {}, caller.signal), submit('c')]
    await endNext()
    expect(now()).toEqual(['abadgonec'])
    await running[0]?.fail()
    expect(now()).toEqual(['a'])
    caller.abort()
    await endNext()
    await running[0]?.fail()
    expect(now()).toEqual(['c'])
    await endNext()
    expect(await Promise.all([a, c])).toEqual(['A', 'C'])
    await expect(bad).rejects.toEqual(refusal('internal', 'The model failed.'))
    await expect(gone).rejects.toEqual(refusal('internal', 'The caller left.'))
    expect(batches).toEqual([1, 4, 1, 1, 1])
    expect(queue.load()).toEqual({ inFlight: 0, waiting: 0 })
  })

  it('is not tried again when there was one call in it', async () => {
    const { submit, running, now } = aQueue()
    const answer = submit('x')
    await running[0]?.fail()
    await expect(answer).rejects.toEqual(refusal('internal'))
    expect(now()).toEqual([])
  })
})

describe('fairness', () => {
  it('lets an account with one call go before the hundred of another', async () => {
    const { submit, now, endNext } = aQueue({ queueMax: 200, batchMax: 1 })
    for (let i = 0; i < 100; i++) void submit('m', { account: 'many' })
    void submit('one', { account: 'few' })
    await endNext()
    expect(now()).toEqual(['one'])
  })

  it('counts what calls cost, not how many they are', async () => {
    const { submit, now, endNext } = aQueue({ batchMax: 1 })
    void submit('x', { account: 'other' })
    for (const job of ['B1', 'B2']) void submit(job, { account: 'big', cost: 30 })
    for (const job of ['s1', 's2', 's3']) void submit(job, { account: 'small', cost: 10 })
    const seen: string[] = []
    for (let i = 0; i < 5; i++) {
      await endNext()
      seen.push(...now())
    }
    expect(seen).toEqual(['B1', 's1', 's2', 's3', 'B2'])
  })
})

describe('the end', () => {
  it('refuses who waits and who comes, and lets what is computed end', async () => {
    const { submit, queue, endNext } = aQueue()
    const [running, waiting] = [submit('x'), submit('y')]
    queue.close(new EngineRefusal('internal', 'The model is not running.'))
    await expect(waiting).rejects.toEqual(refusal('internal', 'The model is not running.'))
    await expect(submit('z')).rejects.toEqual(refusal('internal', 'The model is not running.'))
    await endNext()
    expect(await running).toBe('X')
    expect(queue.load()).toEqual({ inFlight: 0, waiting: 0 })
  })

  it('tells how long each waited, by its own signal: its line in the log finds it so', async () => {
    const { submit, endNext, waits, named } = aQueue()
    const [one, other] = [new AbortController().signal, new AbortController().signal]
    void submit('x', {}, one)
    void submit('y', {}, other)
    await vi.advanceTimersByTimeAsync(250)
    await endNext()
    expect(waits).toEqual([0, 0.25])
    expect([named[0] === one, named[1] === other]).toEqual([true, true])
  })
})
