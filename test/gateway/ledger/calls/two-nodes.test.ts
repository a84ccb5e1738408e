import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { systemRandom } from '../../../../gateway/core/clock.ts'
import { judgeProgress, type Hold } from '../../../../gateway/ledger/calls/hold.ts'
import { callParts, chargeOf, chargesOf, earningsOf, legsOfParts } from '../../../../gateway/ledger/calls/split.ts'
import { parseLine, sumLegs, type Leg } from '../../../../protocol/journal.ts'
import { shapeFault } from '../../../../protocol/journal-shapes.ts'
import { costOf } from '../../../../protocol/price.ts'
import { HOUSE, nanos, tokens, newNodeId, type AccountId, type CallId } from '../../../../protocol/units.ts'
import { aHold, anAccount, anEnd, aPayer, aProgress, NODE, START } from '../ledger-house.ts'

const OTHER = newNodeId(systemRandom)

/** A charge of 1,000: the first node delivered three fifths, the second continued with the rest. */
const legsOfTwo = (payer: AccountId, first: AccountId, second: AccountId, author: AccountId): Leg[] => [
  { party: payer, role: 'payer', amountNanos: nanos(-1_000n) },
  { party: first, role: 'operator', amountNanos: nanos(540n) },
  { party: second, role: 'operator', amountNanos: nanos(360n) },
  { party: author, role: 'author', amountNanos: nanos(49n) },
  { party: HOUSE.fees, role: 'house', amountNanos: nanos(51n) },
]

describe('a node broke off, another continued', () => {
  it('charges the delivered units once, and pays each node for what it delivered', async () => {
    const payer = await aPayer(5_000n)
    const [first, second, author] = [
      await anAccount(payer.clock),
      await anAccount(payer.clock),
      await anAccount(payer.clock),
    ]
    const request = aHold(payer, 1_500n)
    await payer.port.hold(request)
    const end = anEnd(payer, request.callId, { legs: legsOfTwo(payer.id, first.id, second.id, author.id) })
    expect(await payer.port.capture(end)).toMatchObject({ ok: true, chargeNanos: 1_000n })
    expect(await payer.port.capture(end)).toMatchObject({ ok: true, chargeNanos: 1_000n })
    payer.clock.advance(1_000)
    await payer.alarm()
    const spendable = async ({ port }: typeof first) => (await port.balance()).availableNanos
    expect(await Promise.all([payer, first, second, author].map(spendable))).toEqual([4_000n, 540n, 360n, 49n])
    expect((await first.port.money())?.feesNanos).toBe(30n)
    expect((await second.port.money())?.feesNanos).toBe(20n)
  })

  it('never counts more fees for the two than the house took', () => {
    const [payer, first, second, author] = ['1', '2', '3', '4'].map((n) => n.repeat(16) as AccountId)
    if (!payer || !first || !second || !author) throw new Error('four accounts')
    const fees = earningsOf(legsOfTwo(payer, first, second, author)).map(({ feesNanos }) => feesNanos)
    expect(fees).toEqual([30n, 20n, 0n])
    const alone = earningsOf(legsOfTwo(payer, first, first, author))
    expect(alone.map(({ operatorNanos, feesNanos }) => [operatorNanos, feesNanos])).toEqual([
      [900n, 51n],
      [0n, 0n],
    ])
  })

  it('is paid by its last report when the gateway vanishes, both parts, and each leg says whose it is', async () => {
    const payer = await aPayer(5_000n)
    const [first, second] = [await anAccount(payer.clock), await anAccount(payer.clock)]
    const request = aHold(payer, 100n)
    await payer.port.hold(request)
    const before = aProgress(payer, request.callId, 30n, first.id)
    const told = { nodeId: OTHER, terms: before.terms, units: { inputTokens: tokens(0), outputTokens: tokens(30) } }
    await payer.port.progress({ ...aProgress(payer, request.callId, 25n, second.id), attempt: 2, before: [told] })
    payer.clock.advance(60_001)
    await payer.alarm()
    const call = await payer.port.call(request.callId)
    expect(call).toMatchObject({
      outcome: 'expired',
      nodeId: NODE,
      chargeNanos: 55n,
      outputTokens: 55n,
      inputTokens: 3n,
    })
    expect(call?.legs.filter(({ role }) => role === 'operator')).toMatchObject([
      { party: first.id, node: OTHER },
      { party: second.id, node: NODE },
    ])
    const [line] = (await payer.lines()).slice(-1)
    expect(shapeFault(parseLine(line?.body ?? ''))).toBeNull()
  })

  it.each([
    ['within the hold', 30n, 70n, 100n],
    ['cut at the hold, at the expense of who broke off', 31n, 70n, 100n],
  ])('is %s when it runs out', async (_, broken, last, charge) => {
    const payer = await aPayer(5_000n)
    const [first, second] = [await anAccount(payer.clock), await anAccount(payer.clock)]
    const request = aHold(payer, 100n)
    await payer.port.hold(request)
    const { terms } = aProgress(payer, request.callId, broken, first.id)
    const told = { nodeId: OTHER, terms, units: { inputTokens: tokens(0), outputTokens: tokens(broken) } }
    await payer.port.progress({ ...aProgress(payer, request.callId, last, second.id), before: [told] })
    payer.clock.advance(60_001)
    await payer.alarm()
    const call = await payer.port.call(request.callId)
    expect(call?.chargeNanos).toBe(charge)
    expect(call?.parts?.map(({ chargeNanos }) => chargeNanos)).toEqual([30n, 70n])
  })

  it('refuses a report of which one part alone passes the hold', () => {
    const hold = { amountNanos: nanos(100n), progress: null, end: null } as unknown as Hold // all that is judged
    const report = aProgress({ id: '' as AccountId }, 'call' as CallId, 100n, '' as AccountId)
    const of = (count: bigint) => ({
      nodeId: OTHER,
      terms: report.terms,
      units: { inputTokens: tokens(0), outputTokens: tokens(count) },
    })
    expect(judgeProgress(hold, { ...report, before: [of(100n)] })).toBe('keep')
    expect(judgeProgress(hold, { ...report, before: [of(101n)] })).toBe('wrong')
  })
})

