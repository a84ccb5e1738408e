// Who may change a model's state, into what, and what comes of it: of the rule a table, of the routes each refusal, of its offers what is written.
import { env } from 'cloudflare:workers'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { SIGN_IN } from '../../../../gateway/core/limits.ts'
import { changeState, noticeOf, pauseReason } from '../../../../gateway/market/models/model-state.ts'
import type { NodeView } from '../../../../protocol/node.ts'
import type { ModelState, ModelStateRequest, ModelView } from '../../../../protocol/publish.ts'
import { instant } from '../../../../protocol/units.ts'
import { aManifest, anOfferRequest, aVectorManifest, CHAT_MODEL, OPERATOR, STRANGER } from '../builders.ts'
import { createFakeNode, type FakeNode } from '../fake-node.ts'
import { addWallet, aRegistration, createMarketApp, type MarketApp } from '../market-app.ts'
import { createMarket } from '../../../../gateway/market/market.ts'

const author = { isAuthor: true, isAdmin: false }
const house = { isAuthor: false, isAdmin: true }
const nobody = { isAuthor: false, isAdmin: false }
const known = (state: ModelState, over: object = {}) => ({ id: 'a/b', task: 'chat' as const, state, ...over })

describe('the rule', () => {
  const other = known('active', { id: 'a/new' })
  it.each<[string, ModelState, ModelStateRequest, typeof author, ReturnType<typeof known> | null]>([
    ['an author deprecates', 'active', { state: 'deprecated' }, author, null],
    [
      'an author deprecates and says what to use',
      'active',
      { state: 'deprecated', replacedBy: 'a/new' },
      author,
      other,
    ],
    ['an author withdraws', 'deprecated', { state: 'withdrawn', reason: 'wrong weights' }, author, null],
    ['an author comes back', 'withdrawn', { state: 'active' }, author, null],
    ['the house blocks', 'active', { state: 'blocked', reason: 'abuse' }, house, null],
    ['the house blocks what was withdrawn', 'withdrawn', { state: 'blocked', reason: 'abuse' }, house, null],
    ['the house lifts a block', 'blocked', { state: 'active' }, house, null],
    ['the house lifts a block, and it stays withdrawn', 'blocked', { state: 'withdrawn' }, house, null],
  ])('lets pass: %s', (_, before, request, by, replacement) => {
    expect(changeState(known(before), request, by, replacement)).toMatchObject({
      ok: true,
      value: { state: request.state },
    })
  })

  it.each<[string, ModelState, ModelStateRequest, typeof author, ReturnType<typeof known> | null, object]>([
    ['a stranger deprecates', 'active', { state: 'deprecated' }, nobody, null, { code: 'forbidden' }],
    ['an author blocks', 'active', { state: 'blocked', reason: 'x' }, author, null, { code: 'forbidden' }],
    ['an author lifts a block', 'blocked', { state: 'active' }, author, null, { code: 'forbidden' }],
    ['an author withdraws what is blocked', 'blocked', { state: 'withdrawn' }, author, null, { code: 'forbidden' }],
    ['the house withdraws for an author', 'active', { state: 'withdrawn' }, house, null, { code: 'forbidden' }],
    ['the house blocks without a reason', 'active', { state: 'blocked' }, house, null, { param: 'reason' }],
    [
      'an active model is replaced',
      'active',
      { state: 'active', replacedBy: 'a/new' },
      author,
      other,
      { param: 'replacedBy' },
    ],
    [
      'a model replaces itself',
      'active',
      { state: 'deprecated', replacedBy: 'a/b' },
      author,
      known('active'),
      { param: 'replacedBy' },
    ],
    [
      'by what is not there',
      'active',
      { state: 'deprecated', replacedBy: 'a/x' },
      author,
      null,
      { code: 'model_not_found', param: 'replacedBy' },
    ],
    [
      'by another task',
      'active',
      { state: 'deprecated', replacedBy: 'a/new' },
      author,
      known('active', { id: 'a/new', task: 'ocr' }),
      { param: 'replacedBy' },
    ],
    [
      'by what is deprecated itself',
      'active',
      { state: 'deprecated', replacedBy: 'a/new' },
      author,
      known('deprecated', { id: 'a/new' }),
      { param: 'replacedBy' },
    ],
  ])('refuses: %s', (_, before, request, by, replacement, refusal) => {
    expect(changeState(known(before), request, by, replacement)).toMatchObject({ ok: false, ...refusal })
  })

  it('says in one way what operators and callers read', () => {
    const standing = { id: 'a/b', reason: 'Too small', replacedBy: 'a/new' }
    expect(noticeOf({ ...standing, state: 'deprecated' })).toBe('a/b is deprecated. Too small. Use a/new.')
    expect(noticeOf({ ...standing, state: 'active' })).toBeNull()
    expect(pauseReason({ ...standing, state: 'deprecated' })).toBeNull()
    expect(pauseReason({ state: 'withdrawn', reason: null, replacedBy: null })).toBe(
      'Its author has withdrawn its model.',
    )
    expect(pauseReason({ state: 'blocked', reason: 'Abuse.', replacedBy: null })).toBe('Its model is blocked. Abuse.')
  })
})

