import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { createAuditEarnings } from '../../../../gateway/market/audits/audit-earnings-book.ts'
import { nanos } from '../../../../protocol/units.ts'
import { aTensorManifest, aVectorManifest } from '../builders.ts'
import { createAuditHouse, type AuditHouse, type Cheat } from './audit-house.ts'

const HONEST = [{ operator: 1 }, { operator: 2 }, { operator: 3 }]

/** Minutes of thirty calls each, until it is suspended or three hundred calls are over. @returns its calls until then */
async function callsUntilStopped(house: AuditHouse, at: number): Promise<number> {
  const id = house.nodes[at]?.id
  for (let calls = 30; calls <= 300; calls += 30) {
    await house.minute(30)
    if (id && (await house.state(id)) === 'suspended') return calls
  }
  return Infinity
}

/** Many minutes with real guards and signatures in each. */
const LONG = { timeout: 60_000 }

describe('a node that cheats on every call', LONG, () => {
  it.each<[string, Cheat, string]>([
    ['has another model', { model: 'small/model' }, 'text'],
    ['answers everything with what it answered first', { isCached: true }, 'text'],
    ['counts half as many tokens again', { padding: 1.5 }, 'counted other tokens'],
    ['signs for other words than it sends', { receiptOf: 'other words' }, 'receipt'],
    ['computes the first third and makes up the rest', { partsAt: 0.3 }, 'text'],
  ])('that %s is suspended within three hundred calls, and nobody else is', async (_, cheat, word) => {
    const house = await createAuditHouse({ nodes: [...HONEST, { operator: 4, cheat }] })
    expect(await callsUntilStopped(house, 3)).toBeLessThanOrEqual(300)
    const [one, two, three, cheater] = house.nodes
    for (const honest of [one, two, three]) {
      expect(honest && (await house.state(honest.id))).toBe('active')
      expect(honest && (await house.outcomes(honest.id))).not.toContain('wrong')
      expect(honest && (await house.trust(honest.id))).toBe(1_000_000)
    }
    const reason = await env.DB.prepare('SELECT reason FROM sanctions WHERE node_id = ?')
      .bind(cheater?.id)
      .first<string>('reason')
    expect(reason).toContain(word)
    expect(cheater && (await house.trust(cheater.id))).toBeLessThan(100_000)
  })

  it.each([
    ['vectors', aVectorManifest()],
    ['tensors', aTensorManifest()],
  ])('that gives other %s is suspended as well', async (_, manifest) => {
    const house = await createAuditHouse({ manifest, nodes: [...HONEST, { operator: 4, cheat: { model: 'other' } }] })
    expect(await callsUntilStopped(house, 3)).toBeLessThanOrEqual(300)
    expect(await Promise.all(house.nodes.map(({ id }) => house.state(id)))).toEqual([
      'active',
      'active',
      'active',
      'suspended',
    ])
  })

  it('that only fronts a server loses its trust by other words, and is not suspended for them', async () => {
    const house = await createAuditHouse({
      nodes: [...HONEST, { operator: 4, assurance: 'declared', cheat: { model: 'small/model' } }],
    })
    await env.DB.prepare('INSERT INTO call_shapes VALUES (?, 0, ?, 0)')
      .bind(
        house.modelId,
        JSON.stringify({
          path: '/v1/chat/completions',
          bodyBytes: 300,
          parts: 1,
          maxTokens: 64,
          sampling: { temperature: 0 },
        }),
      )
      .run()
    for (let minute = 0; minute < 6; minute++) await house.minute(30)
    const [, , , declared] = house.nodes
    expect(declared && (await house.state(declared.id))).toBe('active')
    expect(declared && (await house.trust(declared.id))).toBeLessThan(50_000)
  })
})

describe('a node that is audited', LONG, () => {
  it('finds every audit it is owed for among its earnings, under the id and at the time of the call it knows, with the parts of a call', async () => {
    const house = await createAuditHouse({ nodes: HONEST })
    for (let minute = 0; minute < 4; minute++) await house.minute(40)
    const read = createAuditEarnings(env.DB)
    let told = 0
    for (const { id } of house.nodes) {
      const rows = await house.rows(id)
      const all = { nodeId: id, from: 0, to: Number.MAX_SAFE_INTEGER, after: null }
      const { earnings, readTo } = await read({ ...all, rows: 100 })
      expect(readTo).toBeNull()
      expect(new Set(earnings.map(({ id: call }) => call))).toEqual(new Set(rows.map((row) => row['id'])))
      for (const earning of earnings) {
        const row = rows.find((one) => one['id'] === earning.id)
        expect([earning.earnedNanos, earning.at]).toEqual([BigInt(Number(row?.['cost_nanos'])), row?.['ended_at']])
        expect(earning.at).toBeGreaterThanOrEqual(Number(row?.['at']))
        const cut = (bps: bigint) => (earning.chargedNanos * bps) / 10_000n
        expect(earning.earnedNanos).toBeLessThanOrEqual(earning.chargedNanos - cut(500n))
        expect(earning.inputTokens + earning.outputTokens + earning.tensorBytes).toBeGreaterThan(0)
      }
      told += earnings.length
      const [first, second] = earnings
      if (!first || !second) continue
      const page = await read({ ...all, rows: 1 })
      expect([page.earnings[0], page.readTo?.id]).toEqual([first, second.id])
      expect((await read({ ...all, rows: 1, after: first })).earnings[0]).toEqual(second)
    }
    expect(told).toBeGreaterThan(4)
  })
})

