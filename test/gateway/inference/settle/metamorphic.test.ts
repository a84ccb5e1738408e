// Laws of a bill that hold for any story, as properties over real guards: what is changed here must not change what is paid.
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { systemRandom } from '../../../../gateway/core/clock.ts'
import type { Offer } from '../../../../gateway/market/market-port.ts'
import { nanos, type RandomBytes } from '../../../../protocol/units.ts'
import { aPrice } from '../../../support/workers/builders.ts'
import { chat, finish, sse, type ScriptedNode } from '../call-house.ts'
import { aPurse, FUNDS, type Purse } from './purse.ts'

beforeEach(() => {
  vi.spyOn(console, 'error').mockImplementation(() => undefined)
})
afterEach(() => {
  vi.restoreAllMocks()
})

const CHAT = '/v1/chat/completions'
const SECONDS = { timeout: 120_000 }

interface Answer {
  readonly text: string
  /** null: the node says nothing of its counts */
  readonly claim: { readonly input: number; readonly output: number } | null
}

/** Texts with characters of one to four bytes; claims from nothing to far above what was ordered of it in bytes. */
const anAnswer: fc.Arbitrary<Answer> = fc.record({
  text: fc
    .array(fc.constantFrom('a', 'wör', 'd ', '😀', '漢字', '\n', 'hello '), { minLength: 1, maxLength: 40 })
    .map((parts) => parts.join('')),
  claim: fc.option(fc.record({ input: fc.nat(60), output: fc.nat(100) })),
})

interface Cut {
  /** where the text is cut into events, as parts of its length in UTF-16 units: also inside a character */
  readonly events: readonly number[]
  /** where the bytes are cut into chunks */
  readonly chunks: readonly number[]
  /** how the node says its counts on the way: in every event, in some, with nonsense between them */
  readonly usage: 'every' | 'last' | 'rising' | 'nonsense'
  readonly isFinishApart: boolean
  readonly emptyEvents: boolean
}
const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 12 })
const aCut: fc.Arbitrary<Cut> = fc.record({
  events: cuts,
  chunks: cuts,
  usage: fc.constantFrom('every', 'last', 'rising', 'nonsense'),
  isFinishApart: fc.boolean(),
  emptyEvents: fc.boolean(),
})
const WHOLE: Cut = { events: [], chunks: [], usage: 'last', isFinishApart: true, emptyEvents: false }

function pieces<T>(whole: { readonly length: number; slice(from: number, to: number): T }, at: readonly number[]): T[] {
  const bounds = [0, ...at.map((part) => Math.floor(part * whole.length)).sort((a, b) => a - b), whole.length]
  return bounds.slice(1).map((to, index) => whole.slice(bounds[index] ?? 0, to))
}

/** The same answer, cut in another way. */
function nodeOf({ text, claim }: Answer, cut: Cut): ScriptedNode {
  const texts = pieces(text, cut.events)
  const usageAt = (part: number) => {
    if (!claim) return cut.usage === 'nonsense' ? { usage: 'none' } : {}
    const all = { prompt_tokens: claim.input, completion_tokens: claim.output }
    if (part === 1 || cut.usage === 'every') return { usage: all }
    if (cut.usage === 'nonsense') return { usage: { prompt_tokens: -1 } }
    return cut.usage === 'last' ? {} : { usage: { ...all, completion_tokens: Math.floor(claim.output * part) } }
  }
  const eventOf = (content: string, part: number, reason: string | null) => ({
    choices: [{ index: 0, delta: { content }, finish_reason: reason }],
    ...usageAt(part),
  })
  const events = texts.flatMap((content, index) => {
    const isLast = index === texts.length - 1 && !cut.isFinishApart
    const event = eventOf(content, isLast ? 1 : (index + 1) / (texts.length + 1), isLast ? 'stop' : null)
    return cut.emptyEvents ? [{ choices: [] }, event] : [event]
  })
  if (cut.isFinishApart) events.push(eventOf('', 1, 'stop'))
  const body = [...events.map((event) => `data: ${JSON.stringify(event)}\n\n`), 'data: [DONE]\n\n'].join('')
  const chunks = pieces(new TextEncoder().encode(body), cut.chunks)
  return () => {
    const stream = new ReadableStream<Uint8Array>({
      start(controller) {
        for (const chunk of chunks) controller.enqueue(chunk)
        controller.close()
      },
    })
    return new Response(stream, { headers: { 'content-type': 'text/event-stream' } })
  }
}

