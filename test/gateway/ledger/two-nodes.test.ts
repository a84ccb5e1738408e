import { describe, expect, it } from 'vitest'
import { earningsOf } from '../../../gateway/ledger/split.ts'
import type { Leg } from '../../../protocol/journal.ts'
import { HOUSE, nanos, type AccountId } from '../../../protocol/units.ts'
import { aHold, anAccount, anEnd, aPayer } from './ledger-house.ts'

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
})
