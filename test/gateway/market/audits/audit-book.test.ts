// What is kept of audits: for a quarter of a year, but for the last one of each offer, and the suspicion that stands in it.
import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, it } from 'vitest'
import { createAuditBook, type AuditRow } from '../../../../gateway/market/audits/audit-book.ts'
import { createAuditPayBook } from '../../../../gateway/market/audits/audit-day-book.ts'
import { natsOf, SUSPICION, trustOf, type Finding } from '../../../../gateway/market/audits/suspicion.ts'
import { instant, nanos, type CallId, type ModelId, type NodeId } from '../../../../protocol/units.ts'
import { CHAT_MODEL } from '../builders.ts'

const DAY_MS = 86_400_000
const NOW = instant(Date.UTC(2040, 0, 1))
const KEPT_MS = 93 * DAY_MS
const NODE = 'node_0000000000000001' as NodeId
const OTHER_NODE = 'node_0000000000000002' as NodeId
const OTHER_MODEL = 'maker/other' as ModelId
const book = createAuditBook(env.DB)
const purge = () => createAuditPayBook(env.DB).purge(NOW)

let serial = 0
beforeEach(() => env.DB.batch(['audits', 'offers'].map((table) => env.DB.prepare(`DELETE FROM ${table}`))))

/** @param thousandths of a nat that its offer was suspected of after it */
const anAudit = (at: number, nodeId = NODE, modelId: ModelId = CHAT_MODEL, thousandths = 0) =>
  env.DB.prepare(
    `INSERT INTO audits (id, pair_id, node_id, model_id, kind, outcome, cost_nanos, suspicion, at) VALUES (?, NULL, ?, ?, 'canary', 'right', 0, ?, ?)`,
  ).bind(`call_${String(++serial).padStart(6, '0')}`, nodeId, modelId, thousandths, at)
const times = async () =>
  (await env.DB.prepare('SELECT at FROM audits ORDER BY at, id').all<{ at: number }>()).results.map(({ at }) => at)
const count = async () => env.DB.prepare('SELECT count(*) AS n FROM audits').first<number>('n')

describe('old audits', () => {
  it('leave a millisecond after their time, and not at it', async () => {
    const [gone, last, young] = [NOW - KEPT_MS - 1, NOW - KEPT_MS, NOW - KEPT_MS + 1]
    await env.DB.batch([anAudit(gone), anAudit(last), anAudit(young), anAudit(NOW)])
    await purge()
    expect(await times()).toEqual([last, young, NOW])
    await purge()
    expect(await times()).toEqual([last, young, NOW])
  })

  it('stay where nothing followed them, which is what an offer is suspected of', async () => {
    const old = NOW - KEPT_MS - DAY_MS
    // Of another node, of another model, at the same moment: none of them follows.
    await env.DB.batch([
      ...[anAudit(old), anAudit(old), anAudit(old + 1, OTHER_NODE), anAudit(old + 2, NODE, OTHER_MODEL)],
      ...[anAudit(NOW, OTHER_NODE, OTHER_MODEL)],
    ])
    await purge()
    expect(await times()).toEqual([old, old, old + 1, old + 2, NOW])
    await anAudit(old + 3).run()
    await purge()
    expect(await times()).toEqual([old + 1, old + 2, old + 3, NOW])
  })

  it.each([
    [999, 0],
    [1_000, 0],
    [1_001, 1],
  ])('leave a thousand at a time, the oldest first: of %d %d are left for the next minute', async (old, left) => {
    const first = NOW - KEPT_MS - 10_000
    const rows = Array.from({ length: old }, (_, n) => anAudit(first + n))
    for (let from = 0; from < old; from += 100) await env.DB.batch(rows.slice(from, from + 100))
    await anAudit(NOW).run()
    await purge()
    expect(await count()).toBe(left + 1)
    if (left > 0) expect((await times())[0]).toBe(first + old - 1)
    await purge()
    expect(await times()).toEqual([NOW])
  })
})

describe('the suspicion of an offer', () => {
  const wrong = (weight: number): Finding => ({ outcome: 'wrong', what: 'tensors', assurance: 'pinned', weight })
  const record = (finding: Finding | null) => {
    const at = instant(NOW + ++serial)
    const row: AuditRow = {
      ...{ id: `call_${String(serial).padStart(6, '0')}` as CallId, pairId: null, nodeId: NODE, modelId: CHAT_MODEL },
      ...{ outcome: finding?.outcome ?? 'undecided', detail: null, costNanos: nanos(0n), billed: null, finding, at },
    }
    return book.record(row, at)
  }
  const trust = () =>
    env.DB.prepare('SELECT trust_ppm FROM offers WHERE node_id = ?').bind(NODE).first<number | null>('trust_ppm')
  /** After a finding of a weight that leads to exactly this sum. */
  const suspectedOf = async (nats: number) => {
    await anAudit(NOW, NODE, CHAT_MODEL, 15_000).run()
    return record(wrong((nats - 15) / natsOf(wrong(1))))
  }
  beforeEach(async () => {
    await env.DB.prepare(
      `INSERT INTO offers (node_id, model_id, state, input_price_nanos, output_price_nanos, cached_input_price_nanos, bytes_price_nanos,
       call_price_nanos, context_tokens, output_tokens_max, concurrency_max, updated_at) VALUES (?, ?, 'live', 1, 1, 1, 0, 0, 1, 1, 4, 0)`,
    )
      .bind(NODE, CHAT_MODEL)
      .run()
  })

  it('begins at parole after it was let in again, and goes on from there', async () => {
    expect(await suspectedOf(SUSPICION.suspendNats + 1)).toBeGreaterThanOrEqual(SUSPICION.suspendNats)
    expect(await trust()).toBe(0)
    expect(await record(null)).toBe(SUSPICION.paroleNats)
    expect(await trust()).toBe(Math.round(trustOf(SUSPICION.paroleNats) * 1_000_000))
    expect(await record(wrong(1))).toBeCloseTo(SUSPICION.paroleNats + natsOf(wrong(1)), 2)
  })

  it.each([16.9984, 16.9994, 16.9996, 16.99999])(
    'of %d nats suspends nobody, and is no parole either',
    async (nats) => {
      const stood = await suspectedOf(nats)
      expect(stood).toBeLessThan(SUSPICION.suspendNats)
      expect(stood).toBeGreaterThan(16.99)
      // What nothing was found by leaves it where it stood: it was never suspended, so it was not let in again.
      expect(await record(null)).toBeGreaterThan(16.99)
      expect(await record(wrong(1))).toBeGreaterThanOrEqual(SUSPICION.suspendNats)
    },
  )
})
