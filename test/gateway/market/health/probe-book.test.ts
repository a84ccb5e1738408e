// Which offers the gateway probes by itself: the broken and the quiet share what one minute has room for, and who may not serve is in neither.
import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, it } from 'vitest'
import { createProbeBook, IDLE_MS } from '../../../../gateway/market/health/probe-book.ts'
import { instant, type ModelId, type NodeId } from '../../../../protocol/units.ts'
import { aManifest, CHAT_MODEL, OPERATOR } from '../builders.ts'

const NOW = instant(Date.UTC(2040, 0, 1))
const book = createProbeBook(env.DB)
const nodeId = (n: number) => `node_${String(n).padStart(16, '0')}` as NodeId
const run = (sql: string, ...values: unknown[]) => env.DB.prepare(sql).bind(...values)

beforeEach(async () => {
  await env.DB.batch(['nodes', 'offers', 'models'].map((table) => run(`DELETE FROM ${table}`)))
  await run(
    `INSERT INTO models (id, digest, task, author_account_id, royalty_bps, manifest, state, created_at) VALUES (?, 'd', 'chat', ?, 0, ?, 'active', 0)`,
    CHAT_MODEL,
    OPERATOR,
    JSON.stringify(aManifest()),
  ).run()
})

/** A node that serves one offer, heard of just now. */
async function anOffer(n: number, over: { breaker?: string; updatedAt?: number } = {}): Promise<NodeId> {
  const id = nodeId(n)
  const node = `INSERT INTO nodes (id, name, operator_account_id, operator_address, node_key, settlement_key, endpoint, state, proved_at, created_at)
    VALUES (?1, 'x', ?2, '', ?1, '', 'https://x.example.com', 'active', 1, 0)`
  const offer = `INSERT INTO offers (node_id, model_id, state, input_price_nanos, output_price_nanos, cached_input_price_nanos, bytes_price_nanos,
    call_price_nanos, context_tokens, output_tokens_max, concurrency_max, breaker, updated_at) VALUES (?, ?, 'live', 1, 1, 1, 0, 0, 1, 1, 4, ?, ?)`
  await env.DB.batch([
    run(node, id, OPERATOR),
    run(offer, id, CHAT_MODEL, over.breaker ?? 'closed', over.updatedAt ?? NOW),
  ])
  return id
}
const due = async (rows = 20) => (await book.due(rows, NOW)).map(({ nodeId: id }) => id)
const numbered = (ids: readonly NodeId[]) => ids.map((id) => Number(id.slice(5))).sort((a, b) => a - b)

describe('an offer is due', () => {
  it.each([
    ['that was heard of a moment later', { updatedAt: NOW - IDLE_MS + 1 }, 0],
    ['that nobody asked for a quarter of an hour', { updatedAt: NOW - IDLE_MS }, 1],
    ['that nobody asked for longer', { updatedAt: 0 }, 1],
    ['that was heard of just now', {}, 0],
    ['whose breaker is open', { breaker: 'open' }, 1],
    ['whose breaker is half open', { breaker: 'half_open' }, 1],
    ['that is broken and quiet, once', { breaker: 'open', updatedAt: 0 }, 1],
  ])('%s', async (_, over, times) => {
    await anOffer(1, over)
    expect(await due()).toHaveLength(times)
  })

  it.each([
    ["offers SET state = 'pending'", false],
    ["offers SET state = 'paused'", false],
    ["nodes SET state = 'pending'", false],
    ["nodes SET state = 'draining'", false],
    ["nodes SET state = 'suspended'", false],
    ["nodes SET state = 'revoked'", false],
    ["nodes SET state = 'probation'", true],
    ['nodes SET proved_at = NULL', false],
    ["nodes SET endpoint = 'link', link_up_at = NULL", false],
    ["nodes SET endpoint = 'link', link_up_at = 1", true],
    ["models SET state = 'deprecated'", true],
    ["models SET state = 'withdrawn'", false],
    ["models SET state = 'blocked'", false],
  ])('and found, where it may serve: %s: %s', async (what, may) => {
    const [quiet, broken] = [await anOffer(1, { updatedAt: 0 }), await anOffer(2, { breaker: 'open' })]
    await run(`UPDATE ${what}`).run()
    expect(numbered(await due())).toEqual(may ? [1, 2] : [])
    for (const id of [quiet, broken]) {
      const found = await book.find(id, CHAT_MODEL, NOW)
      expect(found === null ? null : [found.offer.nodeId, found.model.id]).toEqual(may ? [id, CHAT_MODEL] : null)
    }
  })

  it('and nobody is found under another model or another node', async () => {
    const id = await anOffer(1)
    expect(await book.find(id, CHAT_MODEL, NOW)).not.toBeNull()
    expect(await book.find(id, 'maker/other' as ModelId, NOW)).toBeNull()
    expect(await book.find(nodeId(2), CHAT_MODEL, NOW)).toBeNull()
  })
})

describe('what a minute has room for', () => {
  it.each([
    ['goes to both by half', 10, 10, 4, [2, 2]],
    ['goes to the broken where it is odd', 10, 10, 5, [3, 2]],
    ['goes to the broken where few are quiet', 10, 1, 4, [3, 1]],
    ['goes to the quiet where few are broken', 1, 10, 4, [1, 3]],
    ['goes to the broken alone', 10, 0, 4, [4, 0]],
    ['goes to the quiet alone', 0, 10, 4, [0, 4]],
    ['is enough for all', 2, 2, 4, [2, 2]],
    ['is not filled', 1, 1, 4, [1, 1]],
    ['is nothing', 2, 2, 0, [0, 0]],
  ])('%s: of %d broken and %d quiet %d: %j', async (_, broken, quiet, rows, shares) => {
    for (let n = 0; n < broken; n++) await anOffer(100 + n, { breaker: 'open' })
    for (let n = 0; n < quiet; n++) await anOffer(200 + n, { updatedAt: 0 })
    const numbers = numbered(await due(rows))
    expect(new Set(numbers).size).toBe(numbers.length)
    expect([numbers.filter((n) => n < 200).length, numbers.filter((n) => n >= 200).length]).toEqual(shares)
  })

  it('comes to everybody in time, the dead among them and the quiet', async () => {
    for (let n = 0; n < 4; n++) await anOffer(100 + n, { breaker: 'open' })
    for (let n = 0; n < 4; n++) await anOffer(200 + n, { updatedAt: 0 })
    const seen = new Set<NodeId>()
    // Half of four each time: that one of eight is left out of eighty looks comes once in 10^9.
    for (let minute = 0; minute < 80 && seen.size < 8; minute++) for (const id of await due(2)) seen.add(id)
    expect(seen.size).toBe(8)
  })
})
