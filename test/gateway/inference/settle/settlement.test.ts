// Who pays when something goes wrong: the table of design.md, section 5, row by row. Prices: 10 nanos a token, in or out; the node says 5 in.
// Fee and royalty are 5 % each, rounded down.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { readTicket } from '../../../../protocol/ticket.ts'
import { chat, finish, honest, nodeIdOf, sse, token, type ScriptedNode } from '../call-house.ts'
import { aPurse, FUNDS, readTexts, vanishing, type Purse } from './purse.ts'

beforeEach(() => {
  vi.spyOn(console, 'error').mockImplementation(() => undefined)
})
afterEach(() => {
  vi.restoreAllMocks()
})

/** A draw that begins with the first of two equal offers. */
const firstFirst = (length: number) => new Uint8Array(length).fill(1)
const NOTHING = { consumer: FUNDS, operator: 0n, author: 0n, house: 0n }
/** 5 in and 2 out: 70 nanos. */
const COMPLETE = { consumer: FUNDS - 70n, operator: 64n, author: 3n, house: 3n }
/** 5 in and 1 out: 60 nanos. */
const ONE_TOKEN = { consumer: FUNDS - 60n, operator: 54n, author: 3n, house: 3n }

async function callWhole(purse: Purse, body = chat({ stream: true })) {
  const { response, settled } = await purse.call('/v1/chat/completions', body)
  const text = await response.text()
  await settled()
  return { text, call: (await purse.account.call(response.headers.get('x-souk-call-id') as never))! }
}

describe('no node answered, or failed before the first token: nobody pays', () => {
  it.each<[string, ScriptedNode]>([
    ['refuses', () => new Response('no', { status: 500 })],
    ['cannot be reached', () => Promise.reject(new TypeError('refused'))],
    ['breaks off before a token', () => sse([], 'break')],
    ['says nothing', () => sse([], 'hang')],
    [
      'claims tokens and then says nothing',
      () => sse([{ choices: [], usage: { prompt_tokens: 9, completion_tokens: 9 } }], 'break'),
    ],
  ])('when it %s', async (_, node) => {
    const purse = await aPurse({ nodes: [node], timeouts: { firstTokenMs: 50 } })
    const { call } = await callWhole(purse)
    expect(call).toMatchObject({ outcome: 'failed', chargeNanos: 0n, legs: [] })
    expect(await purse.money()).toMatchObject(NOTHING)
    expect(purse.reports).toMatchObject([{ fault: 'node' }])
  })

  it('and when another one answers, only that one is paid', async () => {
    const purse = await aPurse({ nodes: [() => sse([], 'break'), honest], random: firstFirst })
    expect((await callWhole(purse)).call).toMatchObject({ outcome: 'complete', chargeNanos: 70n })
    expect(await purse.money()).toMatchObject(COMPLETE)
    expect(purse.reports.map(({ fault }) => fault)).toEqual(['node', 'none'])
  })
})

it.each([true, false])('a complete answer is paid by its units, each party its share (stream: %s)', async (stream) => {
  const purse = await aPurse({ nodes: [honest] })
  expect((await callWhole(purse, chat({ stream }))).call).toMatchObject({ outcome: 'complete', chargeNanos: 70n })
  expect(await purse.money()).toMatchObject(COMPLETE)
})

// "Node broke off, another continued": what the ledger does then is shown in test/gateway/ledger/calls/two-nodes.test.ts. No node can continue a
// stream yet, so in a whole call the row below holds for every stream that breaks.
describe('a node that broke off while nobody continued is paid nothing, and neither does the caller pay', () => {
  it.each<[string, ScriptedNode]>([
    ['breaks its connection', () => sse([token('one ', 1)], 'break')],
    ['ends without an end', () => sse([token('one ', 1)])],
    ['falls silent', () => sse([token('one ', 1)], 'hang')],
    ['sends nonsense', () => sse([token('one ', 1), '{{{'])],
  ])('when it %s', async (_, node) => {
    // The other one says something else, which nobody can join to what was delivered.
    const other: ScriptedNode = () => sse([token('uno ', 1), finish(1), '[DONE]'])
    const purse = await aPurse({ nodes: [node, other], random: firstFirst, timeouts: { gapMs: 50, progressMs: 0 } })
    const { call, text } = await callWhole(purse)
    expect(text).not.toContain('[DONE]')
    expect(call).toMatchObject({ outcome: 'failed', chargeNanos: 0n })
    expect(await purse.money()).toMatchObject(NOTHING)
    expect(purse.reports).toMatchObject([{ fault: 'node' }, { fault: 'none' }])
  })

  it('also when the guard is away for seconds just then, and the progress stands in it', async () => {
    let refusals = 5
    const purse = await aPurse({
      nodes: [() => sse([token('one ', 1)], 'break')],
      timeouts: { progressMs: 0 },
      guard: (account) => ({
        capture: (end) => (refusals-- > 0 ? Promise.reject(new Error('planned: away')) : account.capture(end)),
      }),
    })
    const { text, call } = await callWhole(purse)
    expect(text).toContain('"code":"unavailable"')
    expect(call).toMatchObject({ outcome: 'failed', chargeNanos: 0n })
    await purse.expireAll()
    expect(await purse.money()).toMatchObject(NOTHING)
  })
})

