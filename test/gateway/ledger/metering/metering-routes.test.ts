// What the dashboard is told of metering, through the routes, over real guards and two real books.
import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import type { z } from 'zod'
import type { Principal } from '../../../../gateway/core/principal.ts'
import { createBookOf } from '../../../../gateway/ledger/book/account-book.ts'
import { createHouseMeteringRoutes } from '../../../../gateway/ledger/metering/house-metering-routes.ts'
import { createOwnMeteringRoutes } from '../../../../gateway/ledger/metering/own-metering-routes.ts'
import { createMarketSize } from '../../../../gateway/market/market-size-book.ts'
import { createNodeOwners } from '../../../../gateway/market/nodes/node-owner-book.ts'
import {
  MeteringReply,
  NodeHistoryReply,
  RoyaltiesReply,
  SpendReply,
  StatusReply,
  TopReply,
} from '../../../../protocol/metering.ts'
import { toUsd, nanos, type ModelId } from '../../../../protocol/units.ts'
import { accounts, MODEL, START } from '../ledger-house.ts'
import { admin, anApi, signedIn } from '../money-house.ts'
import { aMeteredMarket, BOOKS, emptyBooks } from './metering-house.ts'

// Many guards in turns: on a busy machine a story takes longer than the usual five seconds.
vi.setConfig({ testTimeout: 60_000 })

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const OTHER = 'souk/other' as ModelId
const size = createMarketSize(env.DB)

function apis(clock: () => number = () => START) {
  const own = anApi(
    createOwnMeteringRoutes({
      books: BOOKS,
      bookOf: createBookOf(env.DB, BOOKS),
      accounts,
      nodeOwner: createNodeOwners(env.DB).ownerOf,
      modelsOf: size.modelsOf,
    }),
  )
  const house = anApi(
    createHouseMeteringRoutes({ db: env.DB, books: BOOKS, clock: clock as never, marketSize: size.size }),
  )
  return { own, house }
}
const { own, house } = apis()

const query = (values: Record<string, string> = {}, from: number = START, to: number = START + HOUR_MS) =>
  new URLSearchParams({ from: new Date(from).toISOString(), to: new Date(to).toISOString(), ...values }).toString()

async function asked<T>(api: typeof own, schema: z.ZodType<T>, who: Principal | null, path: string): Promise<T> {
  const { status, body } = await api.ask(who, 'GET', path)
  expect([status, status === 200 ? null : body]).toEqual([200, null])
  return schema.parse(body)
}
const usd = (amount: bigint) => toUsd(nanos(amount))

const publish = (id: string, author: string) =>
  env.DB.prepare(
    `INSERT INTO models (id, digest, task, author_account_id, royalty_bps, manifest, created_at) VALUES (?1, ?1, 'text', ?2, 300, '{}', 0)`,
  )
    .bind(id, author)
    .run()

beforeEach(emptyBooks)

