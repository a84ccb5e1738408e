// Where money could go astray between hold and capture: lost replies, refused captures, callers who leave at the wrong moment, our own faults.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { AccountPort, CallEnd, HoldRequest } from '../../../gateway/ledger/account-port.ts'
import { aHouse, chat, finish, honest, sse, token, type ScriptedNode } from './call-house.ts'

const START = 1_000_000_000n
const HONEST_COST = 70n
type House = Awaited<ReturnType<typeof aHouse>>

const log: string[] = []
beforeEach(() => {
  log.length = 0
  vi.spyOn(console, 'error').mockImplementation((line: string) => void log.push(line))
})
afterEach(() => {
  vi.restoreAllMocks()
})

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
const codeOf = async (response: Response) => (await response.json<{ error?: { code: string } }>()).error?.code
const spent = async (house: House) => START - (await house.account.balance()).availableNanos
const stand = (house: House) => house.account.balance()
/** A draw that begins with the first of two equal offers. */
const firstFirst = (length: number) => new Uint8Array(length).fill(1)

describe("a reply of the caller's guard that is lost", () => {
  it.each(['hold', 'capture'] as const)('is asked for again in the same words: %s', async (lost) => {
    const asked: (HoldRequest | CallEnd)[] = []
    const loseFirst =
      <Request extends HoldRequest | CallEnd, Reply>(ask: (request: Request) => Promise<Reply>) =>
      async (request: Request) => {
        asked.push(request)
        const reply = await ask(request)
        if (asked.length === 1) throw new Error('planned: the reply is lost')
        return reply
      }
    const guard = (account: AccountPort) =>
      lost === 'hold' ? { hold: loseFirst(account.hold) } : { capture: loseFirst(account.capture) }
    const house = await aHouse({ nodes: [honest], guard })
    const { response } = await house.call('/v1/chat/completions', chat())
    expect(response.status).toBe(200)
    expect(asked).toHaveLength(2)
    expect(asked[1]).toEqual(asked[0])
    expect(await stand(house)).toEqual({ availableNanos: START - HONEST_COST, heldNanos: 0n, vestingNanos: 0n })
  })

  it('for good is no acknowledgement: an error event and no [DONE]', async () => {
    const capture = () => Promise.reject(new Error('planned: the guard is away'))
    const house = await aHouse({ nodes: [honest], timeouts: { settleLaterMs: 50 }, guard: () => ({ capture }) })
    const { response, settled } = await house.call('/v1/chat/completions', chat({ stream: true }))
    const text = await response.text()
    await settled()
    expect(text).toContain('"code":"unavailable"')
    expect(text).not.toContain('[DONE]')
    expect(text).not.toContain('"cost"')
  })

  it('for good, of a hold that stands, gives its money back and frees its Idempotency-Key', async () => {
    let isAway = true
    const house = await aHouse({
      nodes: [honest],
      timeouts: { settleLaterMs: 50 },
      guard: (account) => ({
        hold: async (request) => {
          const held = await account.hold(request)
          if (isAway) throw new Error('planned: the reply is lost')
          return held
        },
      }),
    })
    const headers = { 'idempotency-key': 'once' }
    const { response, settled } = await house.call('/v1/chat/completions', chat(), { headers })
    expect(await codeOf(response)).toBe('unavailable')
    expect((await stand(house)).heldNanos).toBeGreaterThan(0n)
    await settled()
    expect(await stand(house)).toEqual({ availableNanos: START, heldNanos: 0n, vestingNanos: 0n })
    isAway = false
    expect((await house.call('/v1/chat/completions', chat(), { headers })).response.status).toBe(200)
  })
})

