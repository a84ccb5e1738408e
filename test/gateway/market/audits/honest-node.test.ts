// An honest node in bad times, with the audits of a real market: load, restarts, callers who hang up and a gateway that was away leave it its trust and its
// traffic, while a cheat beside it loses both.
import { expect, it } from 'vitest'
import { NO_WISHES } from '../../../../gateway/market/choose/wishes.ts'
import { rank } from '../../../../gateway/market/choose/choose.ts'
import { createSnapshots } from '../../../../gateway/market/snapshot.ts'
import { tokens, type NodeId } from '../../../../protocol/units.ts'
import { env } from 'cloudflare:workers'
import { createAuditHouse, type AuditHouse } from './audit-house.ts'

const HOUR_MS = 3_600_000

/** Minutes of sixty calls of each node. */
async function minutes(house: AuditHouse, count: number): Promise<void> {
  for (let minute = 0; minute < count; minute++) await house.minute(60)
}

/** How many of so many calls each node would be asked first. */
async function shares(house: AuditHouse, calls: number): Promise<Map<NodeId, number>> {
  const background: Promise<unknown>[] = []
  const snapshots = createSnapshots({ db: env.DB, clock: house.clock })
  const snapshot = await snapshots.get(house.modelId, (work) => void background.push(work))
  await Promise.all(background)
  const found = new Map<NodeId, number>()
  for (let call = 0; call < calls; call++) {
    const estimate = { inputTokens: tokens(10), outputTokens: tokens(10) }
    const input = { seed: `call ${call}`, now: house.clock(), estimate, wishes: NO_WISHES }
    const [first] = rank(snapshot?.offers ?? [], input).order
    if (first) found.set(first, (found.get(first) ?? 0) + 1)
  }
  return found
}

it(
  'an honest node keeps its trust and its traffic through bad times, and a cheat loses both',
  { timeout: 60_000 },
  async () => {
    const house = await createAuditHouse({
      nodes: [{ operator: 1 }, { operator: 2 }, { operator: 3 }, { operator: 4, cheat: { model: 'small/model' } }],
    })
    const [one, two, three, cheater] = house.nodes
    if (!one || !two || !three || !cheater) throw new Error('four nodes')
    const ids = house.nodes.map(({ id }) => id)
    const before = await shares(house, 400)
    for (const id of ids) expect(before.get(id)).toBeGreaterThan(50)

    await minutes(house, 2)
    // Full for a while.
    one.cheat = { status: 429 }
    await minutes(house, 2)
    // It restarts, and so does the next one, at another time.
    one.cheat = { status: 503 }
    await minutes(house, 1)
    one.cheat = {}
    two.cheat = { status: 500 }
    await minutes(house, 1)
    two.cheat = {}
    // The gateway was away, and comes back to all of them.
    house.advance(6 * HOUR_MS)
    await minutes(house, 4)

    for (const { id } of [one, two, three]) {
      expect(await house.state(id)).toBe('active')
      expect(await house.trust(id)).toBe(1_000_000)
      expect(await house.outcomes(id)).not.toContain('wrong')
    }
    expect(await house.state(cheater.id)).toBe('suspended')
    const after = await shares(house, 400)
    expect(after.has(cheater.id)).toBe(false)
    for (const { id } of [one, two, three]) expect(after.get(id)).toBeGreaterThan(80)
  },
)
