import { env } from 'cloudflare:workers'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { privateKeyToAccount } from 'viem/accounts'
import type { NodeView, RegisterNodeRequest } from '../../../../protocol/node.ts'
import { signClaims } from '../../../../protocol/ticket.ts'
import { anOfferRequest, aVectorManifest, OPERATOR, STRANGER } from '../builders.ts'
import { createFakeNode, newKey, type FakeNode } from '../fake-node.ts'
import { addWallet, aRegistration, createMarketApp, OPERATOR_WALLET, type MarketApp } from '../market-app.ts'

type Reply = NodeView & { error?: { code: string; param: string | null; message: string } }

let app: MarketApp
let node: FakeNode
beforeAll(async () => {
  app = await createMarketApp()
  await addWallet()
  await app.publish()
  await app.publish(aVectorManifest())
})
beforeEach(async () => {
  node = await createFakeNode(app.now)
  app.connect(node)
})
const register = async (
  over: Partial<RegisterNodeRequest> = {},
  signers: Parameters<typeof aRegistration>[3] = {},
  account: string = OPERATOR,
) => {
  const body = await aRegistration(node, app.now(), over, signers)
  return app.send<Reply>('POST', '/api/nodes', { account, body })
}
const stranger = privateKeyToAccount(`0x${'33'.repeat(32)}`)

