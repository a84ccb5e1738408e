import { describe, expect, it } from 'vitest'
import { systemClock } from '../../../../gateway/core/clock.ts'
import { CallerStream } from '../../../../gateway/inference/text/caller-stream.ts'
import { SseDecoder } from '../../../../protocol/sse.ts'
import { CallerGone } from '../../../../gateway/inference/attempts/failure.ts'

const aStream = (options: { stallMs: number; keepAliveMs: number; waitMaxMs?: number }) =>
  new CallerStream({ waitMaxMs: 10_000, clock: systemClock, ...options })
const read = async (stream: ReadableStream<Uint8Array>) => new Response(stream).text()

describe("the caller's stream", () => {
  it('writes events in order and ends', async () => {
    const out = aStream({ stallMs: 1_000, keepAliveMs: 1_000 })
    const text = read(out.readable)
    await out.send({ a: 1 })
    await out.send('[DONE]')
    await out.close()
    expect(await text).toBe('data: {"a":1}\n\ndata: [DONE]\n\n')
  })

  it('fills silence with comments once the response has begun, and never inside an event', async () => {
    const out = aStream({ stallMs: 1_000, keepAliveMs: 10 })
    const text = read(out.readable)
    out.keepAlive()
    await new Promise((resolve) => setTimeout(resolve, 35))
    await out.send('x')
    await out.close()
    expect(await text).toMatch(/^(: [^\n]+\n\n){1,3}data: x\n\n$/)
  })

  it('gives up on a caller that takes no byte', async () => {
    const out = aStream({ stallMs: 20, keepAliveMs: 1_000 })
    const sent = (async () => {
      for (let i = 0; i < 1_000; i++) await out.send('x'.repeat(10_000))
    })()
    await expect(sent).rejects.toBeInstanceOf(CallerGone)
  })

  it.each<[string, (out: CallerStream) => Promise<void>]>([
    ['in the middle of an answer', async (out) => out.abort()],
    ['at its end', (out) => out.close()],
  ])('cuts the connection of a caller who stopped reading %s, although a write of it still waits', async (_, end) => {
    const out = aStream({ stallMs: 20, keepAliveMs: 1_000 })
    const sent = Promise.all([out.send('x'), out.send('y')])
    await expect(sent).rejects.toBeInstanceOf(CallerGone)
    await end(out)
    // Not by reading, which would let the write go on.
    const open = new Promise((resolve) => setTimeout(() => resolve('still open'), 500))
    await expect(Promise.race([out.readable.getReader().closed, open])).rejects.toBeInstanceOf(CallerGone)
  })

  it('learns from the next write that the caller closed the connection', async () => {
    const out = aStream({ stallMs: 1_000, keepAliveMs: 1_000 })
    const reader = out.readable.getReader()
    await Promise.all([out.send('x'), reader.read()])
    await reader.cancel()
    await expect(out.send('y')).rejects.toBeInstanceOf(CallerGone)
  })

  it('tells that the caller left before anything more is written', async () => {
    const out = aStream({ stallMs: 1_000, keepAliveMs: 1_000 })
    const gone = new Promise((resolve) => out.gone.addEventListener('abort', resolve))
    const reader = out.readable.getReader()
    await Promise.all([out.send('x'), reader.read()])
    await reader.cancel()
    await gone
    expect(out.gone.reason).toBeInstanceOf(CallerGone)
  })

  it('carries every character to an ordinary reader of events', async () => {
    const out = aStream({ stallMs: 1_000, keepAliveMs: 1_000 })
    const content = 'a\u2028b\u2029c\u0000d\re\r\nf\u0085g\ufeffh\ud83d'
    const bytes = new Response(out.readable).arrayBuffer()
    await out.send({ content })
    await out.close()
    const events = new SseDecoder().push(new Uint8Array(await bytes))
    expect(events.map(({ data }) => JSON.parse(data) as unknown)).toEqual([{ content }])
  })

  it('gives up on a caller that takes its bytes drop by drop, when all waiting together is too long', async () => {
    const out = aStream({ stallMs: 1_000, keepAliveMs: 1_000, waitMaxMs: 60 })
    const reader = out.readable.getReader()
    let taken = 0
    const drip = setInterval(() => void reader.read().then(() => (taken += 1)), 20)
    const sent = (async () => {
      for (let i = 0; i < 100; i++) await out.send('x')
    })()
    await expect(sent).rejects.toBeInstanceOf(CallerGone)
    clearInterval(drip)
    expect(taken).toBeGreaterThan(0)
    expect(out.gone.aborted).toBe(true)
  })

  it('learns from a comment that the caller is gone, while the node is silent', async () => {
    const out = aStream({ stallMs: 1_000, keepAliveMs: 10 })
    await out.readable.cancel()
    out.keepAlive()
    await expect.poll(() => out.gone.aborted).toBe(true)
  })

  it('keeps no clock running after its end', async () => {
    const out = aStream({ stallMs: 1_000, keepAliveMs: 10 })
    const text = read(out.readable)
    await out.close()
    out.keepAlive()
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(await text).toBe('')
    expect(out.gone.aborted).toBe(false)
  })
})
