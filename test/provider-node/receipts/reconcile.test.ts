// What a node did beside what it was paid: every kind of difference, and what is none.
import { describe, expect, it } from 'vitest'
import type { EarningView } from '../../../protocol/operator.ts'
import type { Own } from '../../../provider-node/receipts/history.ts'
import { reconcile, SETTLED_MS, type DifferenceKind } from '../../../provider-node/receipts/reconcile.ts'

const NOON = Date.parse('2026-01-15T12:00:00Z')
const NOW = NOON + 6 * 3_600_000
const DAYS = { from: '2026-01-15', to: '2026-01-15' }

const anOwn = (over: Partial<Own> = {}): Own => ({
  jti: 'jti-1',
  callId: 'call-1',
  attempt: 0,
  model: 'souk/tiny-chat',
  inputTokens: 10,
  outputTokens: 20,
  tensorBytes: 0,
  outcome: 'complete',
  expected: '1000',
  at: NOON,
  state: 'taken',
  ...over,
})
const aPaid = (over: Partial<EarningView> = {}): EarningView => ({
  callId: 'call-1',
  attempt: 0,
  model: 'souk/tiny-chat',
  inputTokens: 10,
  outputTokens: 20,
  tensorBytes: 0,
  charged: '0.000001000',
  earned: '0.000000900',
  at: new Date(NOON).toISOString(),
  ...over,
})

describe('a call', () => {
  it.each<[string, Own | null, EarningView | null, DifferenceKind | null]>([
    ['paid as claimed', anOwn(), aPaid(), null],
    ['paid although its receipt still waits', anOwn({ state: 'waiting' }), aPaid(), null],
    ['that ended a moment ago', anOwn({ at: NOW - SETTLED_MS + 1 }), null, 'pending'],
    ['that ended when calls are settled', anOwn({ at: NOW - SETTLED_MS }), null, 'unpaid'],
    ['whose receipt waits for the gateway', anOwn({ state: 'waiting' }), null, 'waiting'],
    ['that nobody paid', anOwn(), null, 'unpaid'],
    ['whose caller left before anything was delivered', anOwn({ outcome: 'cancelled' }), null, 'cancelled'],
    ['that this node failed itself', anOwn({ outcome: 'failed', expected: '0' }), null, null],
    ['that costs nothing', anOwn({ expected: '0' }), null, null],
    ['charged a nano less than claimed', anOwn(), aPaid({ charged: '0.000000999' }), 'lower'],
    ['charged a nano more than claimed', anOwn(), aPaid({ charged: '0.000001001' }), 'higher'],
    ['whose receipt was refused', anOwn({ state: 'bad_ticket' }), null, 'rejected'],
    ['whose receipt was refused and that was paid all the same', anOwn({ state: 'expired' }), aPaid(), 'rejected'],
    ['paid without a receipt of ours', null, aPaid(), 'no_receipt'],
    ['paid when the gateway has forgotten which attempt it was', anOwn({ attempt: 1 }), aPaid(), null],
  ])('%s', (_, own, paid, kind) => {
    const { differences } = reconcile(own ? [own] : [], paid ? [paid] : [], DAYS, NOW)
    expect(differences[0]?.kind ?? null).toBe(kind)
    if (kind !== null) expect(differences[0]?.calls.map(({ callId }) => callId)).toEqual(['call-1'])
    expect(differences[0]?.meaning ?? 'said').not.toBe('')
  })
})

it('gives a payment to the attempt it names, whichever receipt comes first', () => {
  const first = anOwn({ jti: 'jti-0', attempt: 0, outcome: 'cancelled' })
  const { differences } = reconcile([first, anOwn({ attempt: 1 })], [aPaid({ attempt: 1 })], DAYS, NOW)
  expect(differences.map(({ kind, calls }) => [kind, calls[0]?.attempt])).toEqual([['cancelled', 0]])
})

describe('days', () => {
  it('have a row for each model, with sums that say what was claimed, counted, charged and earned', () => {
    const own = [
      anOwn(),
      anOwn({ jti: 'jti-2', callId: 'call-2', outputTokens: 5, expected: '250' }),
      anOwn({ jti: 'jti-3', callId: 'call-3', outcome: 'failed', expected: '0' }),
      anOwn({ jti: 'jti-4', callId: 'call-4', model: 'souk/ocr', inputTokens: 0, outputTokens: 0, tensorBytes: 64 }),
    ]
    const { rows, total } = reconcile(own, [aPaid()], DAYS, NOW)
    expect(rows).toEqual([
      expect.objectContaining({
        model: 'souk/ocr',
        served: 1,
        paid: 0,
        claimed: { inputTokens: 0, outputTokens: 0, tensorBytes: 64 },
      }),
      {
        day: '2026-01-15',
        model: 'souk/tiny-chat',
        served: 2,
        failed: 1,
        paid: 1,
        claimed: { inputTokens: 30, outputTokens: 45, tensorBytes: 0 },
        counted: { inputTokens: 10, outputTokens: 20, tensorBytes: 0 },
        expected: '0.000001250',
        charged: '0.000001000',
        earned: '0.000000900',
      },
    ])
    expect(total).toMatchObject({ served: 3, failed: 1, paid: 1, expected: '0.000002250', earned: '0.000000900' })
  })

  it('take a call that was paid on the other side of midnight where this node ended it', () => {
    const own = [anOwn({ at: Date.parse('2026-01-15T23:59:59.999Z') })]
    const paid = [aPaid({ at: '2026-01-16T00:00:01.000Z' })]
    expect(reconcile(own, paid, DAYS, NOW + 86_400_000)).toMatchObject({ rows: [{ paid: 1 }], differences: [] })
    const next = { from: '2026-01-16', to: '2026-01-16' }
    expect(reconcile(own, paid, next, NOW + 86_400_000)).toMatchObject({ rows: [], differences: [] })
  })

  it('add amounts up exactly', () => {
    const own = Array.from({ length: 1_000 }, (_, i) =>
      anOwn({ jti: `jti-${i}`, callId: `call-${i}`, expected: '9007199254' }),
    )
    expect(reconcile(own, [], DAYS, NOW).total.expected).toBe('9007.199254000')
  })
})
