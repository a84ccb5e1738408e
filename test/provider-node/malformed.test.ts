// What arrives at an open port: noise, half requests, slow ones, JSON made to exhaust a parser. The node refuses, logs no fault of its own, and serves on.
import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sha256Hex } from '../../protocol/canonical.ts'
import { aNode, aTicket, CHAT_PATH, chatBody, readAnswer, send, type TestNode } from './builders.ts'

let node: TestNode
const faults: string[] = []
beforeAll(async () => {
  const log = (level: string, event: string) => void (level === 'error' && faults.push(event))
  node = await aNode({}, { log, requestMs: 300 })
})
afterAll(() => node.dispose())

/** Writes and reads until the node closes, or until `ms`. */
function raw(bytes: string | Uint8Array, options: { hangUpMs?: number } = {}): Promise<string> {
  const { hostname, port } = new URL(node.url)
  return new Promise((resolve) => {
    let heard = ''
    const socket = connect(Number(port), hostname, () => socket.write(bytes))
    socket.setEncoding('latin1').on('data', (text: string) => (heard += text))
    socket.on('error', () => undefined).on('close', () => resolve(heard))
    if (options.hangUpMs !== undefined) setTimeout(() => socket.destroy(), options.hangUpMs)
  })
}
const isWell = async () => {
  const response = await send(node, CHAT_PATH, chatBody('What is the capital of France?'))
  expect((await readAnswer(response)).text).toContain('Paris')
  expect(faults).toEqual([])
}
const post = (path: string, headers: string, body: string) =>
  `POST ${path} HTTP/1.1\r\nHost: node\r\n${headers}\r\n\r\n${body}`

describe('a node that is sent', () => {
  it('random bytes, serves on', async () => {
    await Promise.all(Array.from({ length: 50 }, (_, i) => raw(randomBytes(1 + i * 40), { hangUpMs: 200 })))
    await isWell()
  })

  it.each([
    ['a header of 64 kB', `GET /healthz HTTP/1.1\r\nHost: node\r\nx: ${'y'.repeat(65_536)}\r\n\r\n`, ' 431 '],
    ['a host that is none', 'GET /healthz HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n', ' 400 '],
    ['a length that is none', post('/souk/challenge', 'Content-Length: -1', ''), ' 400 '],
    ['two lengths', post('/souk/challenge', 'Content-Length: 1\r\nTransfer-Encoding: chunked', '0'), ' 400 '],
  ])('%s, refuses it', async (_, request, status) => {
    expect((await raw(request)).split('\r\n')[0]).toContain(status)
    await isWell()
  })

  it('a body that never ends, gives the socket back', async () => {
    const slow = post('/souk/challenge', 'Content-Length: 100', '{')
    expect(await raw(slow)).toContain('408')
    expect(await raw('GET /healthz HTTP/1.1\r\nHost: node\r\nx-slow')).toContain('408')
    await isWell()
  })

  it('half a body and no more, calls it the fault of whoever hung up', async () => {
    await raw(post('/souk/challenge', 'Content-Length: 100', '{'), { hangUpMs: 50 })
    const body = chatBody('hello')
    const ticket = await node.gateway.sign(aTicket(node, CHAT_PATH, body))
    const headers = `Authorization: Souk ${ticket}\r\nContent-Length: ${body.length}`
    await raw(post(CHAT_PATH, headers, body.slice(0, 9)), { hangUpMs: 50 })
    await isWell()
  })

  it.each([
    ['a million open brackets', '['.repeat(1_000_000)],
    ['nesting in a field', `{"model":"souk/tiny-chat","messages":${'['.repeat(5_000)}${']'.repeat(5_000)}}`],
    ['nesting that a label could hide', `{"messages":[],"metadata":${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}}`],
    ['a prototype', '{"__proto__":{"model":"souk/tiny-chat"},"messages":[]}'],
    ['half a surrogate pair', chatBody('\ud800')],
    ['a number beyond all', '{"model":"souk/tiny-chat","messages":[],"seed":1e999}'],
    ['no UTF-8', '\u00ff'],
    ['nothing', ''],
  ])('%s with a good ticket, refuses it with 400', async (_, body) => {
    const bytes = Buffer.from(body, body === '\u00ff' ? 'latin1' : 'utf8')
    const ticket = aTicket(node, CHAT_PATH, body, { bodySha256: sha256Hex(bytes) })
    const headers = { authorization: `Souk ${await node.gateway.sign(ticket)}` }
    const response = await fetch(`${node.url}${CHAT_PATH}`, { method: 'POST', headers, body: bytes })
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ error: { code: 'bad_request' } })
    await isWell()
  })
})
