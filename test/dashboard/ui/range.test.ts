// A range of time in an address, and what the gateway is asked for it.
import { describe, expect, it } from 'vitest'
import { presetOf, rangeOf, rangeSearch } from '../../../gateway/dashboard/ui/range.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 86_400_000
const NOW = Date.parse('2026-11-21T10:30:00.000Z')
const JANUARY = { from: '2026-01-01T00:00:00.000Z', to: '2026-01-02T00:00:00.000Z' }

describe('an address', () => {
  it.each([
    ['nothing', {}, {}],
    ['a preset', { range: '30d' }, { range: '30d' }],
    ['a preset that there is not', { range: '90d' }, {}],
    ['two times', JANUARY, JANUARY],
    ['two times and a preset', { range: 'today', ...JANUARY }, JANUARY],
    ['one time', { from: JANUARY.from }, {}],
    ['times in the wrong order', { from: JANUARY.to, to: JANUARY.from }, {}],
    ['no time between the two', { from: JANUARY.from, to: JANUARY.from }, {}],
    ['what is no time, beside a preset', { from: 'soon', to: JANUARY.to, range: '7d' }, { range: '7d' }],
    ['numbers, as the router reads them', { from: 2025, to: 2026 }, {}],
  ])('that says %s', (_, search, read) => expect(rangeSearch(search)).toEqual(read))

  it('shows seven days where it says nothing, and its own times where it names them', () => {
    expect(presetOf({})).toBe('7d')
    expect(presetOf({ range: 'today' })).toBe('today')
    expect(presetOf(JANUARY)).toBe('custom')
  })
})

describe('the question', () => {
  it.each([
    ['seven days, in hours', {}, NOW, '2026-11-14T11:00:00.000Z', '2026-11-21T11:00:00.000Z', 'hour'],
    [
      'seven days at a full hour, which is over',
      {},
      NOW - HOUR_MS / 2,
      '2026-11-14T10:00:00.000Z',
      '2026-11-21T10:00:00.000Z',
      'hour',
    ],
    ['thirty days', { range: '30d' }, NOW, '2026-10-23T00:00:00.000Z', '2026-11-22T00:00:00.000Z', 'day'],
  ] as const)('for %s', (_, search, now, from, to, step) => expect(rangeOf(search, now)).toEqual({ from, to, step }))

  it.each([
    ['whole hours around them', '10:20:00.000Z', '2026-11-01T12:10:00.000Z', '10:00', '2026-11-01T13:00', 'hour'],
    ['an hour at least', '10:10:00.000Z', '2026-11-01T10:20:00.000Z', '10:00', '2026-11-01T11:00', 'hour'],
    ['hours up to eight days', '00:00:00.000Z', '2026-11-09T00:00:00.000Z', '00:00', '2026-11-09T00:00', 'hour'],
    ['days from then on', '00:00:00.000Z', '2026-11-09T00:00:00.001Z', '00:00', '2026-11-10T00:00', 'day'],
  ])('for two times is %s', (_, start, to, from, end, step) =>
    expect(rangeOf({ from: `2026-11-01T${start}`, to }, NOW)).toEqual({
      from: `2026-11-01T${from}:00.000Z`,
      to: `${end}:00.000Z`,
      step,
    }),
  )

  it('goes back 400 days and no further', () => {
    const to = '2026-11-21T00:00:00.000Z'
    const daysBack = (days: number) => new Date(Date.parse(to) - days * DAY_MS).toISOString()
    expect(rangeOf({ from: daysBack(400), to }, NOW).from).toBe(daysBack(400))
    expect(rangeOf({ from: daysBack(401), to }, NOW).from).toBe(daysBack(400))
  })

  it('for today begins with the viewer’s day, and is never empty', () => {
    const midnight = new Date(NOW).setHours(0, 0, 0, 0)
    const today = rangeOf({ range: 'today' }, NOW)
    expect(Date.parse(today.from)).toBe(Math.floor(midnight / HOUR_MS) * HOUR_MS)
    expect(today).toMatchObject({ to: '2026-11-21T11:00:00.000Z', step: 'hour' })
    const { from, to } = rangeOf({ range: 'today' }, midnight)
    expect(Date.parse(to) - Date.parse(from)).toBe(HOUR_MS)
  })

  it('stays the same until the next hour or day begins', () => {
    for (const range of ['today', '7d', '30d'] as const)
      expect(rangeOf({ range }, NOW + 29 * 60_000)).toEqual(rangeOf({ range }, NOW))
    expect(rangeOf({ range: '7d' }, NOW + 31 * 60_000)).not.toEqual(rangeOf({ range: '7d' }, NOW))
  })
})
