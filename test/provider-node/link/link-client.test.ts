// The link over time: how it is asked for, when it comes back after each way to lose it, and what its operator reads of all that. Time is the test's.
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { describe, expect, it } from 'vitest'
import { FRAME, LINK, LINK_CLOSE, LinkClaims, reconnectPauseMs } from '../../../protocol/link.ts'
import { LINK_LIMITS } from '../../../provider-node/link/link-limits.ts'
import { NODE_LIMITS } from '../../../provider-node/limits.ts'
import { eventually } from '../builders.ts'
import { aClock, aLink, DRAW, type TestLink } from './builders.ts'
import { ended, type FakeLinkGateway } from './fake-gateway.ts'

/** A pause of fixed length is a little longer by its draw. */
const SPREAD = 1 + DRAW / 10

/** The node has drawn its pause and waits. @returns ms */
async function paused({ clock, link }: TestLink): Promise<number> {
  const own: number[] = [LINK_LIMITS.steadyMs, LINK.pongMs, LINK.pingMs - LINK.pongMs]
  const pauses = () => clock.waits().filter((ms) => !own.includes(ms))
  await eventually(() => !link.isUp() && pauses().length > 0)
  return pauses()[0] ?? NaN
}

const refusing = (status: number, headers: Record<string, string> = {}) => ({
  before: (gateway: FakeLinkGateway) =>
    void (gateway.answer = () => ({ status, headers, body: { error: { code: 'x', message: 'No.' } } })),
})

describe('the upgrade', () => {
  it('is signed by the node key: who, when, which process, how many streams; uncompressed', async () => {
    const { gateway, clock } = await aLink(undefined, { streamsMax: 12 })
    const { request } = await gateway.link()
    const [scheme, jws = ''] = (request.headers.authorization ?? '').split(' ')
    const claims = LinkClaims.parse(decodeJwt(jws))
    expect([scheme, decodeProtectedHeader(jws)]).toEqual(['SoukLink', { alg: 'EdDSA', typ: 'souk-link' }])
    expect(claims).toMatchObject({ nodeId: 'node_1', iat: Math.floor(clock.now() / 1_000), streamsMax: 12 })
    expect([request.headers['souk-wire'], request.headers['sec-websocket-extensions']]).toEqual(['2', undefined])
  })

  it('waits for the registration, which costs nobody anything, and says so once', async () => {
    let nodeId: string | null = null
    const test = await aLink(undefined, { nodeId: () => Promise.resolve(nodeId) })
    for (let second = 0; second < 3; second++) {
      expect(await paused(test)).toBe(NODE_LIMITS.helloMs.first)
      await test.clock.pass(NODE_LIMITS.helloMs.first)
    }
    expect([test.gateway.asked.length, test.told()]).toEqual([0, ['link_waits: unregistered']])
    await paused(test)
    nodeId = 'node_7'
    await test.clock.pass(NODE_LIMITS.helloMs.first)
    await test.link.stood
    expect(test.told()).toEqual(['link_waits: unregistered', 'link_up'])
  })

  it.each([
    [409, {}, 'link_refused: conflict', 60_000 * SPREAD],
    [409, { 'retry-after': '30' }, 'link_refused: conflict', 30_000 * SPREAD],
    [426, {}, 'link_refused: wire', 300_000 * SPREAD],
    [422, {}, 'link_refused: x', 60_000 * SPREAD],
    [422, { date: new Date(Date.now() + 3_600_000).toUTCString() }, 'link_refused: clock', 60_000 * SPREAD],
    [503, { 'retry-after': '20' }, 'link_refused: overloaded', 20_000 + reconnectPauseMs(0, DRAW)],
  ])('that is refused with %i %j is told once and tried again later', async (status, headers, line, pauseMs) => {
    const test = await aLink(undefined, refusing(status, headers))
    expect(await paused(test)).toBe(pauseMs)
    await test.clock.pass(pauseMs)
    await eventually(() => test.gateway.asked.length === 2)
    await paused(test)
    expect(test.told()).toEqual([line])
    test.gateway.answer = () => null
    await test.clock.pass(1_000_000)
    await test.link.stood
    expect(test.told()).toEqual([line, 'link_up'])
  })

  it('that is accepted in a version nobody here speaks is no link', async () => {
    const test = await aLink(undefined, { before: (gateway) => void (gateway.wire = '9') })
    expect(await paused(test)).toBe(300_000 * SPREAD)
    expect(test.told()).toEqual(['link_refused: wire'])
  })

  it('to a gateway that is not there is told once, and that it is there again', async () => {
    const port = await aFreePort()
    const test = await aLink(undefined, { gateway: `http://127.0.0.1:${port}` })
    for (let attempt = 0; attempt < 4; attempt++) {
      expect(await paused(test)).toBe(reconnectPauseMs(attempt, DRAW))
      await test.clock.pass(60_000)
    }
    expect(test.told()).toEqual(['link_down: unreachable'])
    expect(test.lines[0]?.fields.message).toBe(`the gateway http://127.0.0.1:${port} does not answer (ECONNREFUSED)`)
  })
})

