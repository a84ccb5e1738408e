// The market under fire, on the real gateway with the official client: every fault of a node, all at once. Whoever calls gets the complete answer when
// any healthy node offers the model, else a clean error in time; the bill is right to the nano, and nobody hammers a node in trouble.
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { ERRORS, type ErrorCode } from '../../protocol/errors.ts'
import { fromUsd } from '../../protocol/units.ts'
import { conserved } from '../support/conservation.ts'
import { eventually } from '../support/eventually.ts'
import { startFaultNode, type FaultNode } from '../support/fault-node.ts'
import { countingModel } from '../support/fault-node-words.ts'
import { startMarket, type Consumer, type Market } from '../support/market.ts'
import { startOpenAiCaller, type OpenAiCaller, type Told } from '../support/openai-caller.ts'
import { startNames, untilRefused, type Names, type Rebinding } from './under-fire-names.ts'
import { throughAnOutage, type Outage } from './under-fire-outage.ts'
import { COST, fireCases, FURTHER, WORDS, type Expected, type FireCase, type Served } from './under-fire-cases.ts'

/** ms a silent or slow first node may cost, and what a busy machine adds to it */
const FAIL_OVER_MS = 10_000
const BUSY_MS = 2_500
/** ms of the longest call: the last node has ten seconds for its head and twenty for its first word */
const LONGEST_MS = 35_000
/** cases at the same time, beside those that wait */
const AT_ONCE = 6
/** ms after its recovery within which a node is asked again */
const BACK_MS = 30_000
const OUTAGE_MODEL = 'fire/outage'
const NAME_MODEL = 'fire/name'

let market: Market
let faulty: FaultNode
let healthy: FaultNode
let caller: OpenAiCaller
let consumer: Consumer
let balanceBefore: bigint
let trap: Server
let trapped = 0
let mortal: FaultNode
let outage: Promise<Outage>
let names: Names
let moved: FaultNode
let rebinding: Promise<Rebinding>
const outcomes = new Map<string, Promise<Outcome>>()

const trapAt = () => `http://127.0.0.1:${(trap.address() as AddressInfo).port}/` // it listens on a port, not on a pipe
/** Names of tests are told before anything runs. */
const CASES = fireCases('TRAP')
const modelOf = (place: number) => `fire/model-${place}`

interface Outcome {
  readonly model: string
  readonly first: { readonly streamed: Told; readonly whole: Told }
  readonly further: readonly Told[]
  /** calls that the faulty node got of them */
  readonly hammered: number
  readonly alone: { readonly streamed: Told; readonly whole: Told }
}

beforeAll(async () => {
  trap = createServer((_, response) => {
    trapped++
    response.end()
  })
  await new Promise<void>((resolve) => trap.listen(0, '127.0.0.1', resolve))
  const cases = fireCases(trapAt())
  names = await startNames({ localhost: ['127.0.0.1'] })
  market = await startMarket({ nodes: 0, vars: { SOUK_RESOLVER: names.url } })
  for (const id of [OUTAGE_MODEL, NAME_MODEL, ...cases.map((_, place) => modelOf(place))])
    await market.publish(countingModel(id))
  const options = { gatewayUrl: market.url, chainId: market.gateway.chainId }
  const offered = (of: 'faulty' | 'healthy') =>
    cases.map((each, place) => ({ ...each[of], manifest: countingModel(modelOf(place)) }))
  const outageOffer = { manifest: countingModel(OUTAGE_MODEL) }
  const nameOffer = { manifest: countingModel(NAME_MODEL) }
  consumer = await market.consumer()
  balanceBefore = await balance()
  faulty = await startFaultNode({ ...options, name: 'faulty' }, offered('faulty'))
  healthy = await startFaultNode({ ...options, name: 'healthy' }, [outageOffer, nameOffer, ...offered('healthy')])
  mortal = await startFaultNode({ ...options, name: 'mortal' }, [outageOffer])
  moved = await startFaultNode({ ...options, name: 'moved', hostname: 'localhost' }, [nameOffer])
  caller = startOpenAiCaller(market.directUrl)
  for (const [place, { plan, healthy: other }] of cases.entries()) {
    faulty.plan(modelOf(place), plan)
    if (other?.plan) healthy.plan(modelOf(place), other.plan)
  }
  const turns = createTurns(AT_ONCE)
  for (const [place, each] of cases.entries()) {
    const run = () => underFire(each, modelOf(place))
    // Those that wait cost nothing meanwhile.
    const outcome = each.isSlow ? run() : turns(run)
    // Told by the tests that wait for it.
    outcome.catch(() => undefined)
    outcomes.set(CASES[place]?.name ?? '', outcome)
  }
  const messages = [{ role: 'user', content: `count ${WORDS}` }]
  const question = { model: OUTAGE_MODEL, messages }
  outage = throughAnOutage([mortal, healthy], (provider) => caller.chat(consumer.key, { ...question, provider }))
  outage.catch(() => undefined)
  rebinding = untilRefused(names, moved, () =>
    caller.chat(consumer.key, { model: NAME_MODEL, messages, provider: { order: [moved.nodeId] } }),
  )
  rebinding.catch(() => undefined)
}, 240_000)

