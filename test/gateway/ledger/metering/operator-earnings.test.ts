// What an operator's nodes brought in, through the route, over real guards and two real books.
import { env } from 'cloudflare:workers'
import { beforeEach, expect, it } from 'vitest'
import { createOperatorEarningsRoutes } from '../../../../gateway/ledger/metering/operator-earnings-routes.ts'
import { POINTS } from '../../../../gateway/ledger/metering/operator-sums-book.ts'
import { createNodeOwners } from '../../../../gateway/market/nodes/node-owner-book.ts'
import { OperatorEarningsReply } from '../../../../protocol/metering.ts'
import { nanos, toUsd, type ModelId } from '../../../../protocol/units.ts'
import { accounts, MODEL, START } from '../ledger-house.ts'
import { anApi, signedIn } from '../money-house.ts'
import { aMeteredMarket, BOOKS, emptyBooks } from './metering-house.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const OTHER = 'souk/other' as ModelId
const { offersOf } = createNodeOwners(env.DB)
const api = anApi(createOperatorEarningsRoutes({ books: BOOKS, accounts, offersOf }))
const usd = (amount: bigint) => toUsd(nanos(amount))
const path = (step: string, to: number) =>
  `/operator/earnings?${new URLSearchParams({ from: new Date(START).toISOString(), to: new Date(to).toISOString(), step }).toString()}`

const offer = (node: string, model: string) =>
  env.DB.prepare(
    `INSERT INTO offers (node_id, model_id, state, input_price_nanos, output_price_nanos, cached_input_price_nanos, bytes_price_nanos, call_price_nanos,
       context_tokens, output_tokens_max, concurrency_max, breaker, in_flight, assurance, updated_at)
     VALUES (?, ?, 'live', 0, 0, 0, 0, 0, 1, 1, 1, 'closed', 0, 'pinned', 0)`,
  )
    .bind(node, model)
    .run()

beforeEach(async () => {
  await emptyBooks()
  await env.DB.exec('DELETE FROM offers')
})

it('sums what all nodes earned over both books: by the hour, by node and by model', async () => {
  const { payers, nodes, operator, clock, call, project } = await aMeteredMarket()
  for (const [node, model] of [
    [nodes[0], MODEL],
    [nodes[0], OTHER],
    [nodes[1], MODEL],
  ] as const)
    await offer(node, model)
  await call(payers[0], 1_000n)
  await call(payers[1], 2_000n, { nodeId: nodes[1] })
  clock.advance(HOUR_MS)
  await call(payers[1], 4_000n, { modelId: OTHER })
  await project()
  for (const [step, to] of [
    ['hour', START + 2 * HOUR_MS],
    ['day', START + 40 * DAY_MS],
  ] as const) {
    const { status, body } = await api.ask(signedIn(operator.id), 'GET', path(step, to))
    expect(status).toBe(200)
    const reply = OperatorEarningsReply.parse(body)
    expect(reply.points.map(({ earned }) => earned)).toEqual(
      step === 'hour' ? [usd(2_760n), usd(3_680n)] : [usd(6_440n)],
    )
    expect(reply.nodes.map(({ id, calls, earned }) => [id, calls, earned])).toEqual([
      [nodes[0], 2, usd(4_600n)],
      [nodes[1], 1, usd(1_840n)],
    ])
    expect(reply.models.map(({ id, earned }) => [id, earned])).toEqual([
      [OTHER, usd(3_680n)],
      [MODEL, usd(2_760n)],
    ])
  }
})

it('tells a stranger nothing of it, and nobody anything', async () => {
  const { payers, nodes, call, project } = await aMeteredMarket()
  await offer(nodes[0], MODEL)
  await call(payers[0], 1_000n)
  await project()
  const { body } = await api.ask(signedIn(payers[0].id), 'GET', path('hour', START + HOUR_MS))
  expect(OperatorEarningsReply.parse(body)).toMatchObject({ points: [], nodes: [], models: [] })
  expect((await api.ask(null, 'GET', path('hour', START + HOUR_MS))).status).toBe(401)
})

it('goes down the key of the sums: nothing is scanned but the lists it is given', async () => {
  const { nodes } = await aMeteredMarket()
  const plan = await BOOKS[0]
    ?.prepare(`EXPLAIN QUERY PLAN ${POINTS}`)
    .bind(JSON.stringify([[MODEL, nodes[0]]]), JSON.stringify([['hour', 0, 1]]))
    .all<{ detail: string }>()
  const ofSums = plan?.results.map(({ detail }) => detail).filter((detail) => /\bt\b/.test(detail))
  expect(ofSums).toEqual([
    expect.stringMatching(/^SEARCH t USING .*step=\? AND cut=\? AND model_id=\? AND node_id=\? AND at>\? AND at<\?/),
  ])
})