describe('spend', () => {
  it('says what an account was charged, hour by hour and split by model, key or node', async () => {
    const market = await aMeteredMarket()
    const [payer, other] = market.payers
    await market.call(payer, 100n)
    await market.call(payer, 50n, { modelId: OTHER, nodeId: market.nodes[1] })
    await market.call(other, 7n)
    market.clock.advance(HOUR_MS)
    await market.call(payer, 30n, { outcome: 'failed', errorCode: 'provider_failed', legs: [] })
    await market.project()
    const reply = await asked(own, SpendReply, signedIn(payer.id), `/spend?${query({}, START, START + 2 * HOUR_MS)}`)
    expect(reply.total).toMatchObject({ calls: 3, errors: 1, charge: usd(150n), inputTokens: 9, outputTokens: 21 })
    expect(reply.points).toMatchObject([
      { at: new Date(START).toISOString(), calls: 2, charge: usd(150n) },
      { at: new Date(START + HOUR_MS).toISOString(), calls: 1, errors: 1, charge: usd(0n) },
    ])
    expect(reply.groups).toMatchObject([
      { id: MODEL, calls: 2, charge: usd(100n) },
      { id: OTHER, calls: 1, charge: usd(50n) },
    ])
    const byNode = await asked(own, SpendReply, signedIn(payer.id), `/spend?${query({ by: 'node' })}`)
    expect(byNode.groups.map(({ id, charge }) => [id, charge])).toEqual([
      [market.nodes[0], usd(100n)],
      [market.nodes[1], usd(50n)],
    ])
    const byKey = await asked(own, SpendReply, signedIn(payer.id), `/spend?${query({ by: 'key', step: 'day' })}`)
    expect(byKey.groups).toMatchObject([{ id: payer.keyId, calls: 3 }])
  })

  it.each(['hour', 'day'])('narrows by every two of the three, by the %s', async (step) => {
    const market = await aMeteredMarket()
    const [payer] = market.payers
    await market.call(payer, 1n)
    await market.call(payer, 2n, { modelId: OTHER })
    await market.call(payer, 4n, { nodeId: market.nodes[1] })
    await market.call(payer, 8n, { nodeId: market.nodes[1], modelId: OTHER })
    await market.project()
    const ask = async (values: Record<string, string>) => {
      const reply = await asked(own, SpendReply, signedIn(payer.id), `/spend?${query({ step, ...values })}`)
      return [reply.total.charge, reply.groups.map(({ id, charge }) => [id, charge])]
    }
    const [first, second] = market.nodes
    expect(await ask({ model: MODEL, by: 'node' })).toEqual([
      usd(5n),
      [
        [second, usd(4n)],
        [first, usd(1n)],
      ],
    ])
    expect(await ask({ model: OTHER, node: first, by: 'key' })).toEqual([usd(2n), [[payer.keyId, usd(2n)]]])
    expect(await ask({ model: OTHER, node: second, key: payer.keyId })).toEqual([usd(8n), [[OTHER, usd(8n)]]])
    expect(await ask({ key: 'nobody' })).toEqual([usd(0n), []])
  })

  it.each([
    [{ from: 'yesterday' }, 'from'],
    [{ to: new Date(START).toISOString() }, 'to'],
    [{ to: new Date(START + 31 * DAY_MS + 1).toISOString() }, 'from'],
    [{ step: 'day', to: new Date(START + 400 * DAY_MS + 1).toISOString() }, 'from'],
    [{ step: 'week' }, 'step'],
    [{ by: 'colour' }, 'by'],
    [{ format: 'xlsx' }, 'format'],
  ])('refuses %o and names the field', async (values, param) => {
    const market = await aMeteredMarket()
    const { status, body } = await own.ask(signedIn(market.payers[0].id), 'GET', `/spend?${query(values)}`)
    expect([status, body]).toMatchObject([400, { error: { code: 'invalid_request', param } }])
  })

  it('takes the longest ranges', async () => {
    const { payers } = await aMeteredMarket()
    for (const [step, days] of [
      ['hour', 31],
      ['day', 400],
    ] as const)
      await asked(own, SpendReply, signedIn(payers[0].id), `/spend?${query({ step }, START, START + days * DAY_MS)}`)
  })

  it('is nobody’s without signing in', async () => {
    expect((await own.ask(null, 'GET', `/spend?${query()}`)).code).toBe('not_signed_in')
  })
})

describe('the history of a node', () => {
  it('says what it did and earned over both books, and how long it took', async () => {
    const market = await aMeteredMarket()
    const [one, two] = market.payers
    await market.call(one, 1_000n, { firstMs: 100, ms: 1_000 })
    await market.call(two, 2_000n, { firstMs: 200, ms: 2_000 })
    await market.call(two, 4_000n, { nodeId: market.nodes[1] })
    await market.project()
    const path = `/nodes/${market.nodes[0]}/history?${query()}`
    const reply = await asked(own, NodeHistoryReply, signedIn(market.operator.id), path)
    expect(reply.points).toMatchObject([{ calls: 2, charge: usd(3_000n), earned: usd(2_760n) }])
    const [point] = reply.points
    expect(point?.firstTokenMs?.p50).toBeCloseTo(100, -1)
    expect(point?.firstTokenMs?.p99).toBeGreaterThan(190)
    expect(point?.durationMs?.p99).toBeLessThan(2_100)
    expect(await asked(own, NodeHistoryReply, admin, path)).toEqual(reply)
  })

  it('of somebody else’s node is not there, as one that nobody has', async () => {
    const market = await aMeteredMarket()
    for (const node of [market.nodes[0], 'nobodys'])
      expect(await own.ask(signedIn(market.payers[0].id), 'GET', `/nodes/${node}/history?${query()}`)).toMatchObject({
        status: 404,
        code: 'not_found',
      })
  })
})

