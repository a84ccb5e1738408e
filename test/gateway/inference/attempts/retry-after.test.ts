import { expect, it } from 'vitest'
import { RETRY_AFTER, retryAfterMs } from '../../../../gateway/inference/attempts/retry-after.ts'

const NOW = Date.parse('2026-03-01T12:00:00Z')

it.each<[string, string | null, number | null]>([
  ['nothing', null, null],
  ['an empty header', '', null],
  ['no wait', '0', 0],
  ['a second', '1', 1_000],
  ['spaces around', ' 2 ', 2_000],
  ['the most that is believed', '300', 300_000],
  ['a second more', '301', 300_000],
  ['a thousand million seconds', '1000000000', 300_000],
  ['forty digits', '9'.repeat(40), 300_000],
  ['forty-one', '9'.repeat(41), null],
  ['a negative number', '-1', null],
  ['a fraction', '1.5', null],
  ['another notation', '1e3', null],
  ['words', 'soon', null],
  ['a date ahead', 'Sun, 01 Mar 2026 12:00:30 GMT', 30_000],
  ['a date far ahead', 'Mon, 01 Mar 2027 12:00:00 GMT', 300_000],
  ['a date that is over', 'Sun, 01 Mar 2026 11:00:00 GMT', 0],
  ['a date of another form', '2026-03-01T12:00:30Z', null],
  ['no date of that form', 'Sun, 99 Mar 2026 12:00:30 GMT', null],
])('%s: %j is %s ms', (_, header, ms) => expect(retryAfterMs(header, NOW)).toBe(ms))

it('the longest wait is five minutes', () => expect(RETRY_AFTER.mostMs).toBe(300_000))
