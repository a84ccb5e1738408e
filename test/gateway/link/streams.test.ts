// The gateway's streams against a node that is a few lines of test: frames by hand for each rule, and random interleavings of many calls.
import { describe, expect, it } from 'vitest'
import { LINK_LIMITS } from '../../../gateway/link/limits.ts'
import type { LinkStream } from '../../../gateway/link/link-stream.ts'
import { Streams } from '../../../gateway/link/streams.ts'
import {
  creditOf,
  decodeFrame,
  encodeCredit,
  encodeFrame,
  encodeJson,
  FRAME,
  LINK,
  type Frame,
  type FrameType,
} from '../../../protocol/link.ts'

const OPEN = { path: '/v1/chat/completions', contentType: 'application/json', ticket: 'a.b.c', bodyBytes: 3 }
const HEAD = { status: 200, contentType: 'text/event-stream' }

function aLink(over: { streamsMax?: number } = {}) {
  const sent: Frame[] = []
  const drained: true[] = []
  let block = 1
  const streams = new Streams({
    send: (bytes) => {
      const frame = decodeFrame(bytes)
      if (!frame.ok) throw new Error(frame.code)
      sent.push({ ...frame.value, payload: frame.value.payload.slice() })
    },
    onDrain: () => void drained.push(true),
    streamsMax: over.streamsMax ?? LINK.streamsMax,
    nextIds: () => (block += LINK_LIMITS.idBlock) - LINK_LIMITS.idBlock,
  })
  const json = (type: FrameType, id: number, body: object) => streams.receive(encodeJson(type, id, body))
  return {
    streams,
    sent,
    drained,
    types: (id: number) => sent.filter(({ stream }) => stream === id).map(({ type }) => type),
    accept: (id: number) => streams.receive(encodeFrame(FRAME.accept, id)),
    refuse: (id: number, body: object) => json(FRAME.refuse, id, body),
    head: (id: number, body: object = HEAD) => json(FRAME.head, id, body),
    data: (id: number, bytes: Uint8Array) => streams.receive(encodeFrame(FRAME.data, id, bytes)),
    end: (id: number) => streams.receive(encodeFrame(FRAME.end, id)),
    cancel: (id: number) => streams.receive(encodeFrame(FRAME.cancel, id)),
    credit: (id: number, bytes: number) => streams.receive(encodeCredit(id, bytes)),
    /** a stream whose answer has begun */
    answering() {
      const stream = streams.open(OPEN)
      this.accept(stream.id)
      this.head(stream.id)
      return stream
    },
  }
}

const text = (bytes: Uint8Array | null) => (bytes === null ? null : new TextDecoder().decode(bytes))
const words = (said: string) => new TextEncoder().encode(said)
const settled = () => new Promise((resolve) => setTimeout(resolve))
const FULL = new Uint8Array(LINK.frameBytes)

async function readAll(stream: LinkStream): Promise<string> {
  let all = ''
  for (let part = await stream.read(); part !== null; part = await stream.read()) all += text(part)
  return all
}