describe('royalties', () => {
  it('are those of all models of who asks, and of no other', async () => {
    const market = await aMeteredMarket()
    await publish(MODEL, market.author.id)
    await publish(OTHER, market.author.id)
    const [one, two] = market.payers
    await market.call(one, 10_000n)
    await market.call(two, 20_000n)
    await market.call(two, 40_000n, { modelId: OTHER })
    await market.call(two, 80_000n, { modelId: 'some/body' as ModelId })
    await market.project()
    const path = `/author/royalties?${query()}`
    const reply = await asked(own, RoyaltiesReply, signedIn(market.author.id), path)
    expect(reply.points).toMatchObject([{ calls: 3, charge: usd(70_000n), royalty: usd(2_100n) }])
    expect(reply.models.map(({ id, royalty }) => [id, royalty])).toEqual([
      [OTHER, usd(1_200n)],
      [MODEL, usd(900n)],
    ])
    expect(await asked(own, RoyaltiesReply, signedIn(one.id), path)).toMatchObject({ points: [], models: [] })
  })
})

describe('the house', () => {
  it('is told revenue, shares and latency, with the period before', async () => {
    const market = await aMeteredMarket()
    const [one, two] = market.payers
    await market.call(one, 10_000n, { firstMs: 50, ms: 100 })
    market.clock.advance(HOUR_MS)
    await market.call(one, 20_000n, { firstMs: 60, ms: 100 })
    await market.call(two, 40_000n, { nodeId: market.nodes[1], firstMs: 900, ms: 1_000 })
    await market.project()
    const path = (values: Record<string, string> = {}) =>
      `/admin/metering?${query(values, START + HOUR_MS, START + 2 * HOUR_MS)}`
    const reply = await asked(house, MeteringReply, admin, path())
    expect(reply.total).toMatchObject({
      ...{ calls: 2, charge: usd(60_000n) },
      ...{ operators: usd(55_200n), authors: usd(1_800n), house: usd(3_000n) },
    })
    expect(reply.before.total).toMatchObject({ calls: 1, charge: usd(10_000n) })
    expect([reply.points.length, reply.before.points.length, reply.projectionLagMs]).toEqual([1, 1, 0])
    const narrowed = await asked(house, MeteringReply, admin, path({ node: market.nodes[1], model: MODEL }))
    expect(narrowed.total).toMatchObject({ calls: 1, charge: usd(40_000n) })
    expect(narrowed.total.firstTokenMs?.p50).toBeGreaterThan(850)
    expect(narrowed.before.total).toMatchObject({ calls: 0, durationMs: null })
  })

  it('names the largest accounts, models and nodes, whatever book they stand in', async () => {
    const market = await aMeteredMarket()
    const [one, two] = market.payers
    await market.call(one, 100n)
    await market.call(two, 30n, { modelId: OTHER, nodeId: market.nodes[1] })
    await market.call(two, 300n)
    await market.project()
    // An odd range in which the hour of the calls lies inside a day, and one in which it lies inside a month.
    for (const [from, to] of [
      [START, START + HOUR_MS],
      [START - 3 * DAY_MS, START + 3 * DAY_MS],
      [START - 60 * DAY_MS, START + 60 * DAY_MS],
    ] as const) {
      const top = async (by: string, limit = '10') =>
        (await asked(house, TopReply, admin, `/admin/top?${query({ by, limit, step: 'day' }, from, to)}`)).data.map(
          ({ id, charge }) => [id, charge],
        )
      expect(await top('account')).toEqual([
        [two.id, usd(330n)],
        [one.id, usd(100n)],
      ])
      expect(await top('account', '1')).toEqual([[two.id, usd(330n)]])
      expect(await top('model')).toEqual([
        [MODEL, usd(400n)],
        [OTHER, usd(30n)],
      ])
      expect(await top('node')).toEqual([
        [market.nodes[0], usd(400n)],
        [market.nodes[1], usd(30n)],
      ])
    }
  })

  it.each(['/admin/metering', '/admin/top'])('is told to admins alone: %s', async (path) => {
    expect((await house.ask(signedIn('nobody' as never), 'GET', `${path}?${query({ by: 'model' })}`)).code).toBe(
      'forbidden',
    )
    expect((await house.ask(null, 'GET', path)).code).toBe('not_signed_in')
  })

  it('tells everybody how it stands, the same for a minute', async () => {
    const market = await aMeteredMarket()
    await publish(MODEL, market.author.id)
    await market.call(market.payers[0], 100n, { firstMs: 100, ms: 200 })
    await market.call(market.payers[1], 0n, { outcome: 'failed', errorCode: 'provider_failed', legs: [] })
    await market.project()
    const { house: public_ } = apis(market.clock)
    const said = await public_.raw(null, 'GET', '/status')
    expect(said.headers.get('cache-control')).toBe('public, max-age=60')
    const status = StatusReply.parse(await said.json())
    expect(status).toMatchObject({
      days: [{ calls: 2, share: 0.5 }],
      nodes: [{ region: 'EU', active: 2, total: 2 }],
      models: 1,
    })
    expect(status.firstTokenMs?.p50).toBeCloseTo(100, -1)
    await market.call(market.payers[0], 100n)
    await market.project()
    expect(await asked(public_, StatusReply, null, '/status')).toEqual(status)
    market.clock.advance(60_000)
    expect((await asked(public_, StatusReply, null, '/status')).days).toMatchObject([{ calls: 3 }])
  })
})

