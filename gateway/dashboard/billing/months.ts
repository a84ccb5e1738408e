// Days summed to months of UTC, newest first. Money is summed in nanos. Pure.
import { fromUsd, nanos, toUsd } from '../../../protocol/units.ts'

interface Day {
  /** ISO 8601, the start of a day in UTC */
  readonly at: string
  readonly calls: number
  readonly charge: string
}

export interface Month {
  /** YYYY-MM */
  readonly month: string
  readonly calls: number
  /** dollars */
  readonly charge: string
  /** of the dearest month, 0…1: only for a bar */
  readonly share: number
}

export function monthsOf(days: readonly Day[]): Month[] {
  const sums = new Map<string, { calls: number; chargeNanos: bigint }>()
  for (const { at, calls, charge } of days) {
    const month = at.slice(0, 'YYYY-MM'.length)
    const before = sums.get(month) ?? { calls: 0, chargeNanos: 0n }
    sums.set(month, { calls: before.calls + calls, chargeNanos: before.chargeNanos + fromUsd(charge) })
  }
  const dearest = [...sums.values()].reduce((most, { chargeNanos }) => (chargeNanos > most ? chargeNanos : most), 0n)
  return [...sums]
    .sort(([a], [b]) => (a < b ? 1 : -1))
    .map(([month, { calls, chargeNanos }]) => ({
      ...{ month, calls, charge: toUsd(nanos(chargeNanos)) },
      share: dearest === 0n ? 0 : Number((chargeNanos * 1_000n) / dearest) / 1_000,
    }))
}

/** The first of the month so many months ago, and tomorrow: whole days of UTC. */
export function rangeOfMonths(now: number, months: number): { readonly from: string; readonly to: string } {
  const today = new Date(now)
  const [year, month] = [today.getUTCFullYear(), today.getUTCMonth()]
  return {
    from: new Date(Date.UTC(year, month - (months - 1), 1)).toISOString(),
    to: new Date(Date.UTC(year, month, today.getUTCDate() + 1)).toISOString(),
  }
}

/** @example monthName('2026-11') // 'November 2026' */
export const monthName = (month: string): string =>
  new Intl.DateTimeFormat('en', { month: 'long', year: 'numeric', timeZone: 'UTC' }).format(
    new Date(`${month}-01T00:00:00Z`),
  )