afterAll(async () => {
  caller?.stop()
  await Promise.all([faulty?.stop(), healthy?.stop(), mortal?.stop(), moved?.stop(), names?.stop()])
  trap?.close()
  await market?.stop()
})

/** So many at a time: a machine that is out of breath would blur what is late. */
function createTurns(atOnce: number) {
  let free = atOnce
  const waiting: (() => void)[] = []
  return async <T>(work: () => Promise<T>): Promise<T> => {
    if (free > 0) free--
    else await new Promise<void>((resolve) => waiting.push(resolve))
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      if (next) next()
      else free++
    }
  }
}

const balance = async () => fromUsd((await consumer.client.account()).balance)

async function underFire({ asks }: FireCase, model: string): Promise<Outcome> {
  const ask = (stream: boolean, provider: Record<string, unknown>) =>
    caller.chat(consumer.key, {
      model,
      max_tokens: 64,
      messages: [{ role: 'user', content: `count ${WORDS}` }],
      ...asks,
      stream,
      provider,
    })
  const both = async (provider: Record<string, unknown>) => {
    const [streamed, whole] = await Promise.all([ask(true, provider), ask(false, provider)])
    return { streamed, whole }
  }
  const first = await both({ order: [faulty.nodeId] })
  const callsBefore = faulty.seen.callsByModel.get(model) ?? 0
  const further: Told[] = []
  for (let n = 0; n < FURTHER; n++) further.push(await ask(n % 2 === 0, { order: [faulty.nodeId] }))
  const hammered = (faulty.seen.callsByModel.get(model) ?? 0) - callsBefore
  const alone = await both({ only: [faulty.nodeId] })
  return { model, first, further, hammered, alone }
}

const outcomeOf = (name: string): Promise<Outcome> => outcomes.get(name) ?? Promise.reject(new Error(`no ${name}`))

function expectTold(told: Told, expected: Expected, isStream: boolean, model: string): void {
  expect(told.ms).toBeLessThan(LONGEST_MS)
  if ('refused' in expected) {
    if (told.error === null && expected.orServed) return expectTold(told, expected.orServed, isStream, model)
    return expectRefusal(told, expected.refused, isStream)
  }
  expect(told.error).toBeNull()
  expectWords(told.text, expected)
  expect(told.finish).toBe(expected.finish ?? 'stop')
  if (isStream) expect([told.hasDone, told.hasErrorEvent]).toEqual([true, false])
  expectServedBy(told, expected, model)
  const cost = costOf(told)
  if (expected.costMax === undefined) expect(cost).toBe(costOfWords(expected.words ?? WORDS))
  else expect(cost > 0n && cost <= expected.costMax, `${cost} nanos`).toBe(true)
}

