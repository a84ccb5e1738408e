// The check that the browser runs, over files of every cut; months and movements in words.
import { describe, expect, it } from 'vitest'
import { checkJournal } from '../../../gateway/dashboard/billing/journal-check.ts'
import { monthName, monthsOf, rangeOfMonths } from '../../../gateway/dashboard/billing/months.ts'

describe('spend by month', () => {
  it('sums days to months in nanos, newest first, with bars against the dearest', () => {
    const days = [
      { at: '2026-10-31T00:00:00.000Z', calls: 1, charge: '0.100000001' },
      { at: '2026-11-01T00:00:00.000Z', calls: 2, charge: '0.200000002' },
      { at: '2026-11-30T00:00:00.000Z', calls: 3, charge: '0.200000002' },
    ]
    expect(monthsOf(days)).toEqual([
      { month: '2026-11', calls: 5, charge: '0.400000004', share: 1 },
      { month: '2026-10', calls: 1, charge: '0.100000001', share: 0.25 },
    ])
    expect(monthsOf([])).toEqual([])
  })

  it('asks for whole months that the gateway gives, also at the turn of a year', () => {
    expect(rangeOfMonths(Date.UTC(2027, 0, 31, 23, 59), 12)).toEqual({
      from: '2026-02-01T00:00:00.000Z',
      to: '2027-02-01T00:00:00.000Z',
    })
    expect(monthName('2026-11')).toBe('November 2026')
  })
})

describe('a file that is no journal', () => {
  const KEYS = { keys: [] } as never // none is needed before the first line
  it.each(['', '{}\n', 'hello', `${'x'.repeat(5 * 1024 * 1024)}`, '\n\n'])(
    'is called broken, whatever it is',
    async (text) => {
      const { broken } = await checkJournal(new Blob([text]), KEYS)
      expect(broken).not.toBeNull()
    },
  )

  it('is left when its reader leaves', async () => {
    const reader = new AbortController()
    reader.abort()
    await expect(checkJournal(new Blob(['x\n']), KEYS, undefined, reader.signal)).rejects.toThrow()
  })
})
