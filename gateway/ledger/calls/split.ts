// Who gets what of a charge, and whether legs are a valid charge. Pure, and exact to the nano: legs always sum to zero,
// so money can only move, never appear.
import type { Result } from '../../../protocol/errors.ts'
import { sumLegs, type Leg } from '../../../protocol/journal.ts'
import type { CallPart } from '../../../protocol/journal-parts.ts'
import { costOf, jointCost, type Units } from '../../../protocol/price.ts'
import {
  BPS_WHOLE,
  HOUSE,
  isAccountId,
  mulDown,
  nanos,
  type AccountId,
  type Instant,
  type Nanos,
  type NodeId,
} from '../../../protocol/units.ts'
import type { ChargeTerms } from '../account-port.ts'

export interface Charge {
  /** never negative */
  readonly chargeNanos: Nanos
  readonly payer: AccountId
  readonly operator: AccountId
  readonly author: AccountId
  readonly royaltyBps: number
  readonly feeBps: number
  /** of the operator's share; absent: all is paid at once */
  readonly vesting?: ChargeTerms['vesting']
}

/**
 * Fee and royalty rounded down, the node gets the rest. Shares of zero have no leg; one account in two roles has two legs.
 * @example chargeLegs({ chargeNanos: 999n, royaltyBps: 500, feeBps: 500, … }) // payer -999, operator 901, author 49, house:fees 49
 * @throws RangeError for a negative charge, or shares above the whole
 */
export function chargeLegs({ chargeNanos, payer, operator, author, royaltyBps, feeBps, vesting }: Charge): Leg[] {
  if (chargeNanos < 0n) throw new RangeError('a charge is never negative')
  if (royaltyBps + feeBps > Number(BPS_WHOLE)) throw new RangeError('royalty and fee are more than the charge')
  const royalty = mulDown(chargeNanos, BigInt(royaltyBps), BPS_WHOLE)
  const fee = mulDown(chargeNanos, BigInt(feeBps), BPS_WHOLE)
  const legs: Leg[] = [
    { party: payer, role: 'payer', amountNanos: nanos(-chargeNanos) },
    ...operatorLegs(operator, nanos(chargeNanos - royalty - fee), vesting ?? null),
    { party: author, role: 'author', amountNanos: nanos(royalty) },
    { party: HOUSE.fees, role: 'house', amountNanos: nanos(fee) },
  ]
  return legs.filter(({ amountNanos }) => amountNanos !== 0n)
}

/** The legs of a charge for exactly these units; none when they cost nothing. */
export function legsFor(units: Units, terms: ChargeTerms, payer: AccountId): Leg[] {
  const { price, ...shares } = terms
  return chargeLegs({ ...shares, payer, chargeNanos: costOf(units, price) })
}

/** What one node is paid for in a call: all of it, or what it delivered beside others. */
export interface Part {
  readonly nodeId: NodeId
  readonly units: Units
  readonly terms: ChargeTerms
}

/**
 * The legs of a charge for several nodes' parts: each at its own price, and one leg of payer, author and house for all. Where parts together
 * would pass the hold, what is left of it after the last one goes to the one before: who finished is paid first, who broke off bears the rest.
 * @param ofNode the call's own: where another one delivered, every operator's leg names its node
 * @example two nodes, 60 and 40 nanos, hold 90 // payer -90; operators 50 and 40, each leg with its node (fees of 0)
 */
export function legsOfParts(
  parts: readonly Part[],
  { payer, holdNanos, ofNode }: { payer: AccountId; holdNanos: Nanos; ofNode: NodeId },
): Leg[] {
  const charges = chargesOf(parts, holdNanos)
  const paid = parts.map((part, index) => ({ ...part, chargeNanos: charges[index] ?? nanos(0n) }))
  const isShared = paid.some(({ nodeId }) => nodeId !== ofNode)
  const legs = paid.flatMap(({ nodeId, terms, chargeNanos }) =>
    chargeLegs({ ...terms, payer, chargeNanos }).map((leg) =>
      isShared && leg.role === 'operator' ? { ...leg, node: nodeId } : leg,
    ),
  )
  const merged = (role: Leg['role']) => mergedLegs(legs.filter((leg) => leg.role === role))
  return [
    ...merged('payer'),
    ...legs.filter(({ role }) => role === 'operator'),
    ...merged('author'),
    ...merged('house'),
  ]
}

/**
 * What each part is charged, counted from the last one: what the call costs with it more than without, as far as the hold reaches. So all of them together
 * are rounded up once, at the expense of who broke off. A single one above the hold is a mistake, and stays one.
 * @example two parts of 1.5 nanos // 1 and 2
 */
