// Which trust is told while audits move it: nobody may learn from it when one was judged.
import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { createAuditBook, type AuditRow } from '../../../../gateway/market/audits/audit-book.ts'
import { createAuditViewBook } from '../../../../gateway/market/audits/audit-day-book.ts'
import { asTold, toldTrustPpm, trustDay } from '../../../../gateway/market/audits/told-trust.ts'
import { instant, nanos, type CallId, type Instant } from '../../../../protocol/units.ts'
import { createAuditHouse } from './audit-house.ts'

const DAY = 86_400_000

describe('what is told', () => {
  const now = instant(20_000 * DAY + 5)
  it.each([
    ['what is kept, where nothing was judged yet', { trustPpm: null, toldTrustPpm: null, toldDay: null }, null],
    ['what it was before today', { trustPpm: 7, toldTrustPpm: 9, toldDay: 20_000 }, 9],
    ['that nothing was thought of it before today', { trustPpm: 7, toldTrustPpm: null, toldDay: 20_000 }, null],
    ['what it came to, from the next day on', { trustPpm: 7, toldTrustPpm: 9, toldDay: 19_999 }, 7],
  ])('is %s', (_, kept, told) => {
    expect(toldTrustPpm(kept, now)).toBe(told)
  })

  it('changes at midnight, UTC', () => {
    expect([trustDay(instant(20_000 * DAY - 1)), trustDay(instant(20_000 * DAY))]).toEqual([19_999, 20_000])
  })

  it('hides the one that the choice reads', () => {
    expect(asTold({ trust: 0.1, toldTrust: 1, id: 'x' })).toEqual({ trust: 1, toldTrust: 1, id: 'x' })
  })
})

it('stays all day as it was when the day began, though the choice reads what each audit makes of it', async () => {
  const house = await createAuditHouse({ nodes: [{ operator: 61 }] })
  const [node] = house.nodes
  if (!node) throw new Error('there is one')
  const [audits, views] = [createAuditBook(env.DB), createAuditViewBook(env.DB)]
  let calls = 0
  const found = (outcome: 'right' | 'wrong', at: Instant) => {
    const finding = { outcome, what: 'text', assurance: 'pinned', weight: 1 } as const
    const row: AuditRow = {
      ...{ id: `call_told${calls++}` as CallId, pairId: 'pair', nodeId: node.id, modelId: house.modelId, outcome }, // never looked up
      ...{ detail: null, costNanos: nanos(0n), billed: null, finding, at },
    }
    return audits.record(row, at)
  }
  const told = async (at: Instant) => (await views.trust(node.id, at))?.offers.map(({ trust }) => trust)
  const live = async () => ((await house.trust(node.id)) ?? 1_000_000) / 1_000_000
  const today = instant(Math.floor(house.clock() / DAY) * DAY)
  const at = (days: number, ms: number) => instant(today + days * DAY + ms)

  await found('wrong', at(0, 10))
  await found('wrong', at(0, 20))
  const first = await live()
  expect(first).toBeLessThan(0.9)
  expect(await told(at(0, 30))).toEqual([1])
  expect(await told(at(0, DAY - 1))).toEqual([1])
  expect(await told(at(1, 0))).toEqual([first])

  await found('right', at(1, 10))
  await found('wrong', at(1, 20))
  await found('wrong', at(1, 30))
  const second = await live()
  expect(second).toBeLessThan(first)
  expect(await told(at(1, 40))).toEqual([first])
  // A day without audits changes nothing more.
  expect(await told(at(2, 0))).toEqual([second])
  expect(await told(at(9, 0))).toEqual([second])
})