describe('what audits make of a market', LONG, () => {
  it('of two operators only, who differ: nobody knows who is right, and nobody is blamed', async () => {
    const house = await createAuditHouse({ nodes: [{ operator: 1 }, { operator: 2, cheat: { model: 'other' } }] })
    await house.minute(40)
    expect(await Promise.all(house.nodes.map(({ id }) => house.outcomes(id)))).toEqual([['undecided'], ['undecided']])
    expect(await Promise.all(house.nodes.map(({ id }) => house.trust(id)))).toEqual([1_000_000, 1_000_000])
  })

  it('of one operator: his nodes vouch for nobody, and are asked nothing', async () => {
    const house = await createAuditHouse({ nodes: [{ operator: 1 }, { operator: 1 }, { operator: 1 }] })
    await house.minute(40)
    expect(house.nodes.flatMap(({ requests }) => requests)).toEqual([])
  })

  it('where one owns three nodes with another model: his voices are one, and the two others are right', async () => {
    const cheat = { model: 'other' }
    const house = await createAuditHouse({
      nodes: [{ operator: 1 }, { operator: 2 }, { operator: 3, cheat }, { operator: 3, cheat }, { operator: 3, cheat }],
    })
    for (let minute = 0; minute < 10; minute++) await house.minute(30)
    expect(await Promise.all(house.nodes.map(({ id }) => house.state(id)))).toEqual([
      'active',
      'active',
      ...['suspended', 'suspended', 'suspended'],
    ])
  })

  it('asks a node that is full nothing of its honesty: what is not answered counts neither way', async () => {
    const house = await createAuditHouse({ nodes: [...HONEST, { operator: 4, cheat: { status: 429 } }] })
    for (let minute = 0; minute < 6; minute++) await house.minute(60)
    const full = house.nodes[3]
    expect(new Set(full && (await house.outcomes(full.id)))).toEqual(new Set(['unanswered']))
    expect(full && (await house.trust(full.id))).toBe(1_000_000)
    expect(full && (await house.state(full.id))).toBe('active')
  })

  it('asks nobody before its turn', async () => {
    const house = await createAuditHouse({ nodes: HONEST })
    await house.minute(10)
    expect(house.nodes.flatMap(({ requests }) => requests)).toEqual([])
    await house.minute(30)
    expect(house.nodes.flatMap(({ requests }) => requests).length).toBeGreaterThanOrEqual(2)
  })

  it('spends what callers paid a share of, or the small allowance of a market that has just begun, and then no more', async () => {
    const house = await createAuditHouse({ nodes: HONEST })
    house.earns(nanos(0n))
    const spend = `INSERT INTO audits (id, node_id, model_id, kind, outcome, cost_nanos, suspicion, at) VALUES (?, ?, ?, ?, ?, ?, 0, ?)`
    const [node] = house.nodes
    const spent = env.DB.prepare(spend).bind(
      'call_spent',
      'node_x',
      'a/b',
      'cross',
      'right',
      50_000_000,
      house.clock() - 1,
    )
    await spent.run()
    await house.minute(100)
    expect(house.nodes.flatMap(({ requests }) => requests)).toEqual([])
    // Two hundredths of three dollars are six cents: one is left.
    house.earns(nanos(3_000_000_000n))
    await house.minute(100)
    expect(node?.requests.length).toBeGreaterThanOrEqual(1)
    await env.DB.prepare("DELETE FROM audits WHERE id = 'call_spent'").run()
  })

  it('looks at who was let in again closely, and not as if nothing had been', async () => {
    const house = await createAuditHouse({ nodes: [...HONEST, { operator: 4, cheat: { model: 'other' } }] })
    await callsUntilStopped(house, 3)
    const cheater = house.nodes[3]
    if (!cheater) throw new Error('there are four')
    await house.needs.sanctions.reinstate(cheater.id, { by: 'house', reason: 'it says it is good now', evidence: {} })
    const before = cheater.requests.length
    cheater.cheat = {}
    await house.minute(30)
    expect(cheater.requests.length).toBeGreaterThan(before)
    expect(await house.state(cheater.id)).toBe('probation')
    cheater.cheat = { model: 'other' }
    expect(await callsUntilStopped(house, 3)).toBeLessThanOrEqual(300)
  })

  it('tells the operator which kind of thing was wrong, and not a word of an answer', async () => {
    const house = await createAuditHouse({ nodes: [...HONEST, { operator: 4, cheat: { model: 'other' } }] })
    await callsUntilStopped(house, 3)
    const cheater = house.nodes[3]
    const all = JSON.stringify(cheater && (await house.rows(cheater.id)))
    const sanctions = JSON.stringify((await env.DB.prepare('SELECT * FROM sanctions').all()).results)
    for (const word of ['walks', 'paper', 'stone blue']) expect(all + sanctions).not.toContain(word)
  })
})
