import { describe, expect, it } from 'vitest'
import { LINK } from '../../../protocol/link.ts'
import { createFrameWriter } from '../../../provider-node/link/frame-writer.ts'
import { LINK_LIMITS } from '../../../provider-node/link/link-limits.ts'

/** A socket whose buffer empties when the test says so. */
function aSocket() {
  const sent: string[] = []
  const callbacks: (() => void)[] = []
  const counts = { overflow: 0, bytes: 0 }
  const socket = {
    bufferedAmount: 0,
    send(data: Uint8Array, done: () => void) {
      sent.push(String.fromCharCode(data[0] ?? 0))
      socket.bufferedAmount += data.byteLength
      callbacks.push(done)
    },
  }
  const needs = { overflow: () => void (counts.overflow += 1), count: (bytes: number) => void (counts.bytes += bytes) }
  const writer = createFrameWriter(socket, needs)
  const flush = async () => {
    socket.bufferedAmount = 0
    for (const done of callbacks.splice(0)) done()
    await Promise.resolve()
  }
  return { socket, writer, sent, counts, flush }
}

const frame = (name: string, bytes: number) => new Uint8Array(bytes).fill(name.charCodeAt(0))
const HALF = LINK.bufferedBytes / 2

describe('the writer of a link', () => {
  it('lets data wait while the buffer is full, hands control frames out before it, and goes on in turn', async () => {
    const { writer, sent, flush } = aSocket()
    const done: string[] = []
    const data = (name: string) => void writer.data(() => frame(name, HALF)).then(() => done.push(name))
    for (const name of ['a', 'b', 'c', 'd', 'e']) data(name)
    writer.control(frame('!', 1))
    await Promise.resolve()
    expect([sent, done]).toEqual([
      ['a', 'b', '!'],
      ['a', 'b'],
    ])
    await flush()
    expect(sent.join('')).toBe('ab!cd')
    await flush()
    expect([sent.join(''), done.join('')]).toEqual(['ab!cde', 'abcde'])
  })

  it('makes no frame for who does not want it any more', async () => {
    const { writer, sent, flush } = aSocket()
    let isWanted = true
    void writer.data(() => frame('a', LINK.bufferedBytes))
    const unwanted = writer.data(() => (isWanted ? frame('b', 1) : null))
    void writer.data(() => frame('c', 1))
    isWanted = false
    await flush()
    await unwanted
    expect(sent.join('')).toBe('ac')
  })

  it('says once that the other side takes nothing, beyond the ceiling and not at it, and sends nothing more', () => {
    const { writer, sent, counts } = aSocket()
    writer.control(frame('a', LINK_LIMITS.backlogBytes))
    expect(counts.overflow).toBe(0)
    writer.control(frame('b', 1))
    writer.control(frame('c', 1))
    expect([counts.overflow, sent.join('')]).toEqual([1, 'ab'])
  })

  it('lets nobody wait when the link is gone', async () => {
    const { writer, sent } = aSocket()
    void writer.data(() => frame('a', LINK.bufferedBytes))
    const waiting = writer.data(() => frame('b', 1))
    writer.close()
    await waiting
    await writer.data(() => frame('c', 1))
    expect(sent.join('')).toBe('a')
  })
})
