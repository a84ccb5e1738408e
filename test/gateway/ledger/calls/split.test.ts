import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { chargeLegs, chargeOf, sumRole } from '../../../../gateway/ledger/calls/split.ts'
import { sumLegs, type Leg } from '../../../../protocol/journal.ts'
import { HOUSE, nanos, type AccountId } from '../../../../protocol/units.ts'

// Ids of the right shape, written out so that cases can be read.
const PAYER = '0000000000000001' as AccountId
const OPERATOR = '0000000000000002' as AccountId
const AUTHOR = '0000000000000003' as AccountId

describe('the split of a charge', () => {
  it('gives fee and royalty rounded down and the node the rest', () => {
    const legs = chargeLegs({
      chargeNanos: nanos(999n),
      payer: PAYER,
      operator: OPERATOR,
      author: AUTHOR,
      royaltyBps: 500,
      feeBps: 500,
    })
    expect(legs.map(({ role, amountNanos }) => [role, amountNanos])).toEqual([
      ['payer', -999n],
      ['operator', 901n],
      ['author', 49n],
      ['house', 49n],
    ])
    expect(legs[3]?.party).toBe(HOUSE.fees)
  })

  it('conserves money to the nano for every charge and every share', () => {
    const party = fc.constantFrom(PAYER, OPERATOR, AUTHOR)
    fc.assert(
      fc.property(
        fc.bigInt(0n, 2n ** 52n),
        fc.integer({ min: 0, max: 5_000 }),
        fc.integer({ min: 0, max: 5_000 }),
        party,
        party,
        (charge, royaltyBps, feeBps, operator, author) => {
          const legs = chargeLegs({ chargeNanos: nanos(charge), payer: PAYER, operator, author, royaltyBps, feeBps })
          expect(sumLegs(legs)).toBe(0n)
          expect(legs.filter(({ amountNanos }) => amountNanos === 0n)).toEqual([])
          expect(chargeOf(legs, PAYER)).toEqual({ ok: true, value: charge })
          expect(sumRole(legs, 'operator') + sumRole(legs, 'author') + sumRole(legs, 'house')).toBe(charge)
          expect(sumRole(legs, 'house') * 10_000n <= charge * BigInt(feeBps)).toBe(true)
        },
      ),
    )
  })

  it('has no legs for a charge of nothing, and refuses shares above the whole', () => {
    const parties = { payer: PAYER, operator: OPERATOR, author: AUTHOR }
    expect(chargeLegs({ ...parties, chargeNanos: nanos(0n), royaltyBps: 1, feeBps: 1 })).toEqual([])
    expect(() => chargeLegs({ ...parties, chargeNanos: nanos(9n), royaltyBps: 5_001, feeBps: 5_000 })).toThrow(
      RangeError,
    )
    expect(() => chargeLegs({ ...parties, chargeNanos: nanos(-1n), royaltyBps: 1, feeBps: 1 })).toThrow(RangeError)
  })

  const leg = (party: AccountId, role: Leg['role'], amount: bigint): Leg => ({
    party,
    role,
    amountNanos: nanos(amount),
  })
  it.each<[string, Leg[]]>([
    ['a payer who is somebody else', [leg(AUTHOR, 'payer', -9n), leg(OPERATOR, 'operator', 9n)]],
    ['a sum that is not zero', [leg(PAYER, 'payer', -9n), leg(OPERATOR, 'operator', 10n)]],
    ['a payer who gains', [leg(PAYER, 'payer', 9n), leg(OPERATOR, 'operator', -9n)]],
    ['two payers', [leg(PAYER, 'payer', -9n), leg(PAYER, 'payer', -1n), leg(OPERATOR, 'operator', 10n)]],
    [
      'somebody else who pays too',
      [leg(PAYER, 'payer', -9n), leg(AUTHOR, 'author', -1n), leg(OPERATOR, 'operator', 10n)],
    ],
    ['a party that is no account', [leg(PAYER, 'payer', -9n), leg('x' as AccountId, 'operator', 9n)]],
    ['no payer', [leg(OPERATOR, 'operator', 9n), leg(AUTHOR, 'author', -9n)]],
  ])('does not take for a charge: %s', (_, legs) => {
    expect(chargeOf(legs, PAYER).ok).toBe(false)
  })
})
