// What audits owe is paid by the day, once; what operators are told of them is told by the day, and to them alone; calls are counted from the book; shapes are kept by guards.
import { env, runInDurableObject } from 'cloudflare:test'
import { Hono } from 'hono'
import { describe, expect, it } from 'vitest'
import { systemRandom } from '../../../../gateway/core/clock.ts'
import { toResponse } from '../../../../gateway/core/errors.ts'
import type { AppEnv, Principal } from '../../../../gateway/core/principal.ts'
import { Secret } from '../../../../gateway/core/sealed.ts'
import { createAuditTraffic } from '../../../../gateway/ledger/earnings/audit-traffic-book.ts'
import { createAccounts } from '../../../../gateway/ledger/accounts.ts'
import { payAudits, type PayAudit } from '../../../../gateway/market/audits/audit-pay.ts'
import { createAuditRoutes } from '../../../../gateway/market/audits/audit-routes.ts'
import { createShapeBook, SHAPES_MAX } from '../../../../gateway/market/audits/shape-book.ts'
import { ShapeStore } from '../../../../gateway/market/audits/shape-store.ts'
import { NodeAuditsView } from '../../../../protocol/operator.ts'
import { instant, nanos, type AccountId, type ModelId, type NodeId } from '../../../../protocol/units.ts'
import { createAuditHouse, operatorId, type AuditHouse } from './audit-house.ts'

const DAY = 86_400_000

/** One audit of a node, that cost so much. */
const insert = (
  house: AuditHouse,
  node: number,
  at: number,
  costNanos: number,
  outcome = 'right',
  detail: string | null = null,
) =>
  env.DB.prepare(
    `INSERT INTO audits (id, pair_id, node_id, model_id, kind, outcome, detail, cost_nanos, suspicion, at) VALUES (?, 'pair', ?, ?, 'cross', ?, ?, ?, 0, ?)`,
  )
    .bind(`call_${Math.random()}`, house.nodes[node]?.id, house.modelId, outcome, detail, costNanos, at)
    .run()

describe('paying for audits', () => {
  it('gives each operator one sum for each day that is over, once, and writes down what came of it', async () => {
    const house = await createAuditHouse({ nodes: [{ operator: 41 }, { operator: 41 }, { operator: 42 }] })
    const today = Math.floor(house.clock() / DAY) * DAY
    for (const [node, at, cost] of [
      [0, today - 1, 100],
      [1, today - DAY, 50],
      [0, today - DAY - 1, 7],
      [2, today - 1, 0],
      [0, today, 900],
    ] as const)
      await insert(house, node, at, cost)
    const paid: { operator: AccountId; id: string; amount: bigint }[] = []
    const payAudit: PayAudit = (operator, { transferId, amountNanos }) => {
      paid.push({ operator, id: transferId, amount: amountNanos })
      // Of the first day only a part is left under the cap.
      return Promise.resolve({ ok: true, movedNanos: amountNanos === 7n ? nanos(3n) : amountNanos })
    }
    const needs = { book: house.needs.spending, payAudit, clock: house.clock }
    await payAudits(needs)
    const own = paid.filter(({ operator }) => operator === operatorId(41))
    expect(own.map(({ amount }) => amount)).toEqual([7n, 150n])
    expect(new Set(own.map(({ id }) => id)).size).toBe(2)
    expect(paid.some(({ operator }) => operator === operatorId(42))).toBe(false)
    // No id names a call: its node would know it again.
    expect(own.every(({ id }) => !id.includes('call_'))).toBe(true)
    const rows = await env.DB.prepare(
      'SELECT cost_nanos AS cost, paid_nanos AS paid FROM audits WHERE model_id = ? AND cost_nanos > 0 ORDER BY at',
    )
      .bind(house.modelId)
      .all()
    expect(rows.results).toEqual([
      { cost: 7, paid: 2 },
      { cost: 50, paid: 50 },
      { cost: 100, paid: 100 },
      { cost: 900, paid: null },
    ])
    paid.length = 0
    await payAudits(needs)
    expect(paid.filter(({ operator }) => operator === operatorId(41))).toEqual([])
  })

  it('tries again under the same id when the guard did not answer', async () => {
    const house = await createAuditHouse({ nodes: [{ operator: 43 }] })
    await insert(house, 0, house.clock() - DAY, 10)
    const ids: string[] = []
    const payAudit: PayAudit = (operator, { transferId }) => {
      if (operator === operatorId(43)) ids.push(transferId)
      return Promise.reject(new Error('planned'))
    }
    await payAudits({ book: house.needs.spending, payAudit, clock: house.clock })
    await payAudits({ book: house.needs.spending, payAudit, clock: house.clock })
    expect(ids).toHaveLength(2)
    expect(new Set(ids).size).toBe(1)
  })
})

