// Who gives back how much when a call is refunded at its earners' expense: a rule. Each gives its own part of what is refunded, rounded down;
// fee and rounding stay with the house.
import { sumLegs, type Leg } from '../../../protocol/journal.ts'
import { isHouse, mulDown, nanos, type AccountId, type Nanos } from '../../../protocol/units.ts'

export interface Share {
  readonly accountId: AccountId
  readonly amountNanos: Nanos
}

/**
 * One entry per earner other than the payer and the house: what the payer earned by its own call was never refunded to it.
 * @param refunded of what the call cost the payer, so never above what the others got
 * @example sharesOf([payer -1000, operator +900, author +50, house +50], payer, 500n) // operator 450, author 25
 */
export function sharesOf(legs: readonly Leg[], payer: AccountId, refunded: Nanos): Share[] {
  const others = legs.filter(({ party }) => party !== payer)
  const cost = sumLegs(others)
  if (cost <= 0n) return []
  const earners = new Set(others.map(({ party }) => party).filter((party) => !isHouse(party)))
  return [...earners]
    .map((accountId) => ({
      accountId,
      amountNanos: nanos(mulDown(sumLegs(others, accountId), refunded, cost)),
    }))
    .filter(({ amountNanos }) => amountNanos > 0n)
}
