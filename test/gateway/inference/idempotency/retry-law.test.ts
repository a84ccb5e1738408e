// A law: how often a client retries never changes a bill. Random stories of several orders, each under its own Idempotency-Key: asked one after
// another and at once, over nodes that fail first and connections that lose the answer, by callers who hang up.
import { env, runInDurableObject } from 'cloudflare:test'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { fromUsd } from '../../../../protocol/units.ts'
import { aHouse, chat, finish, sse, token, type ScriptedNode } from '../call-house.ts'

beforeEach(() => {
  vi.spyOn(console, 'error').mockImplementation(() => undefined)
})
afterEach(() => {
  vi.restoreAllMocks()
})

type House = Awaited<ReturnType<typeof aHouse>>
type Failure = 'refuses' | 'breaks at once' | 'says garbage after a token'

interface Order {
  readonly stream: boolean
  /** words of its answer: what it costs */
  readonly words: number
  /** what the node does before it answers */
  readonly failures: readonly Failure[]
}

interface Step {
  readonly order: number
  readonly does: 'reads' | 'loses the answer' | 'hangs up'
  /** of one who hangs up: how much it takes before */
  readonly reads: number
}

const START = fromUsd('1')
const anOrder = fc.record<Order>({
  stream: fc.boolean(),
  words: fc.integer({ min: 1, max: 6 }),
  failures: fc.array(fc.constantFrom<Failure>('refuses', 'breaks at once', 'says garbage after a token'), {
    maxLength: 2,
  }),
})
const aStep = (does: readonly Step['does'][]) =>
  fc.record<Step>({
    order: fc.nat({ max: 2 }),
    does: fc.constantFrom(...does),
    reads: fc.nat({ max: 4 }),
  })
/** Batches one after another; what is in one batch happens at the same time. */
const aStory = (does: readonly Step['does'][]) =>
  fc.record({
    orders: fc.array(anOrder, { minLength: 1, maxLength: 3 }),
    batches: fc.array(fc.array(aStep(does), { minLength: 1, maxLength: 4 }), { maxLength: 5 }),
  })

/** Answers each order by its prompt, after it has failed as often as the order says. */
function nodeFor(orders: readonly Order[]): ScriptedNode {
  const left = orders.map(({ failures }) => [...failures])
  return ({ body }) => {
    const n = Number(/order (\d)/.exec(String(body))?.[1])
    const words = orders[n]?.words ?? 0
    switch (left[n]?.shift()) {
      case 'refuses':
        return new Response('no', { status: 500 })
      case 'breaks at once':
        return sse([])
      case 'says garbage after a token':
        return sse([token('w ', 1), '{{{'])
      default:
        return sse([...Array.from({ length: words }, (_, i) => token('w ', i + 1)), finish(words), '[DONE]'])
    }
  }
}

const bodyOf = ({ stream }: Order, n: number) => chat({ stream, messages: [{ role: 'user', content: `order ${n}` }] })

/** Asks once. @returns the answer as far as it was whole: status, and its text when it was read to the end */
async function take(house: House, order: Order, { order: n, does, reads }: Step): Promise<[number, string] | null> {
  const leaving = new AbortController()
  const headers = { 'Idempotency-Key': `order-${n}` }
  const begun = house.begin('/v1/chat/completions', bodyOf(order, n), { signal: leaving.signal, headers })
  if (does === 'hangs up' && !order.stream) leaving.abort()
  const response = await begun.response
  if (does === 'hangs up') {
    const reader = response.body!.getReader()
    for (let i = 0; i < reads; i++) if ((await reader.read().catch(() => ({ done: true }))).done) break
    leaving.abort()
    await reader.cancel().catch(() => undefined)
    await begun.settled()
    return null
  }
  const text = await response.text()
  await begun.settled()
  return does === 'loses the answer' ? null : [response.status, text]
}

const stepOf = (order: number): Step => ({ order, does: 'reads', reads: 0 })

/** Every order until it has its answer, or cannot have it any more. */
async function finishAll(house: House, orders: readonly Order[]): Promise<void> {
  for (const [n, order] of orders.entries()) {
    let status = 502
    for (let tries = 0; status !== 200 && status !== 409; tries++) {
      expect(tries).toBeLessThan(6)
      const [answered, text] = (await take(house, order, stepOf(n))) ?? [0, '']
      status = order.stream && answered === 200 && !text.includes('[DONE]') ? 502 : answered
    }
  }
}

async function tell(orders: readonly Order[], batches: readonly (readonly Step[])[]): Promise<House> {
  const house = await aHouse({ nodes: [nodeFor(orders)] })
  for (const batch of batches)
    await Promise.all(
      batch.flatMap((step) => {
        const order = orders[step.order]
        return order ? [take(house, order, step)] : []
      }),
    )
  await finishAll(house, orders)
  return house
}

const billOf = async (house: House) => {
  const { availableNanos, heldNanos } = await house.account.balance()
  expect(heldNanos).toBe(0n)
  return START - availableNanos
}

/** What an order of so many words costs when it is asked once and nothing goes wrong. */
const prices = new Map<number, bigint>()
async function priceOf({ words }: Order): Promise<bigint> {
  const known = prices.get(words) ?? (await billOf(await tell([{ stream: false, words, failures: [] }], [])))
  prices.set(words, known)
  return known
}
async function billOnce(orders: readonly Order[]): Promise<bigint> {
  let sum = 0n
  for (const order of orders) sum += await priceOf(order)
  return sum
}

/** How many calls were charged under each key. */
const chargedCalls = (house: House) =>
  runInDurableObject(env.ACCOUNT.get(env.ACCOUNT.idFromName(house.accountId)), (_, { storage }) =>
    storage.sql
      .exec<{ n: number }>('SELECT count(*) AS n FROM holds WHERE charge_nanos > 0 GROUP BY idempotency_id')
      .toArray()
      .map(({ n }) => n),
  )

it('a bill is that of every order asked once, however often and however badly each was asked', async () => {
  await fc.assert(
    fc.asyncProperty(aStory(['reads', 'loses the answer']), async ({ orders, batches }) => {
      const told = await tell(orders, batches)
      expect(await billOf(told)).toBe(await billOnce(orders))
      expect(await chargedCalls(told)).toEqual(orders.map(() => 1))
    }),
    { numRuns: 20 },
  )
}, 120_000)

it('no retry is charged after a hang-up either, and what is answered stays answered', async () => {
  await fc.assert(
    fc.asyncProperty(aStory(['reads', 'loses the answer', 'hangs up']), async ({ orders, batches }) => {
      const house = await tell(orders, batches)
      const bill = await billOf(house)
      expect(bill <= (await billOnce(orders))).toBe(true)
      expect(await chargedCalls(house)).toEqual(orders.map(() => 1))
      const sent = house.sent.length
      for (const [n, order] of orders.entries()) {
        const said = await Promise.all([1, 2, 3].map(() => take(house, order, stepOf(n))))
        expect(new Set(said.map((answer) => JSON.stringify(answer))).size).toBe(1)
      }
      expect([await billOf(house), house.sent.length]).toEqual([bill, sent])
    }),
    { numRuns: 20 },
  )
}, 120_000)
