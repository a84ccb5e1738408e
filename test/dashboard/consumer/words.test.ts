// The pure parts of the consumer's pages: the route in words, new calls on top, a key's form, spend against the period before, filters in an address.
import { describe, expect, it } from 'vitest'
import {
  attemptWords,
  choiceWords,
  duration,
  percent,
  whyOf,
} from '../../../gateway/dashboard/consumer/call/route-words.ts'
import { callFilter } from '../../../gateway/dashboard/consumer/call-filter.ts'
import { newCalls, withNew } from '../../../gateway/dashboard/consumer/calls-live.ts'
import { EMPTY_KEY, readDraft } from '../../../gateway/dashboard/consumer/key-draft.ts'
import { changeWords, rangeBefore } from '../../../gateway/dashboard/consumer/spend-change.ts'
import type { Candidate, Choice } from '../../../protocol/choice.ts'
import type { UsageCall } from '../../../protocol/ledger.ts'

const candidate = (nodeId: string, over: Partial<Candidate> = {}): Candidate => ({
  ...{
    nodeId,
    price: '0.000001000',
    weight: 0,
    share: 0,
    turn: null,
    lost: null,
    from: null,
    explored: null,
    value: null,
  },
  ...over,
})
const choice = (over: Partial<Choice> = {}): Choice => ({
  ...{
    model: 'a/b',
    seed: 's',
    chosen: 'one',
    by: 'draw',
    sort: null,
    panic: false,
    offers: 3,
    cheapest: '0',
    total: 5,
  },
  explore: { offers: 2, share: 0.01 },
  candidates: [
    candidate('one', { weight: 4, share: 0.8, turn: 1, from: 0 }),
    candidate('two', { weight: 1, share: 0.2, turn: 2, from: 4, lost: 'draw' }),
    candidate('three', { lost: 'price' }),
  ],
  others: { offers: 0, weight: 0, lost: {} },
  ...over,
})

describe('the route in words', () => {
  it('says how many there were, who was left out and why, and how the first was found', () => {
    expect(choiceWords(choice())).toEqual([
      '3 nodes offered a/b.',
      'Left out: costs more than twice the cheapest (1).',
      'one was drawn, with a chance of 80 %: cheaper, faster and more reliable nodes are drawn more often. Its price for this call was estimated at $0.000001.',
    ])
  })
  it.each([
    [{ by: 'sort', sort: 'price' } as const, 'You asked for the cheapest: one.'],
    [{ by: 'order' } as const, 'one stands first in your own order.'],
    [{ by: 'exploration' } as const, 'This was one of the few calls (1 %)'],
    [{ chosen: null, by: null } as const, 'Nobody could be asked.'],
    [
      { candidates: [candidate('one', { from: 0, weight: 1, share: 1, turn: 1 })] },
      'one was the only one that could be asked.',
    ],
    [{ panic: true } as const, 'More than half of the nodes that fit were failing'],
    [{ others: { offers: 9, weight: 0, lost: { busy: 9 } } }, 'had no place free (9)'],
    [{ others: { offers: 9, weight: 0, lost: { new_reason: 9 } } }, 'was left out (new_reason) (9)'],
  ])('of %o', (over, words) => expect(choiceWords(choice(over)).join(' ')).toContain(words))
  it('says of each candidate why it was not the one', () => {
    expect(choice().candidates.map(whyOf)).toEqual([
      'was chosen',
      'could have been drawn, and another one was; it would have been asked as number 2',
      'costs more than twice the cheapest',
    ])
  })
  it('says what became of every attempt', () => {
    const attempt = { attempt: 0, nodeId: 'one', outcome: 'served', firstTokenMs: 80, durationMs: 1_234 }
    expect(attemptWords(attempt)).toBe('1. one answered: first output after 80 ms, whole after 1.23 s.')
    expect(attemptWords({ ...attempt, outcome: 'provider_failed', reason: 'it hung up', firstTokenMs: null })).toBe(
      '1. one did not finish (1.23 s): it hung up.',
    )
    expect([percent(0), percent(0.004), percent(0.666), duration(3)]).toEqual(['0 %', '0.4 %', '67 %', '3 ms'])
  })
})

