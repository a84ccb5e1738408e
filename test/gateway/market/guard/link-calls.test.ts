// Calls over a node's link, from an isolate through the guard to a node that speaks frames, and back. What callers see is what they would see over HTTPS.
import { describe, expect, it } from 'vitest'
import { encodeFrame, encodeJson, FRAME, jsonOf, LINK, LINK_CLOSE, OpenFrame } from '../../../../protocol/link.ts'
import { OIP_LIMITS } from '../../../../protocol/oip.ts'
import {
  ask,
  aRegisteredNode,
  goneOf,
  link,
  until,
  type LinkedNode,
  type OnOpen,
  type UpgradeOver,
} from './link-house.ts'

async function aLink(
  onOpen?: OnOpen,
  over: UpgradeOver = {},
): Promise<{ nodeId: Parameters<typeof ask>[0]; linked: LinkedNode }> {
  const node = await aRegisteredNode()
  return { nodeId: node.nodeId, linked: await link(node, { ...over, ...(onOpen ? { onOpen } : {}) }) }
}
/** Accepts, and begins an answer that does not end. */
const begins: OnOpen = (id, _open, node) => {
  node.accept(id)
  node.head(id)
  node.data(id, 'first')
}
const never: OnOpen = () => {}
const bodyOf = async (response: Response) => response.text().catch((error: unknown) => `error: ${String(error)}`)
const firstOf = async (response: Response) => {
  const reader = (response.body as ReadableStream<Uint8Array>).getReader() // a body is a stream of bytes
  const { value } = await reader.read()
  return { reader, text: new TextDecoder().decode(value) }
}

describe('a call over a link', () => {
  it('takes the ticket, the path and the body there, and the answer back', async () => {
    const { nodeId, linked } = await aLink()
    const response = await ask(nodeId, '{"a":1}')
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe('text/event-stream')
    expect(response.headers.get('souk-wire')).toBe('2')
    expect(await response.text()).toBe('{"a":1}')
    const [open] = linked.of(FRAME.open)
    expect(open && jsonOf(open, OpenFrame)).toEqual({
      path: '/v1/chat/completions',
      contentType: 'application/json',
      ticket: 'a.b.c',
      bodyBytes: 7,
    })
  })

  it('carries tensors as long as they may be, both ways', async () => {
    const { nodeId } = await aLink()
    const body = Uint8Array.from({ length: OIP_LIMITS.bodyBytes }, (_, at) => (at * 31 + (at >> 13)) & 255)
    const response = await ask(nodeId, body)
    const back = new Uint8Array(await response.arrayBuffer())
    expect(back.byteLength).toBe(body.byteLength)
    expect(back.every((byte, at) => byte === body[at])).toBe(true)
  }, 30_000)

  it('keeps two hundred at once apart: each answer carries its question', async () => {
    const { nodeId, linked } = await aLink()
    const questions = Array.from({ length: 200 }, (_, call) => `question ${call} `.repeat(1 + ((call * 7) % 40)))
    const open: Response[] = []
    // Accepted a few at a time, since each has a second for that on a machine however busy; read when all two hundred stand.
    for (let from = 0; from < questions.length; from += 20)
      open.push(...(await Promise.all(questions.slice(from, from + 20).map((question) => ask(nodeId, question)))))
    expect(await Promise.all(open.map((response) => response.text()))).toEqual(questions)
    expect(new Set(linked.opened()).size).toBe(200)
  }, 30_000)

  it('gives the status and the wait that the node said', async () => {
    const { nodeId } = await aLink((id, _open, node) => {
      node.accept(id)
      node.send(encodeJson(FRAME.head, id, { status: 503, contentType: 'application/json', retryAfterSeconds: 7 }))
      node.data(id, '{"error":{"code":"model_not_loaded"}}')
      node.end(id)
    })
    const response = await ask(nodeId)
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '7'])
    expect(await response.json()).toEqual({ error: { code: 'model_not_loaded' } })
  })

  it.each([
    [{ code: 'busy', retryAfterSeconds: 3 }, 429, '3'],
    [{ code: 'busy' }, 429, '1'],
    [{ code: 'bad_request' }, 400, null],
    [{ code: 'draining' }, 503, null],
  ] as const)('gives the refusal %j as it would come over HTTPS', async (refusal, status, wait) => {
    const { nodeId } = await aLink((id, _open, node) => node.refuse(id, refusal))
    const response = await ask(nodeId)
    expect([response.status, response.headers.get('retry-after')]).toEqual([status, wait])
    expect(await response.json()).toEqual({ error: { code: refusal.code } })
  })

  it('leaves out a content type that is no header', async () => {
    const { nodeId } = await aLink((id, _open, node) => {
      node.accept(id)
      node.head(id, 200, 'a\r\nset-cookie: b')
      node.end(id)
    })
    const response = await ask(nodeId)
    expect([...response.headers.keys()]).not.toContain('set-cookie')
    expect(response.headers.get('content-type')).toBeNull()
  })

  it('gives an answer that has no body', async () => {
    const { nodeId } = await aLink((id, _open, node) => {
      node.accept(id)
      node.head(id, 204)
      node.end(id)
    })
    expect((await ask(nodeId)).status).toBe(204)
  })
})

