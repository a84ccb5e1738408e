// The link as the gateway meets it: many calls over one socket, none of which can hold up, cut short or read another, and no frame that is believed unseen.
import { describe, expect, it } from 'vitest'
import { encodeCredit, encodeFrame, encodeJson, FRAME, LINK, LINK_CLOSE } from '../../../protocol/link.ts'
import type { Caller } from '../../../provider-node/caller.ts'
import { eventually } from '../builders.ts'
import { aLink } from './builders.ts'
import { ended, type FakeLink } from './fake-gateway.ts'

const echo = async (request: Request) =>
  new Response(`${request.headers.get('authorization')} asked ${await request.text()}`)

/** Answers with so many chunks of so many bytes; told when the caller has gone. */
function aStream(chunks: number, chunkBytes: number) {
  const gone: boolean[] = []
  const made = { chunks: 0, isCancelled: false }
  const serve = (_: Request, caller: Caller) => {
    caller.onGone((isServed) => gone.push(isServed))
    const body = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          if (made.chunks >= chunks) return controller.close()
          made.chunks += 1
          controller.enqueue(new Uint8Array(chunkBytes).fill(120))
        },
        cancel: () => void (made.isCancelled = true),
      },
      { highWaterMark: 0 },
    )
    return new Response(body, { headers: { 'content-type': 'text/event-stream' } })
  }
  return { serve, gone, made }
}