describe('the legs of parts', () => {
  const accountOf = fc.constantFrom('1', '2', '3').map((n) => n.repeat(16) as AccountId)
  const price = fc.record({
    inputPerMillion: fc.bigInt(0n, 10n ** 8n).map(nanos),
    outputPerMillion: fc.bigInt(0n, 10n ** 8n).map(nanos),
    cachedInputPerMillion: fc.constant(nanos(0n)),
    bytesPerMillion: fc.constant(nanos(0n)),
    perCall: fc.bigInt(0n, 1_000n).map(nanos),
  })
  const part = fc.record({
    nodeId: fc.constantFrom(NODE, OTHER),
    units: fc.record({
      inputTokens: fc.nat(1_000).map((n) => tokens(n)),
      outputTokens: fc.nat(1_000).map((n) => tokens(n)),
    }),
    terms: fc.record({
      price,
      operator: accountOf,
      author: fc.constant('4'.repeat(16) as AccountId),
      royaltyBps: fc.nat(5_000),
      feeBps: fc.nat(5_000),
      vesting: fc.option(fc.record({ shareBps: fc.nat(10_000), at: fc.constant(START) })),
    }),
  })

  it('are rounded up once, at the expense of who broke off', () => {
    const terms = {
      price: {
        ...{ inputPerMillion: nanos(0n), outputPerMillion: nanos(500_000n), cachedInputPerMillion: nanos(0n) },
        ...{ bytesPerMillion: nanos(0n), perCall: nanos(0n) },
      },
      ...{ operator: '1'.repeat(16) as AccountId, author: '4'.repeat(16) as AccountId, priceVersion: 1 },
      ...{ royaltyBps: 0, feeBps: 0, vesting: null },
    }
    const of = (count: number) => ({
      nodeId: OTHER,
      terms,
      units: { inputTokens: tokens(0), outputTokens: tokens(count) },
    })
    expect(chargesOf([of(3), of(3)], nanos(100n))).toEqual([1n, 2n])
    expect(chargesOf([of(1), of(1), of(1)], nanos(100n))).toEqual([1n, 0n, 1n])
    expect(chargesOf([of(3), of(3)], nanos(2n))).toEqual([0n, 2n])
    expect(chargesOf([of(3)], nanos(100n))).toEqual([2n])
  })

  it('sum to zero, never pass the hold, are what their parts are charged, and pay the last one first', () => {
    const payer = '5'.repeat(16) as AccountId
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 4 }), fc.bigInt(0n, 300_000n), (parts, most) => {
        const highest = parts.reduce(
          (all, { units, terms }) => (costOf(units, terms.price) > all ? costOf(units, terms.price) : all),
          0n,
        )
        const holdNanos = nanos(highest > most ? highest : most)
        const legs = legsOfParts(parts, { payer, holdNanos, ofNode: NODE })
        const charges = chargesOf(parts, holdNanos)
        const charge = charges.reduce((sum, each) => sum + each, 0n)
        expect(sumLegs(legs)).toBe(0n)
        expect(charge <= holdNanos).toBe(true)
        expect(chargeOf(legs, payer)).toEqual({ ok: true, value: charge })
        const costs = parts.map(({ units, terms }) => costOf(units, terms.price))
        // Each has its cost where the hold reaches so far, but for a nano that the parts behind it were rounded up by already.
        for (const [index, each] of charges.entries()) {
          const behind = charges.slice(index).reduce((sum, one) => sum + one, 0n)
          expect(each <= (costs[index] ?? 0n)).toBe(true)
          expect(each >= (costs[index] ?? 0n) - 1n || behind === holdNanos).toBe(true)
        }
        const last = parts.at(-1)
        expect(charges.at(-1)).toBe(last && costOf(last.units, last.terms.price))
        const isNamed = callParts(parts, { holdNanos, ofNode: NODE }) !== undefined
        for (const { role, node } of legs) expect(node !== undefined).toBe(role === 'operator' && isNamed)
      }),
    )
  })
})
