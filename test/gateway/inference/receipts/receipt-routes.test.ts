// `POST /api/receipts` over real guards: whose receipts are taken, what each is answered, and that none of it moves money.
import { createExecutionContext, env } from 'cloudflare:test'
import { Hono } from 'hono'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { systemRandom } from '../../../../gateway/core/clock.ts'
import { toResponse } from '../../../../gateway/core/errors.ts'
import { loadGatewayKey } from '../../../../gateway/core/gateway-key.ts'
import type { AppEnv } from '../../../../gateway/core/principal.ts'
import type { LateReceiptNeeds } from '../../../../gateway/inference/receipts/late-receipts.ts'
import { createReceiptRoutes } from '../../../../gateway/inference/receipts/receipt-routes.ts'
import type { AccountPort, LateReceipt } from '../../../../gateway/ledger/account-port.ts'
import { createAccounts } from '../../../../gateway/ledger/accounts.ts'
import { issueTicket, newTicketIds } from '../../../../gateway/market/admission/ticket-order.ts'
import { sealRef, type TicketRef } from '../../../../gateway/market/admission/ticket-ref.ts'
import type { RefusedReceipt } from '../../../../gateway/market/nodes/refused-receipt-book.ts'
import { ReceiptsReply } from '../../../../protocol/receipt.ts'
import { readTicket } from '../../../../protocol/ticket.ts'
import { newAccountId, newCallId, instant, type NodeId } from '../../../../protocol/units.ts'
import { aModel, anOffer } from '../../../support/workers/builders.ts'
import { aHouse, chat, finish, honest, nodeIdOf, sse, token, type ScriptedNode } from '../call-house.ts'
import { aSigner, type Signer } from './signing-node.ts'

const START = 1_000_000_000n
const HONEST_COST = 70n

beforeEach(() => {
  vi.spyOn(console, 'error').mockImplementation(() => undefined)
})
afterEach(() => {
  vi.restoreAllMocks()
})

async function hand(receipts: unknown, over: Partial<LateReceiptNeeds> = {}) {
  const key = await loadGatewayKey(env.SOUK_SIGNING_KEY)
  const accounts = createAccounts(env.ACCOUNT)
  const app = new Hono<AppEnv>()
  app.onError((error, c) => toResponse(error, c.var.requestId))
  app.use(async (c, next) => (c.set('requestId', 'req_test'), c.set('principal', null), next()))
  app.route(
    '/api',
    createReceiptRoutes({
      accounts,
      key,
      config: { keySecret: env.SOUK_KEY_SECRET },
      noteRefused: async () => undefined,
      ...over,
    }),
  )
  const headers = { 'content-type': 'application/json' }
  const request = { method: 'POST', headers, body: JSON.stringify({ receipts }) }
  return app.fetch(new Request('https://gateway.test/api/receipts', request), env, createExecutionContext())
}

async function answers(receipts: unknown, over?: Partial<LateReceiptNeeds>) {
  const response = await hand(receipts, over)
  expect(response.status).toBe(200)
  return ReceiptsReply.parse(await response.json()).data
}
const answer = async (ticket: string, receipt: string, over?: Partial<LateReceiptNeeds>) =>
  (await answers([{ ticket, receipt }], over))[0]

/** An answer "one two" whose receipt did not come with it. */
const silent: ScriptedNode = () => sse([token('one ', 1), token('two', 2), finish(2), '[DONE]'])

/** One call, served by the node with this key, and its ticket. */
async function aServedCall(signer: Signer, node = silent) {
  const house = await aHouse({ nodes: [node], offers: [{ nodeKey: signer.nodeKey }] })
  const { response, settled } = await house.call('/v1/chat/completions', chat())
  const { id } = await response.json<{ id: string }>()
  await settled()
  const record = async () => (await house.account.call(id as never))!
  return { house, record, ticket: house.sent[0]!.ticket }
}

