// How long a probation lasts, what part of a new node's earnings waits, and until when: a rule. A node in probation has shown little yet; whoever means to take money for
// bad answers and vanish would have to wait a week for half of it, and money that has not vested can be taken back.
import type { NodeState } from '../../../protocol/node.ts'
import { PARAMETER_DEFAULTS } from '../../core/limits.ts'
import { instant, type AccountId, type Instant } from '../../../protocol/units.ts'

const DAY_MS = 86_400_000

export const PROBATION = {
  /** served attempts that end it, where the house has not set another number */
  attempts: PARAMETER_DEFAULTS.probationCalls,
  /** basis points of the operator's share that wait, where the house has not set another share */
  vestingShareBps: PARAMETER_DEFAULTS.probationVestingBps,
  /** ms: as long as complaints and audits of a call usually take to come in */
  vestingMs: 7 * DAY_MS,
} as const

export interface Vests {
  readonly shareBps: number
  readonly at: Instant
}

/**
 * Null: all is paid at once. The time is rounded up to the next UTC midnight, so that a week's earnings are at most eight parts.
 * Whose own account pays owes the wait to nobody.
 */
export function vestingOf(
  node: NodeState,
  operator: AccountId,
  payer: AccountId,
  now: Instant,
  shareBps: number = PROBATION.vestingShareBps,
): Vests | null {
  return node !== 'probation' || operator === payer || shareBps === 0 ? null : vestsFrom(now, shareBps)
}

/** What a probation keeps back of what is earned now. */
export const vestsFrom = (now: Instant, shareBps: number = PROBATION.vestingShareBps): Vests => ({
  shareBps,
  at: instant(Math.ceil((now + PROBATION.vestingMs) / DAY_MS) * DAY_MS),
})
