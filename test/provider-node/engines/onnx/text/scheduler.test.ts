// The scheduler of one model's thread, with a graph that notes what it is fed: who is begun, who shares a step, and what becomes of whom.
import { describe, expect, it } from 'vitest'
import { aScheduler, aTextJob, BROKEN, saying, type Run } from './fake-graph.ts'

const HELLO = [...Buffer.from('hello')]
const fed = (run: Run | undefined) => run?.rows.map(({ before, tokens }) => [before, tokens.length])

describe('one call', () => {
  it('feeds the prompt once and each token after it, and does not count the end token', async () => {
    const { scheduler, replies, runs, run, textOf } = aScheduler(saying([0, 0, ...HELLO]))
    scheduler.add(1, aTextJob(), [9, 9, 9])
    await run()
    expect(textOf(1)).toBe('hello')
    expect(replies[0]).toEqual({ type: 'started', id: 1, inputTokens: 3, waitedMs: 0 })
    expect(replies.at(-1)).toMatchObject({ outputTokens: 5, finishReason: 'stop' })
    expect(runs.map((each) => each.kind)).toEqual(['prefill', 'step', 'step', 'step', 'step', 'step'])
    expect(runs.map(fed)).toEqual([[[0, 3]], [[3, 1]], [[4, 1]], [[5, 1]], [[6, 1]], [[7, 1]]])
  })

  it.each([
    ['at max_tokens', { outputTokensMax: 3 }, 50, 'hel'],
    ['where the context ends', {}, 4, 'hel'],
  ])('ends with length %s', async (_, limits, contextTokens, text) => {
    const { scheduler, replies, run, textOf } = aScheduler(saying(HELLO), { contextTokens })
    scheduler.add(1, aTextJob(limits), [9])
    await run()
    expect(textOf(1)).toBe(text)
    expect(replies.at(-1)).toMatchObject({ outputTokens: 3, finishReason: 'length' })
  })

  it('never feeds a position beyond the context', async () => {
    const { scheduler, runs, run } = aScheduler(() => 65, { contextTokens: 10 })
    scheduler.add(1, aTextJob(), [9, 9, 9])
    await run()
    expect(Math.max(...runs.flatMap((each) => each.rows.map(({ before, tokens }) => before + tokens.length)))).toBe(9)
  })

  it('feeds a long prompt in parts, each as long as allowed', async () => {
    const { scheduler, runs, run, textOf } = aScheduler(saying([...new Array(19).fill(0), ...HELLO]), {
      prefillTokensMax: 8,
    })
    scheduler.add(1, aTextJob(), new Array(20).fill(9))
    await run()
    expect(runs.slice(0, 3).map(fed)).toEqual([[[0, 8]], [[8, 8]], [[16, 4]]])
    expect(textOf(1)).toBe('hello')
  })
})