export function chargesOf(parts: readonly Part[], holdNanos: Nanos): Nanos[] {
  const [only] = parts
  if (only && parts.length === 1) return [costOf(only.units, only.terms.price)]
  const priced = parts.map(({ units, terms }) => ({ units, price: terms.price }))
  // Of the parts from each one on, as far as the hold reaches; nothing behind the last one.
  const costs = [...priced.map((_, index) => jointCost(priced.slice(index))), 0n].map((cost) =>
    cost < holdNanos ? cost : holdNanos,
  )
  return priced.map((_, index) => nanos((costs[index] ?? 0n) - (costs[index + 1] ?? 0n)))
}

/** The same parts as the call's line names them; absent where its own node delivered alone: what another one gave for nothing is among the call's units too. */
export function callParts(
  parts: readonly Part[],
  { holdNanos, ofNode }: { holdNanos: Nanos; ofNode: NodeId },
): CallPart[] | undefined {
  const charges = chargesOf(parts, holdNanos)
  const named = parts.map(({ nodeId, units }, index) => ({
    nodeId,
    ...units,
    chargeNanos: charges[index] ?? nanos(0n),
  }))
  return named.some(({ nodeId }) => nodeId !== ofNode) ? named : undefined
}

/** One leg for each party. */
const mergedLegs = (legs: readonly Leg[]): Leg[] =>
  [...new Set(legs.map(({ party }) => party))].flatMap((party) => {
    const own = legs.filter((leg) => leg.party === party)
    return own.slice(0, 1).map((leg) => ({ ...leg, amountNanos: sumLegs(own) }))
  })

/** The vesting part is rounded down: of a single nano nobody waits. */
function operatorLegs(operator: AccountId, share: Nanos, vesting: ChargeTerms['vesting']): Leg[] {
  const later = vesting ? mulDown(share, BigInt(vesting.shareBps), BPS_WHOLE) : 0n
  const now: Leg = { party: operator, role: 'operator', amountNanos: nanos(share - later) }
  return vesting ? [now, { ...now, amountNanos: nanos(later), vestsAt: vesting.at }] : [now]
}

/** What one role gains by a transfer. */
export function sumRole(legs: readonly Leg[], role: Leg['role']): Nanos {
  return nanos(legs.reduce((sum, leg) => (leg.role === role ? sum + leg.amountNanos : sum), 0n))
}

/** What `payer` is charged by these legs: 0 without legs. The refusal names the caller's mistake, for the log. */
export function chargeOf(legs: readonly Leg[], payer: AccountId): Result<Nanos, 'not_a_charge'> {
  if (legs.length === 0) return { ok: true, value: nanos(0n) }
  const wrong = (detail: string) => ({ ok: false, code: 'not_a_charge', detail }) as const
  const [own, ...others] = [...legs].sort((a, b) => Number(b.role === 'payer') - Number(a.role === 'payer'))
  if (own?.role !== 'payer' || own.party !== payer) return wrong('the payer is not this account')
  if (own.amountNanos >= 0n) return wrong('the payer does not pay')
  if (others.some(({ role }) => role === 'payer')) return wrong('there are two payers')
  if (others.some(({ amountNanos }) => amountNanos <= 0n)) return wrong('somebody else pays')
  if (others.some(({ party }) => !isAccountId(party))) return wrong('a party is no account')
  if (sumLegs(legs) !== 0n) return wrong('the legs do not sum to zero')
  return { ok: true, value: nanos(-own.amountNanos) }
}

/** What one line owes to each payee, house and payer left out: one entry per account. */
export interface Earning {
  readonly payee: AccountId
  readonly operatorNanos: Nanos
  readonly authorNanos: Nanos
  /** the operator's part of the line's house fee: all of it, or by what each of several delivered, rounded down */
  readonly feesNanos: Nanos
  readonly vesting: readonly { readonly until: Instant; readonly amountNanos: Nanos }[]
}

export function earningsOf(legs: readonly Leg[]): Earning[] {
  const ofOperators = sumRole(legs, 'operator')
  const earners = legs.filter(({ role }) => role === 'operator' || role === 'author')
  return [...new Set(earners.map(({ party }) => party))].map((payee) => {
    const own = earners.filter(({ party }) => party === payee)
    const operated = sumRole(own, 'operator')
    return {
      payee,
      operatorNanos: operated,
      authorNanos: sumRole(own, 'author'),
      feesNanos: nanos(operated > 0n ? mulDown(sumRole(legs, 'house'), operated, ofOperators) : 0n),
      vesting: own.flatMap(({ amountNanos, vestsAt }) =>
        vestsAt === undefined ? [] : [{ until: vestsAt, amountNanos }],
      ),
    }
  })
}
