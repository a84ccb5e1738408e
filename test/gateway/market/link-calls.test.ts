// Calls over a node's link, from an isolate through the guard to a node that speaks frames, and back.
import { describe, expect, it } from 'vitest'
import { FRAME, jsonOf, LINK, OpenFrame } from '../../../protocol/link.ts'
import { ask, aRegisteredNode, goneOf, link } from './link-house.ts'

describe('a call over a link', () => {
  it('takes the ticket, the path and the body there, and the answer back', async () => {
    const node = await aRegisteredNode()
    const linked = await link(node)
    const response = await ask(node.nodeId, '{"a":1}')
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

  it('fails at once when there is no link', async () => {
    const { nodeId } = await aRegisteredNode()
    const before = Date.now()
    expect(await goneOf(ask(nodeId))).toBe('away')
    expect(Date.now() - before).toBeLessThan(LINK.acceptMs)
  })
})
