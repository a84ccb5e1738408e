// What a node earned, over real guards and two real books: exactly its operator's legs, page by page, and nobody else's to see.
import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, it } from 'vitest'
import { systemRandom } from '../../../../gateway/core/clock.ts'
import { bookDatabases } from '../../../../gateway/core/env.ts'
import type { Principal } from '../../../../gateway/core/principal.ts'
import type { CallEnd } from '../../../../gateway/ledger/account-port.ts'
import { LEDGER } from '../../../../gateway/ledger/limits/limits.ts'
import { createNodeEarningsRoutes } from '../../../../gateway/ledger/earnings/node-earnings-routes.ts'
import { byPlace } from '../../../../gateway/ledger/earnings/node-earnings.ts'
import { createTraffic, createTrafficOf, sumTraffic } from '../../../../gateway/ledger/earnings/node-traffic-book.ts'
import { refundCall } from '../../../../gateway/ledger/refunds/refund-flow.ts'
import { chargeLegs } from '../../../../gateway/ledger/calls/split.ts'
import { createAuditEarnings } from '../../../../gateway/market/audits/audit-earnings-book.ts'
import { createNodeOwners } from '../../../../gateway/market/nodes/node-owner-book.ts'
import { EarningsPage } from '../../../../protocol/operator.ts'
import type { Leg } from '../../../../protocol/journal.ts'
import type { newKeyId } from '../../../../protocol/units.ts'
import { fromUsd, HOUSE, instant, nanos, newNodeId, type AccountId, type NodeId } from '../../../../protocol/units.ts'
import {
  accounts,
  aClock,
  aHold,
  aKey,
  anAccount,
  anEnd,
  aPayer,
  plannedFailures,
  SECRET_HASH,
  START,
} from '../ledger-house.ts'
import { admin, anApi, signedIn } from '../money-house.ts'

plannedFailures()

const BOOKS = bookDatabases(env)
const HOUR_MS = 3_600_000
const owners = createNodeOwners(env.DB)
const { ask } = anApi(
  createNodeEarningsRoutes({
    books: BOOKS,
    accounts,
    nodeOwner: owners.ownerOf,
    auditEarnings: createAuditEarnings(env.DB),
  }),
)

type Payer = Awaited<ReturnType<typeof aPayer>>

beforeEach(async () => {
  for (const book of BOOKS)
    await book.batch(
      ['lines', 'legs', 'calls', 'rollups_hour', 'cursors'].map((table) => book.prepare(`DELETE FROM ${table}`)),
    )
  await env.DB.prepare('DELETE FROM nodes').run()
})

async function aNode(operator: AccountId): Promise<NodeId> {
  const id = newNodeId(systemRandom)
  await env.DB.prepare(
    `INSERT INTO nodes (id, name, operator_account_id, operator_address, node_key, settlement_key, endpoint, state, created_at)
     VALUES (?1, 'x', ?2, '', ?1, '', 'link', 'active', 0)`,
  )
    .bind(id, operator)
    .run()
  return id
}

/** Two payers, one in each book, and an operator with a node. */
async function aMarket() {
  const clock = aClock()
  const payers = [await aPayer(10_000_000n, {}, clock, 0), await aPayer(10_000_000n, {}, clock, 1)] as const
  const operator = await anAccount(clock)
  const author = await anAccount(clock)
  const node = await aNode(operator.id)
  return { clock, payers, operator, author, node, who: signedIn(operator.id) }
}
type Market = Awaited<ReturnType<typeof aMarket>>

const legs = (payer: Payer, charge: bigint, market: Market, over: Partial<Parameters<typeof chargeLegs>[0]> = {}) =>
  chargeLegs({
    ...{ chargeNanos: nanos(charge), payer: payer.id, operator: market.operator.id, author: market.author.id },
    ...{ royaltyBps: 300, feeBps: 500 },
    ...over,
  })

