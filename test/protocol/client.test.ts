// The SDK against a scripted gateway: what it sends, how it reads refusals. The real gateway is in the flows.
import { parseSiweMessage } from 'viem/siwe'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { createClient, signInMessage, SoukError } from '../../protocol/client.ts'
import { errorBody } from '../../protocol/errors.ts'

const ADDRESS = '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266'
const NONCE = {
  nonce: 'abcdefgh12345678',
  domain: 'souk.example',
  uri: 'https://souk.example',
  chainId: 8453,
  statement: 'Sign in to Souk.',
  issuedAt: '2026-11-21T00:00:00.000Z',
  expirationTime: '2026-11-21T00:10:00.000Z',
}
const SESSION = { token: 't', accountId: 'a', address: ADDRESS, roles: ['consumer'], expiresAt: NONCE.expirationTime }

interface Sent {
  readonly method: string
  readonly url: string
  readonly authorization: string | null
  readonly body: unknown
}

function scripted(answers: Record<string, () => Response>, token?: string) {
  const sent: Sent[] = []
  const client = createClient({
    url: 'https://souk.example',
    ...(token ? { token } : {}),
    fetch: async (input, init) => {
      const request = new Request(input, init)
      const text = await request.text()
      const body: unknown = text ? JSON.parse(text) : undefined
      sent.push({ method: request.method, url: request.url, authorization: request.headers.get('authorization'), body })
      return (answers[new URL(request.url).pathname] ?? (() => new Response('nothing', { status: 404 })))()
    },
  })
  return { client, sent }
}

describe('signing in', () => {
  it('writes a message that an EIP-4361 parser reads back', () => {
    const { statement, ...message } = parseSiweMessage(signInMessage(ADDRESS, NONCE))
    expect({ ...message, statement }).toEqual({
      address: ADDRESS,
      version: '1',
      ...NONCE,
      issuedAt: new Date(NONCE.issuedAt),
      expirationTime: new Date(NONCE.expirationTime),
    })
  })
  it('asks for a nonce, signs it, and carries the session from then on', async () => {
    const { client, sent } = scripted({
      '/auth/nonce': () => Response.json(NONCE),
      '/auth/verify': () => Response.json(SESSION),
      '/api/nodes/a%2Fb': () => Response.json(errorBody('not_found', null), { status: 404 }),
    })
    const signedIn = await client.signIn({
      address: ADDRESS,
      signMessage: ({ message }) => Promise.resolve(`0x${message.length}`),
    })
    await expect(signedIn.node('a/b')).rejects.toMatchObject({ code: 'not_found' })
    expect(client.token).toBeNull()
    expect(sent.map(({ url, authorization }) => [new URL(url).pathname, authorization])).toEqual([
      ['/auth/nonce', null],
      ['/auth/verify', null],
      ['/api/nodes/a%2Fb', 'Bearer t'],
    ])
  })
})

describe('a gateway that hands on the nonce of another one', () => {
  it.each([
    ['another domain', { domain: 'bank.example' }],
    ['the same with a port', { domain: 'souk.example:8443' }],
    ['a domain with a line of its own', { domain: 'souk.example\nbank.example' }],
    ['another address below the right domain', { uri: 'https://bank.example' }],
  ])('gets no signature: %s', async (_, over) => {
    const { client, sent } = scripted({ '/auth/nonce': () => Response.json({ ...NONCE, ...over }) })
    let signed = 0
    const wallet = { address: ADDRESS, signMessage: () => Promise.resolve(`0x${++signed}`) }
    await expect(client.signIn(wallet)).rejects.toMatchObject({ code: 'wrong_domain' })
    expect([signed, sent.length]).toEqual([0, 1])
  })
})

it('a quote is asked for with the key of the call, and comes as it is', async () => {
  const quote = {
    model: 'test/echo',
    highest: '0.000001390',
    units: { inputTokens: 39, outputTokens: 100 },
    candidates: [{ node: 'node_1', model: 'test/echo', cost: '0.000001390' }],
    lock: 'a.b.c',
    expiresAt: NONCE.expirationTime,
  }
  const { client, sent } = scripted({ '/v1/quote': () => Response.json(quote) }, 'sk-souk-1')
  const asked = { endpoint: '/v1/embeddings', request: { model: 'test/echo', input: 'hi' } } as const
  expect(await client.quote(asked)).toEqual(quote)
  expect(sent).toEqual([
    { method: 'POST', url: 'https://souk.example/v1/quote', authorization: 'Bearer sk-souk-1', body: asked },
  ])
})

describe('a refusal', () => {
  it('is thrown with its code, its status and its request id', async () => {
    const { client } = scripted({ '/x': () => Response.json(errorBody('rate_limited', 'req_1'), { status: 429 }) }, 't')
    const refusal = await client.send('GET', '/x', z.unknown()).catch((error: unknown) => error)
    expect(refusal).toBeInstanceOf(SoukError)
    expect(refusal).toMatchObject({ status: 429, code: 'rate_limited', requestId: 'req_1' })
  })
  it('from something that is no gateway is still a SoukError', async () => {
    const { client } = scripted({ '/x': () => new Response('<html>', { status: 502 }) })
    await expect(client.send('GET', '/x', z.unknown())).rejects.toMatchObject({ status: 502, code: 'unreadable_reply' })
  })
  it('never stands in for a reply of the wrong shape', async () => {
    const { client } = scripted({ '/api/account': () => Response.json({ balance: 5 }) })
    await expect(client.account()).rejects.toBeInstanceOf(z.ZodError)
  })
  it('is a time-out when nobody answers', async () => {
    const fetch = (_: unknown, init?: RequestInit) =>
      new Promise<Response>((_resolve, reject) => {
        init?.signal?.addEventListener('abort', () => reject(new DOMException('late', 'TimeoutError')))
      })
    const client = createClient({ url: 'https://souk.example', fetch, timeoutMs: 5 })
    await expect(client.account()).rejects.toMatchObject({ name: 'TimeoutError' })
  })
})
