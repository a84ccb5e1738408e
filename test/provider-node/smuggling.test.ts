// Requests made to be read in two ways, floods of headers, compressed bombs, and tickets that are not the gateway's: each is refused with words or
// loses its socket, nothing of it is computed, and the node serves on.
import { CompactSign, SignJWT, generateKeyPair } from 'jose'
import { connect } from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { base64url, sha256Hex } from '../../protocol/canonical.ts'
import { signTicket, type Ticket } from '../../protocol/ticket.ts'
import { aNode, aTicket, CHAT_PATH, chatBody, readAnswer, send, type TestNode } from './builders.ts'

let node: TestNode
const faults: string[] = []
let callsBefore = 0
beforeAll(async () => {
  const log = (level: string, event: string) => void (level === 'error' && faults.push(event))
  node = await aNode({}, { log, requestMs: 500 })
})
afterAll(() => node.dispose())

/** Every test ends so: nothing was computed, no fault is the node's own, and it answers. */
afterEach(async () => {
  expect(await callsCounted()).toBe(callsBefore)
  const response = await send(node, CHAT_PATH, chatBody('What is the capital of France?', { max_tokens: 8 }))
  expect((await readAnswer(response)).text).toContain('Paris')
  expect(faults).toEqual([])
  callsBefore = await callsCounted()
})

/** All calls the node worked on, whatever their outcome. */
async function callsCounted(): Promise<number> {
  const page = await (await fetch(`${node.url}/metrics`)).text()
  return page
    .split('\n')
    .filter((line) => line.startsWith('souk_node_calls_total'))
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
}

/** Writes and reads until the node closes. */
function raw(bytes: string | Uint8Array): Promise<string> {
  const { hostname, port } = new URL(node.url)
  return new Promise((resolve) => {
    let heard = ''
    const socket = connect(Number(port), hostname, () => socket.write(bytes))
    socket.setEncoding('latin1').on('data', (text: string) => (heard += text))
    socket.on('error', () => undefined).on('close', () => resolve(heard))
  })
}
const statuses = (heard: string) => [...heard.matchAll(/^HTTP\/1\.1 (\d{3})/gm)].map(([, status]) => Number(status))