describe('many calls', () => {
  it('lets them join and leave between steps, no more of them than there are rows', async () => {
    const { scheduler, batches, run, textOf } = aScheduler(saying(HELLO), { rowsMax: 2 })
    for (const id of [1, 2, 3]) scheduler.add(id, aTextJob(), [9])
    await run()
    expect([1, 2, 3].map((id) => textOf(id))).toEqual(['hello', 'hello', 'hello'])
    expect(batches).toEqual([2, 2, 2, 2, 2, 1, 1, 1, 1, 1])
  })

  it('begins together what arrives together, and goes on with who is there when somebody joins', async () => {
    const { scheduler, runs, step, run, textOf } = aScheduler(saying(HELLO), { rowsMax: 3 })
    scheduler.add(1, aTextJob(), [9])
    scheduler.add(2, aTextJob(), [9])
    await step()
    await step()
    scheduler.add(3, aTextJob(), [9])
    await run()
    expect(runs.slice(0, 5).map((each) => `${each.kind} ${each.rows.length}`)).toEqual([
      'prefill 2',
      'step 2',
      'step 2',
      'prefill 1',
      'step 3',
    ])
    expect(textOf(3)).toBe('hello')
  })

  it('takes a step with those under way between two parts of a long prompt', async () => {
    const { scheduler, runs, step, run } = aScheduler(() => 65, { prefillTokensMax: 8 })
    scheduler.add(1, aTextJob({ outputTokensMax: 20 }), [9])
    await step()
    scheduler.add(2, aTextJob({ outputTokensMax: 2 }), new Array(24).fill(9))
    await run()
    expect(runs.slice(2, 8).map((each) => each.kind)).toEqual(['prefill', 'step', 'prefill', 'step', 'prefill', 'step'])
    expect(runs[7]?.rows).toHaveLength(2)
  })

  it('ends one at its stop sequence and goes on with the others', async () => {
    const { scheduler, replies, run, textOf } = aScheduler(saying(HELLO))
    scheduler.add(1, aTextJob(), [9])
    scheduler.add(2, aTextJob({ stop: ['l'] }), [9])
    await run()
    expect([textOf(1), textOf(2)]).toEqual(['hello', 'he'])
    expect(replies.filter((reply) => reply.type === 'step' && reply.finishReason === 'stop')).toHaveLength(2)
  })

  it.each([
    ['in its prompt', [BROKEN], 'failed'],
    ['in what it says', [100], 'failed'],
  ])('loses only the sequence that breaks the graph, %s', async (_, prompt, type) => {
    const { scheduler, endOf, textOf, run } = aScheduler((tokens) =>
      tokens[0] === 100 ? BROKEN : (HELLO[tokens.length - 1] ?? 0),
    )
    scheduler.add(1, aTextJob(), prompt)
    scheduler.add(2, aTextJob(), [9])
    await run()
    expect(endOf(1)).toEqual({ type, id: 1, reason: 'RangeError' })
    expect(textOf(2)).toBe('hello')
  })

  it('begins only as many as their caches have room for, and always one', async () => {
    const { scheduler, batches, run, textOf } = aScheduler(saying(HELLO), { rowsMax: 8, cachePositionsMax: 30 })
    // 1 + 9 positions each: three of them.
    for (const id of [1, 2, 3, 4]) scheduler.add(id, aTextJob({ outputTokensMax: 9 }), [9])
    scheduler.add(5, aTextJob({ outputTokensMax: 40 }), [9])
    await run()
    expect(Math.max(...batches)).toBe(3)
    expect([1, 2, 3, 4, 5].map((id) => textOf(id))).toEqual(new Array(5).fill('hello'))
  })
})

describe('a run that throws', () => {
  it.each([
    ['of prompts', 1],
    ['of a step', 3],
  ])('%s fails its calls, and the next ones are answered', async (_, at) => {
    const { scheduler, endOf, run, textOf } = aScheduler(saying(HELLO), {}, (current) => {
      if (current === at) throw new RangeError('Array buffer allocation failed')
    })
    scheduler.add(1, aTextJob(), [9])
    scheduler.add(2, aTextJob(), [9])
    await run()
    for (const id of [1, 2]) expect(endOf(id)).toEqual({ type: 'failed', id, reason: 'RangeError' })
    scheduler.add(3, aTextJob(), [9])
    await run()
    expect(textOf(3)).toBe('hello')
  })
})