const costOfWords = (words: number) => COST + BigInt(words - WORDS) * 200n
const costOf = ({ usage }: Told): bigint => (usage ? fromUsd(usage.cost) : 0n)

function expectRefusal(told: Told, codes: readonly ErrorCode[], isStream: boolean): void {
  expect(codes).toContain(told.error?.code)
  expect(told.hasDone).toBe(false)
  expect(told.finish).toBeNull()
  const code = codes.find((each) => each === told.error?.code)
  // Inside of a stream there is no status left to give.
  const isInside = isStream && told.status === 200
  expect(told.error?.status).toBe(isInside ? null : code && ERRORS[code].status)
  expect(told.hasErrorEvent).toBe(isInside)
}

function expectWords(text: string, { words = WORDS, isOther }: Served): void {
  const said = text.trim().split(isOther ? /n\d+/ : ' ')
  expect(said).toHaveLength(isOther ? words + 1 : words)
  if (isOther) return
  // From the fourth on they may have a voice of their own.
  for (const [n, word] of said.entries()) expect(word).toMatch(new RegExp(`^n${n}([0-9a-f]{8})?$`))
}

function expectServedBy({ souk }: Told, { by, isRepeated }: Served, model: string): void {
  const ids = { faulty: faulty.nodeId, healthy: healthy.nodeId }
  if (by === 'either') return void expect(Object.values(ids)).toContain(souk?.node)
  if (by !== 'both') return void expect([souk?.node, souk?.parts ?? null], model).toEqual([ids[by], null])
  expect(souk?.node).toBe(ids.healthy)
  const [one, other, ...more] = souk?.parts ?? []
  expect([one?.node, other?.node, more]).toEqual([ids.faulty, ids.healthy, []])
  const [first = 0, second = 0] = [one?.outputTokens, other?.outputTokens]
  expect(first + second).toBe(WORDS)
  expect(Math.abs(second - (WORDS - 5))).toBeLessThanOrEqual(isRepeated ? 1 : 0)
}

describe.each(CASES)(
  '$name',
  ({ name, streamed, whole = streamed, alone, aloneWhole = alone, further, retryAfterMax }) => {
    it('with a healthy node beside it', async () => {
      const { first, model } = await outcomeOf(name)
      expectTold(first.streamed, streamed, true, model)
      expectTold(first.whole, whole, false, model)
      for (const { firstMs } of Object.values(first))
        if (firstMs !== null) expect(firstMs).toBeLessThan(FAIL_OVER_MS + BUSY_MS)
    })

    it('is not hammered', async () => {
      const { further: told, hammered } = await outcomeOf(name)
      if (further === null) return
      for (const each of told) expect([each.error, each.finish]).toEqual([null, 'stop'])
      expect(hammered).toBeLessThanOrEqual(further)
    })

    it('alone', async () => {
      const { alone: told, model } = await outcomeOf(name)
      expectTold(told.streamed, alone, true, model)
      expectTold(told.whole, aloneWhole, false, model)
      if (retryAfterMax === undefined) return
      for (const { retryAfter } of Object.values(told)) {
        expect(Number(retryAfter)).toBeGreaterThan(0)
        expect(Number(retryAfter)).toBeLessThanOrEqual(retryAfterMax)
      }
    })

    it('costs what was answered, and each node has its part', async () => {
      for (const each of toldOf(await outcomeOf(name))) {
        const { charge, shares } = billOf(await bills(), each.callId ?? '')
        expect(charge).toBe(costOf(each))
        expect(shares).toEqual(expectedShares(each))
      }
    })
  },
)

const toldOf = ({ first, further, alone }: Outcome): readonly Told[] => [
  ...Object.values(first),
  ...further,
  ...Object.values(alone),
]

interface Bill {
  readonly charge: bigint
  /** nanos by operator */
  readonly shares: ReadonlyMap<string, bigint>
}
const Legs = z.array(
  z.object({ callId: z.string(), party: z.string(), role: z.string(), nanos: z.string() }).transform((leg) => ({
    ...leg,
    nanos: BigInt(leg.nanos),
  })),
)
type Legs = z.infer<typeof Legs>