describe('a request made to be read in two ways', () => {
  /** Hidden behind another: were it seen, it would be a good call. */
  async function hidden(): Promise<string> {
    const body = chatBody('hello')
    const ticket = await node.gateway.sign(aTicket(node, CHAT_PATH, body))
    return `POST ${CHAT_PATH} HTTP/1.1\r\nHost: node\r\nAuthorization: Souk ${ticket}\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  }
  const head = (...headers: string[]) =>
    `POST /souk/challenge HTTP/1.1\r\nHost: node\r\n${headers.join('\r\n')}\r\n\r\n`
  const chunked = '5\r\n{"a":\r\n0\r\n\r\n'

  it.each<[string, string[], string]>([
    ['a length and chunks', ['Content-Length: 4', 'Transfer-Encoding: chunked'], chunked],
    ['chunks and a length', ['Transfer-Encoding: chunked', 'Content-Length: 4'], chunked],
    ['two lengths that differ', ['Content-Length: 2', 'Content-Length: 9'], '{}'],
    ['two lengths in one line', ['Content-Length: 2, 9'], '{}'],
    ['a length with a sign', ['Content-Length: +2'], '{}'],
    ['a length in hex', ['Content-Length: 0x2'], '{}'],
    ['chunks under another name', ['Transfer-Encoding: xchunked'], chunked],
    ['chunks twice', ['Transfer-Encoding: chunked, chunked'], chunked],
    ['chunks that are not last', ['Transfer-Encoding: chunked, identity'], chunked],
    ['a tab before chunked', ['Transfer-Encoding:\tchunked\x0b'], chunked],
    ['a space before the colon', ['Content-Length : 2'], '{}'],
    ['a header that is folded', ['Content-Length: 2', ' X: 1'], '{}'],
    ['a header with a bare line feed', ['X: 1\nContent-Length: 2'], '{}'],
    ['a header with a zero byte', ['X: a\x00b', 'Content-Length: 2'], '{}'],
    ['a chunk size beyond every number', ['Transfer-Encoding: chunked'], 'ffffffffffffffffff\r\n'],
    ['a chunk size with a sign', ['Transfer-Encoding: chunked'], '-5\r\n{"a":\r\n0\r\n\r\n'],
    ['a chunk that is longer than it says', ['Transfer-Encoding: chunked'], '2\r\n{"a":\r\n0\r\n\r\n'],
  ])('is refused, and what hides behind it is not seen: %s', async (_, headers, body) => {
    const heard = await raw(`${head(...headers)}${body}${await hidden()}`)
    expect(statuses(heard)).toEqual([400])
  })
  it.each([
    ['a line of no protocol', 'HELLO\r\n\r\n'],
    ['HTTP/2 without being asked', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['a version nobody has', `GET /healthz HTTP/9.9\r\nHost: node\r\n\r\n`],
    ['a method nobody has', `BREW /healthz HTTP/1.1\r\nHost: node\r\n\r\n`],
  ])('is refused: %s', async (_, bytes) => {
    expect(statuses(await raw(bytes))).toEqual([400])
  })
  it('goes nowhere with a path that climbs', async () => {
    const heard = await raw('GET /../../etc/passwd HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n')
    expect(statuses(heard)).toEqual([404])
    expect(heard).not.toContain('root:')
  })
})

describe('too much', () => {
  it('of a million headers is refused while they come', async () => {
    const lines = 'a: b\r\n'.repeat(1_000_000)
    expect(statuses(await raw(`GET /healthz HTTP/1.1\r\nHost: node\r\n${lines}\r\n`))).toEqual([431])
  })
  it('of trailers behind chunks is refused', async () => {
    const lines = 'a: b\r\n'.repeat(100_000)
    const chunks = `0\r\n${lines}\r\n`
    const heard = await raw(
      `POST /souk/challenge HTTP/1.1\r\nHost: node\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n${chunks}`,
    )
    expect([400, 413, 431]).toContain(statuses(heard)[0])
  })
  it.each(['gzip', 'deflate', 'br', 'gzip, identity'])('that hides in %s is not unpacked', async (encoding) => {
    const body = gzipSync(chatBody('a'.repeat(3_000_000)))
    expect(body.byteLength * 100).toBeLessThan(3_000_000 * 1.1)
    const ticket = aTicket(node, CHAT_PATH, '', { bodySha256: sha256Hex(body) })
    const headers = { authorization: `Souk ${await node.gateway.sign(ticket)}`, 'content-encoding': encoding }
    const response = await fetch(`${node.url}${CHAT_PATH}`, { method: 'POST', headers, body })
    expect([response.status, await response.json()]).toMatchObject([
      400,
      { error: { code: 'bad_request', message: expect.stringContaining('compressed') } },
    ])
  })
  it('at once from one place is answered all the same: 300 sockets with half a request each', async () => {
    const halves = Array.from({ length: 300 }, () => raw('POST /souk/challenge HTTP/1.1\r\nHost: node\r\nContent-'))
    expect((await fetch(`${node.url}/healthz`)).status).toBe(200)
    for (const heard of await Promise.all(halves)) expect([[], [408]]).toContainEqual(statuses(heard))
  })
})

describe('a ticket that is not the gateway’s', () => {
  const body = chatBody('hello')
  const posted = (authorization: string) => {
    const headers = { authorization, 'content-type': 'application/json' }
    return fetch(`${node.url}${CHAT_PATH}`, { method: 'POST', headers, body })
  }
  const sentWith = async (authorization: string) => {
    const response = await posted(authorization)
    return [response.status, await response.json()]
  }
  const refused = [401, { error: { code: 'bad_ticket', message: expect.any(String) } }]
  const ticket = (over: Partial<Ticket> = {}) => aTicket(node, CHAT_PATH, body, over)
  const kid = async () => {
    const jwks = (await (await fetch(`${node.gateway.url}/.well-known/jwks.json`)).json()) as {
      keys: { kid: string; x: string }[]
    } // ours
    return jwks.keys[0] ?? { kid: '', x: '' }
  }
  const unsigned = async () => {
    const header = base64url(new TextEncoder().encode(JSON.stringify({ alg: 'none', typ: 'souk-ticket' })))
    return `${header}.${base64url(new TextEncoder().encode(JSON.stringify(ticket())))}.`
  }
  it.each<[string, () => Promise<string>]>([
    [
      'signed by another key under the same name',
      async () => {
        const { privateKey } = await generateKeyPair('EdDSA', { crv: 'Ed25519' })
        return signTicket(ticket(), privateKey, (await kid()).kid)
      },
    ],
    ['signed by nobody', unsigned],
    [
      'signed with the public key as a secret',
      async () => {
        const { kid: name, x } = await kid()
        return new SignJWT({ ...ticket() })
          .setProtectedHeader({ alg: 'HS256', kid: name, typ: 'souk-ticket' })
          .sign(new TextEncoder().encode(x))
      },
    ],
    [
      'with a key of its own in the header',
      async () => {
        const { privateKey } = await generateKeyPair('EdDSA', { crv: 'Ed25519' })
        const bytes = new TextEncoder().encode(JSON.stringify(ticket()))
        return new CompactSign(bytes)
          .setProtectedHeader({
            alg: 'EdDSA',
            typ: 'souk-ticket',
            jwk: { kty: 'OKP', crv: 'Ed25519', x: (await kid()).x },
          })
          .sign(privateKey)
      },
    ],
    [
      'changed by one character',
      async () => {
        const good = await node.gateway.sign(ticket())
        const [head = '', claims = '', signature = ''] = good.split('.')
        return [head, `${claims.slice(0, -2)}${claims.endsWith('A') ? 'B' : 'A'}${claims.slice(-1)}`, signature].join(
          '.',
        )
      },
    ],
    ['of a minute ago', () => node.gateway.sign(ticket({ iat: seconds() - 130, exp: seconds() - 1 }))],
    ['that lasts for ever', () => node.gateway.sign(ticket({ exp: seconds() + 100_000 }))],
    ['of tomorrow', () => node.gateway.sign(ticket({ iat: seconds() + 86_400, exp: seconds() + 86_460 }))],
    ['for another node', () => node.gateway.sign(ticket({ aud: 'somebody else' }))],
    ['for another path', () => node.gateway.sign(ticket({ path: '/v2/infer' }))],
    ['for another body', () => node.gateway.sign(ticket({ bodySha256: sha256Hex('other') }))],
    ['of four kilobytes', () => Promise.resolve('x'.repeat(4_097))],
  ])('is refused: %s', async (_, jws) => {
    expect(await sentWith(`Souk ${await jws()}`)).toMatchObject(refused)
  })
  it('is refused the second time, whoever sends it', async () => {
    const once = await node.gateway.sign(ticket())
    expect((await readAnswer(await posted(`Souk ${once}`))).isDone).toBe(true)
    callsBefore += 1
    const again = await Promise.all(Array.from({ length: 20 }, () => sentWith(`Souk ${once}`)))
    for (const answer of again) expect(answer).toMatchObject(refused)
  })
  const seconds = () => Math.floor(Date.now() / 1_000)
})