describe('a node that cannot be had', () => {
  it('fails at once when there is no link', async () => {
    const { nodeId } = await aRegisteredNode()
    const before = Date.now()
    expect(await goneOf(ask(nodeId))).toBe('away')
    expect(Date.now() - before).toBeLessThan(LINK.acceptMs)
  })

  it('counts as gone when it has not said within a second whether it accepts, and is told that nobody waits', async () => {
    const { nodeId, linked } = await aLink(never)
    expect(await goneOf(ask(nodeId))).toBe('silent')
    const [id = 0] = linked.opened()
    await until(() => linked.of(FRAME.cancel, id).length === 1)
    linked.accept(id)
    linked.head(id)
    linked.data(id, 'late')
    expect(linked.closes).toEqual([])
  })

  it('is asked for no more streams than it said', async () => {
    const { nodeId, linked } = await aLink(begins, { streamsMax: 2 })
    // Kept until the end: an answer that nobody holds any more counts as left as soon as memory is tidied.
    const first = await ask(nodeId)
    const second = await ask(nodeId)
    const third = await ask(nodeId)
    expect([third.status, third.headers.get('retry-after'), linked.opened().length]).toEqual([429, '1', 2])
    expect(await third.json()).toEqual({ error: { code: 'busy' } })
    await second.body?.cancel()
    await until(() => linked.of(FRAME.cancel).length === 1)
    expect((await ask(nodeId)).status).toBe(200)
    await first.body?.cancel()
  })

  it('is asked no more once it drains, but for a challenge, and finishes what it began', async () => {
    const { nodeId, linked } = await aLink((id, open, node) => begins(id, open, node))
    const { reader, text } = await firstOf(await ask(nodeId))
    expect(text).toBe('first')
    linked.send(encodeJson(FRAME.drain, 0, {}))
    await until(async () => (await ask(nodeId)).status === 503)
    const opened = linked.opened().length
    const refused = await ask(nodeId)
    expect(await refused.json()).toEqual({ error: { code: 'draining' } })
    expect(linked.opened().length).toBe(opened)
    expect((await ask(nodeId, '{}', { ticket: '' })).status).toBe(200)
    linked.end(linked.opened()[0] ?? 0)
    expect((await reader.read()).done).toBe(true)
  })

  it('is asked no more once it has refused a call because it drains', async () => {
    const { nodeId, linked } = await aLink((id, _open, node) => node.refuse(id, { code: 'draining' }))
    await (await ask(nodeId)).text()
    expect((await ask(nodeId)).status).toBe(503)
    expect(linked.opened().length).toBe(1)
  })
})

