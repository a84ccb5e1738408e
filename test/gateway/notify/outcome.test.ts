import { describe, expect, it } from 'vitest'
import { wants } from '../../../gateway/notify/kinds.ts'
import { NOTIFY } from '../../../gateway/notify/limits.ts'
import { messageBody, messageId } from '../../../gateway/notify/message.ts'
import { judgeAttempt, PAUSES_MS, pauseMs, REASON, type Attempt } from '../../../gateway/notify/outcome.ts'
import { instant } from '../../../protocol/units.ts'

const NOW = instant(Date.UTC(2040, 0, 1))
const failed = (error: Attempt['error'] = 'refused'): Attempt => ({ error, status: 500, ms: 1 })
const ALMOST_ONE = 1 - 2 ** -32

describe('the pause before the next try', () => {
  it.each([
    [1, 5_000, 5_999],
    [2, 30_000, 35_999],
    [3, 120_000, 143_999],
    [4, 600_000, 719_999],
    [5, 3_600_000, 4_319_999],
    [6, 21_600_000, 25_919_999],
    [7, 86_400_000, 103_679_999],
  ])('after %d failures is %d to %d ms', (tries, least, most) => {
    expect(pauseMs(tries, 0)).toBe(least)
    expect(pauseMs(tries, ALMOST_ONE)).toBe(most)
  })
  it('ends with the eighth failure', () => {
    expect(PAUSES_MS).toHaveLength(7)
    expect(pauseMs(8, 0)).toBeNull()
  })
})

describe('a try', () => {
  const judge = (attempt: Attempt, tries: number, failingSince: number | null = null) =>
    judgeAttempt(attempt, { tries, failingSince: failingSince === null ? null : instant(failingSince) }, NOW, 0)

  it('that arrived ends its delivery, however many failed before', () => {
    expect(judge({ error: null, status: 204, ms: 1 }, 8, 0)).toEqual({
      state: 'delivered',
      nextAt: null,
      disabled: null,
    })
  })
  it.each<[Attempt['error'], number]>([
    ['timeout', 1],
    ['connection_failed', 2],
    ['redirected', 3],
    ['refused', 6],
    ['address_refused', 7],
    ['secret_lost', 7],
  ])('that failed as %s the %d. time is made again', (error, tries) => {
    const nextAt = NOW + (PAUSES_MS[tries - 1] ?? 0)
    expect(judge(failed(error), tries)).toEqual({ state: 'pending', nextAt, disabled: null })
  })
  it('that failed the eighth time is the last', () => {
    expect(judge(failed(), 8)).toEqual({ state: 'failed', nextAt: null, disabled: null })
    expect(judge(failed(), 8, NOW - NOTIFY.failingMs + 1).disabled).toBeNull()
  })
  it('that was the last of a message, five days after anything arrived, disables the webhook; an earlier one does not', () => {
    expect(judge(failed(), 8, NOW - NOTIFY.failingMs).disabled).toBe(REASON.failing)
    expect(judge(failed(), 7, NOW - NOTIFY.failingMs * 10).disabled).toBeNull()
  })
  it('that met 410 disables it at once', () => {
    expect(judge(failed('gone'), 1)).toEqual({ state: 'failed', nextAt: null, disabled: REASON.gone })
  })
})

describe('a message', () => {
  const event = {
    id: 'account:weird id.1/ü',
    accountId: '0123456789abcdef',
    kind: 'balance.low',
    data: { balance: '0.9', accountId: 'somebody else' },
    at: NOW,
  }
  it('has a plain id without a full stop, the same for the same event', () => {
    expect(messageId(event.id)).toMatch(/^evt_[0-9a-f]{32}$/)
    expect(messageId(event.id)).toBe(messageId(event.id))
    expect(messageId(event.id)).not.toBe(messageId(`${event.id} `))
  })
  it('names the account whose event it is, whatever the event says', () => {
    expect(JSON.parse(messageBody(event))).toEqual({
      type: 'balance.low',
      timestamp: '2040-01-01T00:00:00.000Z',
      data: { balance: '0.9', accountId: '0123456789abcdef' },
    })
  })
})

it.each([
  [null, 'statement.ready', true],
  ['["balance.low","budget.reached"]', 'budget.reached', true],
  ['["balance.low"]', 'budget.reached', false],
])('a webhook for %s wants %s: %s', (kinds, kind, isWanted) => {
  expect(wants(kinds, kind)).toBe(isWanted)
})
