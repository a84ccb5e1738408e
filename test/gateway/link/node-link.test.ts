import { describe, expect, it } from 'vitest'
import type { LinkGuard } from '../../../gateway/link/link-request.ts'
import { createNodeLink, LinkGone, type NodeLink, type NodeRequest } from '../../../gateway/link/node-link.ts'
import { createSocketLink } from '../../../gateway/link/socket-link.ts'
import { LINK_ENDPOINT } from '../../../protocol/link.ts'
import type { NodeId } from '../../../protocol/units.ts'

const request = (over: Partial<NodeRequest> = {}): NodeRequest => ({
  nodeId: 'node_0000000000000001' as NodeId,
  endpoint: LINK_ENDPOINT,
  wireVersion: 2,
  path: '/v1/chat/completions',
  body: 'hi',
  ticket: 'a.b.c',
  signal: new AbortController().signal,
  ...over,
})

describe('createNodeLink', () => {
  it('reaches each node the way it registered', async () => {
    const way = (name: string): NodeLink => ({ send: () => Promise.resolve(new Response(name)) })
    const link = createNodeLink({ direct: way('direct'), socket: way('socket') })
    expect(await (await link.send(request())).text()).toBe('socket')
    expect(await (await link.send(request({ endpoint: 'https://node.example.com' }))).text()).toBe('direct')
  })
})

describe('createSocketLink', () => {
  const cancelled: string[] = []
  const aLink = (answer: () => Response) => {
    const asked: Headers[] = []
    const guard: LinkGuard = {
      fetch: (_url, init) => {
        asked.push(new Headers(init.headers))
        return Promise.resolve(answer())
      },
      cancelStream: (key) => Promise.resolve(void cancelled.push(key)),
    }
    const random = (length: number) => new Uint8Array(length).fill(7)
    return { asked, link: createSocketLink({ guards: () => guard, random }) }
  }

  it('tells the guard in so many words that nobody waits any more, also while the answer is read', async () => {
    const caller = new AbortController()
    const { asked, link } = aLink(() => new Response('begun'))
    await link.send(request({ signal: caller.signal }))
    expect(cancelled).toEqual([])
    caller.abort(new Error('left'))
    expect(cancelled).toEqual([asked[0]?.get('souk-call')])
  })

  it.each([
    ['away', new LinkGone(false)],
    ['silent', new LinkGone(true)],
    ['broken', new TypeError('the link broke before the answer')],
  ])('throws when the guard says %s', async (why, error) => {
    const { link } = aLink(() => new Response(null, { status: 503, headers: { 'souk-link-failure': why } }))
    await expect(link.send(request())).rejects.toEqual(error)
  })

  it('gives the node its own word, a 503 as well', async () => {
    const { link } = aLink(() => Response.json({ error: { code: 'draining' } }, { status: 503 }))
    expect((await link.send(request())).status).toBe(503)
  })
})