describe('a stream', () => {
  it('goes out as OPEN, DATA, END and comes back as ACCEPT, HEAD, DATA, END', async () => {
    const link = aLink()
    const stream = link.streams.open(OPEN)
    expect(await stream.write(words('hi!'))).toBe(true)
    stream.endBody()
    expect(link.types(stream.id)).toEqual([FRAME.open, FRAME.data, FRAME.end])
    expect(link.accept(stream.id) && link.head(stream.id)).toBe(true)
    await stream.accepted()
    expect(await stream.reply()).toEqual({ kind: 'head', head: HEAD })
    link.data(stream.id, words('ye'))
    link.data(stream.id, words('s'))
    link.end(stream.id)
    expect(await readAll(stream)).toBe('yes')
    expect(link.streams).toMatchObject({ count: 0, isIdle: true, heldBytes: { answers: 0, bodies: 0 } })
  })

  it('is refused before anything was executed', async () => {
    const link = aLink()
    const stream = link.streams.open(OPEN)
    link.refuse(stream.id, { code: 'busy', retryAfterSeconds: 3 })
    await stream.accepted()
    expect(await stream.reply()).toEqual({ kind: 'refused', refusal: { code: 'busy', retryAfterSeconds: 3 } })
    expect(link.streams.isIdle).toBe(true)
  })

  it('tells the node once that nobody wants it, and its reader why', async () => {
    const link = aLink()
    const stream = link.answering()
    link.data(stream.id, words('lost'))
    stream.cancel('cancelled')
    stream.cancel('cancelled')
    expect(link.types(stream.id)).toEqual([FRAME.open, FRAME.cancel])
    await expect(stream.read()).rejects.toMatchObject({ why: 'cancelled' })
    expect(link.data(stream.id, words('late'))).toBe(true)
    expect(link.streams).toMatchObject({ count: 0, isIdle: true, heldBytes: { answers: 0 } })
  })

  it('never ends as if it were whole: cancelled by the node, lost with its link, thrown away here', async () => {
    const link = aLink()
    const [broken, lost, thrown] = [link.answering(), link.answering(), link.answering()]
    link.data(broken.id, words('a'))
    link.cancel(broken.id)
    expect(text(await broken.read())).toBe('a')
    await expect(broken.read()).rejects.toMatchObject({ why: 'broken_off' })
    link.data(thrown.id, words('a'))
    link.end(thrown.id)
    thrown.cancel('too_slow')
    await expect(thrown.read()).rejects.toMatchObject({ why: 'too_slow' })
    const waiting = lost.read()
    link.streams.lose()
    await expect(waiting).rejects.toMatchObject({ why: 'link_lost' })
    expect(link.streams).toMatchObject({ isIdle: true, heldBytes: { answers: 0 } })
  })

  it('keeps a whole answer that came before its link was lost', async () => {
    const link = aLink()
    const stream = link.answering()
    link.data(stream.id, words('whole'))
    link.end(stream.id)
    link.streams.lose()
    expect(await readAll(stream)).toBe('whole')
  })

  it('stops its body when the answer is over, and says so', async () => {
    const link = aLink()
    const stream = link.answering()
    link.end(stream.id)
    expect(await stream.write(words('more'))).toBe(false)
    stream.endBody()
    expect(link.types(stream.id)).toEqual([FRAME.open, FRAME.cancel])
  })

  it('never has an id twice, also not after its guard was asleep', () => {
    const first = aLink().streams
    const ids = [first.open(OPEN).id, first.open(OPEN).id]
    expect(ids).toEqual([1, 2])
    const awake = new Streams({ send: () => {}, onDrain: () => {}, streamsMax: 9, nextIds: () => 4_097 })
    expect(awake.open(OPEN).id).toBe(4_097)
    expect(awake.receive(encodeFrame(FRAME.end, 2))).toBe(true)
  })

  it('asks for another block of ids when one is used up', () => {
    const link = aLink()
    for (let i = 0; i < LINK_LIMITS.idBlock; i++) link.streams.open(OPEN).cancel('cancelled')
    expect(link.streams.open(OPEN).id).toBe(LINK_LIMITS.idBlock + 1)
  })
})