describe('a call over the link', () => {
  it('is a request to the same server, and its answer comes back whole: status, type, retry-after, body', async () => {
    const seen: unknown[] = []
    const { gateway } = await aLink(async (request) => {
      const { method, url, headers } = request
      const names = ['authorization', 'content-type', 'content-length', 'souk-wire'].map((name) => headers.get(name))
      seen.push(method, new URL(url).pathname, names, await request.text())
      return new Response('later', { status: 429, headers: { 'content-type': 'text/plain', 'retry-after': '7' } })
    })
    const link = await gateway.link()
    const call = await ended(link.call({ path: '/v1/embeddings', ticket: 'a.b.c' }, '{"input":"ü"}'))
    expect(seen).toEqual(['POST', '/v1/embeddings', ['Souk a.b.c', 'application/json', '14', '2'], '{"input":"ü"}'])
    expect(call).toMatchObject({ end: 'end', text: 'later' })
    expect(call.head).toEqual({ status: 429, contentType: 'text/plain', retryAfterSeconds: 7 })
  })

  it('speaks the version that was agreed for the link', async () => {
    const { gateway } = await aLink((request) => new Response(request.headers.get('souk-wire')), {
      before: (it) => (it.wire = '1'),
    })
    const { text } = await ended((await gateway.link()).call({}, ''))
    expect(text).toBe('1')
  })

  it('is one of 200 at the same time, and each answer carries its question', async () => {
    const { gateway, link: client } = await aLink(echo)
    const link = await gateway.link()
    const calls = Array.from({ length: 200 }, (_, index) => {
      const body = `${index} `.repeat(1 + ((index * 997) % 40_000))
      return { index, body, exchange: link.call({ ticket: `ticket-${index}` }, body) }
    })
    for (const { index, body, exchange } of calls)
      expect((await ended(exchange)).text).toBe(`Souk ticket-${index} asked ${body}`)
    expect([client.isUp(), link.strays, link.overdrafts]).toEqual([true, 0, 0])
  })

  it('is accepted at once, however busy the server is with it', async () => {
    const { gateway } = await aLink(() => new Promise(() => undefined))
    const link = await gateway.link()
    const calls = Array.from({ length: 50 }, () => link.call({}, 'x'))
    await eventually(() => calls.every(({ answeredAt }) => answeredAt !== null), LINK.acceptMs)
    expect(calls.every(({ refused }) => refused === null)).toBe(true)
  })

  it('sends no more than was granted; a reader that stops holds its own answer and no other', async () => {
    const slow = aStream(100, 10_000)
    const { gateway } = await aLink((request, caller) =>
      request.url.endsWith('/completions') ? slow.serve(request, caller) : echo(request),
    )
    const link = await gateway.link()
    const stopped = link.call({}, 'x', { grants: false })
    await eventually(() => stopped.window === 0)
    const other = await ended(link.call({ path: '/v1/embeddings' }, 'y'.repeat(500_000)))
    expect(other.bytes).toBeGreaterThan(500_000)
    // What it has not been asked for is not computed either.
    expect([stopped.bytes, slow.made.chunks]).toEqual([LINK.windowBytes, 27])
    link.grant(stopped, 1_000_000)
    await ended(stopped)
    expect([stopped.end, stopped.bytes, link.overdrafts]).toEqual(['end', 1_000_000, 0])
  })

  it('is granted more of its body only as the server reads', async () => {
    let read = () => {}
    const { gateway } = await aLink(async (request) => {
      await new Promise<void>((resolve) => (read = resolve))
      return new Response(String((await request.text()).length))
    })
    const link = await gateway.link()
    const call = link.call({}, 'x'.repeat(2_000_000))
    await eventually(() => call.answeredAt !== null)
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(call.credit).toBe(0)
    read()
    expect((await ended(call)).text).toBe('2000000')
  })

  it('is told that its caller has gone when the gateway cancels, and nothing more of it is sent', async () => {
    const { serve, gone, made } = aStream(1_000_000, 1_000)
    const { gateway, metric } = await aLink(serve)
    const link = await gateway.link()
    const call = link.call({}, 'x')
    await eventually(() => call.bytes > 10_000)
    link.cancel(call)
    await eventually(() => made.isCancelled)
    expect(gone).toEqual([false])
    const { bytes } = call
    const next = link.call({ path: '/v1/embeddings' }, 'x', { grants: false })
    await eventually(() => next.window === 0)
    expect(call.bytes - bytes).toBeLessThan(LINK.windowBytes)
    expect(metric('souk_node_link_streams')).toBe(1)
  })

  it('is told that it was served when the whole answer went out, and only then', async () => {
    const { serve, gone } = aStream(3, 10)
    const { gateway } = await aLink(serve)
    await ended((await gateway.link()).call({}, 'x'))
    expect(gone).toEqual([true])
  })

  it.each([
    ['breaks off', (_: Request, caller: Caller) => (caller.breakOff(), new Response('no'))],
    ['fails in the middle', () => new Response(new ReadableStream({ pull: () => Promise.reject(new Error('no')) }))],
    ['fails', () => Promise.reject(new Error('no'))],
  ])('is cancelled, and not ended, when the server %s', async (_, serve) => {
    const { gateway, link: client } = await aLink(serve)
    const { end } = await ended((await gateway.link()).call({}, 'x'))
    expect([end, client.isUp()]).toEqual(['cancel', true])
  })

  it.each(['/metrics', '/healthz', '/v1/models', '/v2/health/ready', '/souk/challenge/', '/v1/chat/completions?a=1'])(
    'is refused at %s: the gateway asks for work and nothing else',
    async (path) => {
      const { gateway } = await aLink()
      expect((await ended((await gateway.link()).call({ path }, 'x'))).refused).toEqual({ code: 'bad_request' })
    },
  )

  it('is refused when its ticket cannot be a header', async () => {
    const { gateway } = await aLink()
    expect((await ended((await gateway.link()).call({ ticket: 'a\r\nb' }, 'x'))).refused).toEqual({
      code: 'bad_request',
    })
  })

  it('is refused as busy beyond the streams the node takes, and taken again when one has ended', async () => {
    let finish = () => {}
    const { gateway } = await aLink(() => new Promise((resolve) => (finish = () => resolve(new Response('')))), {
      streamsMax: 2,
    })
    const link = await gateway.link()
    const calls = [1, 2, 3].map(() => link.call({}, ''))
    await eventually(() => calls.every(({ answeredAt }) => answeredAt !== null))
    expect(calls.map(({ refused }) => refused?.code ?? null)).toEqual([null, null, 'busy'])
    finish()
    await eventually(() => calls.some(({ end }) => end === 'end'))
    const next = link.call({}, '')
    await eventually(() => next.answeredAt !== null)
    expect(next.refused).toBe(null)
  })

  it('may be answered before its body has come: the rest is ignored', async () => {
    const { gateway, link: client } = await aLink((request) =>
      request.url.endsWith('/embeddings') ? echo(request) : new Response('no', { status: 401 }),
    )
    const link = await gateway.link()
    const early = link.call({ bodyBytes: 1_000 }, 'x'.repeat(1_000), { grants: true })
    expect((await ended(early)).head?.status).toBe(401)
    link.frame(FRAME.data, early.id, new Uint8Array(10))
    expect((await ended(link.call({ path: '/v1/embeddings' }, 'y'))).text).toBe('null asked y')
    expect(client.isUp()).toBe(true)
  })
})