async function call(payer: Payer, node: NodeId, callLegs: readonly Leg[], over: Partial<CallEnd> = {}) {
  const request = aHold(payer, 100_000n)
  await payer.port.hold(request)
  const end = anEnd(payer, request.callId, { nodeId: node, legs: callLegs, ...over })
  const captured = await payer.port.capture(end)
  if (!captured.ok) throw new Error(`refused: ${captured.code}`)
  return request.callId
}
async function project(market: Market) {
  market.clock.advance(1_000)
  for (const { port } of market.payers) await port.tick()
}
async function page(who: Principal | null, node: string, query: Record<string, string> = {}) {
  const answer = await ask(who, 'GET', `/nodes/${node}/earnings?${new URLSearchParams(query).toString()}`)
  return { ...answer, page: EarningsPage.safeParse(answer.body).data }
}
async function all(who: Principal, node: string, query: Record<string, string> = {}) {
  const found: EarningsPage['data'] = []
  const cursors = new Set<string>()
  for (let cursor: string | null = null; ;) {
    const { page: one } = await page(who, node, { ...query, ...(cursor === null ? {} : { cursor }) })
    if (!one) throw new Error('not a page')
    found.push(...one.data)
    cursor = one.nextCursor
    if (cursor === null) return found
    expect(cursors.has(cursor)).toBe(false)
    cursors.add(cursor)
  }
}
const sum = (rows: EarningsPage['data']) => rows.reduce((total, { earned }) => total + fromUsd(earned), 0n)
const legsInBooks = async (party: AccountId) => {
  const query = "SELECT coalesce(sum(amount_nanos), 0) AS n FROM legs WHERE party = ? AND role = 'operator'"
  const sums = await Promise.all(BOOKS.map((book) => book.prepare(query).bind(party).first<number>('n')))
  return BigInt(sums.reduce<number>((total, one) => total + (one ?? 0), 0))
}

