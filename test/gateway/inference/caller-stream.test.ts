import { describe, expect, it } from 'vitest'
import { CallerStream } from '../../../gateway/inference/caller-stream.ts'
import { CallerGone } from '../../../gateway/inference/failure.ts'

const read = async (stream: ReadableStream<Uint8Array>) => new Response(stream).text()

describe("the caller's stream", () => {
  it('writes events in order and ends', async () => {
    const out = new CallerStream({ stallMs: 1_000, keepAliveMs: 1_000 })
    const text = read(out.readable)
    await out.send({ a: 1 })
    await out.send('[DONE]')
    await out.close()
    expect(await text).toBe('data: {"a":1}\n\ndata: [DONE]\n\n')
  })

  it('fills silence with comments once the response has begun, and never inside an event', async () => {
    const out = new CallerStream({ stallMs: 1_000, keepAliveMs: 10 })
    const text = read(out.readable)
    out.keepAlive()
    await new Promise((resolve) => setTimeout(resolve, 35))
    await out.send('x')
    await out.close()
    expect(await text).toMatch(/^(: [^\n]+\n\n){1,3}data: x\n\n$/)
  })

  it('gives up on a caller that takes no byte', async () => {
    const out = new CallerStream({ stallMs: 20, keepAliveMs: 1_000 })
    const sent = (async () => {
      for (let i = 0; i < 1_000; i++) await out.send('x'.repeat(10_000))
    })()
    await expect(sent).rejects.toBeInstanceOf(CallerGone)
  })

  it('learns from the next write that the caller closed the connection', async () => {
    const out = new CallerStream({ stallMs: 1_000, keepAliveMs: 1_000 })
    const reader = out.readable.getReader()
    await Promise.all([out.send('x'), reader.read()])
    await reader.cancel()
    await expect(out.send('y')).rejects.toBeInstanceOf(CallerGone)
  })
})