describe('a call that ended while its guard was away', () => {
  const CHAT = '/v1/chat/completions'
  /** Away for as long as somebody waits for the answer, and back behind it. */
  const aLateHouse = (node: ScriptedNode) => {
    let tries = 0
    return aHouse({
      nodes: [node],
      timeouts: { settleLaterMs: 50, progressMs: 0 },
      guard: (account) => ({
        capture: (end) => (++tries <= 4 ? Promise.reject(new Error('planned: away')) : account.capture(end)),
      }),
    })
  }

  it('without an answer costs nothing, although its progress was reported', async () => {
    const house = await aLateHouse(() => sse([token('one ', 1)], 'break'))
    const { response, settled } = await house.call(CHAT, chat({ stream: true }))
    expect(await response.text()).toContain('"code":"unavailable"')
    await settled()
    expect(await stand(house)).toEqual({ availableNanos: START, heldNanos: 0n, vestingNanos: 0n })
  })

  it('with an answer that was streamed is paid for', async () => {
    const house = await aLateHouse(honest)
    const { response, settled } = await house.call(CHAT, chat({ stream: true }))
    await response.text()
    await settled()
    expect(await stand(house)).toEqual({ availableNanos: START - HONEST_COST, heldNanos: 0n, vestingNanos: 0n })
  })

  it('with an answer that can be had again is paid for, and had again', async () => {
    const house = await aLateHouse(honest)
    const headers = { 'idempotency-key': 'once' }
    const first = await house.call(CHAT, chat(), { headers })
    expect(await codeOf(first.response)).toBe('unavailable')
    await first.settled()
    const { response } = await house.call(CHAT, chat(), { headers })
    expect(await response.json()).toMatchObject({ choices: [{ message: { content: 'one two' } }] })
    expect(await spent(house)).toBe(HONEST_COST)
    expect(house.sent).toHaveLength(1)
  })

  it('with an answer that nobody has and nobody can have runs out', async () => {
    const house = await aLateHouse(honest)
    const { response, settled } = await house.call(CHAT, chat())
    expect(await codeOf(response)).toBe('unavailable')
    await settled()
    const { heldNanos, availableNanos } = await stand(house)
    expect(heldNanos).toBeGreaterThan(0n)
    expect(availableNanos + heldNanos).toBe(START)
  })
})

it('does not say that nothing was charged when the hold had run out and was charged by its progress', async () => {
  const capture = () => Promise.resolve({ ok: false, code: 'call_expired' } as const)
  const house = await aHouse({ nodes: [() => sse([token('one ', 1)], 'break')], guard: () => ({ capture }) })
  const { response } = await house.call('/v1/chat/completions', chat({ stream: true }))
  expect(await response.text()).toContain('"code":"call_expired"')
})

it('stops when the guard says that the hold is gone', async () => {
  const progress = () => Promise.resolve({ open: false })
  const house = await aHouse({
    nodes: [() => sse([token('one ', 1)], 'hang')],
    timeouts: { progressMs: 0 },
    guard: () => ({ progress }),
  })
  const { response, settled } = await house.call('/v1/chat/completions', chat({ stream: true }))
  expect(await response.text()).toContain('"code":"call_expired"')
  await settled()
  expect(house.reports[0]).toMatchObject({ fault: 'gateway' })
})

describe('a held call is settled', () => {
  it('though its caller leaves while the guard is still answering', async () => {
    let isAsked = () => {}
    const asked = new Promise<void>((resolve) => (isAsked = resolve))
    const house = await aHouse({
      nodes: [honest],
      guard: (account) => ({
        hold: async (request) => {
          isAsked()
          await pause(30)
          return account.hold(request)
        },
      }),
    })
    const { settled, response } = house.begin('/v1/chat/completions', chat())
    await asked
    // What was given to waitUntil by now is all that a runtime owes a request whose caller left.
    await settled()
    expect(await stand(house)).toEqual({ availableNanos: START - HONEST_COST, heldNanos: 0n, vestingNanos: 0n })
    await response
  })

  it('though the node has a key that is none', async () => {
    const node: ScriptedNode = () => sse([token('one ', 1), { ...finish(1), receipt: 'a.b.c' }, '[DONE]'])
    const house = await aHouse({ nodes: [node], offers: [{ nodeKey: 'no key' }] })
    const { response } = await house.call('/v1/chat/completions', chat())
    expect(response.status).toBe(200)
    expect(await stand(house)).toEqual({ availableNanos: START - 60n, heldNanos: 0n, vestingNanos: 0n })
  })

  it('before its deadline, however long the guard took to hold', async () => {
    const house = await aHouse({
      nodes: [() => sse([token('one ', 1)], 'hang')],
      holdDeadlineMs: 1_500,
      guard: (account) => ({ hold: (request) => pause(800).then(() => account.hold(request)) }),
    })
    const begun = Date.now()
    const { response } = await house.call('/v1/chat/completions', chat({ stream: true }))
    expect(await response.text()).toContain('"code":"provider_timeout"')
    expect(Date.now() - begun).toBeLessThan(1_500)
    expect(await stand(house)).toEqual({ availableNanos: START, heldNanos: 0n, vestingNanos: 0n })
  })
})

