import { describe, expect, it } from 'vitest'
import { isDue } from '../../gateway/local/cron.ts'

describe('isDue', () => {
  // 2026-11-22 is a Sunday.
  it.each([
    ['* * * * *', '2026-11-22T03:07:59Z', true],
    ['*/5 * * * *', '2026-11-22T03:10:00Z', true],
    ['*/5 * * * *', '2026-11-22T03:11:00Z', false],
    ['0,30 3 * * *', '2026-11-22T03:30:00Z', true],
    ['0,30 3 * * *', '2026-11-22T04:30:00Z', false],
    ['10-20/5 * * * *', '2026-11-22T03:15:00Z', true],
    ['10-20/5 * * * *', '2026-11-22T03:25:00Z', false],
    ['0 0 * * 1', '2026-11-22T00:00:00Z', true],
    ['0 0 * * SUN', '2026-11-22T00:00:00Z', true],
    ['0 0 * * MON-FRI', '2026-11-22T00:00:00Z', false],
    ['0 0 1 * 1', '2026-11-22T00:00:00Z', true],
    ['0 0 1 * *', '2026-11-22T00:00:00Z', false],
    ['0 0 * NOV *', '2026-11-22T00:00:00Z', true],
    ['0 0 * DEC *', '2026-11-22T00:00:00Z', false],
  ])('%s at %s: %s', (cron, at, isExpected) => expect(isDue(cron, new Date(at))).toBe(isExpected))

  it.each(['* * * *', '60 * * * *', '* * L * *', '5-1 * * * *', '*/0 * * * *', '* * * * 0'])(
    'refuses %s by name',
    (cron) => expect(() => isDue(cron, new Date(0))).toThrow(`The cron "${cron}" in wrangler.toml cannot be read.`),
  )
})
