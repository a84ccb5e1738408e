// Handing in under a clock that is moved: few requests, nothing lost in an outage, no storm after it, and one bad receipt keeps no other back.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { SoukError } from '../../../protocol/client.ts'
import type { ReceiptAnswer } from '../../../protocol/receipt.ts'
import { createMetrics } from '../../../provider-node/metrics.ts'
import { createHandIn } from '../../../provider-node/receipts/hand-in.ts'
import { createReceiptMetrics } from '../../../provider-node/receipts/receipt-metrics.ts'
import { RECEIPT_LIMITS } from '../../../provider-node/receipts/receipt-limits.ts'
import type { Kept } from '../../../provider-node/receipts/stored.ts'
import { aListener, aReceipt, aStore } from './builders.ts'
import { MemoryDisk } from './memory-disk.ts'

const TAKEN: ReceiptAnswer = { outcome: 'taken' }
const refused = (code: Extract<ReceiptAnswer, { outcome: 'refused' }>['code']): ReceiptAnswer => ({
  outcome: 'refused',
  code,
})
const HOUR = 3_600_000

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] }))
afterEach(() => void vi.useRealTimers())

type Answer = (receipts: readonly Kept[]) => ReceiptAnswer[]

/** A gateway that answers as it is told, a store with so many receipts of the last run, and what came of it. */
async function aHandIn({
  backlog = 0,
  answer = (r) => r.map(() => TAKEN),
}: { backlog?: number; answer?: Answer } = {}) {
  const disk = new MemoryDisk()
  const told = aListener()
  const store = await aStore(disk, told, () => Date.now())
  const start = Date.now()
  for (let index = 0; index < backlog; index++) await store.keep(aReceipt(index, { at: start }))
  const gateway = { answer, requests: [] as { at: number; jtis: string[] }[] }
  const page = createMetrics()
  const metrics = createReceiptMetrics(page)
  const handIn = createHandIn({
    store,
    history: { add: () => Promise.resolve() },
    send: (receipts, signal) => {
      signal.throwIfAborted()
      gateway.requests.push({ at: Date.now() - start, jtis: receipts.map(({ jti }) => jti) })
      return new Promise((resolve, reject) => {
        signal.addEventListener('abort', () => reject(new Error('aborted')))
        Promise.resolve(receipts).then(gateway.answer).then(resolve, reject)
      })
    },
    now: () => Date.now(),
    random: Math.random,
    log: told.log,
    metrics,
  })
  const keep = async (index: number) => {
    await store.keep(aReceipt(index, { at: Date.now() }))
    handIn.wake()
  }
  const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms)
  return { disk, store, gateway, handIn, keep, pass, told, page }
}

const down: Answer = () => {
  throw new TypeError('fetch failed')
}

describe('receipts', () => {
  it('wait for company so long, and then go in one request', async () => {
    const { keep, pass, gateway, store } = await aHandIn()
    await keep(0)
    await pass(10_000)
    await keep(1)
    await pass(RECEIPT_LIMITS.batchMs - 10_001)
    expect(gateway.requests).toEqual([])
    await pass(1)
    expect(gateway.requests.map(({ jtis }) => jtis)).toEqual([['jti-0', 'jti-1']])
    expect(store.waitingCount).toBe(0)
    await pass(HOUR)
    expect(gateway.requests).toHaveLength(1)
  })

  it('go at once when a batch is full', async () => {
    const { keep, pass, gateway } = await aHandIn()
    for (let index = 0; index < RECEIPT_LIMITS.batch - 1; index++) await keep(index)
    await pass(1)
    expect(gateway.requests).toHaveLength(0)
    await keep(RECEIPT_LIMITS.batch - 1)
    await pass(1)
    expect(gateway.requests[0]?.jtis).toHaveLength(RECEIPT_LIMITS.batch)
  })

  it('of the last run go first: a thousand of them in ten requests, a pause between each', async () => {
    const { pass, gateway, store } = await aHandIn({ backlog: 1_000 })
    await pass(RECEIPT_LIMITS.startMs + 10 * RECEIPT_LIMITS.backlogPauseMs)
    expect(gateway.requests.map(({ jtis }) => jtis.length)).toEqual(Array.from({ length: 10 }, () => 100))
    expect(new Set(gateway.requests.flatMap(({ jtis }) => jtis)).size).toBe(1_000)
    expect(store.waitingCount).toBe(0)
    const pauses = gateway.requests.slice(1).map(({ at }, index) => at - (gateway.requests[index]?.at ?? 0))
    expect(Math.min(...pauses)).toBeGreaterThanOrEqual(RECEIPT_LIMITS.backlogPauseMs)
  })
})

