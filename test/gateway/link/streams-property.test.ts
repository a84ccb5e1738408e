// Many calls at once over one link, in random order of everything that can happen next: a frame arrives here, a frame arrives there, a reader reads,
// somebody leaves. The node is a model of few lines that gives every body back; each answer carries its question.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { LinkStream } from '../../../gateway/link/link-stream.ts'
import { Streams } from '../../../gateway/link/streams.ts'
import { creditOf, decodeFrame, encodeCredit, encodeFrame, encodeJson, FRAME, LINK } from '../../../protocol/link.ts'

/** Bytes that say which call they belong to and where in it they stand. */
const bodyOf = (call: number, bytes: number) =>
  Uint8Array.from({ length: bytes }, (_, at) => (call * 31 + at * 7) & 255)

/** A node that echoes within its credit, and holds the gateway to the gateway's. */
function anEcho(send: (frame: Uint8Array) => void) {
  interface Call {
    got: number
    mayGet: number
    maySend: number
    isWhole: boolean
    waiting: Uint8Array[]
  }
  const calls = new Map<number, Call>()
  const flush = (id: number, call: Call) => {
    for (let part = call.waiting[0]; part && call.maySend > 0; part = call.waiting[0]) {
      const now = part.subarray(0, call.maySend)
      send(encodeFrame(FRAME.data, id, now))
      call.maySend -= now.byteLength
      if (now.byteLength === part.byteLength) call.waiting.shift()
      else call.waiting[0] = part.subarray(now.byteLength)
    }
    if (!call.isWhole || call.waiting.length > 0) return
    send(encodeFrame(FRAME.end, id))
    calls.delete(id)
  }
  return {
    calls,
    receive(message: Uint8Array): void {
      const frame = decodeFrame(message)
      if (!frame.ok) throw new Error(frame.code)
      const { type, stream: id, payload } = frame.value
      if (type === FRAME.open) {
        calls.set(id, { got: 0, mayGet: LINK.windowBytes, maySend: LINK.windowBytes, isWhole: false, waiting: [] })
        send(encodeFrame(FRAME.accept, id))
        return send(encodeJson(FRAME.head, id, { status: 200, contentType: 'x' }))
      }
      const call = calls.get(id)
      if (!call) return
      if (type === FRAME.cancel) return void calls.delete(id)
      if (type === FRAME.credit) call.maySend += creditOf(frame.value) ?? 0
      if (type === FRAME.end) call.isWhole = true
      if (type === FRAME.data) {
        call.got += payload.byteLength
        if (call.got > call.mayGet) throw new Error('the gateway sends beyond its credit')
        call.waiting.push(payload)
        call.mayGet += payload.byteLength
        send(encodeCredit(id, payload.byteLength))
      }
      flush(id, call)
    },
  }
}

interface Reading {
  readonly stream: LinkStream
  readonly body: Uint8Array
  readonly parts: Uint8Array[]
  isCancelled: boolean
  end: 'open' | 'whole' | 'broken'
}

/** One random run. @param steps what happens next, as numbers */
async function run(sizes: readonly number[], steps: readonly number[]): Promise<Reading[]> {
  const toNode: Uint8Array[] = []
  const toGateway: Uint8Array[] = []
  const streams = new Streams({
    send: (frame) => void toNode.push(frame.slice()),
    onDrain: () => {},
    streamsMax: LINK.streamsMax,
    nextIds: () => 1,
  })
  const node = anEcho((frame) => void toGateway.push(frame.slice()))
  const readings = sizes.map((bytes, call): Reading => {
    const open = { path: '/echo', contentType: 'x', ticket: '', bodyBytes: bytes }
    const reading: Reading = {
      stream: streams.open(open),
      body: bodyOf(call, bytes),
      parts: [],
      isCancelled: false,
      end: 'open',
    }
    void reading.stream.write(reading.body).then((isWanted) => isWanted && reading.stream.endBody())
    return reading
  })
  const deliver = (): void => {
    const message = toGateway.shift()
    if (message && !streams.receive(message)) throw new Error('the gateway finds a rule broken')
  }
  const readOnce = async (reading: Reading): Promise<void> => {
    if (reading.end !== 'open') return
    const part = await reading.stream.read().catch(() => 'broken' as const)
    if (part === 'broken') reading.end = 'broken'
    else if (part === null) reading.end = 'whole'
    else reading.parts.push(part)
  }
  const underWay = new Map<Reading, Promise<void>>()
  const read = (reading: Reading) => {
    if (!underWay.has(reading))
      underWay.set(
        reading,
        readOnce(reading).finally(() => underWay.delete(reading)),
      )
  }
  const act = (step: number): void => {
    const reading = readings[step % readings.length]
    const kind = step % 16
    if (kind < 6) {
      const message = toNode.shift()
      if (message) node.receive(message)
    } else if (kind < 12) deliver()
    else if (kind < 15 && reading) read(reading)
    else if (reading && step % 3 === 0) {
      reading.isCancelled = true
      reading.stream.cancel('cancelled')
    }
  }
  for (const step of steps) {
    act(step)
    await Promise.resolve()
  }
  // Whatever is left comes to its end.
  for (let idle = 0; idle < 5;) {
    const isQuiet = toNode.length === 0 && toGateway.length === 0 && readings.every(({ end }) => end !== 'open')
    idle = isQuiet ? idle + 1 : 0
    for (let message = toNode.shift(); message; message = toNode.shift()) node.receive(message)
    while (toGateway.length > 0) deliver()
    readings.forEach(read)
    await new Promise((resolve) => setTimeout(resolve))
  }
  expect(streams).toMatchObject({ count: 0, isIdle: true, heldBytes: { answers: 0, bodies: 0 } })
  expect(node.calls.size).toBe(0)
  return readings
}

describe('streams in any order', () => {
  it('lose, cross and reorder no byte, and keep every credit', async () => {
    const size = fc.oneof(fc.integer({ min: 0, max: 2_000 }), fc.integer({ min: 200_000, max: 700_000 }))
    const sizes = fc.array(size, { minLength: 1, maxLength: 7 })
    const steps = fc.array(fc.nat(10_000), { minLength: 100, maxLength: 400 })
    let whole = 0
    let broken = 0
    await fc.assert(
      fc.asyncProperty(sizes, steps, async (bytes, order) => {
        for (const { parts, body, end, isCancelled } of await run(bytes, order)) {
          const length = parts.reduce((sum, part) => sum + part.byteLength, 0)
          let at = 0
          const isOwn = parts.every((part) => part.every((byte) => byte === body[at++]))
          expect(isOwn, 'an answer carries its own question').toBe(true)
          if (end === 'whole') expect(length).toBe(body.byteLength)
          if (!isCancelled) expect(end).toBe('whole')
          if (end === 'whole') whole++
          else broken++
        }
      }),
      { numRuns: 60 },
    )
    expect(Math.min(whole, broken), 'both kinds of end were seen').toBeGreaterThan(3)
  }, 60_000)
})
