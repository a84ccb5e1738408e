// What can go wrong in a simulated world. Each seed enables a random subset (swarm testing): a fault that is always there hides the bugs that
// need its absence.
import type { Random } from './random.ts'

/** Shares of the occasions at which each happens. */
export interface Faults {
  /** a request to a guard never arrives; the caller gets an error */
  readonly requestLost: number
  /** the guard has done it, the caller gets an error */
  readonly replyLost: number
  /** the guard has done it, the caller hears nothing for a long time */
  readonly noReply: number
  /** a request arrives a second time, later */
  readonly duplicate: number
  /** a request or its reply takes up to a minute */
  readonly late: number
  readonly bookFailsBefore: number
  readonly bookFailsAfter: number
  readonly bookLate: number
  /** per call of a guard: it is moved right after it has done it */
  readonly evicted: number
  /** a statement in the middle of a guard's transaction fails */
  readonly statementFails: number
  /** a gateway dies in the middle of its calls */
  readonly gatewayDies: number
  readonly alarmLost: number
  readonly alarmLate: number
  readonly alarmTwice: number
  /** a guard's clock jumps, also backwards */
  readonly clockJumps: number
  /** a book is replaced by an empty one */
  readonly bookLost: number
  /** of attempts */
  readonly nodeFails: number
  readonly clientLeaves: number
}

const NAMES: readonly (keyof Faults)[] = [
  'requestLost',
  'replyLost',
  'noReply',
  'duplicate',
  'late',
  'bookFailsBefore',
  'bookFailsAfter',
  'bookLate',
  'evicted',
  'statementFails',
  'gatewayDies',
  'alarmLost',
  'alarmLate',
  'alarmTwice',
  'clockJumps',
  'bookLost',
  'nodeFails',
  'clientLeaves',
]

const all = (share: () => number): Faults =>
  Object.fromEntries(NAMES.map((name) => [name, share()])) as unknown as Faults // NAMES has every name

export const NO_FAULTS: Faults = all(() => 0)

/** About half of them, each often or rarely. */
export function drawFaults(random: Random): Faults {
  return all(() => (random.chance(0.5) ? random.pick([0.02, 0.08, 0.25]) : 0))
}

export const faultsToText = (faults: Faults): string =>
  NAMES.filter((name) => faults[name] > 0)
    .map((name) => `${name}=${faults[name]}`)
    .join(' ')
