// How often something may be done to one node: its guard keeps the time, so that every isolate counts alike.
import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { createNodeGuards } from '../../../../gateway/market/guard/node-guard.ts'
import type { NodeId } from '../../../../protocol/units.ts'

const T0 = Date.UTC(2040, 0, 1)
const guards = createNodeGuards(env.NODE)
let serial = 0
let guard: ReturnType<typeof guards>
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: T0 })
  guard = guards(`node_${String(++serial).padStart(16, '0')}` as NodeId) // of an id's form
})
afterEach(() => void vi.useRealTimers())

it.each([
  [0, 10_000],
  [1, 9_999],
  [9_999, 1],
  [10_000, 0],
  [10_001, 0],
])('after %i ms of ten seconds there are %i ms to wait', async (later, wait) => {
  expect(await guard.pace('selftest', 10_000)).toBe(0)
  vi.setSystemTime(T0 + later)
  expect(await guard.pace('selftest', 10_000)).toBe(wait)
})

it('is not made longer by who asks too early', async () => {
  await guard.pace('selftest', 10_000)
  vi.setSystemTime(T0 + 9_999)
  await guard.pace('selftest', 10_000)
  vi.setSystemTime(T0 + 10_000)
  expect(await guard.pace('selftest', 10_000)).toBe(0)
})

it('lets one through of many at the same moment', async () => {
  const waits = await Promise.all(Array.from({ length: 20 }, () => guard.pace('selftest', 10_000)))
  expect(waits.filter((ms) => ms === 0)).toHaveLength(1)
})

it('keeps nodes and things apart', async () => {
  const other = guards(`node_${'z'.repeat(16)}` as NodeId) // of an id's form
  expect([await guard.pace('selftest', 10_000), await other.pace('selftest', 10_000)]).toEqual([0, 0])
  expect(await guard.pace('offers', 1_000)).toBe(0)
})

it('does not wait for a clock that was set back', async () => {
  await guard.pace('selftest', 10_000)
  vi.setSystemTime(T0 - 3_600_000)
  expect(await guard.pace('selftest', 10_000)).toBe(0)
})