describe('new calls', () => {
  const call = (n: number): UsageCall => ({
    ...{ id: `call_${n}`, keyId: 'k', model: 'a/b', provider: null, outcome: 'complete', errorCode: null },
    ...{ inputTokens: 0, outputTokens: 0, tensorBytes: 0, hold: '0', cost: '0', firstTokenAt: null },
    ...{ startedAt: new Date(n * 1_000).toISOString(), endedAt: new Date(n * 1_000).toISOString() },
  })
  const page = (nextCursor: string | null, ...ns: number[]) => ({ data: ns.map(call), nextCursor })
  it('come in front of what was read, each once and in its place', () => {
    const pages = [page('c', 5, 3), page(null, 2, 1)]
    const fresh = newCalls(pages, page('c', 6, 5, 4))
    if (fresh === 'gap') throw new Error('a gap')
    expect(fresh.map(({ id }) => id)).toEqual(['call_6', 'call_4'])
    expect(withNew(pages, fresh).flatMap(({ data }) => data.map(({ id }) => id))).toEqual([
      'call_6',
      'call_5',
      'call_4',
      'call_3',
      'call_2',
      'call_1',
    ])
    expect(newCalls(withNew(pages, fresh), page('c', 6, 5, 4))).toEqual([])
  })
  it('are a gap when one page does not reach back to what was read', () => {
    expect(newCalls([page(null, 1)], page('c', 9, 8))).toBe('gap')
    expect(newCalls([page(null)], page('c', 9, 8))).toHaveLength(2)
    expect(newCalls([page(null, 1)], page(null, 9, 8))).toHaveLength(2)
  })
})

describe('a key’s form', () => {
  const now = Date.parse('2040-01-01T00:00:00Z')
  it('asks for no more than a name', () =>
    expect(readDraft({ ...EMPTY_KEY, name: ' mine ' }, now)).toEqual({
      ok: true,
      request: { name: 'mine', scopes: ['inference'] },
    }))
  it('names what it narrows', () => {
    const read = readDraft(
      { ...EMPTY_KEY, name: 'k', usd: '0.25', period: 'day', rpm: '60', models: ['a/b'], expires: '2040-01-02T00:00' },
      now,
    )
    expect(read).toMatchObject({
      ok: true,
      request: { limit: { usd: '0.25', period: 'day' }, rateLimit: { rpm: 60 }, models: ['a/b'] },
    })
  })
  it.each([
    ['name', { name: ' ' }],
    ['name', { name: 'x'.repeat(81) }],
    ['scopes', { scopes: [] }],
    ['usd', { usd: 'abc' }],
    ['usd', { usd: '-1' }],
    ['usd', { usd: '0.0000000001' }],
    ['rpm', { rpm: '0' }],
    ['tpm', { tpm: '1.5' }],
    ['concurrency', { concurrency: 'many' }],
    ['nodes', { nodes: ['node_x'] }],
    ['expires', { expires: '2039-12-31T00:00' }],
    ['expires', { expires: 'soon' }],
  ])('says at %s what is wrong with %o', (field, wrong) => {
    const read = readDraft({ ...EMPTY_KEY, name: 'k', ...wrong }, now)
    expect(read.ok ? [] : Object.keys(read.faults)).toEqual([field])
  })
})

it('says how spend changed', () => {
  expect([
    changeWords('1.5', '1'),
    changeWords('0.5', '1'),
    changeWords('1.005', '1'),
    changeWords('1', '1'),
    changeWords('1', '0'),
    changeWords('0', '0'),
  ]).toEqual([
    '50 % more than before',
    '50 % less than before',
    '0.5 % more than before',
    'as much as before',
    'nothing before',
    'nothing before either',
  ])
  const range = { from: '2040-01-02T00:00:00.000Z', to: '2040-01-02T10:00:00.000Z', step: 'hour' } as const
  expect(rangeBefore(range, 'today')).toEqual({
    from: '2040-01-01T00:00:00.000Z',
    to: '2040-01-01T10:00:00.000Z',
    step: 'hour',
  })
  expect(rangeBefore(range, 'custom')).toEqual({
    from: '2040-01-01T14:00:00.000Z',
    to: '2040-01-02T00:00:00.000Z',
    step: 'hour',
  })
})

it('reads of an address what is a filter, and leaves out the rest', () => {
  expect(callFilter({ model: 'a/b', outcome: 'failed', key: 1, x: 'y' })).toEqual({ model: 'a/b', outcome: 'failed' })
  expect(callFilter({ outcome: 'good', model: '', key: 'x'.repeat(161) })).toEqual({})
})
