// What a call asks of the database before it is sent: nothing, once its isolate knows the models it names, its fallback models included.
import { env } from 'cloudflare:workers'
import { beforeAll, expect, it } from 'vitest'
import { systemRandom } from '../../../../gateway/core/clock.ts'
import { parseConfig } from '../../../../gateway/core/env.ts'
import { createParameters, defaultsOf } from '../../../../gateway/core/parameters.ts'
import { loadGatewayKey } from '../../../../gateway/core/gateway-key.ts'
import { Secret } from '../../../../gateway/core/sealed.ts'
import { chatDraft } from '../../../../gateway/inference/openai/chat.ts'
import { prepareOrder, type OrderNeeds } from '../../../../gateway/inference/order/order.ts'
import { createPriceLocks } from '../../../../gateway/inference/order/price-lock.ts'
import { createMarket } from '../../../../gateway/market/market.ts'
import { ChatRequest } from '../../../../protocol/openai.ts'
import { instant, newAccountId, newKeyId } from '../../../../protocol/units.ts'
import { aManifest, anOfferRequest, CHAT_MODEL, OPERATOR } from '../../market/builders.ts'
import { createFakeNode } from '../../market/fake-node.ts'
import { addWallet, aRegistration, createMarketApp } from '../../market/market-app.ts'

const other = aManifest({ id: 'maker/other', files: { 'other.onnx': 'ef'.repeat(32) } })
let time = 1_000_000
let queries = 0
let background: Promise<unknown>[] = []
let needs: OrderNeeds

/** D1, each statement counted when it is sent. */
const counted = new Proxy(env.DB, {
  get: (db, name) =>
    (name === 'prepare' ? (query: string) => wrap(db.prepare(query)) : Reflect.get(db, name)) as unknown,
})
const wrap = (statement: D1PreparedStatement): D1PreparedStatement =>
  new Proxy(statement, {
    get: (target, name) => {
      if (name === 'bind') return (...values: unknown[]) => wrap(target.bind(...values))
      if (name !== 'raw' && name !== 'all') return Reflect.get(target, name) as unknown
      queries += 1
      return () => (name === 'raw' ? target.raw() : target.all())
    },
  })

beforeAll(async () => {
  const app = await createMarketApp()
  const node = await createFakeNode(app.now)
  app.connect(node)
  await addWallet()
  await app.publish()
  await app.publish(other)
  const offers = [anOfferRequest(), anOfferRequest(other)]
  await app.send('POST', '/api/nodes', { account: OPERATOR, body: await aRegistration(node, app.now(), { offers }) })
  const nodeGuards = () => {
    throw new Error('no guard of a node is asked before a call')
  }
  needs = {
    market: createMarket({ db: counted, nodeGuards, clock: () => instant(time) }),
    parameters: createParameters({ db: counted, clock: () => instant(time), defaults: defaultsOf(parseConfig(env)) }),
    priceLocks: createPriceLocks(await loadGatewayKey(env.SOUK_SIGNING_KEY)),
    clock: () => instant(time),
    random: systemRandom,
  }
})

const order = () => {
  const request = ChatRequest.parse({
    model: CHAT_MODEL,
    models: [other.id],
    messages: [{ role: 'user', content: 'hi' }],
    provider: { sort: 'price', max_price: { prompt: '1000' } },
  })
  const [accountId, keyId] = [newAccountId(systemRandom), newKeyId(systemRandom)]
  const principal = { kind: 'key', accountId, keyId, secretHash: '', secret: new Secret('') } as const
  return prepareOrder(needs, principal, request.model, chatDraft(request), (work) => void background.push(work))
}

it('a call with a fallback model asks the database once for each model and once for what the house has set, and then not at all', async () => {
  const first = await order()
  expect(first.candidates.map(({ model }) => model.id)).toEqual([CHAT_MODEL, other.id])
  expect(queries).toBe(3)
  for (let call = 0; call < 5; call++) await order()
  expect([queries, background.length]).toEqual([3, 0])
})

it('what has grown old is looked at again behind the call, each model once', async () => {
  queries = 0
  time += 6_000
  await Promise.all(Array.from({ length: 10 }, order))
  expect(background).toHaveLength(2)
  await Promise.all(background)
  expect(queries).toBe(2)
})

it('and so is what the house has set, once, half a minute later', async () => {
  queries = 0
  background = []
  time += 30_000
  await Promise.all(Array.from({ length: 10 }, order))
  await Promise.all(background)
  // Both models are too old to serve by then, and waited for; nobody waits for the third.
  expect([queries, background.length]).toEqual([3, 1])
})
