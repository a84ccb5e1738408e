// A page put together of several books: the rule by its edges.
import { describe, expect, it } from 'vitest'
import { earningsPage, placeOfCursor, type Earning } from '../../../../gateway/ledger/earnings/node-earnings.ts'
import type { EarningsPage } from '../../../../protocol/operator.ts'
import { instant, nanos } from '../../../../protocol/units.ts'

describe('a page of several readings', () => {
  const anEarning = (at: number, id: string): Earning => ({
    ...{ at: instant(at), id, attempt: 0, model: 'm/m', inputTokens: 0, outputTokens: 0, tensorBytes: 0 },
    ...{ chargedNanos: nanos(2n), earnedNanos: nanos(1n) },
  })
  const shown = ({ data, nextCursor }: EarningsPage) => [data.map(({ callId }) => callId).join(''), nextCursor]
  const place = (at: number, id: string) => ({ at: instant(at), id })

  it.each<[string, Parameters<typeof earningsPage>[0], number, [string, string | null]]>([
    ['nothing', [{ earnings: [], readTo: null }], 2, ['', null]],
    ['all there is', [{ earnings: [anEarning(2, 'b'), anEarning(1, 'a')], readTo: null }], 2, ['ba', null]],
    ['one more than fits', [{ earnings: [anEarning(2, 'b'), anEarning(1, 'a')], readTo: null }], 1, ['b', '2.b']],
    [
      'equal times of two books, by id',
      [
        { earnings: [anEarning(2, 'b')], readTo: null },
        { earnings: [anEarning(2, 'c'), anEarning(2, 'a')], readTo: null },
      ],
      3,
      ['cba', null],
    ],
    [
      'only what is not older than where a book stopped',
      [
        { earnings: [anEarning(9, 'z'), anEarning(4, 'd')], readTo: null },
        { earnings: [], readTo: place(5, 'e') },
      ],
      9,
      ['z', '5.e'],
    ],
    ['the last line that was read', [{ earnings: [anEarning(5, 'e')], readTo: place(5, 'e') }], 9, ['e', '5.e']],
    [
      'a short page of a full one',
      [{ earnings: [anEarning(9, 'z'), anEarning(8, 'y')], readTo: place(1, 'a') }],
      1,
      ['z', '9.z'],
    ],
  ])('is %s', (_, readings, rows, expected) => {
    expect(shown(earningsPage(readings, rows))).toEqual(expected)
  })

  it('goes on from its own cursors and from no others', () => {
    expect(placeOfCursor('12.call_abc')).toEqual({ at: 12, id: 'call_abc' })
    for (const text of ['', '12', '.a', '12.', '1e3.a', '12.a b']) expect(placeOfCursor(text)).toBeNull()
  })
})
