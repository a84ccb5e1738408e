// The rows of a chart: one for every hour or day, with gaps where nothing was measured, beside the same hours of the period before.
import { describe, expect, it } from 'vitest'
import { isGap, rowsOf, type Row, type Series } from '../../../gateway/dashboard/ui/time-chart-rows.ts'

interface Point {
  readonly at: string
  readonly calls: number
  readonly charge: string
}

const HOUR_MS = 3_600_000
const SERIES: readonly Series<Point>[] = [
  { key: 'calls', label: 'Calls', unit: 'calls', of: ({ calls }) => calls },
  { key: 'charge', label: 'Spend', unit: '$', of: ({ charge }) => charge },
]
const NOTHING = { calls: null, charge: null }
const point = (at: string, calls: number, charge = '0.000000001'): Point => ({ at: `2026-11-${at}:00Z`, calls, charge })
const asked = (from: string, to: string, points: readonly Point[], before: readonly Point[] = []) => ({
  ...{ from: `2026-11-${from}:00Z`, to: `2026-11-${to}:00Z`, step: 'hour' as const },
  ...{ points, before, series: SERIES },
})
const row = (now: Row['now'], before: Row['before'] = NOTHING): Row => ({ at: 0, now, before })

describe('rows', () => {
  it('are one for each hour, and say of hours without calls that nothing was measured', () => {
    const rows = rowsOf(asked('21T10:00', '21T13:00', [point('21T10:00', 2), point('21T12:00', 3)]))
    expect(rows.map(({ at, now }) => [new Date(at).toISOString().slice(11, 16), now.calls])).toEqual([
      ['10:00', 2],
      ['11:00', null],
      ['12:00', 3],
    ])
  })

  it('leave the end out, and begin with the whole hour that the range begins in', () => {
    const points = [point('21T10:00', 1), point('21T12:00', 2)]
    const rows = rowsOf(asked('21T10:40', '21T12:00', points))
    expect(rows.map(({ now }) => now.calls)).toEqual([1, null])
  })

  it('keep money as the text that the gateway sent', () => {
    const [first] = rowsOf(asked('21T10:00', '21T11:00', [point('21T10:00', 1, '12345678.123456789')]))
    expect(first?.now.charge).toBe('12345678.123456789')
  })

  it('stand beside the same hours of the period before, which is as long and ends where this one begins', () => {
    const before = [point('21T07:00', 5), point('21T09:00', 7)]
    const rows = rowsOf(asked('21T10:00', '21T13:00', [], before))
    expect(rows.map((each) => each.before.calls)).toEqual([5, null, 7])
    expect(rows.every(({ now }) => now.calls === null)).toBe(true)
  })

  it('are days where days are asked for', () => {
    const days = { ...asked('01T00:00', '04T00:00', [point('02T00:00', 4)]), step: 'day' as const }
    expect(rowsOf(days).map(({ now }) => now.calls)).toEqual([null, 4, null])
  })

  it.each([
    ['a thousand', 1_000, 1_000],
    ['a thousand and one, of which the last is left out', 1_001, 1_000],
  ])('of a range of %s', (_, hours, shown) => {
    const from = Date.parse('2026-01-01T00:00:00Z')
    const range = { from: new Date(from).toISOString(), to: new Date(from + hours * HOUR_MS).toISOString() }
    expect(rowsOf({ ...range, step: 'hour', points: [], series: SERIES })).toHaveLength(shown)
  })
})

describe('a gap', () => {
  it.each([
    ['nothing was measured', row(NOTHING), true],
    ['nothing was spent, which was measured', row({ calls: 0, charge: null }), false],
    ['something was measured in the period before', row(NOTHING, { calls: 1, charge: null }), false],
  ])('is where %s: %#', (_, each, is) => expect(isGap(each)).toBe(is))
})
