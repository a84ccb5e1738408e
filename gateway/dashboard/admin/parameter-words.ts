// The house's parameters in words, and their values with units.
import type { ParameterName } from '../../../protocol/parameters.ts'
import { quantity } from '../ui/quantity.ts'

export const WORDS: Readonly<Record<ParameterName, { readonly title: string; readonly meaning: string }>> = {
  feeBps: { title: 'House fee', meaning: 'The house’s share of every charge.' },
  auditBps: { title: 'Audit budget', meaning: 'What audits may cost, of what callers pay.' },
  probationShareBps: {
    title: 'Share of traffic on probation',
    meaning: 'What a node on probation weighs in the choice, of what it would weigh without.',
  },
  probationCalls: { title: 'Calls on probation', meaning: 'Calls served well until probation ends.' },
  probationVestingBps: {
    title: 'Vesting on probation',
    meaning: 'Of what a node on probation earns, the part that vests later.',
  },
  disputeDays: { title: 'Time to dispute', meaning: 'For how long after a call it may be disputed.' },
}

const COUNT = new Intl.NumberFormat('en')
const HOUR_MS = 3_600_000

/** @example withUnit(500, 'bps') // '5 % (500 basis points)' */
export const withUnit = (value: number, unit: string): string =>
  unit === 'bps' ? `${value / 100} % (${COUNT.format(value)} basis points)` : quantity(value, unit)

export const lockWords = (lockMs: number): string =>
  lockMs === 0 ? 'holds at once' : `waits ${COUNT.format(lockMs / HOUR_MS)} hours before it holds`