it.each([true, false])('an answer without content costs nothing, whatever it claims (stream: %s)', async (stream) => {
  const purse = await aPurse({ nodes: [() => sse([finish(50), '[DONE]'])] })
  expect((await callWhole(purse, chat({ stream }))).call).toMatchObject({ outcome: 'failed', chargeNanos: 0n })
  expect(await purse.money()).toMatchObject(NOTHING)
  expect(purse.reports).toMatchObject([{ fault: 'node' }])
})

describe('a caller who left pays what the gateway had received until then', () => {
  it('when it hangs up', async () => {
    const purse = await aPurse({ nodes: [() => sse([token('one ', 1)], 'hang')] })
    const caller = new AbortController()
    const { response, settled } = await purse.call('/v1/chat/completions', chat({ stream: true }), {
      signal: caller.signal,
    })
    const reader = await readTexts(response, 1)
    caller.abort()
    await reader.cancel()
    await settled()
    expect(await purse.money()).toMatchObject(ONE_TOKEN)
    expect(purse.reports).toMatchObject([{ outcome: 'cancelled', fault: 'caller' }])
  })

  it('when it stops reading', async () => {
    const nodes = [() => sse([token('one ', 1), token('two', 2), token('three', 3)], 'hang')]
    const purse = await aPurse({ nodes, timeouts: { callerStallMs: 50 } })
    const { response, settled } = await purse.call('/v1/chat/completions', chat({ stream: true }))
    await readTexts(response, 1)
    await settled()
    const { consumer, operator, author, house } = await purse.money()
    expect(FUNDS - consumer).toBeGreaterThanOrEqual(60n)
    expect(FUNDS - consumer).toBeLessThanOrEqual(80n)
    expect(consumer + operator + author + house).toBe(FUNDS)
    expect(purse.reports).toMatchObject([{ outcome: 'cancelled', fault: 'caller' }])
  })

  it('and nothing when nothing had come', async () => {
    const purse = await aPurse({ nodes: [() => sse([], 'hang')], timeouts: { keepAliveMs: 20 } })
    const caller = new AbortController()
    const { response, settled } = await purse.call('/v1/chat/completions', chat({ stream: true }), {
      signal: caller.signal,
    })
    caller.abort()
    await response.body?.cancel()
    await settled()
    expect(await purse.money()).toMatchObject(NOTHING)
  })
})

describe('a gateway that vanished: the hold runs out, and the least of progress and receipt is paid', () => {
  /** One token came and was reported, then nothing more happened. */
  async function vanished(progressMs: number) {
    const { guard, reported } = vanishing()
    const purse = await aPurse({ nodes: [() => sse([token('one ', 1)], 'hang')], timeouts: { progressMs }, guard })
    const { response } = await purse.call('/v1/chat/completions', chat({ stream: true }))
    await readTexts(response, 1)
    if (progressMs === 0) await reported
    return purse
  }

  it('with progress, and no receipt: the progress', async () => {
    const purse = await vanished(0)
    await purse.expireAll()
    expect(await purse.money()).toMatchObject(ONE_TOKEN)
    const { callId } = readTicket(purse.sent[0]!.ticket)!
    const call = await purse.account.call(callId as never)
    expect(call).toMatchObject({ outcome: 'expired', priceVersion: 1, nodeId: nodeIdOf(0) })
  })

  it('with progress, and a lower receipt: the receipt', async () => {
    const purse = await vanished(0)
    expect(await purse.lateReceipt(0, { input: 1, output: 1 })).toEqual({ outcome: 'noted' })
    await purse.expireAll()
    expect(await purse.money()).toMatchObject({ consumer: FUNDS - 20n, operator: 18n, author: 1n, house: 1n })
  })

  it('with progress, and a higher receipt: the progress', async () => {
    const purse = await vanished(0)
    expect(await purse.lateReceipt(0, { input: 500, output: 500 })).toEqual({ outcome: 'noted' })
    await purse.expireAll()
    expect(await purse.money()).toMatchObject(ONE_TOKEN)
  })

  it('without progress: nothing, whatever a receipt says', async () => {
    const purse = await vanished(60_000)
    expect(await purse.lateReceipt(0, { input: 5, output: 1 })).toEqual({ outcome: 'noted' })
    await purse.expireAll()
    expect(await purse.money()).toMatchObject(NOTHING)
  })

  it('and a receipt that comes after that changes nothing', async () => {
    const purse = await vanished(0)
    await purse.expireAll()
    expect(await purse.lateReceipt(0, { input: 0, output: 0 })).toEqual({ outcome: 'recorded' })
    expect(await purse.money()).toMatchObject(ONE_TOKEN)
  })
})

// "Canary or audit" is paid by the house, and never by a caller: test/gateway/ledger/guard/money-flow.test.ts shows the cap.