/** A ticket as any gateway with this key would sign it. */
async function aTicket(
  signer: Signer,
  ref: Partial<TicketRef> & { sealed?: string } = {},
  signingKey?: string,
  tensorBytesMax?: number,
) {
  const ids = newTicketIds(systemRandom)
  const whose = { accountId: newAccountId(systemRandom), nodeId: nodeIdOf(0), ...ref }
  const { jws } = await issueTicket({
    ...ids,
    key: await loadGatewayKey(signingKey ?? env.SOUK_SIGNING_KEY),
    issuer: 'test',
    offer: anOffer({ nodeKey: signer.nodeKey }),
    model: aModel(),
    callId: newCallId(instant(1), systemRandom),
    attempt: 0,
    path: '/',
    body: '{}',
    inputTokensMax: 10,
    outputTokensMax: 10,
    tensorBytesMax,
    pseudonym: 'p',
    ref: ref.sealed ?? (await sealRef(env.SOUK_KEY_SECRET, ids.jti, whose, systemRandom)),
    nowSeconds: 1_000,
  })
  return jws
}

const OTHER_KEY = JSON.stringify({
  kty: 'OKP',
  crv: 'Ed25519',
  x: 'PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw',
  d: 'TM0Imyj_ltqdtsNG7BFOD1uKMZ81q6Yk2oz27U-4pvs',
})