describe('credit', () => {
  it('sends a body up to the window, and goes on as the node takes it', async () => {
    const link = aLink()
    const stream = link.streams.open(OPEN)
    const body = new Uint8Array(LINK.windowBytes + 10)
    const sent = () => link.sent.reduce((sum, f) => sum + (f.type === FRAME.data ? f.payload.byteLength : 0), 0)
    let isWritten = false
    const writing = stream.write(body).then(() => (isWritten = true))
    await settled()
    expect([sent(), isWritten]).toEqual([LINK.windowBytes, false])
    link.credit(stream.id, 4)
    await settled()
    link.credit(stream.id, 6)
    await writing
    expect(sent()).toBe(body.byteLength)
    expect(link.sent.every(({ payload }) => payload.byteLength <= LINK.frameBytes)).toBe(true)
  })

  it('is granted when the reader has taken enough, and not before', async () => {
    const link = aLink()
    const stream = link.answering()
    const grants = () => link.sent.filter(({ type }) => type === FRAME.credit).map((frame) => creditOf(frame))
    link.data(stream.id, FULL)
    link.data(stream.id, FULL)
    expect((await stream.read())?.byteLength).toBe(LINK.grantBytes)
    expect(grants()).toEqual([])
    const next = stream.read()
    expect(grants()).toEqual([LINK.grantBytes])
    link.data(stream.id, words('x'))
    expect((await next)?.byteLength).toBe(1)
  })

  it('pauses every body while too many bytes are on their way to one node, and wakes them', async () => {
    const link = aLink()
    const full = LINK_LIMITS.bodyBytesMax / LINK.windowBytes
    const bodies = Array.from({ length: full }, () => link.streams.open(OPEN))
    for (const stream of bodies) await stream.write(new Uint8Array(LINK.windowBytes))
    const late = link.streams.open(OPEN)
    let isWritten = false
    const writing = late.write(words('hi')).then(() => (isWritten = true))
    await settled()
    expect(isWritten).toBe(false)
    link.credit(bodies[0]?.id ?? 0, 1)
    await writing
    expect(link.streams.heldBytes.bodies).toBe(LINK_LIMITS.bodyBytesMax + 1)
  })
})

describe('a link', () => {
  it('has room for as many streams as the node said, and no more', () => {
    const link = aLink({ streamsMax: 2 })
    const first = link.streams.open(OPEN)
    expect(link.streams.hasRoom).toBe(true)
    link.streams.open(OPEN)
    expect(link.streams.hasRoom).toBe(false)
    link.cancel(first.id)
    expect(link.streams.hasRoom).toBe(true)
  })

  it('opens nothing while too much waits for its readers, and cuts the slowest one off when it becomes more', async () => {
    const link = aLink()
    const each = LINK.windowBytes + 4 * LINK_LIMITS.frameCost
    const slow = link.answering()
    const fill = (stream: LinkStream) => {
      for (let i = 0; i < 4; i++) expect(link.data(stream.id, FULL)).toBe(true)
    }
    fill(slow)
    const others: LinkStream[] = []
    const hold = (bytes: number) => {
      while (link.streams.heldBytes.answers + each <= bytes) {
        const stream = link.answering()
        // A frame less than the slow one.
        for (let i = 0; i < 3; i++) link.data(stream.id, FULL)
        others.push(stream)
      }
    }
    hold(LINK_LIMITS.openBytesMax)
    expect(link.streams.hasRoom).toBe(true)
    hold(LINK_LIMITS.openBytesMax + 2 * each)
    expect(link.streams.hasRoom).toBe(false)
    hold(LINK_LIMITS.answerBytesMax)
    const last = link.answering()
    for (let i = 0; i < 3; i++) link.data(last.id, FULL)
    link.data(others[0]?.id ?? 0, FULL.subarray(0, 1))
    expect(link.streams.heldBytes.answers).toBeLessThanOrEqual(LINK_LIMITS.answerBytesMax)
    await expect(slow.read()).rejects.toMatchObject({ why: 'too_slow' })
    expect((await others[1]?.read())?.byteLength).toBe(3 * LINK.frameBytes)
  })

  it('counts also what a node left behind by breaking off, until it is read or nobody wants it', async () => {
    const link = aLink()
    const each = LINK.windowBytes + 4 * LINK_LIMITS.frameCost
    const left: LinkStream[] = []
    while (link.streams.hasRoom && left.length < 1_000) {
      const stream = link.answering()
      for (let i = 0; i < 4; i++) link.data(stream.id, FULL)
      link.cancel(stream.id)
      left.push(stream)
    }
    expect(left.length).toBe(Math.ceil(LINK_LIMITS.openBytesMax / each))
    const [read, unwanted] = left
    expect((await read?.read())?.byteLength).toBe(LINK.windowBytes)
    await expect(read?.read()).rejects.toMatchObject({ why: 'broken_off' })
    unwanted?.cancel('cancelled')
    expect(link.streams.heldBytes.answers).toBe((left.length - 2) * each)
    expect(link.streams.hasRoom).toBe(true)
    await expect(unwanted?.read()).rejects.toMatchObject({ why: 'broken_off' })
  })

  it('counts what frames of one byte cost', () => {
    const link = aLink()
    const stream = link.answering()
    for (let i = 0; i < 100; i++) link.data(stream.id, words('x'))
    expect(link.streams.heldBytes.answers).toBe(100 * (1 + LINK_LIMITS.frameCost))
  })

  it('hears that the node drains', () => {
    const link = aLink()
    expect(link.streams.receive(encodeJson(FRAME.drain, 0, {}))).toBe(true)
    expect(link.drained).toEqual([true])
  })
})