describe('a gateway that is away for an hour', () => {
  it('is asked ever more seldom, told of once, and given everything when it is back', async () => {
    const { keep, pass, gateway, store, told, handIn } = await aHandIn({ answer: down })
    for (let minute = 0; minute < 60; minute++) {
      await keep(minute)
      await pass(60_000)
    }
    // Evenly drawn below a bound of 5 minutes, that is some 24 requests; 60 would be one for each receipt.
    expect(gateway.requests.length).toBeGreaterThan(10)
    expect(gateway.requests.length).toBeLessThan(50)
    expect(store.waitingCount).toBe(60)
    expect(told.events.map(({ event }) => event)).toEqual(['receipts_not_handed_in'])
    gateway.answer = (receipts) => receipts.map(() => TAKEN)
    await pass(RECEIPT_LIMITS.retryMs.last)
    expect(store.waitingCount).toBe(0)
    expect(told.events.at(-1)?.event).toBe('receipts_handed_in_again')
    await handIn.close()
  })

  it('is not stormed by a thousand nodes when it is back: they come spread over minutes', async () => {
    const back = 40 * 60_000
    const nodes = await Promise.all(Array.from({ length: 200 }, () => aHandIn({ answer: down, backlog: 1 })))
    await nodes[0]!.pass(back)
    const before = nodes.map(({ gateway }) => gateway.requests.length)
    for (const { gateway } of nodes) gateway.answer = (receipts) => receipts.map(() => TAKEN)
    await nodes[0]!.pass(RECEIPT_LIMITS.retryMs.last)
    const came = nodes.map(({ gateway }, index) => gateway.requests[before[index] ?? 0]?.at ?? 0)
    expect(nodes.every(({ store }) => store.waitingCount === 0)).toBe(true)
    const perTenSeconds = new Map<number, number>()
    for (const at of came)
      perTenSeconds.set(Math.floor(at / 10_000), (perTenSeconds.get(Math.floor(at / 10_000)) ?? 0) + 1)
    // 200 nodes over 30 spans of ten seconds: a storm would be all of them in one.
    expect(Math.max(...perTenSeconds.values())).toBeLessThan(40)
  })

  it('is tried at once when its link stands again', async () => {
    const { pass, gateway, store, handIn } = await aHandIn({ answer: down, backlog: 3 })
    await pass(30 * 60_000)
    gateway.answer = (receipts) => receipts.map(() => TAKEN)
    handIn.retryNow()
    await pass(0)
    expect(store.waitingCount).toBe(0)
  })
})