describe('a receipt handed in late', () => {
  it('by nobody in particular completes the record of its call, once, and moves nothing', async () => {
    const signer = await aSigner()
    const { house, record, ticket } = await aServedCall(signer)
    const receipt = await signer.receiptFor(ticket, { inputTokens: 10 ** 6, outputTokens: 10 ** 6 })
    expect((await record()).detail).toMatchObject({ receipt: null, ticket })
    expect(await answer(ticket, receipt)).toEqual({ outcome: 'taken' })
    expect((await record()).detail?.receipt).toBe(receipt)
    expect(await answer(ticket, receipt)).toEqual({ outcome: 'taken' })
    expect(await record()).toMatchObject({ chargeNanos: HONEST_COST, outputTokens: 2n })
    expect((await house.account.balance()).availableNanos).toBe(START - HONEST_COST)
  })

  it.each([
    ['what it says', { inputTokens: 1, outputTokens: 1, tensorBytes: 1 }, 100, [1n, 1n, 1n]],
    ['at most what it ordered', { inputTokens: 11, outputTokens: 99, tensorBytes: 101 }, 100, [10n, 10n, 100n]],
    [
      'of absurd counts no more than it ordered',
      { tensorBytes: 2 ** 53 - 1, outputTokens: 2 ** 53 - 1 },
      100,
      [1n, 10n, 100n],
    ],
    ['no bytes where no tensors were ordered', { tensorBytes: 7 }, undefined, [1n, 1n, undefined]],
    ['nothing of an attempt that failed', { outcome: 'failed', tensorBytes: 7 }, 100, [0n, 0n, undefined]],
  ] as const)('tells the guard of its ticket %s', async (_, said, tensorBytesMax, [input, output, bytes]) => {
    const signer = await aSigner()
    const taken: LateReceipt[] = []
    const port = { lateReceipt: (late: LateReceipt) => (taken.push(late), Promise.resolve({ outcome: 'noted' })) }
    const ticket = await aTicket(signer, {}, undefined, tensorBytesMax)
    const receipt = await signer.receiptFor(ticket, { inputTokens: 1, outputTokens: 1, ...said })
    const accounts = () => port as unknown as AccountPort // all that is asked of it
    expect(await answer(ticket, receipt, { accounts })).toEqual({ outcome: 'taken' })
    expect(taken).toMatchObject([{ inputTokens: input, outputTokens: output }])
    expect(taken[0]?.tensorBytes).toBe(bytes)
  })

  it('after one that came with the answer changes nothing', async () => {
    const signer = await aSigner()
    const withReceipt: ScriptedNode = async ({ ticket }) =>
      sse([token('one two', 2), { ...finish(2), receipt: await signer.receiptFor(ticket) }, '[DONE]'])
    const { record, ticket } = await aServedCall(signer, withReceipt)
    const first = (await record()).detail?.receipt
    expect(first).toEqual(expect.any(String))
    expect(await answer(ticket, await signer.receiptFor(ticket, { outputTokens: 7 }))).toEqual({ outcome: 'taken' })
    expect((await record()).detail?.receipt).toBe(first)
  })

  it('of a call under way stays with it', async () => {
    const signer = await aSigner()
    const house = await aHouse({
      nodes: [() => sse([token('one ', 1)], 'hang')],
      offers: [{ nodeKey: signer.nodeKey }],
      timeouts: { gapMs: 60_000 },
    })
    const caller = new AbortController()
    const { response, settled } = await house.call('/v1/chat/completions', chat({ stream: true }), {
      signal: caller.signal,
    })
    const ticket = house.sent[0]!.ticket
    expect(await answer(ticket, await signer.receiptFor(ticket))).toEqual({ outcome: 'taken' })
    const reader = response.body!.getReader()
    await reader.read()
    caller.abort()
    await reader.cancel()
    await settled()
    const call = await house.account.call(response.headers.get('x-souk-call-id') as never)
    expect(call).toMatchObject({ outcome: 'cancelled', chargeNanos: 60n })
    expect(call?.detail?.receipt).not.toBeNull()
  })

  it('for a ticket signed before the last rotation is taken as long as that key is published', async () => {
    const signer = await aSigner()
    const ticket = await aTicket(signer, {}, OTHER_KEY)
    const receipt = await signer.receiptFor(ticket)
    expect(await answer(ticket, receipt)).toEqual({ outcome: 'refused', code: 'bad_ticket' })
    const [now, before] = await Promise.all([env.SOUK_SIGNING_KEY, OTHER_KEY].map(loadGatewayKey))
    const rotated = { jwks: { keys: [...now!.jwks.keys, ...before!.jwks.keys] } }
    expect(await answer(ticket, receipt, { key: rotated })).toEqual({ outcome: 'taken' })
  })

  it("of a probe is answered like a call's, before the call, while it is served and after it: its node learns nothing", async () => {
    const signer = await aSigner()
    const said: unknown[] = []
    const early: ScriptedNode = async (request) => {
      const receipt = await signer.receiptFor(request.ticket)
      for (let times = 0; times < 2; times++) said.push(await answer(request.ticket, receipt))
      return honest(request)
    }
    const { ticket: ofCall } = await aServedCall(signer, early)
    const ofProbe = await aTicket(signer, { accountId: null })
    for (const ticket of [ofCall, ofProbe, ofProbe]) said.push(await answer(ticket, await signer.receiptFor(ticket)))
    expect(said).toEqual(Array.from({ length: 5 }, () => ({ outcome: 'taken' })))
  })

  it.each<[string, (signer: Signer) => Promise<string>]>([
    ['is no JWS', async () => 'a.b.c'],
    ['is nothing', async () => ''],
    ['another gateway signed', (signer) => aTicket(signer, {}, OTHER_KEY)],
    ['names no account', (signer) => aTicket(signer, { sealed: '' })],
    [
      'has a ref of another ticket',
      async (signer) => {
        const whose = { accountId: newAccountId(systemRandom), nodeId: nodeIdOf(0) }
        return aTicket(signer, { sealed: await sealRef(env.SOUK_KEY_SECRET, 'other', whose, systemRandom) })
      },
    ],
  ])('is refused when its ticket %s', async (_, ticketOf) => {
    const signer = await aSigner()
    const good = await aTicket(signer)
    const ticket = await ticketOf(signer)
    const receipt = await signer.receiptFor(ticket).catch(() => signer.receiptFor(good))
    expect(await answer(ticket, receipt)).toEqual({ outcome: 'refused', code: 'bad_ticket' })
  })

  it('is refused when the node did not sign it', async () => {
    const [signer, other] = [await aSigner(), await aSigner()]
    const { ticket, record } = await aServedCall(signer)
    const forged = await other.receiptFor(ticket, { nodeKey: signer.nodeKey })
    for (const receipt of [forged, ticket, '', 'a.b.c'])
      expect(await answer(ticket, receipt)).toEqual({ outcome: 'refused', code: 'bad_receipt' })
    expect((await record()).detail?.receipt).toBeNull()
  })

  it('that is refused is noted for the node of its ticket, and for none where the ticket is no ticket', async () => {
    const signer = await aSigner()
    const [good, other] = [await aTicket(signer), await aTicket(signer)]
    const noted: RefusedReceipt[] = []
    const noteRefused = async (refused: readonly RefusedReceipt[]) => void noted.push(...refused)
    const receipt = await signer.receiptFor(good)
    const items = [
      { ticket: good, receipt: '' },
      { ticket: other, receipt },
      { ticket: '', receipt },
    ]
    expect((await answers(items, { noteRefused })).map((said) => said.outcome)).toEqual(Array(3).fill('refused'))
    expect(noted).toEqual([
      { nodeId: nodeIdOf(0), jti: readTicket(good)?.jti, code: 'bad_receipt' },
      { nodeId: nodeIdOf(0), jti: readTicket(other)?.jti, code: 'not_for_ticket' },
    ])
    expect(await answer(good, receipt, { noteRefused })).toEqual({ outcome: 'taken' })
    expect(noted).toHaveLength(2)
    const away = () => Promise.reject(new Error('planned'))
    expect(await answers(items.slice(0, 1), { noteRefused: away })).toEqual([
      { outcome: 'refused', code: 'bad_receipt' },
    ])
  })

  it.each([
    ['ticket', { jti: 'another' }],
    ['call', { callId: newCallId(instant(1), systemRandom) }],
    ['attempt', { attempt: 1 }],
    ['model', { model: 'test/other' }],
    ['digest', { modelDigest: '2'.repeat(64) }],
    ['node', { nodeKey: 'A'.repeat(43) }],
  ])('is refused when it is for another %s', async (_, over) => {
    const signer = await aSigner()
    const { ticket, record } = await aServedCall(signer)
    expect(await answer(ticket, await signer.receiptFor(ticket, over))).toEqual({
      outcome: 'refused',
      code: 'not_for_ticket',
    })
    expect((await record()).detail?.receipt).toBeNull()
  })

  it('that says the node failed claims nothing of a call whose gateway vanished', async () => {
    const heard: unknown[] = []
    const signer = await aSigner()
    const ticket = await aTicket(signer)
    const accounts = () => ({ lateReceipt: (late: unknown) => (heard.push(late), { outcome: 'noted' }) }) as never
    await answer(ticket, await signer.receiptFor(ticket, { outcome: 'failed', outputTokens: 9 }), { accounts })
    await answer(ticket, await signer.receiptFor(ticket, { outcome: 'cancelled', outputTokens: 9 }), { accounts })
    const nodeId = nodeIdOf(0) satisfies NodeId
    expect(heard).toMatchObject([
      { inputTokens: 0n, outputTokens: 0n, nodeId, ticket },
      { inputTokens: 5n, outputTokens: 9n, nodeId, ticket },
    ])
  })

  it('may be sent again when its guard cannot be reached', async () => {
    const signer = await aSigner()
    const ticket = await aTicket(signer)
    const accounts = () => ({ lateReceipt: () => Promise.reject(new Error('planned: away')) }) as never
    const late = await answer(ticket, await signer.receiptFor(ticket), { accounts })
    expect(late).toEqual({ outcome: 'refused', code: 'unavailable' })
  })
})