type Reply = ModelView & { error?: { code: string; param: string | null; message: string } }

describe('PUT /api/models/{author}/{name}/state', () => {
  let app: MarketApp
  let node: FakeNode
  const put = (
    state: ModelStateRequest,
    as: { account?: string; admin?: boolean; signedInAgo?: number } = { account: OPERATOR },
  ) => app.send<Reply>('PUT', `/api/models/${CHAT_MODEL}/state`, { ...as, body: state })
  beforeAll(async () => {
    await addWallet()
  })
  beforeEach(async () => {
    for (const table of ['models', 'offers', 'nodes', 'weight_files']) await env.DB.exec(`DELETE FROM ${table}`)
    app = await createMarketApp()
    node = await createFakeNode(app.now)
    app.connect(node)
    await app.publish()
    await app.publish(aVectorManifest())
  })
  const offers = [anOfferRequest(), anOfferRequest(aVectorManifest())]
  const registered = async () => {
    const body = await aRegistration(node, app.now(), { offers })
    const { id } = (await app.send<NodeView>('POST', '/api/nodes', { account: OPERATOR, body })).body
    const offered = async () =>
      Object.fromEntries((await app.node(id)).offers.map(({ model, state, reason }) => [model, [state, reason]]))
    return { id, offered }
  }

  it('is kept, and shown with its reason to everybody', async () => {
    const { status, body } = await put({ state: 'deprecated', reason: 'Too small' })
    expect([status, body.state, body.reason, body.publishedBy]).toEqual([
      200,
      'deprecated',
      'Too small',
      expect.stringMatching(/^0x/),
    ])
    const shown = await app.send<Reply>('GET', `/api/models/${CHAT_MODEL}`)
    expect(shown.body).toEqual(body)
    expect(JSON.stringify(shown.body)).not.toContain('Paris')
    expect((await put({ state: 'active' })).body).toMatchObject({ state: 'active', reason: null })
  })

  it.each<[string, ModelStateRequest | object, Parameters<typeof put>[1], number, string]>([
    ['nobody', { state: 'deprecated' }, {}, 401, 'not_signed_in'],
    ['a stranger', { state: 'deprecated' }, { account: STRANGER }, 403, 'forbidden'],
    ['an admin who is not its author', { state: 'withdrawn' }, { account: STRANGER, admin: true }, 403, 'forbidden'],
    ['its author, to block', { state: 'blocked', reason: 'x' }, { account: OPERATOR }, 403, 'forbidden'],
    [
      'its author, with what moves a terminal',
      { state: 'deprecated', reason: 'old\u001b[2J' },
      { account: OPERATOR },
      400,
      'invalid_request',
    ],
    [
      'its author, with a line of its own',
      { state: 'deprecated', reason: 'old\nstate  active' },
      { account: OPERATOR },
      400,
      'invalid_request',
    ],
    [
      'its author, with a wallet that signed long ago',
      { state: 'deprecated' },
      { account: OPERATOR, signedInAgo: SIGN_IN.freshMs + 1 },
      401,
      'fresh_sign_in_required',
    ],
    ['its author, of a state there is not', { state: 'gone' }, { account: OPERATOR }, 400, 'invalid_request'],
    [
      'its author, replaced by what is not there',
      { state: 'deprecated', replacedBy: 'x/y' },
      { account: OPERATOR },
      404,
      'model_not_found',
    ],
  ])('is refused to %s', async (_, request, as, status, code) => {
    const refused = await put(request as ModelStateRequest, as) // one of them is none
    expect([refused.status, refused.body.error?.code]).toEqual([status, code])
  })

  it('takes a sign-in of exactly the age that is still fresh, and knows no model that is not there', async () => {
    expect((await put({ state: 'deprecated' }, { account: OPERATOR, signedInAgo: SIGN_IN.freshMs })).status).toBe(200)
    expect((await app.send('GET', '/api/models/maker/nothing')).status).toBe(404)
    const body = { state: 'deprecated' }
    expect((await app.send('PUT', '/api/models/maker/nothing/state', { account: OPERATOR, body })).status).toBe(404)
  })

  it('pauses its offers with the reason and no others, and lets them prove themselves again afterwards', async () => {
    const { offered } = await registered()
    const both = { [CHAT_MODEL]: ['live', null], 'maker/embed': ['live', null] }
    expect(await offered()).toEqual(both)
    await put({ state: 'deprecated', reason: 'Old' })
    expect(await offered()).toEqual(both)
    await put({ state: 'withdrawn', reason: 'Wrong weights', replacedBy: undefined })
    expect(await offered()).toEqual({
      ...both,
      [CHAT_MODEL]: ['paused', 'Its author has withdrawn its model. Wrong weights.'],
    })
    await put({ state: 'blocked', reason: 'Abuse' }, { account: STRANGER, admin: true })
    expect((await offered())[CHAT_MODEL]).toEqual(['paused', 'Its model is blocked. Abuse.'])
    await put({ state: 'active' }, { account: STRANGER, admin: true })
    expect((await offered())[CHAT_MODEL]?.[0]).toBe('pending')
    await app.cron()
    expect(await offered()).toEqual(both)
  })

  it('leaves an offer paused that its operator had taken back', async () => {
    const { offered } = await registered()
    await put({ state: 'withdrawn' })
    const body = await aRegistration(node, app.now(), { offers: offers.slice(1) })
    await app.send('POST', '/api/nodes', { account: OPERATOR, body })
    await put({ state: 'active' })
    expect((await offered())[CHAT_MODEL]).toEqual(['paused', 'It was not in the last registration.'])
  })

  it.each<[ModelStateRequest, number, string]>([
    [{ state: 'withdrawn', reason: 'Wrong weights' }, 410, 'Wrong weights'],
    [{ state: 'blocked', reason: 'Abuse' }, 451, 'Abuse'],
  ])('%j: a node that offers it is refused with the reason', async (state, status, said) => {
    await put(state, { account: OPERATOR, admin: true })
    const body = await aRegistration(node, app.now(), { offers })
    const refused = await app.send<Reply>('POST', '/api/nodes', { account: OPERATOR, body })
    expect(refused).toMatchObject({ status, body: { error: { param: 'offers.0.model' } } })
    expect(refused.body.error?.message).toContain(said)
  })

  it('of two changes at the same moment one is refused, so that no author undoes a block', async () => {
    const author = { account: OPERATOR }
    const changes = await Promise.all([
      put({ state: 'blocked', reason: 'Abuse' }, { account: STRANGER, admin: true }),
      put({ state: 'deprecated' }, author),
    ])
    const { state } = (await app.send<Reply>('GET', `/api/models/${CHAT_MODEL}`)).body
    if (changes[0].status === 200) expect(state).toBe('blocked')
    else expect([changes[0].status, state]).toEqual([409, 'deprecated'])
  })

  it('reaches callers with the next snapshot, which still finds what no list shows', async () => {
    const clock = () => instant(app.now())
    const market = createMarket({ db: env.DB, nodeGuards: app.needs.nodeGuards, clock })
    const listed = async () => (await market.models()).map(({ model }) => model.id)
    expect(await listed()).toEqual([CHAT_MODEL, 'maker/embed'])
    await put({ state: 'withdrawn' })
    app.advance(30_000)
    expect(await listed()).toEqual(['maker/embed'])
    expect((await market.snapshot(CHAT_MODEL, () => undefined))?.model.state).toBe('withdrawn')
  })
})

it('a blocked model is not published again under another name, nor changed, not even by its author', async () => {
  const app = await createMarketApp()
  const manifest = aManifest({ id: 'blocked/a', files: { 'model.onnx': 'ba'.repeat(32) } })
  await app.publish(manifest)
  const body = { state: 'blocked', reason: 'Abuse' }
  await app.send('PUT', '/api/models/blocked/a/state', { account: STRANGER, admin: true, body })
  for (const again of [
    manifest,
    { ...manifest, id: 'blocked/b' },
    { ...manifest, id: 'blocked/b', files: { ...manifest.files, x: 'bc'.repeat(32) } },
  ])
    expect(await app.publish(again)).toMatchObject({
      status: 451,
      body: { error: { code: 'model_blocked', param: 'manifest.files' } },
    })
})