describe('earnings', () => {
  it('say of each call what was charged, the operator’s share, and when', async () => {
    const market = await aMarket()
    const [payer] = market.payers
    const attempts = [
      { attempt: 0, nodeId: newNodeId(systemRandom), outcome: 'provider_failed', firstTokenMs: null, durationMs: 1 },
      { attempt: 1, nodeId: market.node, outcome: 'served', firstTokenMs: 1, durationMs: 2 },
    ] as const
    const { detail } = anEnd(payer, aHold(payer, 1n).callId)
    const callId = await call(payer, market.node, legs(payer, 1_000n, market), { detail: { ...detail, attempts } })
    await call(payer, market.node, [], { outcome: 'failed', errorCode: 'provider_failed' })
    await project(market)
    expect((await page(market.who, market.node)).page).toEqual({
      data: [
        {
          ...{ callId, attempt: 1, model: 'souk/tiny-chat', inputTokens: 3, outputTokens: 7, tensorBytes: 0 },
          ...{ charged: '0.000001000', earned: '0.000000920', at: new Date(START).toISOString() },
        },
      ],
      nextCursor: null,
    })
  })

  it.each([1, 2, 3, 7, 100])(
    'come whole, newest first and once, from two books with equal times, %i at a time',
    async (limit) => {
      const market = await aMarket()
      const made: string[] = []
      for (let round = 0; round < 4; round++) {
        // Twice in each book in the same millisecond, the second time half of it vesting.
        for (const payer of market.payers) {
          const vesting = { shareBps: 5_000, at: instant(START + 86_400_000) }
          made.push(await call(payer, market.node, legs(payer, 1_001n + BigInt(round), market)))
          made.push(await call(payer, market.node, legs(payer, 2_003n, market, { vesting })))
        }
        if (round % 2 === 1) market.clock.advance(1)
      }
      await project(market)
      const rows = await all(market.who, market.node, { limit: String(limit) })
      expect(rows.map(({ callId }) => callId).sort()).toEqual(made.sort())
      const places = rows.map(({ callId, at }) => ({ at: instant(Date.parse(at)), id: callId }))
      expect(places).toEqual([...places].sort(byPlace))
      expect(sum(rows)).toBe(await legsInBooks(market.operator.id))
      expect(sum(rows)).toBeGreaterThan(0n)
    },
  )

  it('of a cursor stay the same when newer calls come', async () => {
    const market = await aMarket()
    const [payer] = market.payers
    for (let n = 0; n < 4; n++)
      await call(payer, market.node, legs(payer, 1_000n, market)).then(() => market.clock.advance(1))
    await project(market)
    const first = (await page(market.who, market.node, { limit: '2' })).page
    await call(payer, market.node, legs(payer, 1_000n, market))
    await project(market)
    const cursor = first?.nextCursor ?? ''
    const rest = await all(market.who, market.node, { limit: '2', cursor })
    expect(rest).toHaveLength(2)
    expect(rest.some(({ callId }) => first?.data.some((row) => row.callId === callId))).toBe(false)
  })

  it('of a day are what the hourly sums of that day say', async () => {
    const market = await aMarket()
    const day = 24 * HOUR_MS
    const midnight = Math.ceil(START / day) * day
    const at = [midnight - 1, midnight, midnight + 5 * HOUR_MS, midnight + day - 1, midnight + day]
    for (const [index, time] of at.entries()) {
      market.clock.advance(time - market.clock())
      const payer = market.payers[index % 2] ?? market.payers[0]
      await call(payer, market.node, legs(payer, 1_000n + BigInt(index), market))
    }
    await project(market)
    const span = { from: new Date(midnight).toISOString(), to: new Date(midnight + day).toISOString() }
    const rows = await all(market.who, market.node, span)
    expect(rows).toHaveLength(3)
    const query =
      'SELECT coalesce(sum(operator_nanos), 0) AS n FROM rollups_hour WHERE node_id = ? AND hour >= ? AND hour < ?'
    const rolled = await Promise.all(
      BOOKS.map((book) =>
        book
          .prepare(query)
          .bind(market.node, midnight, midnight + day)
          .first<number>('n'),
      ),
    )
    expect(sum(rows)).toBe(BigInt((rolled[0] ?? 0) + (rolled[1] ?? 0)))
    const days = { from: span.from.slice(0, 10), to: span.to.slice(0, 10) }
    expect(await all(market.who, market.node, days)).toEqual(rows)
  })

  it('of two nodes of one operator are told apart, and together they are all of its legs', async () => {
    const market = await aMarket()
    const other = await aNode(market.operator.id)
    const [first, second] = market.payers
    await call(first, market.node, legs(first, 1_000n, market))
    await call(second, other, legs(second, 3_000n, market))
    await project(market)
    const [own, others] = [await all(market.who, market.node), await all(market.who, other)]
    expect([own.length, others.length]).toEqual([1, 1])
    expect(sum(own) + sum(others)).toBe(await legsInBooks(market.operator.id))
    expect(sum(own)).toBe(920n)
  })

  it('of a call that two operators’ nodes were paid for are each one’s own leg', async () => {
    const market = await aMarket()
    const rival = await anAccount(market.clock)
    const finisher = await aNode(rival.id)
    const idle = await aNode(market.operator.id)
    const [payer] = market.payers
    const both: Leg[] = [
      { party: payer.id, role: 'payer', amountNanos: nanos(-1_000n) },
      { party: market.operator.id, role: 'operator', amountNanos: nanos(540n) },
      { party: rival.id, role: 'operator', amountNanos: nanos(360n) },
      { party: HOUSE.fees, role: 'house', amountNanos: nanos(100n) },
    ]
    const attempt = (nodeId: NodeId, n: number) =>
      ({ attempt: n, nodeId, outcome: 'served', firstTokenMs: 1, durationMs: 1 }) as const
    const { detail } = anEnd(payer, aHold(payer, 1n).callId)
    const attempts = [attempt(idle, 0), attempt(market.node, 1), attempt(finisher, 2)]
    await call(payer, finisher, both, { detail: { ...detail, attempts } })
    await project(market)
    expect(await all(market.who, market.node)).toMatchObject([
      { attempt: 1, charged: '0.000001000', earned: '0.000000540' },
    ])
    expect(await all(signedIn(rival.id), finisher)).toMatchObject([{ attempt: 2, earned: '0.000000360' }])
    expect(await all(market.who, idle)).toEqual([])
  })

  it('of a call that two of its operator’s nodes were paid for are told apart by its legs, in the sums as well', async () => {
    const market = await aMarket()
    const finisher = await aNode(market.operator.id)
    const idle = await aNode(market.operator.id)
    const [payer] = market.payers
    const operator = { party: market.operator.id, role: 'operator' } as const
    const both: Leg[] = [
      { party: payer.id, role: 'payer', amountNanos: nanos(-1_000n) },
      { ...operator, amountNanos: nanos(400n), node: market.node },
      { ...operator, amountNanos: nanos(300n), node: finisher },
      { ...operator, amountNanos: nanos(200n), node: finisher, vestsAt: instant(START + 1) },
      { party: HOUSE.fees, role: 'house', amountNanos: nanos(100n) },
    ]
    await call(payer, finisher, both)
    await project(market)
    expect(await all(market.who, market.node)).toMatchObject([{ charged: '0.000001000', earned: '0.000000400' }])
    expect(await all(market.who, finisher)).toMatchObject([{ earned: '0.000000500' }])
    expect(await all(market.who, idle)).toEqual([])
    const traffic = createTraffic(BOOKS)
    const now = market.clock()
    expect(await traffic(market.node, now)).toMatchObject({ day: { calls: 0, outputTokens: 0, earned: '0.000000400' } })
    const ended = { calls: 1, outputTokens: 7, earned: '0.000000500' }
    expect(await traffic(finisher, now)).toMatchObject({ hour: ended, day: ended })
    const query =
      'SELECT sum(calls) AS calls, sum(charge_nanos) AS charge, sum(operator_nanos) AS earned FROM rollups_hour'
    expect(await BOOKS[0]?.prepare(query).first()).toEqual({ calls: 1, charge: 1_000, earned: 900 })
  })

  it('show a refunded call as it was paid: what was taken back stands in the journal', async () => {
    const market = await aMarket()
    const [payer] = market.payers
    const callId = await call(payer, market.node, legs(payer, 1_000n, market))
    await project(market)
    market.clock.advance(1_000)
    await payer.alarm()
    const before = await all(market.who, market.node)
    const order = { accountId: payer.id, id: '1', callId, amountNanos: null, reason: 'x', by: admin.accountId }
    const refunded = await refundCall(accounts, { ...order, from: 'earners' })
    expect(refunded.takenBack.find(({ accountId }) => accountId === market.operator.id)?.taken).toBe('0.000000920')
    await project(market)
    await market.operator.port.tick()
    expect(await all(market.who, market.node)).toEqual(before)
    const lines = await market.operator.lines()
    expect(lines.some(({ body }) => body.includes('"clawback"') && body.includes(callId))).toBe(true)
  })

  it('leave out what an audit paid, and other roles of the same account', async () => {
    const market = await aMarket()
    const [payer] = market.payers
    await call(
      payer,
      newNodeId(systemRandom),
      legs(payer, 1_000n, market, { operator: market.author.id, author: market.operator.id }),
    )
    await project(market)
    expect(await all(market.who, market.node)).toEqual([])
  })
})

