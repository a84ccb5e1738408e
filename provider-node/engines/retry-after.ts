// When a refused caller may try again: a rule, from the queue and from how long calls have lately taken.

/** Seconds that a caller is told at least and at most: sooner is the same moment, and later other nodes are the better advice. */
const BOUNDS = { least: 1, most: 60 }
/** weight of the newest call in the average */
const NEWEST = 0.1

export interface Load {
  /** calls accepted that wait */
  readonly waiting: number
  readonly concurrencyMax: number
  /** what one call takes once it has begun, lately; null while unknown */
  readonly callSeconds: number | null
}

/** Whole seconds until all who wait now have begun. @example retryAfterSeconds({ waiting: 16, concurrencyMax: 8, callSeconds: 2.5 }) // 5 */
export function retryAfterSeconds({ waiting, concurrencyMax, callSeconds }: Load): number {
  const seconds = Math.ceil((waiting * (callSeconds ?? 0)) / concurrencyMax)
  return Math.min(BOUNDS.most, Math.max(BOUNDS.least, seconds))
}

/** The average, with one more call. */
export const averaged = (average: number | null, seconds: number): number =>
  average === null ? seconds : average + (seconds - average) * NEWEST