describe('a frame that breaks a rule', () => {
  const zeros = (bytes: number) => new Uint8Array(bytes)
  type Link = ReturnType<typeof aLink>
  const cases: [string, (link: Link) => boolean][] = [
    ['no frame at all', ({ streams }) => streams.receive(words('hi'))],
    ['a frame too long', ({ streams }) => streams.receive(encodeFrame(FRAME.data, 1, zeros(LINK.frameBytes + 1)))],
    ['OPEN of a node', (link) => link.streams.receive(encodeJson(FRAME.open, link.answering().id, OPEN))],
    ['OPEN of a node for an id of its own', ({ streams }) => streams.receive(encodeJson(FRAME.open, 9, OPEN))],
    ['a stream that never was', (link) => link.end(link.answering().id + 1)],
    ['ACCEPT twice', (link) => link.accept(link.answering().id)],
    [
      'ACCEPT with a payload',
      (link) => link.streams.receive(encodeFrame(FRAME.accept, link.streams.open(OPEN).id, zeros(1))),
    ],
    ['HEAD before ACCEPT', (link) => link.head(link.streams.open(OPEN).id)],
    ['HEAD twice', (link) => link.head(link.answering().id)],
    [
      'HEAD that is none',
      (link) => {
        const { id } = link.streams.open(OPEN)
        link.accept(id)
        return link.head(id, { status: 199, contentType: '' })
      },
    ],
    ['REFUSE after ACCEPT', (link) => link.refuse(link.answering().id, { code: 'busy' })],
    ['REFUSE that is none', (link) => link.refuse(link.streams.open(OPEN).id, { code: 'tired' })],
    [
      'DATA before HEAD',
      (link) => {
        const { id } = link.streams.open(OPEN)
        link.accept(id)
        return link.data(id, zeros(1))
      },
    ],
    [
      'DATA beyond the credit',
      (link) => {
        const { id } = link.answering()
        for (let i = 0; i < LINK.windowBytes / LINK.frameBytes; i++) expect(link.data(id, FULL)).toBe(true)
        return link.data(id, zeros(1))
      },
    ],
    ['END before HEAD', (link) => link.end(link.streams.open(OPEN).id)],
    ['END with a payload', (link) => link.streams.receive(encodeFrame(FRAME.end, link.answering().id, zeros(1)))],
    ['CREDIT of nothing', (link) => link.credit(link.answering().id, 0)],
    ['CREDIT for what was not sent', (link) => link.credit(link.answering().id, 1)],
    ['DRAIN that is none', ({ streams }) => streams.receive(encodeJson(FRAME.drain, 0, { withinMs: -1 }))],
  ]
  it.each(cases)('closes the link: %s', (_, breaks) => {
    expect(breaks(aLink())).toBe(false)
  })
})