describe('who may see them', () => {
  it('is the operator, its managing key, the node itself and an admin', async () => {
    const market = await aMarket()
    const [payer] = market.payers
    await call(payer, market.node, legs(payer, 1_000n, market))
    await project(market)
    const key = aKey({ scopes: ['manage'] })
    const plain = aKey({ scopes: ['inference'] })
    await market.operator.port.createKey(key)
    await market.operator.port.createKey(plain)
    const { secret } = market.who
    const by = (keyId: ReturnType<typeof newKeyId>): Principal => ({
      ...{ kind: 'key', accountId: market.operator.id, keyId, secretHash: SECRET_HASH, secret },
    })
    const node: Principal = { kind: 'node', nodeId: market.node, accountId: market.operator.id, nodeKey: '' }
    for (const who of [market.who, by(key.id), node, admin])
      expect((await page(who, market.node)).page?.data).toHaveLength(1)
    expect((await page(by(plain.id), market.node)).code).toBe('scope_missing')
    expect((await page(null, market.node)).status).toBe(401)
  })

  it('is no other operator, no other node of the same one, and nobody for a node that is not', async () => {
    const market = await aMarket()
    const stranger = await anAccount(market.clock)
    const other = await aNode(market.operator.id)
    expect((await page(signedIn(stranger.id), market.node)).status).toBe(404)
    const node: Principal = { kind: 'node', nodeId: other, accountId: market.operator.id, nodeKey: '' }
    expect((await page(node, market.node)).status).toBe(404)
    for (const id of [newNodeId(systemRandom), 'none']) expect((await page(market.who, id)).status).toBe(404)
  })

  it.each([
    ['cursor', 'x'],
    ['cursor', '1.'],
    ['cursor', "1.' OR 1"],
    ['limit', '101'],
    ['limit', '0'],
    ['from', 'yesterday'],
    ['to', '2026-02-31'],
  ])('refuses %s=%s', async (name, value) => {
    const market = await aMarket()
    expect(await page(market.who, market.node, { [name]: value })).toMatchObject({
      status: 400,
      code: 'invalid_request',
    })
  })
})