describe('choices', () => {
  it('share one prompt and then go their own ways', async () => {
    const { scheduler, runs, run, stepsOf, replies } = aScheduler(() => 65, { rowsMax: 4 })
    scheduler.add(1, aTextJob({ choices: 3, outputTokensMax: 4 }), [9, 9])
    await run()
    expect(runs.filter(({ kind }) => kind === 'prefill')).toHaveLength(1)
    expect(runs.at(-1)?.rows).toHaveLength(3)
    for (const choice of [0, 1, 2]) expect(stepsOf(1, choice).at(-1)).toMatchObject({ finishReason: 'length' })
    expect(replies.at(-1)).toMatchObject({ outputTokens: 12 })
  })

  it('are all answered where there are fewer rows than choices, before anybody else begins', async () => {
    const { scheduler, replies, batches, run, textOf } = aScheduler(saying(HELLO), { rowsMax: 2 })
    scheduler.add(1, aTextJob({ choices: 5 }), [9])
    scheduler.add(2, aTextJob(), [9])
    await run()
    expect([0, 1, 2, 3, 4].map((choice) => textOf(1, choice))).toEqual(new Array(5).fill('hello'))
    expect(Math.max(...batches)).toBe(2)
    const begun = replies.findIndex((reply) => reply.type === 'started' && reply.id === 2)
    const lastOfFirst = replies.findLastIndex((reply) => reply.type === 'step' && reply.id === 1)
    expect(textOf(2)).toBe('hello')
    // When one of the two rows was free for good.
    expect(begun).toBeGreaterThan(lastOfFirst - 14)
  })
})

describe('who leaves', () => {
  it('takes no further step, and is told once', async () => {
    const { scheduler, replies, runs, step, run } = aScheduler(saying(HELLO))
    scheduler.add(1, aTextJob(), [9])
    await step()
    await step()
    const before = runs.length
    scheduler.cancel(1)
    await run()
    expect(runs.length).toBe(before)
    expect(replies.at(-1)).toEqual({ type: 'cancelled', id: 1, outputTokens: before })
    scheduler.cancel(1)
    expect(replies.filter((reply) => reply.type === 'cancelled')).toHaveLength(1)
  })

  it('costs nothing while it waits', async () => {
    const { scheduler, replies, runs, run } = aScheduler(saying(HELLO), { rowsMax: 1 })
    scheduler.add(1, aTextJob(), [9])
    scheduler.add(2, aTextJob(), [9])
    scheduler.cancel(2)
    await run()
    expect(replies).toContainEqual({ type: 'cancelled', id: 2, outputTokens: 0 })
    expect(runs).toHaveLength(6)
  })

  it('costs no further part of its prompt', async () => {
    const { scheduler, runs, step, run } = aScheduler(saying(HELLO), { prefillTokensMax: 8 })
    scheduler.add(1, aTextJob(), new Array(40).fill(9))
    await step()
    scheduler.cancel(1)
    await run()
    expect(runs).toHaveLength(1)
  })

  it('leaves all its choices', async () => {
    const { scheduler, runs, step, run } = aScheduler(() => 65, { rowsMax: 2 })
    scheduler.add(1, aTextJob({ choices: 4 }), [9])
    await step()
    await step()
    const before = runs.length
    scheduler.cancel(1)
    await run()
    expect(runs.length).toBe(before)
  })

  it.each([
    ['its prompt is read', 1],
    ['a step of others and its own is taken', 3],
  ])('is dropped while %s, and the others get theirs', async (_, moment) => {
    const leave: { now: () => void } = { now: () => undefined }
    const { scheduler, replies, run, textOf, stepsOf } = aScheduler(saying(HELLO), {}, (number) => {
      if (number === moment) leave.now()
    })
    leave.now = () => scheduler.cancel(1)
    scheduler.add(1, aTextJob(), [9])
    scheduler.add(2, aTextJob(), [9])
    await run()
    const ended = replies.findIndex((reply) => reply.type === 'cancelled')
    expect(replies.slice(ended).some((reply) => reply.type === 'step' && reply.id === 1)).toBe(false)
    expect(stepsOf(1)).toHaveLength(moment - 1)
    expect(textOf(2)).toBe('hello')
  })

  it.each([
    ['the run of its prompt', 1, [BROKEN], ['started', 'cancelled']],
    ['its own step', 2, [9], ['started', 'step', 'cancelled']],
  ])('leaves no failure behind when %s then fails', async (_, moment, prompt, told) => {
    const leave: { now: () => void } = { now: () => undefined }
    const { scheduler, replies, run } = aScheduler(
      () => BROKEN,
      {},
      (number) => {
        if (number === moment) leave.now()
      },
    )
    leave.now = () => scheduler.cancel(1)
    scheduler.add(1, aTextJob(), prompt)
    await run()
    expect(replies.map(({ type }) => type)).toEqual(told)
  })
})