describe('what an operator is told of audits', () => {
  it('is told by the day, of days that are over, to its operator and nobody else', async () => {
    const house = await createAuditHouse({ nodes: [{ operator: 44 }] })
    const today = Math.floor(house.clock() / DAY) * DAY
    await insert(house, 0, today - 1, 100)
    await insert(house, 0, today - 2, 0, 'wrong', 'Its text was not theirs.')
    await insert(house, 0, today, 100)
    const app = (accountId: AccountId) =>
      new Hono<AppEnv>()
        .use(async (c, next) => {
          const principal: Principal = {
            ...{
              kind: 'session',
              member: 'owner',
              accountId,
              address: '',
              roles: ['consumer'],
              signedInAt: instant(0),
              viaCookie: false,
            },
            secret: new Secret('x'),
          }
          c.set('principal', principal)
          await next()
        })
        .route('/', createAuditRoutes({ db: env.DB, accounts: createAccounts(env.ACCOUNT), clock: house.clock }))
        .onError((error) => toResponse(error, 'req_test'))
    const path = `/nodes/${house.nodes[0]?.id}/audits`
    const answer = await app(operatorId(44)).request(path)
    const view = NodeAuditsView.parse(await answer.json())
    expect(view.offers).toEqual([{ model: house.modelId, trust: 1 }])
    expect(view.days).toEqual([
      {
        ...{ day: new Date(today - 1).toISOString().slice(0, 10), model: house.modelId },
        ...{
          right: 1,
          wrong: 1,
          unanswered: 0,
          undecided: 0,
          findings: ['Its text was not theirs.'],
          paid: '0.000000000',
        },
      },
    ])
    expect(JSON.stringify(view)).not.toContain('call_')
    expect((await app(operatorId(45)).request(path)).status).toBe(404)
    expect((await app(operatorId(44)).request('/nodes/node_zzzzzzzzzzzzzzzz/audits')).status).toBe(404)
  })
})