describe('registration', () => {
  it('takes a node in, proves its endpoint and probes it in the background, and lets it into probation', async () => {
    const registered = await register({ offers: [anOfferRequest(), anOfferRequest(aVectorManifest())] })
    expect(registered.status).toBe(201)
    expect(registered.body).toMatchObject({ state: 'pending', operatorAccountId: OPERATOR })
    expect(registered.body.reason).toContain('endpoint')
    const view = await app.node(registered.body.id)
    expect(view).toMatchObject({ state: 'probation', reason: null })
    expect(view.offers.map(({ state, reason }) => [state, reason])).toEqual([
      ['live', null],
      ['live', null],
    ])
    expect(view.offers[0]?.prices.outputPerMillion).toBe('0.020000000')
    expect(node.calls.map(({ path }) => path)).toEqual(['/souk/challenge', '/v1/chat/completions', '/v1/embeddings'])
  })

  it('probes with a body and a ticket that look like those of any call', async () => {
    await register()
    const { body } = node.calls[1] ?? { body: '' }
    expect(JSON.parse(String(body))).toEqual({
      model: 'maker/chat',
      messages: [{ role: 'user', content: 'What is the capital of France?' }],
      stream: true,
      max_tokens: 64,
      temperature: 0,
    })
    expect(node.tickets[0]).toMatchObject({
      iss: 'souk.example.com',
      aud: node.nodeKey,
      attempt: 0,
      path: '/v1/chat/completions',
      prices: { input: '10000000', output: '20000000', cachedInput: '10000000', bytes: '0', perCall: '0' },
      inputTokensMax: 68,
      outputTokensMax: 64,
    })
  })

  it.each<[string, () => Promise<Partial<RegisterNodeRequest>> | Partial<RegisterNodeRequest>, string, string | null]>([
    ['a deadline that has passed', () => ({ deadline: Math.floor(app.now() / 1_000) }), 'authorization_refused', null],
    [
      'a deadline more than a day ahead',
      () => ({ deadline: Math.floor(app.now() / 1_000) + 86_401 }),
      'authorization_refused',
      null,
    ],
    ['a signature that is none', () => ({ signature: `0x${'00'.repeat(65)}` }), 'authorization_refused', null],
    ['an operator who did not sign', () => ({ operator: stranger.address }), 'authorization_refused', null],
    [
      'a node proof by another key',
      async () => ({ nodeProof: await signClaims({}, (await newKey()).privateKey, { typ: 'souk-registration' }) }),
      'authorization_refused',
      null,
    ],
    [
      'a node proof of another kind',
      async () => ({ nodeProof: await signClaims({}, node.privateKey, { typ: 'souk-hello' }) }),
      'authorization_refused',
      null,
    ],
    ['plain http', () => ({ endpoint: 'http://node.example.com' }), 'endpoint_refused', 'endpoint'],
    ['an inner address', () => ({ endpoint: 'https://169.254.169.254' }), 'endpoint_refused', 'endpoint'],
    ['a trailing slash', () => ({ endpoint: 'https://node.example.com/' }), 'endpoint_refused', 'endpoint'],
    [
      'an unknown model',
      () => ({ offers: [{ ...anOfferRequest(), model: 'maker/none' }] }),
      'model_not_found',
      'offers.0.model',
    ],
    [
      'another digest',
      () => ({ offers: [{ ...anOfferRequest(), digest: 'ee'.repeat(32) }] }),
      'invalid_request',
      'offers.0.digest',
    ],
    [
      'a larger context than the model has',
      () => ({ offers: [{ ...anOfferRequest(), contextTokens: 4_097 }] }),
      'invalid_request',
      'offers.0.contextTokens',
    ],
    [
      'more output than the model gives',
      () => ({ offers: [{ ...anOfferRequest(), outputTokensMax: 1_025 }] }),
      'invalid_request',
      'offers.0.outputTokensMax',
    ],
    [
      'an absurd price',
      () => ({
        offers: [{ ...anOfferRequest(), prices: { inputPerMillion: '1000.1', outputPerMillion: '1', perCall: '0' } }],
      }),
      'invalid_request',
      'offers.0.prices.inputPerMillion',
    ],
    ['one model twice', () => ({ offers: [anOfferRequest(), anOfferRequest()] }), 'invalid_request', 'offers'],
  ])('refuses %s and calls nobody', async (_, over, code, param) => {
    const refused = await register(await over())
    expect(refused.body.error).toMatchObject({ code, param })
    expect(node.calls).toHaveLength(0)
  })

  it('refuses a signature for another chain', async () => {
    expect((await register({}, { chainId: 1 })).body.error?.code).toBe('authorization_refused')
  })

  it('refuses an endpoint that was changed after the node key signed', async () => {
    const body = await aRegistration(node, app.now())
    const refused = await app.send<Reply>('POST', '/api/nodes', {
      account: OPERATOR,
      body: { ...body, endpoint: 'https://other.example.com' },
    })
    expect(refused.body.error?.code).toBe('authorization_refused')
  })

  it('refuses an operator address that is not a wallet of the signed-in account', async () => {
    const refused = await register({ operator: stranger.address }, { wallet: stranger })
    expect(refused.body.error).toMatchObject({ code: 'authorization_refused', param: 'operator' })
    const notTheirs = await register({}, {}, STRANGER)
    expect(notTheirs.body.error).toMatchObject({ code: 'authorization_refused', param: 'operator' })
    expect(OPERATOR_WALLET.address).not.toBe(stranger.address)
  })

  it('refuses a name that resolves to an inner address', async () => {
    const guarded = await createMarketApp({ resolve: () => Promise.resolve(['93.184.216.34', '10.0.0.1']) })
    const body = await aRegistration(node, guarded.now())
    const refused = await guarded.send<Reply>('POST', '/api/nodes', { account: OPERATOR, body })
    expect(refused.body.error?.code).toBe('endpoint_refused')
  })

  it('refuses the key of another operator', async () => {
    await register()
    await addWallet(STRANGER, stranger.address)
    const refused = await register({ operator: stranger.address }, { wallet: stranger }, STRANGER)
    expect(refused.body.error).toMatchObject({ code: 'conflict', param: 'nodeKey' })
  })

  it('is an update when the same operator registers the same key again: id, proof and live offers stay', async () => {
    const first = await register()
    const calls = node.calls.length
    const again = await register({
      name: 'renamed',
      offers: [{ ...anOfferRequest(), concurrencyMax: 8 }, anOfferRequest(aVectorManifest())],
    })
    expect(again.body).toMatchObject({ id: first.body.id, name: 'renamed', state: 'probation' })
    expect(again.body.offers.map(({ state, concurrencyMax }) => [state, concurrencyMax])).toEqual([
      ['live', 8],
      ['pending', 4],
    ])
    expect(node.calls.slice(calls).map(({ path }) => path)).toEqual(['/v1/embeddings'])
    const withdrawn = await register({ offers: [anOfferRequest()] })
    expect(withdrawn.body.offers[1]).toMatchObject({ state: 'paused' })
  })

  it('says whether it loads the model’s own files or only declares what it serves; as it says nothing, it loads them', async () => {
    const first = await register()
    expect(first.body.offers).toMatchObject([{ assurance: 'pinned' }])
    const declared = await register({ offers: [{ ...anOfferRequest(), assurance: 'declared' }] })
    expect(declared.body.offers).toMatchObject([{ assurance: 'declared' }])
    expect((await app.node(first.body.id)).offers).toMatchObject([{ assurance: 'declared' }])
    const again = await register()
    expect(again.body.offers).toMatchObject([{ assurance: 'pinned' }])
    const unknown = await register({ offers: [{ ...anOfferRequest(), assurance: 'sworn' as 'pinned' }] })
    expect(unknown.body.error).toMatchObject({ code: 'invalid_request', param: 'offers.0.assurance' })
  })

  it('must prove a changed endpoint again', async () => {
    await register()
    node.bad.challenge = () => new Response('no', { status: 404 })
    const moved = await register({ endpoint: 'https://moved.example.com' })
    expect(moved.body).toMatchObject({ state: 'pending', endpoint: 'https://moved.example.com' })
    const view = await app.node(moved.body.id)
    expect(view).toMatchObject({ state: 'pending', reason: 'The endpoint proof failed. It answered with status 404.' })
    expect(view.offers[0]?.state).toBe('pending')
  })

  it('has a limit of nodes for an operator', async () => {
    const crowd = 'cccccccccccccccc'
    const wallet = privateKeyToAccount(`0x${'44'.repeat(32)}`)
    await addWallet(crowd as typeof OPERATOR, wallet.address)
    const others = JSON.stringify(Array.from({ length: 49 }, (_, i) => i))
    const insert = env.DB.prepare(
      `INSERT INTO nodes (id, name, operator_account_id, operator_address, node_key, settlement_key, endpoint, state, created_at)
       SELECT 'node_' || value, 'x', ?, ?, 'key' || value, '', 'https://x.example.com', 'active', 0 FROM json_each(?)`,
    )
    await insert.bind(crowd, wallet.address, others).run()
    expect((await register({ operator: wallet.address }, { wallet }, crowd)).status).toBe(201)
    node = await createFakeNode(app.now)
    expect((await register({ operator: wallet.address }, { wallet }, crowd)).body.error?.code).toBe('conflict')
  })
})