describe('a caller who does not stream', () => {
  it('gets the answer of another node when the first one breaks off, and pays for one', async () => {
    const house = await aHouse({
      nodes: [() => sse([token('lost ', 1)], 'break'), honest],
      random: firstFirst,
    })
    const { response } = await house.call('/v1/chat/completions', chat())
    expect(await response.json()).toMatchObject({ choices: [{ message: { content: 'one two' } }] })
    expect(house.sent).toHaveLength(2)
    expect(await spent(house)).toBe(HONEST_COST)
  })

  it('owes nothing before the end: only streams report progress', async () => {
    const reported: boolean[] = []
    for (const stream of [false, true]) {
      const progress = () => Promise.resolve({ open: reported.push(stream) > 0 })
      const house = await aHouse({ nodes: [honest], timeouts: { progressMs: 0 }, guard: () => ({ progress }) })
      await (await house.call('/v1/chat/completions', chat({ stream }))).response.text()
    }
    expect(reported).toEqual([true, true])
  })
})

describe('a caller of a stream', () => {
  it('who takes it drop by drop until its time is up has left, and pays: the node is not to blame', async () => {
    const pieces = Array.from({ length: 90 }, (_, i) => token('x', i + 1))
    const house = await aHouse({ nodes: [() => sse(pieces, 'hang')], timeouts: { totalMs: 1_500 } })
    const { response, settled } = await house.call('/v1/chat/completions', chat({ stream: true }))
    const reader = response.body?.getReader()
    const drip = setInterval(() => void reader?.read().catch(() => undefined), 40)
    await settled()
    clearInterval(drip)
    expect(house.reports[0]).toMatchObject({ outcome: 'cancelled', fault: 'caller' })
    expect(await spent(house)).toBeGreaterThan(50n)
  })

  it('who leaves while the node is silent is noticed by the comments', async () => {
    const house = await aHouse({
      nodes: [() => sse([token('one ', 1)], 'hang')],
      timeouts: { keepAliveMs: 20, gapMs: 1_500 },
    })
    const { response, settled } = await house.call('/v1/chat/completions', chat({ stream: true }))
    const reader = response.body?.getReader()
    await reader?.read()
    await reader?.cancel()
    await settled()
    expect(house.reports[0]).toMatchObject({ outcome: 'cancelled', fault: 'caller' })
    expect(await spent(house)).toBe(60n)
  })

  it('whose node is silent gets the head and a comment at once, and comments until it speaks', async () => {
    let speak: () => void = () => undefined
    const heard = new Promise<void>((resolve) => {
      speak = resolve
    })
    const late: ScriptedNode = async (request) => {
      await heard
      return honest(request)
    }
    const house = await aHouse({ nodes: [late], timeouts: { keepAliveMs: 800 } })
    const { response, settled } = await house.call('/v1/chat/completions', chat({ stream: true }))
    const headAt = Date.now()
    const reader = response.body!.getReader()
    const first = await reader.read()
    expect(Date.now() - headAt).toBeLessThan(700)
    expect(new TextDecoder().decode(first.value)).toMatch(/^: /)
    expect(response.headers.get('x-souk-node')).toBeNull()
    let rest = new TextDecoder().decode((await reader.read()).value)
    speak()
    for (let part = await reader.read(); !part.done; part = await reader.read())
      rest += new TextDecoder().decode(part.value)
    await settled()
    expect(rest).toMatch(/^: [\s\S]*data: \[DONE\]\n\n$/)
    expect(await spent(house)).toBe(HONEST_COST)
  })

  it('who has left already costs no node a request', async () => {
    const house = await aHouse({ nodes: [honest] })
    const { settled, response } = house.begin('/v1/chat/completions', chat({ stream: true }), {
      signal: AbortSignal.timeout(0),
    })
    await pause(20)
    await settled()
    expect(house.sent).toHaveLength(0)
    expect(await stand(house)).toEqual({ availableNanos: START, heldNanos: 0n, vestingNanos: 0n })
    await response.catch(() => undefined)
  })
})

it.each([false, true])('costs two round trips to the guard, hold and capture (stream: %s)', async (stream) => {
  const asked: string[] = []
  const heard = (account: AccountPort): AccountPort =>
    new Proxy(account, {
      get: (port, name: keyof AccountPort) => (asked.push(name), port[name]),
    })
  const house = await aHouse({ nodes: [honest], accounts: heard })
  const { response, settled } = await house.call('/v1/chat/completions', chat({ stream }))
  await response.text()
  await settled()
  expect(asked).toEqual(['hold', 'capture'])
})

it('blames no node for a ticket that we cannot sign', async () => {
  const house = await aHouse({ nodes: [honest, honest], withoutTickets: true })
  const { response } = await house.call('/v1/chat/completions', chat())
  expect(await codeOf(response)).toBe('internal_error')
  expect(house.reports.map(({ fault }) => fault)).toEqual(['gateway'])
  expect(await stand(house)).toEqual({ availableNanos: START, heldNanos: 0n, vestingNanos: 0n })
})