describe('a link that is lost', () => {
  it('comes back by itself after a drawn pause, when it had stood for a minute after the first one', async () => {
    const test = await aLink()
    const first = await test.gateway.link()
    await test.clock.pass(LINK_LIMITS.steadyMs)
    first.socket.close(LINK_CLOSE.going, 'deployed')
    expect(await paused(test)).toBe(reconnectPauseMs(0, DRAW))
    await test.clock.pass(reconnectPauseMs(0, DRAW))
    await eventually(() => test.link.isUp())
    expect(test.told()).toEqual(['link_up', 'link_down: going', 'link_up'])
    expect(test.lines.at(-1)?.fields).toEqual({ wire: 2, reconnected: 1, downMs: reconnectPauseMs(0, DRAW) })
    expect(test.metric('souk_node_link_reconnects_total')).toBe(1)
  })

  it('is the same process to the gateway when it comes back', async () => {
    const test = await aLink()
    const first = await test.gateway.link()
    first.socket.terminate()
    await paused(test)
    await test.clock.pass(60_000)
    const second = await test.gateway.link()
    const instances = [first, second].map(
      ({ request }) => decodeJwt((request.headers.authorization ?? '').slice(9)).instance,
    )
    expect(instances[0]).toBe(instances[1])
  })

  it('again and again is come back to ever more slowly, and told as that after three times', async () => {
    const test = await aLink()
    const pauses: number[] = []
    for (let times = 0; times < 6; times++) {
      const link = await test.gateway.link()
      link.socket.close(LINK_CLOSE.going, '')
      pauses.push(await paused(test))
      await test.clock.pass(60_000)
    }
    expect(pauses).toEqual([0, 1, 2, 3, 4, 5].map((attempt) => reconnectPauseMs(attempt, DRAW)))
    const up = 'link_up'
    const down = 'link_down: going'
    expect(test.told()).toEqual([up, down, up, down, up, down])
    expect(test.lines.at(-1)?.fields.again).toMatch(/goes on/)
    await test.gateway.link()
    await test.clock.pass(LINK_LIMITS.steadyMs)
    expect(test.told().slice(6)).toEqual([up])
  })

  it('because the node was revoked is asked for every five minutes, in one sentence that says what to do', async () => {
    const test = await aLink()
    const link = await test.gateway.link()
    link.socket.close(LINK_CLOSE.revoked, 'The authorisation was taken back.')
    expect(await paused(test)).toBe(300_000 * SPREAD)
    expect(test.lines.at(-1)?.fields.message).toMatch(/taken back.*souk-node register/)
  })

  it('breaks off every call on it, and takes new ones when it is back', async () => {
    const gone: boolean[] = []
    let isHeld = true
    const test = await aLink((_, caller) => {
      caller.onGone((isServed) => gone.push(isServed))
      return isHeld ? new Promise(() => undefined) : new Response('new')
    })
    const first = await test.gateway.link()
    const calls = Array.from({ length: 20 }, () => first.call({}, 'x'))
    await eventually(() => calls.every(({ answeredAt }) => answeredAt !== null))
    first.socket.terminate()
    await eventually(() => gone.length === 20)
    expect(gone.includes(true)).toBe(false)
    isHeld = false
    await paused(test)
    await test.clock.pass(60_000)
    expect((await ended((await test.gateway.link()).call({}, 'x'))).text).toBe('new')
  })

  it('without a word is noticed when a ping is not answered in time, and not before', async () => {
    const test = await aLink()
    const link = await test.gateway.link()
    await test.clock.pass(LINK.pongMs)
    await eventually(() => test.clock.waits().includes(LINK.pingMs - LINK.pongMs))
    link.isAlive = false
    await test.clock.pass(LINK.pingMs - LINK.pongMs)
    await test.clock.pass(LINK.pongMs - 1)
    expect(test.link.isUp()).toBe(true)
    await test.clock.pass(1)
    await paused(test)
    expect(test.told()).toEqual(['link_up', 'link_down: silent'])
  })
})

