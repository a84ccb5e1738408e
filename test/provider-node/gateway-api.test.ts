// What a node's key signs when it asks the gateway about its own node, as a gateway checks it.
import { generateKeyPair } from 'jose'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { sha256Hex } from '../../protocol/canonical.ts'
import { SoukError } from '../../protocol/client.ts'
import { errorBody } from '../../protocol/errors.ts'
import { NODE_REQUEST_TYP, NodeRequestClaims } from '../../protocol/operator.ts'
import { verifyClaims } from '../../protocol/ticket.ts'
import { createGatewayApi, gatewaySentence } from '../../provider-node/gateway-api.ts'

interface Sent {
  readonly method: string
  readonly path: string
  readonly body: string
  readonly claims: NodeRequestClaims
}

async function anApi(answer: () => Response) {
  const { privateKey, publicKey } = await generateKeyPair('EdDSA', { crv: 'Ed25519' })
  const sent: Sent[] = []
  const send: typeof fetch = async (input, init) => {
    const request = new Request(input, init)
    const [scheme, jws = ''] = (request.headers.get('authorization') ?? '').split(' ')
    expect(scheme).toBe('SoukNode')
    const claims = await verifyClaims(jws, NODE_REQUEST_TYP, NodeRequestClaims, () => Promise.resolve(publicKey))
    if (!claims.ok) throw new Error(claims.code)
    const { pathname, search } = new URL(request.url)
    sent.push({ method: request.method, path: pathname + search, body: await request.text(), claims: claims.value })
    return answer()
  }
  const api = createGatewayApi({
    gateway: 'https://souk.example',
    identity: { signingKey: privateKey },
    nodeId: 'node_0123456789abcdef',
    now: () => 1_700_000_000_999,
    fetch: send,
  })
  return { api, sent }
}

describe('the gateway, asked by a node', () => {
  it('signs method, path with query, body and the second for each request', async () => {
    const { api, sent } = await anApi(() => Response.json({ data: [], nextCursor: null }))
    await api.selftest('souk/tiny-chat')
    await api.earnings({ from: '2026-01-01T00:00:00Z', cursor: 'a&b' })
    expect(sent.map(({ method, path, body }) => [method, path, body])).toEqual([
      ['POST', '/api/nodes/node_0123456789abcdef/selftest', '{"model":"souk/tiny-chat"}'],
      ['GET', '/api/nodes/node_0123456789abcdef/earnings?from=2026-01-01T00%3A00%3A00Z&cursor=a%26b', ''],
    ])
    for (const { method, path, body, claims } of sent)
      expect(claims).toEqual({
        use: 'souk-node-request',
        nodeId: 'node_0123456789abcdef',
        method,
        path,
        bodySha256: sha256Hex(body),
        iat: 1_700_000_000,
      })
  })

  it('throws a refusal with its code, which an operator reads as one sentence', async () => {
    const { api } = await anApi(() => Response.json(errorBody('not_found', null), { status: 404 }))
    const refusal: unknown = await api.status().catch((cause: unknown) => cause)
    expect(refusal).toMatchObject({ name: 'SoukError', code: 'not_found', status: 404 })
    expect(gatewaySentence(refusal, 'https://souk.example')).toMatchObject({
      message: 'the gateway refused: There is nothing here. (not_found)',
      exitCode: 1,
    })
  })

  it.each([
    [new TypeError('fetch failed'), 'the gateway https://souk.example does not answer'],
    [
      new TypeError('fetch failed', { cause: Object.assign(new Error('x'), { code: 'ENOTFOUND' }) }),
      'the gateway https://souk.example does not answer (ENOTFOUND)',
    ],
    [new DOMException('late', 'TimeoutError'), 'the gateway https://souk.example does not answer (ETIMEDOUT)'],
    [
      new z.ZodError([]),
      "https://souk.example answered something this program does not understand: if that is the gateway's address, update this program",
    ],
    [
      new SoukError(404, 'unreadable_reply', 'POST /auth/nonce answered 404', null),
      'https://souk.example does not answer like a Souk gateway (POST /auth/nonce answered 404): is that its address?',
    ],
    [
      new SoukError(502, 'unreadable_reply', 'POST /auth/nonce answered 502', null),
      'the gateway https://souk.example is in trouble itself (POST /auth/nonce answered 502): try again later',
    ],
  ])('says what silence and nonsense are: %s', (cause, message) => {
    expect(gatewaySentence(cause, 'https://souk.example')).toMatchObject({ name: 'OperatorError', message })
  })

  it('leaves a bug a bug', () => {
    for (const bug of [new RangeError('off by one'), new TypeError('x is not a function')])
      expect(gatewaySentence(bug, 'https://souk.example')).toBe(bug)
  })
})