const PRICE = aPrice({ inputPerMillion: nanos(7_300_000n), outputPerMillion: nanos(11_900_000n), perCall: nanos(13n) })

type Nodes = readonly ScriptedNode[]

/** One house for all calls on so many nodes: guards are slow to make, and a bill stands in the call's own record. */
function aHouseOf(count: number, offers: readonly Partial<Offer>[] = []) {
  let current: Nodes = []
  const made = aPurse({
    nodes: Array.from({ length: count }, (_, index) => (request) => current[index]!(request)),
    offers: Array.from({ length: count }, (_, index) => ({ price: PRICE, ...offers[index] })),
    random: inOrder(),
    timeouts: { firstTokenMs: 60, gapMs: 60, connectMs: 60 },
  })
  return async (nodes: Nodes, stream: boolean) => {
    current = nodes
    const purse = await made
    const { response, settled } = await purse.call(CHAT, chat({ stream }))
    await response.text()
    await settled()
    const call = (await purse.account.call(response.headers.get('x-souk-call-id') as never))!
    const { outcome, chargeNanos: paid, legs, holdNanos: hold } = call
    expect(legs.reduce((sum, { amountNanos }) => sum + amountNanos, 0n)).toBe(0n)
    expect((await purse.account.balance()).heldNanos).toBe(0n)
    return { outcome, paid, shares: legs.map(({ role, amountNanos }) => [role, amountNanos]), hold }
  }
}

/** Draws that begin with the first of equal offers, and ids that differ. */
function inOrder(): RandomBytes {
  return (length) => (length === 12 ? new Uint8Array(length).fill(1) : systemRandom(length))
}

describe('how a node cuts its stream', () => {
  const bill = aHouseOf(1)

  it('never changes a bill: bytes, events, where usage stands, streamed or not', SECONDS, async () => {
    await fc.assert(
      fc.asyncProperty(anAnswer, aCut, fc.boolean(), async (answer, cut, stream) => {
        expect(await bill([nodeOf(answer, cut)], stream)).toEqual(await bill([nodeOf(answer, WHOLE)], stream))
      }),
      { numRuns: 60 },
    )
  })

  it('would change one, were characters cut in their middle counted as two', async () => {
    const answer = { text: '😀😀', claim: { input: 1, output: 100 } }
    const halves = { ...WHOLE, events: [0.25, 0.5, 0.75] }
    const [whole, cut] = [await bill([nodeOf(answer, WHOLE)], true), await bill([nodeOf(answer, halves)], true)]
    expect(cut).toEqual(whole)
    expect(whole.paid).toBe(116n) // 1 in, 8 bytes out: 7.3 + 95.2 rounded up, and 13
  })
})

describe('in which order independent calls run', () => {
  it('never changes what anybody has in the end', SECONDS, async () => {
    const calls = fc.array(fc.record({ answer: anAnswer, stream: fc.boolean() }), { minLength: 2, maxLength: 6 })
    const [first, second] = [await aPurse(echoing), await aPurse(echoing)]
    await fc.assert(
      fc.asyncProperty(
        calls,
        fc.array(fc.nat(1_000), { minLength: 6, maxLength: 6 }),
        fc.boolean(),
        async (list, dice, atOnce) => {
          const at = new Map(list.map((call, index) => [call, dice[index] ?? 0]))
          const shuffled = [...list].sort((a, b) => (at.get(a) ?? 0) - (at.get(b) ?? 0))
          await runAll(first, list, false)
          await runAll(second, shuffled, atOnce)
          // Compared as they stand after all calls so far: once apart, they stay apart.
          expect(await second.money()).toEqual(await first.money())
        },
      ),
      { numRuns: 15 },
    )
    const { consumer, operator, author, house } = await first.money()
    expect([consumer < FUNDS, consumer + operator + author + house]).toEqual([true, FUNDS])
  })

  type Calls = readonly { readonly answer: Answer; readonly stream: boolean }[]
  // Which answer a request gets stands in its prompt, so that it gets the same one whenever it comes.
  const node: ScriptedNode = (request) => {
    const { messages } = JSON.parse(String(request.body)) as { messages: { content: string }[] } // what our own room wrote
    return nodeOf(JSON.parse(messages[0]!.content) as Answer, WHOLE)(request)
  }
  const echoing = { nodes: [node], offers: [{ price: PRICE }] }

  async function runAll(purse: Purse, calls: Calls, atOnce: boolean) {
    const runOne = async ({ answer, stream }: Calls[number]) => {
      const body = chat({ stream, messages: [{ role: 'user', content: JSON.stringify(answer) }] })
      const { response, settled } = await purse.call(CHAT, body)
      await response.text()
      await settled()
    }
    if (atOnce) await Promise.all(calls.map(runOne))
    else for (const call of calls) await runOne(call)
  }
})