describe('a node that stops', () => {
  it('says that it drains, refuses new calls, lets the running one finish, and goes', async () => {
    let finish = () => {}
    const test = await aLink(() => new Promise((resolve) => (finish = () => resolve(new Response('done')))))
    const link = await test.gateway.link()
    const running = link.call({}, 'x')
    await eventually(() => running.answeredAt !== null)
    test.link.drain()
    await eventually(() => link.isDraining)
    expect((await ended(link.call({}, 'y'))).refused).toEqual({ code: 'draining' })
    const closed = test.link.close(1_000)
    finish()
    await closed
    await eventually(() => link.closed !== null)
    expect([running.text, running.end, link.closed?.code]).toEqual(['done', 'end', LINK_CLOSE.going])
    expect([test.link.isUp(), test.gateway.asked.length]).toEqual([false, 1])
    expect(test.told()).toEqual(['link_up'])
  })

  it('breaks off what is not done in time', async () => {
    const gone: boolean[] = []
    const test = await aLink((_, caller) => {
      caller.onGone((isServed) => gone.push(isServed))
      return new Promise(() => undefined)
    })
    const link = await test.gateway.link()
    const running = link.call({}, 'x')
    await eventually(() => running.answeredAt !== null)
    const closed = test.link.close(1_000)
    await eventually(() => test.clock.waits().includes(1_000))
    await test.clock.pass(1_000)
    await closed
    expect([running.end, gone]).toEqual(['cancel', [false]])
  })

  it('stops at once while it waits for a gateway that is not there', async () => {
    const test = await aLink(undefined, { gateway: `http://127.0.0.1:${await aFreePort()}` })
    await paused(test)
    await test.link.close(1_000)
    expect(test.clock.waits()).toEqual([])
  })
})

describe('a gateway that wants its nodes on new links', () => {
  it('has them back at a drawn moment, when the calls are done, without a pause', async () => {
    const test = await aLink()
    const link = await test.gateway.link()
    await test.clock.pass(LINK_LIMITS.steadyMs)
    link.frame(FRAME.drain, 0, new TextEncoder().encode('{"withinMs":10000}'))
    await eventually(() => test.clock.waits().includes(4_000))
    expect(test.link.isUp()).toBe(true)
    await test.clock.pass(4_000)
    await eventually(() => test.gateway.asked.length === 2)
    expect(link.closed?.code).toBe(LINK_CLOSE.going)
  })
})

describe('a thousand nodes dropped at once', () => {
  /** @param awayMs how long nobody is there @returns arrivals in each second after the drop */
  function arrivals(awayMs: number): number[] {
    const random = aSequence(20_261_121)
    const seconds = new Map<number, number>()
    for (let client = 0; client < 1_000; client++) {
      let at = 0
      let attempt = 0
      do {
        at += reconnectPauseMs(attempt++, random())
        const second = Math.floor(at / 1_000)
        seconds.set(second, (seconds.get(second) ?? 0) + 1)
      } while (at < awayMs)
    }
    return Array.from({ length: Math.max(...seconds.keys()) + 1 }, (_, second) => seconds.get(second) ?? 0)
  }

  it('come back within five seconds to a gateway that is there again, a fifth of them in each', () => {
    const perSecond = arrivals(0)
    expect(perSecond).toHaveLength(5)
    // The least pause moves those who drew less into the first second.
    expect(Math.max(...perSecond)).toBeLessThan(260)
  })

  it('ask ever more rarely while nobody is there, and are all back a minute after', () => {
    const perSecond = arrivals(600_000)
    expect(Math.max(...perSecond)).toBeLessThan(400)
    // Half a minute on average between two tries of each.
    expect(Math.max(...perSecond.slice(60, 600))).toBeLessThan(70)
    expect(perSecond.length).toBeLessThanOrEqual(660)
  })
})

/** A linear congruence (Numerical Recipes): the same draws in every run. */
function aSequence(seed: number): () => number {
  let state = seed
  return () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32
}

async function aFreePort(): Promise<number> {
  const { createServer } = await import('node:net')
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' ? (address?.port ?? 0) : 0
}

it('a wait of the test ends when its signal fires', async () => {
  const stop = new AbortController()
  const clock = aClock()
  const waited = clock.wait(1_000, stop.signal)
  stop.abort()
  await waited
  expect(clock.waits()).toEqual([])
})
