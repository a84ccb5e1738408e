// Which trust of an offer is told (rule): as it stood when the day began, UTC. What the choice reads moves with each audit; whoever saw that would know when one was
// judged, and so which of its calls it was.
import type { Instant } from '../../../protocol/units.ts'

const DAY_MS = 86_400_000

/** What is kept of an offer's trust, in millionths; null: nothing is thought of it yet. */
export interface KeptTrust {
  readonly trustPpm: number | null
  /** as the day began in which it was last judged */
  readonly toldTrustPpm: number | null
  /** that day, in days since the Unix epoch; null: it never was */
  readonly toldDay: number | null
}

export const trustDay = (now: Instant): number => Math.floor(now / DAY_MS)

/** @example judged today from 0.9 to 0.7 // 0.9, and 0.7 from midnight on */
export const toldTrustPpm = ({ trustPpm, toldTrustPpm: told, toldDay }: KeptTrust, now: Instant): number | null =>
  toldDay === trustDay(now) ? told : trustPpm

/** An offer as its operator and the public may see it. */
export const asTold = <Told extends { readonly trust: number; readonly toldTrust: number }>(offer: Told): Told => ({
  ...offer,
  trust: offer.toldTrust,
})