describe('an answer that breaks', () => {
  it('never looks whole: the node takes it back, or its link goes', async () => {
    const { nodeId, linked } = await aLink(begins)
    const [cancelled, dropped] = [await ask(nodeId), await ask(nodeId)]
    linked.cancel(linked.opened()[0] ?? 0)
    expect(await bodyOf(cancelled)).toContain('error: ')
    linked.socket.close(1001, 'power cut')
    expect(await bodyOf(dropped)).toContain('error: ')
    await until(async () => (await goneOf(ask(nodeId))) === 'away')
  })

  it('before its head is no answer at all', async () => {
    const { nodeId } = await aLink((id, _open, node) => {
      node.accept(id)
      node.cancel(id)
    })
    expect(await goneOf(ask(nodeId))).toContain('TypeError')
  })

  it.each([
    ['an unknown frame', new Uint8Array([99, 0, 0, 0, 1])],
    ['text', 'hello'],
    ['a stream that never was', encodeFrame(FRAME.end, 4_000_000_000)],
    ['HEAD of a stream that has one', encodeJson(FRAME.head, 1, { status: 200, contentType: 'x' })],
  ])('closes the link when the node sends %s', async (_, message) => {
    const { nodeId, linked } = await aLink(begins)
    const response = await ask(nodeId)
    linked.socket.send(message)
    expect(await bodyOf(response)).toContain('error: ')
    await until(() => linked.closes.length === 1)
    expect(linked.closes[0]?.code).toBe(LINK_CLOSE.protocol)
    expect(await goneOf(ask(nodeId))).toBe('away')
  })

  it('closes the link of a node that sends beyond its credit', async () => {
    const { nodeId, linked } = await aLink((id, _open, node) => {
      node.accept(id)
      node.head(id)
      for (let sent = 0; sent <= LINK.windowBytes; sent += LINK.frameBytes)
        node.data(id, new Uint8Array(LINK.frameBytes))
    })
    // Nobody reads it, so nothing is granted.
    const response = await ask(nodeId).catch(() => null)
    await until(() => linked.closes.length === 1)
    await expect(response?.text() ?? Promise.reject(new Error('no head'))).rejects.toThrow()
    expect(linked.closes[0]?.code).toBe(LINK_CLOSE.protocol)
  })
})

describe('a caller who leaves', () => {
  it('reaches the node while it thinks, and while it answers', async () => {
    const { nodeId, linked } = await aLink((id, _open, node) => {
      node.accept(id)
      if (id === 2) node.head(id)
    })
    const [thinking, answering] = [new AbortController(), new AbortController()]
    const first = ask(nodeId, 'a', { signal: thinking.signal })
    await until(() => linked.opened().length === 1)
    const second = await ask(nodeId, 'b', { signal: answering.signal })
    thinking.abort(new Error('left'))
    await expect(first).rejects.toThrow()
    await until(() => linked.of(FRAME.cancel, 1).length === 1)
    answering.abort(new Error('left'))
    await until(() => linked.of(FRAME.cancel, 2).length === 1)
    await expect(second.text()).rejects.toThrow()
    expect((await ask(nodeId, 'c', { signal: AbortSignal.timeout(50) }).catch(() => null))?.status).toBeUndefined()
  })

  it('asks nobody when he left before', async () => {
    const { nodeId, linked } = await aLink()
    await expect(ask(nodeId, 'a', { signal: AbortSignal.abort(new Error('left')) })).rejects.toThrow('left')
    expect(linked.opened()).toEqual([])
  })
})

describe('a reader who is slow', () => {
  it('holds up his own stream at its window, and no other', async () => {
    const { nodeId, linked } = await aLink((id, _open, node) => {
      node.accept(id)
      node.head(id)
      if (id > 1) return node.end(id)
      for (let bytes = 0; bytes < LINK.windowBytes; bytes += LINK.frameBytes)
        node.data(id, new Uint8Array(LINK.frameBytes))
    })
    const slow = await ask(nodeId)
    for (let i = 0; i < 20; i++) expect(await (await ask(nodeId)).text()).toBe('')
    expect(linked.of(FRAME.credit, 1)).toEqual([])
    const reader = (slow.body as ReadableStream<Uint8Array>).getReader() // a body is a stream of bytes
    for (let taken = 0; taken < LINK.windowBytes;) taken += (await reader.read()).value?.byteLength ?? LINK.windowBytes
    void reader.read().catch(() => undefined)
    await until(() => linked.of(FRAME.credit, 1).length > 0)
    linked.end(1)
  })
})