describe('a link ends with every call on it, and does no harm, when the gateway sends', () => {
  const open = { path: '/v1/chat/completions', contentType: 'application/json', ticket: '', bodyBytes: 10 }
  const opened = (link: FakeLink, id = 9, fields: object = {}) =>
    link.raw(encodeJson(FRAME.open, id, { ...open, ...fields }))
  const CASES: [string, (link: FakeLink) => void][] = [
    ['a frame of no known type', (link) => link.raw(new Uint8Array([77, 0, 0, 0, 1]))],
    ['a frame too short', (link) => link.raw(new Uint8Array([1, 0, 0]))],
    ['a text that is no pong', (link) => link.raw('pong ')],
    ['a call that is no JSON', (link) => link.frame(FRAME.open, 9, new Uint8Array([123]))],
    ['a call with an unknown field', (link) => opened(link, 9, { more: 1 })],
    ['a call of a negative length', (link) => opened(link, 9, { bodyBytes: -1 })],
    ['a stream twice', (link) => (opened(link), opened(link))],
    ['the number of a stream that has ended', (link) => (opened(link), link.frame(FRAME.cancel, 9), opened(link))],
    ['a number below one that was there', (link) => (opened(link), opened(link, 8))],
    ['data for a stream that was never opened', (link) => link.frame(FRAME.data, 9, new Uint8Array(1))],
    ['an end of a stream that was never opened', (link) => link.frame(FRAME.end, 9)],
    ['a cancel of a stream that was never opened', (link) => link.frame(FRAME.cancel, 9)],
    ['more data than it announced', (link) => (opened(link), link.frame(FRAME.data, 9, new Uint8Array(11)))],
    [
      'one byte more than its credit',
      (link) => {
        opened(link, 9, { bodyBytes: 1_000_000 })
        for (let sent = 0; sent < LINK.windowBytes; sent += LINK.frameBytes)
          link.frame(FRAME.data, 9, new Uint8Array(LINK.frameBytes))
        link.frame(FRAME.data, 9, new Uint8Array(1))
      },
    ],
    ['an end before the body is there', (link) => (opened(link), link.frame(FRAME.end, 9))],
    [
      'data after the end',
      (link) => (
        opened(link, 9, { bodyBytes: 0 }),
        link.frame(FRAME.end, 9),
        link.frame(FRAME.data, 9, new Uint8Array(1))
      ),
    ],
    ['an end twice', (link) => (opened(link, 9, { bodyBytes: 0 }), link.frame(FRAME.end, 9), link.frame(FRAME.end, 9))],
    ['a grant of nothing', (link) => (opened(link), link.raw(encodeCredit(9, 0)))],
    ['a grant that is no number', (link) => (opened(link), link.frame(FRAME.credit, 9, new Uint8Array(3)))],
    ['an answer', (link) => (opened(link), link.raw(encodeJson(FRAME.head, 9, { status: 200, contentType: '' })))],
    ['an acceptance', (link) => (opened(link), link.frame(FRAME.accept, 9))],
    ['a drain that cannot be read', (link) => link.frame(FRAME.drain, 0, new Uint8Array([1]))],
  ]
  it.each(CASES)('%s', async (_, send) => {
    const gone: boolean[] = []
    const { gateway, told, metric } = await aLink((_request, caller) => {
      caller.onGone((isServed) => gone.push(isServed))
      return new Promise(() => undefined)
    })
    const link = await gateway.link()
    const running = link.call({}, 'x')
    await eventually(() => running.answeredAt !== null)
    send(link)
    await eventually(() => link.closed !== null)
    expect(link.closed?.code).toBe(LINK_CLOSE.protocol)
    expect(gone.every((isServed) => !isServed)).toBe(true)
    expect(gone.length).toBeGreaterThan(0)
    await eventually(() => told().includes('link_down: protocol'))
    expect([metric('souk_node_link_up'), metric('souk_node_link_streams')]).toEqual([0, 0])
  })

  it('a message larger than any frame', async () => {
    const { gateway, told } = await aLink()
    const link = await gateway.link()
    link.raw(new Uint8Array(LINK.frameBytes + 6))
    await eventually(() => link.closed !== null && told().includes('link_down: lost'))
    expect(link.closed?.code).toBe(1009)
  })

  it('nothing of the kind: data that fills its credit to the byte, and frames of streams that have ended', async () => {
    const { gateway, link: client } = await aLink(() => new Promise(() => undefined))
    const link = await gateway.link()
    opened(link, 9, { bodyBytes: LINK.windowBytes })
    for (let sent = 0; sent < LINK.windowBytes; sent += LINK.frameBytes)
      link.frame(FRAME.data, 9, new Uint8Array(LINK.frameBytes))
    link.exchanges.set(9, link.call({ path: '/metrics' }, '', { id: 10 }))
    link.frame(FRAME.cancel, 9)
    for (const type of [FRAME.data, FRAME.end, FRAME.cancel]) link.frame(type, 9, new Uint8Array(0))
    link.raw(encodeCredit(9, 5))
    link.raw(encodeFrame(FRAME.drain, 0, new TextEncoder().encode('{"withinMs":1000}')))
    await ended(link.call({ path: '/healthz' }, '', { id: 11 }))
    expect(client.isUp()).toBe(true)
  })
})