describe('a fault of a node', () => {
  const FAULTS: Readonly<Record<string, (answer: Answer) => ScriptedNode>> = {
    refuses: () => () => new Response('no', { status: 500 }),
    'is busy': () => () => Response.json({ error: { code: 'busy' } }, { status: 429 }),
    'is not there': () => () => Promise.reject(new TypeError('refused')),
    'is silent': () => () => sse([], 'hang'),
    'breaks before a token': () => () => sse([], 'break'),
    'has no content': () => () => sse([finish(90), '[DONE]']),
    'is garbage': () => () => sse(['{{{']),
    'breaks after a token':
      ({ text }) =>
      () =>
        sse([partOf(text)], 'break'),
    'falls silent after a token':
      ({ text }) =>
      () =>
        sse([partOf(text)], 'hang'),
    'ends without an end':
      ({ text }) =>
      () =>
        sse([partOf(text)]),
  }
  const partOf = (text: string) => ({
    choices: [{ index: 0, delta: { content: text.slice(0, 1) }, finish_reason: null }],
    usage: { prompt_tokens: 60, completion_tokens: 100 },
  })
  const faults = fc.array(fc.constantFrom(...Object.keys(FAULTS)), { minLength: 1, maxLength: 3 })
  /** Of a stream the part that reached its caller is paid to who broke off, and its words are counted apart from the rest. */
  const isShared = (names: readonly string[], stream: boolean) =>
    stream && names.some((name) => name.includes('after a token') || name === 'ends without an end')
  /** nanos: what counting the first character apart can make of it: half of one is three bytes, each of them a token at most, at 14 */
  const APART = 42n

  const alone = aHouseOf(1)
  const houses = [2, 3, 4].map((count) => aHouseOf(count))

  it(
    'never raises a bill: it is that of whoever answered, or nothing; of several, but for the place where they are joined',
    SECONDS,
    async () => {
      await fc.assert(
        fc.asyncProperty(anAnswer, faults, fc.boolean(), async (answer, names, stream) => {
          const good = nodeOf(answer, WHOLE)
          const bad = names.map((name) => FAULTS[name]!(answer))
          const without = await alone([good], stream)
          const withFaults = await houses[bad.length - 1]!([...bad, good], stream)
          if (withFaults.outcome === 'complete' && isShared(names, stream))
            expect(withFaults.paid <= without.paid + APART).toBe(true)
          else if (withFaults.outcome === 'complete') expect(withFaults).toEqual(without)
          else expect([withFaults.outcome, withFaults.paid]).toEqual(['failed', 0n])
        }),
        { numRuns: 40 },
      )
    },
  )

  it('before a dearer node costs what that one asks, and never more than was held', SECONDS, async () => {
    const dear = {
      price: aPrice({ inputPerMillion: nanos(9_000_000n), outputPerMillion: nanos(14_000_000n), perCall: nanos(15n) }),
    }
    const [alone, both] = [aHouseOf(1, [dear]), aHouseOf(2, [{}, dear])]
    await fc.assert(
      fc.asyncProperty(
        anAnswer,
        fc.constantFrom(...Object.keys(FAULTS)),
        fc.boolean(),
        async (answer, name, stream) => {
          const good = nodeOf(answer, WHOLE)
          const after = await both([FAULTS[name]!(answer), good], stream)
          const bills = [0n, (await alone([good], stream)).paid, (await cheap([good], stream)).paid]
          if (isShared([name], stream)) expect(bills.some((bill) => after.paid <= bill + APART)).toBe(true)
          else expect(bills).toContain(after.paid)
          expect(after.paid <= after.hold).toBe(true)
        },
      ),
      { numRuns: 15 },
    )
  })
  const cheap = aHouseOf(1)
})