describe('the queue', () => {
  /** In which order calls began. */
  const begun = (replies: ReturnType<typeof aScheduler>['replies']) =>
    replies.flatMap((reply) => (reply.type === 'started' ? [reply.id] : []))

  it('lets a second account in although the first has many calls waiting', async () => {
    const { scheduler, replies, run } = aScheduler(saying(HELLO), { rowsMax: 1 })
    for (const id of [1, 2, 3, 4, 5, 6]) scheduler.add(id, aTextJob({ account: 'many' }), [9])
    scheduler.add(7, aTextJob({ account: 'one' }), [9])
    await run()
    expect(begun(replies).indexOf(7)).toBeLessThanOrEqual(1)
  })

  it('counts what an account was really given, not what it might have asked for', async () => {
    const { scheduler, replies, run } = aScheduler((tokens) => (tokens[0] === 8 || tokens.length < 10 ? 65 : 0), {
      rowsMax: 1,
    })
    // Of `long` each answer is 40 tokens, of `short` 9, whatever they allow.
    for (const id of [1, 2, 3]) scheduler.add(id, aTextJob({ account: 'long', outputTokensMax: 40 }), [8])
    for (const id of [11, 12, 13, 14, 15, 16, 17, 18])
      scheduler.add(id, aTextJob({ account: 'short', outputTokensMax: 49 }), [9])
    await run(500)
    const order = begun(replies)
    expect(order).toHaveLength(11)
    // Four or five short ones for each long one.
    expect(order.slice(0, 7).filter((id) => id < 10)).toEqual([1, 2])
  })

  it('refuses who has not begun in time, without a step', async () => {
    const { scheduler, replies, runs, run, step, advance, textOf } = aScheduler(saying(HELLO), { rowsMax: 1 })
    scheduler.add(1, aTextJob(), [9])
    scheduler.add(2, aTextJob({ startBy: 1_500 }), [9])
    await step()
    advance(500)
    await step()
    expect(replies.some((reply) => reply.id === 2)).toBe(false)
    advance(1)
    await run()
    expect(replies).toContainEqual(expect.objectContaining({ type: 'refused', id: 2, code: 'busy' }))
    expect(textOf(1)).toBe('hello')
    expect(runs).toHaveLength(6)
  })

  it('refuses who is late also while another is under way', async () => {
    const { scheduler, replies, step, advance } = aScheduler(() => 65, { rowsMax: 1 })
    scheduler.add(1, aTextJob(), [9])
    // The first of those who wait is looked at when a row is free, the others are looked through.
    for (const id of [2, 3, 4]) scheduler.add(id, aTextJob({ startBy: id === 2 ? 9_000 : 1_500 }), [9])
    await step()
    advance(700)
    await step()
    await step()
    const refused = replies.flatMap((reply) => (reply.type === 'refused' ? [reply.id] : []))
    expect(refused.sort()).toEqual([3, 4])
  })

  it('says how long each had waited', async () => {
    const { scheduler, replies, step, run, advance } = aScheduler(saying(HELLO), { rowsMax: 1 })
    scheduler.add(1, aTextJob(), [9])
    scheduler.add(2, aTextJob(), [9])
    await step()
    advance(40)
    await run()
    expect(replies).toContainEqual({ type: 'started', id: 2, inputTokens: 1, waitedMs: 40 })
  })

  it('tells nobody and computes nothing after it was stopped', async () => {
    const { scheduler, replies, runs, step, run } = aScheduler(() => 65, { rowsMax: 1 })
    scheduler.add(1, aTextJob(), [9])
    scheduler.add(2, aTextJob(), [9])
    await step()
    scheduler.stop()
    const before = [replies.length, runs.length]
    await run()
    expect([replies.length, runs.length]).toEqual(before)
  })
})