/** Every leg of every call, when all that left the account stands in the book. */
let written: Promise<Legs> | undefined
const bills = () => (written ??= readBills())

async function readBills(): Promise<Legs> {
  await Promise.allSettled([...outcomes.values(), outage, rebinding])
  let legs: Legs = []
  await eventually(20_000, async () => {
    const account = await consumer.client.account()
    expect(account.held).toBe('0.000000000')
    legs = Legs.parse(
      await market.query(
        'BOOK_0',
        `SELECT transfer_id AS callId, party, role, CAST(amount_nanos AS TEXT) AS nanos FROM legs WHERE account_id = ?
         AND transfer_id IN (SELECT transfer_id FROM lines WHERE kind = 'call')`,
        consumer.accountId,
      ),
    )
    const paid = legs.reduce((sum, { role, nanos }) => (role === 'payer' ? sum - nanos : sum), 0n)
    expect(paid).toBe(balanceBefore - fromUsd(account.balance))
  })
  return legs
}

function billOf(legs: Legs, callId: string): Bill {
  const own = legs.filter((leg) => leg.callId === callId)
  const charge = own.reduce((sum, { role, nanos }) => (role === 'payer' ? sum - nanos : sum), 0n)
  const shares = new Map<string, bigint>()
  for (const { party, role, nanos } of own)
    if (role === 'operator') shares.set(party, (shares.get(party) ?? 0n) + nanos)
  return { charge, shares }
}

/** Fee and royalty are five per cent each, rounded down. */
function expectedShares({ souk, usage }: Told): Map<string, bigint> {
  const operators = new Map([faulty, healthy].map(({ nodeId, operatorAccountId }) => [nodeId, operatorAccountId]))
  const shares = new Map<string, bigint>()
  if (!souk || !usage) return shares
  const others = (souk.parts ?? []).filter(({ node }) => node !== souk.node)
  const parts = others.map(({ node, outputTokens }) => [node, BigInt(outputTokens) * 200n] as const)
  const rest = fromUsd(usage.cost) - parts.reduce((sum, [, nanos]) => sum + nanos, 0n)
  for (const [node, nanos] of [...parts, [souk.node, rest] as const])
    shares.set(operators.get(node) ?? node, nanos - 2n * ((nanos * 500n) / 10_000n))
  return shares
}

describe('an outage of one of two nodes, with two calls a second', () => {
  it('is noticed by nobody', async () => {
    const { told, servedBefore } = await outage
    expect(servedBefore).toBeGreaterThan(0)
    for (const { error, text, ms } of told) {
      expect([error, text]).toEqual([null, 'n0 n1 n2 n3 n4 n5 n6 n7 '])
      expect(ms).toBeLessThan(FAIL_OVER_MS)
    }
  })

  it('is over for that node within half a minute of its recovery', async () => {
    const { backAfterMs } = await outage
    expect(backAfterMs).not.toBeNull()
    expect(backAfterMs).toBeLessThan(BACK_MS)
  })
})

describe('a name that comes to lead to an address that is not public', () => {
  it('gets no more calls half a minute later, which nobody notices', async () => {
    const { told, servedBefore, noticedAfterMs, callsAfter } = await rebinding
    expect(servedBefore).toBe(true)
    for (const { error, text } of told) expect([error, text]).toEqual([null, 'n0 n1 n2 n3 n4 n5 n6 n7 '])
    // A look is good for half a minute, a look that finds no answer is repeated after five seconds; the rest is a busy machine.
    expect(noticedAfterMs).not.toBeNull()
    expect(noticedAfterMs).toBeLessThan(60_000)
    expect(callsAfter).toBe(0)
  })
})

describe('all of them together', () => {
  it('send nobody to an address that a node names', async () => {
    await Promise.all(outcomes.values())
    expect(trapped).toBe(0)
  })

  it('leave every transfer at zero, and charge nobody twice', async () => {
    await Promise.all(outcomes.values())
    await conserved(market)
  })
})