it('an idle node beside a busy one is read to its end in short pages', async () => {
  const market = await aMarket()
  const busy = await aNode(market.operator.id)
  const [payer] = market.payers
  const callId = await call(payer, market.node, legs(payer, 1_000n, market))
  await project(market)
  const rows = JSON.stringify(Array.from({ length: LEDGER.earningsLegsMax }, (_, n) => n))
  for (const [table, values] of [
    ['legs', "'busy', value, 1, 'call_' || value, ?2, 'operator', 5, ?3"],
    ['calls', "'call_' || value, 'busy', 'k', 'm/m', ?2, 'complete', NULL, 1, 1, 0, 9, 5, ?3, NULL, ?3, 1, 'null'"],
  ] as const) {
    const columns =
      table === 'legs'
        ? ''
        : '(id, account_id, key_id, model_id, node_id, outcome, error_code, input_tokens, output_tokens, tensor_bytes, hold_nanos, charge_nanos, started_at, first_token_at, ended_at, price_version, detail)'
    const insert = `INSERT INTO ${table} ${columns} SELECT ${values} FROM json_each(?1)`
    await env.BOOK_0.prepare(insert)
      .bind(rows, table === 'legs' ? market.operator.id : busy, START + 1)
      .run()
  }
  const first = await page(market.who, market.node)
  expect(first.page).toMatchObject({ data: [], nextCursor: expect.stringContaining('.call_') as string })
  expect((await all(market.who, market.node)).map((row) => row.callId)).toEqual([callId])
  expect((await page(market.who, busy, { limit: '100' })).page?.data).toHaveLength(100)
})

describe('traffic', () => {
  it('is the last 60 minutes, 24 clock hours and 720, over all books', async () => {
    const market = await aMarket()
    const traffic = createTraffic(BOOKS)
    expect(await traffic(market.node, market.clock())).toMatchObject({
      hour: { calls: 0, earned: '0.000000000' },
      lastCallAt: null,
    })
    // 10:00 is the running hour at 10:30.
    const now = instant(START + 40 * 24 * HOUR_MS + 30 * 60_000)
    const hour = Math.floor(now / HOUR_MS) * HOUR_MS
    const at = [
      hour - 720 * HOUR_MS,
      hour - 719 * HOUR_MS,
      hour - 24 * HOUR_MS,
      hour - 23 * HOUR_MS,
      now - HOUR_MS,
      now - HOUR_MS + 1,
      now - 5,
    ]
    for (const [index, time] of at.entries()) {
      market.clock.advance(time - market.clock())
      const payer = market.payers[index % 2] ?? market.payers[0]
      const isLast = index === at.length - 1
      await call(
        payer,
        market.node,
        legs(payer, 1_000n, market),
        isLast ? { outcome: 'cancelled', errorCode: 'cancelled' } : {},
      )
    }
    const [payer] = market.payers
    await call(payer, market.node, [], {
      outcome: 'failed',
      errorCode: 'provider_failed',
      inputTokens: 0n as never,
      outputTokens: 0n as never,
    })
    await project(market)
    const said = await traffic(market.node, now)
    expect([said.hour.calls, said.day.calls, said.month.calls]).toEqual([3, 5, 7])
    expect([said.hour.errors, said.day.errors, said.month.errors]).toEqual([1, 1, 1])
    expect([said.hour.earned, said.day.earned, said.month.earned]).toEqual([
      '0.000001840',
      '0.000003680',
      '0.000005520',
    ])
    expect([said.hour.outputTokens, said.hour.inputTokens]).toEqual([14, 6])
    expect(said.lastCallAt).toBe(now - 5)
  })

  it('of many nodes is one entry each, and their sum', async () => {
    const market = await aMarket()
    const other = await aNode(market.operator.id)
    const [first, second] = market.payers
    await call(first, market.node, legs(first, 1_000n, market))
    await call(second, other, legs(second, 1_000n, market))
    await call(second, other, legs(second, 1_000n, market))
    await project(market)
    const stranger = newNodeId(systemRandom)
    const found = await createTrafficOf(BOOKS)([market.node, other, stranger], market.clock())
    expect([...found.values()].map(({ day }) => day.calls)).toEqual([1, 2, 0])
    expect(sumTraffic([...found.values()].map(({ day }) => day))).toMatchObject({ calls: 3, earned: '0.000002760' })
    expect((await createTrafficOf(BOOKS)([], market.clock())).size).toBe(0)
  })
})