describe('whose nodes', () => {
  it('shows a node to its operator and to admins, and to nobody else', async () => {
    const { id } = (await register()).body
    expect((await app.send('GET', `/api/nodes/${id}`, { account: STRANGER })).status).toBe(404)
    expect((await app.send('GET', `/api/nodes/${id}`)).status).toBe(401)
    expect((await app.send('GET', `/api/nodes/${id}`, { account: STRANGER, admin: true })).status).toBe(200)
    expect((await app.send('POST', `/api/nodes/${id}/drain`, { account: STRANGER })).status).toBe(404)
    const own = await app.send<{ data: NodeView[] }>('GET', '/api/nodes', { account: OPERATOR })
    expect(own.body.data.find((view) => view.id === id)?.offers).toHaveLength(1)
    expect(
      (await app.send<{ data: NodeView[] }>('GET', '/api/nodes', { account: 'dddddddddddddddd' })).body.data,
    ).toEqual([])
  })

  it('drains and resumes', async () => {
    const { id } = (await register()).body
    const drained = await app.send<NodeView>('POST', `/api/nodes/${id}/drain`, { account: OPERATOR })
    expect(drained.body).toMatchObject({ state: 'draining' })
    expect(drained.body.reason).toContain('draining')
    expect((await app.send<NodeView>('POST', `/api/nodes/${id}/resume`, { account: OPERATOR })).body).toMatchObject({
      state: 'probation',
      reason: null,
    })
    expect((await app.send('POST', `/api/nodes/${id}/resume`, { account: OPERATOR })).status).toBe(409)
  })
})