describe('calls, as audits count them', () => {
  it('are those that ended since, of this node and model, in all books', async () => {
    const [node, other] = ['node_aaaaaaaaaaaaaaa1', 'node_aaaaaaaaaaaaaaa2'] as NodeId[]
    const model = 'count/calls' as ModelId
    if (!node || !other) throw new Error('two')
    const now = Date.UTC(2033, 0, 1, 12, 30)
    let n = 0
    const call = (book: D1Database, nodeId: NodeId, modelId: string, at: number) =>
      book
        .prepare(
          `INSERT INTO calls (id, account_id, key_id, model_id, node_id, outcome, input_tokens, output_tokens, hold_nanos, charge_nanos, started_at, ended_at, detail)
          VALUES (?, 'a', 'k', ?, ?, 'complete', 1, 1, 1, 1, ?, ?, 'null')`,
        )
        .bind(`call_count_${n++}`, modelId, nodeId, at, at)
    const rollup = (nodeId: string, hour: number) =>
      env.BOOK_0.prepare(
        `INSERT INTO rollups_hour (hour, account_id, key_id, model_id, node_id, calls, errors, input_tokens, output_tokens, charge_nanos, operator_nanos, author_nanos, house_nanos)
        VALUES (?, 'a', 'k', ?, ?, 1, 0, 1, 1, 70, 1, 1, 1)`,
      ).bind(hour, model, nodeId)
    const hour = now - 30 * 60_000
    await env.BOOK_0.batch([
      call(env.BOOK_0, node, model, now - 10_000),
      call(env.BOOK_0, node, model, now - 70_000),
      call(env.BOOK_0, node, model, now - 500_000),
      call(env.BOOK_0, node, 'other/model', now - 10_000),
      call(env.BOOK_0, other, model, now - 10_000),
      rollup(node, hour),
      rollup(other, hour - 3_600_000),
      rollup('', hour),
      rollup('node_aaaaaaaaaaaaaaa3', hour - 7_200_000),
    ])
    await env.BOOK_1.batch([call(env.BOOK_1, node, model, now - 20_000)])
    const traffic = createAuditTraffic([env.BOOK_0, env.BOOK_1])
    const since = instant(now - 100_000)
    expect(
      await traffic.callsSince(
        [
          { nodeId: node, modelId: model, since },
          { nodeId: other, modelId: model, since: instant(now) },
        ],
        instant(now),
      ),
    ).toEqual([
      { calls: 3, lastMinute: 2 },
      { calls: 0, lastMinute: 0 },
    ])
    expect(await traffic.lastStarts({ nodeId: node, modelId: model }, 3)).toEqual([
      now - 10_000,
      now - 20_000,
      now - 70_000,
    ])
    expect((await traffic.called(instant(now))).map(({ nodeId }) => nodeId).sort()).toEqual([node, other])
    expect(await traffic.revenueSince(instant(hour - 3_600_000))).toBe(210n)
  })
})

describe('shapes of calls', () => {
  const shape = (bodyBytes: number) => ({
    path: '/v1/chat/completions',
    bodyBytes,
    parts: 1,
    sampling: { temperature: 0.5 },
  })

  it('are kept by a guard as an even sample of two, and copied once a minute', async () => {
    const guard = env.NODE.get(env.NODE.idFromName('node_shapes0000000000'))
    await runInDurableObject(guard, (_, state) => {
      const store = new ShapeStore(state.storage.sql)
      const model = 'a/b' as ModelId
      const kept: number[] = []
      for (let minute = 0; minute < 300; minute++) {
        for (let call = 0; call < 10; call++) store.note(model, shape(call), systemRandom)
        const taken = store.take(instant(minute * 60_000))
        expect(taken).toHaveLength(2)
        kept.push(...taken.map((one) => (JSON.parse(one.shape) as { bodyBytes: number }).bodyBytes))
        store.note(model, shape(99), systemRandom)
        expect(store.take(instant(minute * 60_000 + 59_999))).toEqual([])
        store.take(instant(minute * 60_000 + 60_000 - 1))
      }
      // The early ones are as likely as the late ones.
      const early = kept.filter((call) => call < 5).length / kept.filter((call) => call !== 99).length
      expect(early).toBeGreaterThan(0.4)
      expect(early).toBeLessThan(0.6)
    })
  })

  it('are bounded in the registry, and what cannot be read is left out', async () => {
    const book = createShapeBook(env.DB)
    const modelId = 'bounded/shapes' as ModelId
    for (let i = 0; i < 40; i++)
      await book.write(
        Array.from({ length: 10 }, () => ({ modelId, shape: JSON.stringify(shape(i)) })),
        systemRandom,
        instant(i),
      )
    await env.DB.prepare(`UPDATE call_shapes SET shape = '{"path":1}' WHERE model_id = ? AND slot = 0`)
      .bind(modelId)
      .run()
    const known = await book.of(modelId)
    expect(known.length).toBeLessThan(SHAPES_MAX)
    expect(known.length).toBeGreaterThan(SHAPES_MAX / 2)
    expect(known[0]).toEqual(shape(known[0]?.bodyBytes ?? -1))
  })
})