describe('answers', () => {
  it('that were lost are asked for again: the gateway takes the same receipts twice', async () => {
    const taken: string[] = []
    const { pass, store, gateway } = await aHandIn({
      backlog: 2,
      answer: (receipts) => {
        taken.push(...receipts.map(({ jti }) => jti))
        // Whenever the two requests are made: their times are drawn.
        if (gateway.requests.length === 1) throw new TypeError('terminated')
        return receipts.map(() => TAKEN)
      },
    })
    await pass(RECEIPT_LIMITS.startMs)
    await pass(RECEIPT_LIMITS.retryMs.first)
    expect(taken).toEqual(['jti-0', 'jti-1', 'jti-0', 'jti-1'])
    expect(store.waitingCount).toBe(0)
  })

  it.each(['bad_ticket', 'bad_receipt', 'not_for_ticket'] as const)(
    '%s sets that receipt aside, is told once, and is never sent again',
    async (code) => {
      const { pass, gateway, store, told, page } = await aHandIn({
        backlog: 3,
        answer: (receipts) => receipts.map(({ jti }) => (jti === 'jti-1' ? refused(code) : TAKEN)),
      })
      await pass(HOUR)
      expect(gateway.requests).toHaveLength(1)
      expect(store.backlog()).toMatchObject({ waiting: 0, rejected: 1 })
      expect(told.events.map(({ event }) => event)).toEqual(['receipts_rejected'])
      expect(page.text()).toContain(`souk_node_receipts_rejected_total{code="${code}"} 1`)
      expect(page.text()).toContain('souk_node_receipts_handed_in_total 2')
    },
  )

  it('"unavailable" keeps that receipt for later and holds up no other', async () => {
    const { keep, pass, gateway, store, told } = await aHandIn({
      backlog: 150,
      answer: (receipts) => receipts.map(({ jti }) => (Number(jti.slice(4)) < 100 ? refused('unavailable') : TAKEN)),
    })
    await pass(RECEIPT_LIMITS.startMs + RECEIPT_LIMITS.batchMs)
    expect(store.waitingCount).toBe(100)
    await keep(150)
    await pass(RECEIPT_LIMITS.batchMs)
    expect(store.waitingCount).toBe(100)
    gateway.answer = (receipts) => receipts.map(() => TAKEN)
    await pass(RECEIPT_LIMITS.retryMs.last)
    expect(store.waitingCount).toBe(0)
    expect(told.events).toEqual([])
  })

  it.each([
    ['a day before a quarter is over', -86_400_000, { waiting: 1, rejected: 0 }],
    ['when a quarter is over', 1, { waiting: 0, rejected: 1 }],
  ])('"unavailable" %s', async (_, beyondMs, expected) => {
    const { pass, store } = await aHandIn({
      backlog: 1,
      answer: (receipts) => receipts.map(() => refused('unavailable')),
    })
    vi.setSystemTime(Date.now() + RECEIPT_LIMITS.usefulMs + beyondMs)
    await pass(RECEIPT_LIMITS.startMs)
    expect(store.backlog()).toMatchObject(expected)
  })

  it('a clock that is set back keeps no receipt from its next try, and asks for it no more often', async () => {
    const ahead = 10 * RECEIPT_LIMITS.usefulMs
    vi.setSystemTime(Date.now() + ahead)
    const { pass, gateway, store } = await aHandIn({
      backlog: 1,
      answer: (receipts) => receipts.map(() => refused('unavailable')),
    })
    await pass(RECEIPT_LIMITS.startMs)
    expect(gateway.requests).toHaveLength(1)
    vi.setSystemTime(Date.now() - ahead)
    await pass(RECEIPT_LIMITS.retryMs.last)
    expect(gateway.requests.length).toBeGreaterThan(1)
    expect(gateway.requests.length).toBeLessThan(20)
    gateway.answer = (receipts) => receipts.map(() => TAKEN)
    await pass(2 * RECEIPT_LIMITS.retryMs.last)
    expect(store.waitingCount).toBe(0)
  })

  it('a clock that is years ahead gives nothing up while the gateway is away', async () => {
    const { pass, store } = await aHandIn({ backlog: 2, answer: down })
    vi.setSystemTime(Date.now() + 10 * RECEIPT_LIMITS.usefulMs)
    await pass(HOUR)
    expect(store.backlog()).toMatchObject({ waiting: 2, rejected: 0 })
  })

  it('to a whole batch that one receipt spoils find that one, and the others go', async () => {
    const { pass, store, gateway } = await aHandIn({
      backlog: 100,
      answer: (receipts) => {
        if (receipts.some(({ jti }) => jti === 'jti-37')) throw new SoukError(400, 'invalid_request', 'no', null)
        return receipts.map(() => TAKEN)
      },
    })
    await pass(10 * 60_000)
    expect(store.backlog()).toMatchObject({ waiting: 0, rejected: 1 })
    expect(gateway.requests.length).toBeLessThan(30)
  })

  it.each([401, 403, 404, 429, 500, 503])('with status %i reject nothing', async (status) => {
    const { pass, store } = await aHandIn({
      backlog: 2,
      answer: () => {
        throw new SoukError(status, 'whatever', 'no', null)
      },
    })
    await pass(HOUR)
    expect(store.backlog()).toMatchObject({ waiting: 2, rejected: 0 })
  })
})

describe('at the end', () => {
  it('everything that waits is handed in, without waiting for company', async () => {
    const { keep, gateway, store, handIn } = await aHandIn()
    for (let index = 0; index < 150; index++) await keep(index)
    await handIn.close()
    expect(store.waitingCount).toBe(0)
    expect(gateway.requests.map(({ jtis }) => jtis.length)).toEqual([100, 50])
  })

  it('a gateway that does not answer gets so long and no longer, and what is left waits for the next start', async () => {
    const { disk, store, handIn, gateway, pass, told } = await aHandIn({ backlog: 3 })
    const never = new Promise<never>(() => undefined)
    gateway.answer = () => never as never
    let isOver = false
    const closing = handIn.close().then(() => (isOver = true))
    await pass(RECEIPT_LIMITS.drainMs - 1)
    expect(isOver).toBe(false)
    await pass(1)
    await closing
    expect(told.events).toEqual([])
    await store.close()
    expect((await aStore(disk)).backlog().waiting).toBe(3)
  })

  it('a gateway that is away is asked once', async () => {
    const { handIn, gateway, store } = await aHandIn({ backlog: 3, answer: down })
    await handIn.close()
    expect(gateway.requests).toHaveLength(1)
    expect(store.waitingCount).toBe(3)
  })
})
