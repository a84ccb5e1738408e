// Which models an operator's nodes may serve: a block holds for all of them at once, and neither registering, nor other offers, nor the house lifts it.
import { env } from 'cloudflare:workers'
import { Hono } from 'hono'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { toResponse } from '../../../../gateway/core/errors.ts'
import type { AppEnv, Principal } from '../../../../gateway/core/principal.ts'
import { createAccounts } from '../../../../gateway/ledger/accounts.ts'
import { REASON } from '../../../../gateway/market/admission/admission.ts'
import { createModelRuleRoutes } from '../../../../gateway/market/offers/model-rule-routes.ts'
import { ModelRuleList } from '../../../../protocol/disputes.ts'
import { instant, type AccountId } from '../../../../protocol/units.ts'
import { Secret } from '../../../../gateway/core/sealed.ts'
import { aManifest, anOfferRequest, CHAT_MODEL, OPERATOR, STRANGER } from '../builders.ts'
import { createFakeNode, type FakeNode } from '../fake-node.ts'
import { addWallet, aRegistration, createMarketApp, type MarketApp } from '../market-app.ts'

let app: MarketApp
let node: FakeNode
let id: string
const other = aManifest({ id: 'maker/other', files: { 'other.onnx': 'ef'.repeat(32) } })
const offers = [anOfferRequest(), anOfferRequest(other)]

beforeAll(async () => {
  app = await createMarketApp()
  await addWallet()
  await app.publish()
  await app.publish(other)
})
beforeEach(async () => {
  await env.DB.exec('DELETE FROM model_rules')
  node = await createFakeNode(app.now)
  app.connect(node)
  id = (await register()).body.id
})

const register = async () =>
  app.send<{ id: string }>('POST', '/api/nodes', {
    account: OPERATOR,
    body: await aRegistration(node, app.now(), { offers }),
  })
const states = async () => (await app.node(id)).offers.map(({ model, state, reason }) => [model, state, reason])
const BLOCKED = [CHAT_MODEL, 'paused', REASON.blockedByOperator]

async function ask(method: string, body?: unknown, account: string = OPERATOR) {
  const who: Principal = {
    kind: 'session',
    accountId: account as AccountId, // the test names it
    address: '',
    roles: ['consumer'],
    member: 'owner',
    signedInAt: instant(app.now()),
    viaCookie: false,
    secret: new Secret(''),
  }
  const routes = new Hono<AppEnv>()
    .use(async (c, next) => {
      c.set('principal', who)
      await next()
    })
    .route(
      '/api',
      createModelRuleRoutes({ db: env.DB, clock: () => instant(app.now()), accounts: createAccounts(env.ACCOUNT) }),
    )
  routes.onError((error) => toResponse(error, 'req_test'))
  const json = { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }
  const response = await routes.request('/api/operator/models', { method, ...(body === undefined ? {} : json) })
  return { status: response.status, body: await response.json() }
}
const say = (rule: string | null, model: string = CHAT_MODEL, account?: string) => ask('PUT', { model, rule }, account)

describe('a model that its operator has blocked', () => {
  it('is offered no more, with the reason, and nothing else changes', async () => {
    const said = ModelRuleList.parse((await say('blocked')).body)
    expect(said.data).toMatchObject([{ model: CHAT_MODEL, rule: 'blocked' }])
    expect(await states()).toEqual([BLOCKED, ['maker/other', 'live', null]])
    const snapshot = await app.needs.market.snapshot(CHAT_MODEL, () => undefined) // the builders' own
    expect(snapshot?.offers.map(({ nodeId }) => nodeId)).not.toContain(id)
  })

  it('stays so whatever its node says: registered again, its offers changed, hello', async () => {
    await say('blocked')
    await register()
    expect((await states())[0]).toEqual(BLOCKED)
    await app.send('PUT', `/api/nodes/${id}/offers`, { account: OPERATOR, body: { offers } })
    expect((await states())[0]).toEqual(BLOCKED)
    app.advance(10_000)
    await app.hello(id, node)
    await app.cron()
    expect((await states())[0]).toEqual(BLOCKED)
  })

  it('stays so when the house has blocked it meanwhile and lifts that', async () => {
    const house = (state: object) =>
      app.send('POST', `/api/admin/models/${CHAT_MODEL}/state`, { account: STRANGER, admin: true, body: state })
    expect((await house({ state: 'blocked', reason: 'Abuse' })).status).toBe(200)
    await say('blocked')
    expect((await house({ state: 'active' })).status).toBe(200)
    expect((await states())[0]).toEqual(BLOCKED)
  })

  it('is not offered by a node that comes later', async () => {
    await say('blocked')
    node = await createFakeNode(app.now)
    app.connect(node)
    id = (await register()).body.id
    expect((await states())[0]).toEqual(BLOCKED)
  })

  it('waits for its probes when that is lifted, and is live after them', async () => {
    await say('blocked')
    expect(ModelRuleList.parse((await say(null)).body).data).toEqual([])
    expect((await states())[0]).toEqual([CHAT_MODEL, 'pending', REASON.unprobed])
    for (let minute = 0; minute < 5; minute++) await app.cron()
    expect((await states())[0]).toEqual([CHAT_MODEL, 'live', null])
  })

  it('is another operator’s to serve', async () => {
    await say('blocked', CHAT_MODEL, STRANGER)
    expect((await states())[0]).toEqual([CHAT_MODEL, 'live', null])
  })
})

describe('rules', () => {
  it('say that a model was accepted, which blocks nothing and lifts a block', async () => {
    await say('blocked')
    const { body } = await say('accepted')
    expect(ModelRuleList.parse(body).data).toMatchObject([{ rule: 'accepted' }])
    expect((await states())[0]).toEqual([CHAT_MODEL, 'pending', REASON.unprobed])
    expect(ModelRuleList.parse((await ask('GET')).body).data).toHaveLength(1)
    expect(ModelRuleList.parse((await ask('GET', undefined, STRANGER)).body).data).toEqual([])
  })

  it('are about models that there are', async () => {
    expect((await say('accepted', 'no/model')).status).toBe(404)
    expect((await say(null, 'no/model')).status).toBe(200)
  })
})

describe('the house', () => {
  const state = (body: object, as: object = { admin: true }) =>
    app.send<{ error?: { code: string }; state?: string }>('POST', `/api/admin/models/${other.id}/state`, {
      account: STRANGER,
      body,
      ...as,
    })

  it('takes a model down and lifts that, with a fresh sign-in', async () => {
    expect((await state({ state: 'blocked', reason: 'Abuse' }, {})).body.error?.code).toBe('forbidden')
    const stale = { admin: true, signedInAgo: 3_600_000 }
    expect((await state({ state: 'blocked', reason: 'Abuse' }, stale)).body.error?.code).toBe('fresh_sign_in_required')
    expect((await state({ state: 'blocked', reason: 'Abuse' })).body.state).toBe('blocked')
    expect((await states())[1]?.[1]).toBe('paused')
    expect((await state({ state: 'active' })).body.state).toBe('active')
    expect((await states())[1]?.[1]).toBe('pending')
  })

  it('does not withdraw a model for its author', async () => {
    expect((await state({ state: 'withdrawn' })).body.error?.code).toBe('forbidden')
  })
})