describe('a file', () => {
  it('says the same as the answer, with cells that no sheet runs', async () => {
    const market = await aMeteredMarket()
    const [payer] = market.payers
    await market.call(payer, 100n)
    await market.project()
    await env.BOOK_0.prepare(`UPDATE rollups_hour SET model_id = '=cmd|calc!A1/x'`).run()
    const said = await own.raw(signedIn(payer.id), 'GET', `/spend?${query({ format: 'csv' })}`)
    expect(said.headers.get('content-type')).toBe('text/csv; charset=utf-8')
    expect(said.headers.get('content-disposition')).toBe('attachment; filename="souk-spend.csv"')
    const at = new Date(START).toISOString()
    expect((await said.text()).split('\r\n')).toEqual([
      'section,at,id,calls,errors,input_tokens,output_tokens,tensor_bytes,charge_usd',
      'total,,,1,0,3,7,0,0.000000100',
      `point,${at},,1,0,3,7,0,0.000000100`,
      `group,,'=cmd|calc!A1/x,1,0,3,7,0,0.000000100`,
      '',
    ])
    const json = await own.raw(signedIn(payer.id), 'GET', `/spend?${query({ format: 'json' })}`)
    expect(json.headers.get('content-disposition')).toBe('attachment; filename="souk-spend.json"')
    expect(SpendReply.parse(await json.json()).total.calls).toBe(1)
  })

  it('is made of metering, top and royalties as well', async () => {
    const market = await aMeteredMarket()
    await publish(MODEL, market.author.id)
    await market.call(market.payers[0], 100n, { firstMs: 3, ms: 5 })
    await market.project()
    const lines = async (api: typeof own, who: Principal, path: string) => {
      const said = await api.raw(who, 'GET', path)
      return (await said.text()).split('\r\n').map((line) => line.split(',').length)
    }
    expect(await lines(house, admin, `/admin/metering?${query({ format: 'csv' })}`)).toEqual([17, 17, 17, 17, 1])
    expect(await lines(house, admin, `/admin/top?${query({ format: 'csv', by: 'model' })}`)).toEqual([10, 10, 1])
    const royalties = `/author/royalties?${query({ format: 'csv' })}`
    expect(await lines(own, signedIn(market.author.id), royalties)).toEqual([10, 10, 10, 1])
  })

  it('is not made of a refusal', async () => {
    const said = await own.raw(null, 'GET', `/spend?${query({ format: 'csv' })}`)
    expect([said.status, said.headers.get('content-disposition')]).toEqual([401, null])
  })
})