describe('a batch', () => {
  it('is answered one by one, in its order', async () => {
    const signer = await aSigner()
    const { ticket, record } = await aServedCall(signer)
    const receipt = await signer.receiptFor(ticket)
    const unknown = await aTicket(signer)
    const batch = [
      { ticket: unknown, receipt: await signer.receiptFor(unknown) },
      { ticket, receipt },
      { ticket: 'x', receipt },
    ]
    const outcomes = (await answers(batch)).map(({ outcome }) => outcome)
    expect(outcomes).toEqual(['taken', 'taken', 'refused'])
    expect((await record()).detail?.receipt).toBe(receipt)
    expect((await answers(batch)).map(({ outcome }) => outcome)).toEqual(outcomes)
  })

  it('has at most a hundred, and each is bounded', async () => {
    const item = { ticket: 'x', receipt: 'x' }
    expect(await answers(Array.from({ length: 100 }, () => item))).toHaveLength(100)
    const statusOf = async (receipts: unknown) => (await hand(receipts)).status
    expect(await statusOf(Array.from({ length: 101 }, () => item))).toBe(400)
    expect(await statusOf([])).toBe(400)
    expect(await statusOf([{ ...item, ticket: 'x'.repeat(4_096) }])).toBe(200)
    expect(await statusOf([{ ...item, ticket: 'x'.repeat(4_097) }])).toBe(400)
    expect(await statusOf([{ ...item, receipt: 'x'.repeat(32_768) }])).toBe(200)
    expect(await statusOf([{ ...item, receipt: 'x'.repeat(32_769) }])).toBe(400)
    expect(await statusOf([{ ...item, more: 1 }])).toBe(400)
  })
})
