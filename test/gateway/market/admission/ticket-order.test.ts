import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { systemRandom } from '../../../../gateway/core/clock.ts'
import { loadGatewayKey } from '../../../../gateway/core/gateway-key.ts'
import { issueTicket, newTicketIds, pseudonymOf } from '../../../../gateway/market/admission/ticket-order.ts'
import { importPublicKey } from '../../../../protocol/keys.ts'
import { verifyTicket } from '../../../../protocol/ticket.ts'
import type { CallId, NodeId } from '../../../../protocol/units.ts'
import { anOffer, CHAT_MODEL, OPERATOR, STRANGER } from '../builders.ts'

const [A, B] = ['node_aaaaaaaaaaaaaaaa', 'node_bbbbbbbbbbbbbbbb'] as [NodeId, NodeId]

describe('issueTicket', () => {
  it('signs an order that the node it is for accepts for a minute, and no other node', async () => {
    const key = await loadGatewayKey(env.SOUK_SIGNING_KEY)
    const offer = anOffer({ usd: '0.5' })
    const { jws, ticket } = await issueTicket({
      ...newTicketIds(systemRandom),
      key,
      issuer: 'souk',
      offer,
      model: { id: CHAT_MODEL, digest: 'ab'.repeat(32) },
      callId: 'call_00000000000000000000000000' as CallId,
      attempt: 2,
      path: '/v1/chat/completions',
      body: '{"ü":1}',
      inputTokensMax: 10,
      outputTokensMax: 20,
      pseudonym: pseudonymOf('secret', A, OPERATOR),
      ref: 'sealed',
      nowSeconds: 1_000.9,
    })
    const resolveKey = () => importPublicKey(key.jwks.keys[0]?.x ?? '')
    const check = (audience: string, nowSeconds: number) => verifyTicket(jws, { resolveKey, audience, nowSeconds })
    expect(await check(offer.nodeKey, 1_060)).toEqual({ ok: true, value: ticket })
    expect(await check(offer.nodeKey, 1_061)).toMatchObject({ ok: false, code: 'expired' })
    expect(await check('B'.repeat(43), 1_000)).toMatchObject({ ok: false, code: 'wrong_audience' })
    expect(ticket).toMatchObject({
      iat: 1_000,
      exp: 1_060,
      attempt: 2,
      ref: 'sealed',
      prices: { input: '500000000', perCall: '0' },
    })
    // printf '{"ü":1}' | sha256sum
    expect(ticket.bodySha256).toBe('963b1a04dfa30efb70b1b50a4b7a4cb3d7908564106760f28ee3f05a7c082a88')
  })
})

describe('the most tensor bytes of a ticket', () => {
  const issue = async (tensorBytesMax?: number) =>
    issueTicket({
      ...newTicketIds(systemRandom),
      key: await loadGatewayKey(env.SOUK_SIGNING_KEY),
      issuer: 'souk',
      offer: anOffer(),
      model: { id: CHAT_MODEL, digest: 'ab'.repeat(32) },
      callId: 'call_00000000000000000000000000' as CallId,
      attempt: 0,
      path: '/v2/infer',
      body: new Uint8Array([1, 2]),
      inputTokensMax: 0,
      outputTokensMax: 0,
      tensorBytesMax,
      pseudonym: 'p',
      ref: 'r',
      nowSeconds: 1_000,
    })
  it('stand in it where there are tensors, and in no other ticket', async () => {
    expect((await issue(7)).ticket.tensorBytesMax).toBe(7)
    expect((await issue(0)).ticket.tensorBytesMax).toBe(0)
    expect(Object.keys((await issue()).ticket)).not.toContain('tensorBytesMax')
  })
})

describe('pseudonymOf', () => {
  it('names an account the same way at one node, and so that two nodes cannot compare notes', () => {
    const name = pseudonymOf('secret', A, OPERATOR)
    expect(pseudonymOf('secret', A, OPERATOR)).toBe(name)
    expect(name).toMatch(/^[\w-]{22}$/)
    const others = [
      pseudonymOf('secret', B, OPERATOR),
      pseudonymOf('secret', A, STRANGER),
      pseudonymOf('other', A, OPERATOR),
    ]
    expect(new Set([name, ...others]).size).toBe(4)
  })
})
