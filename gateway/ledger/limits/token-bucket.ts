// Rates per minute as token buckets: a full minute's worth may go at once, then it refills evenly. Exact in integers: a level counts
// 60_000ths, so that one millisecond adds exactly `perMinute` of them.

/** 60_000ths of a call or a token. At most 1e9 × 60_000, a safe integer. */
export type Level = number

const GRAIN = 60_000

export const fullLevel = (perMinute: number): Level => perMinute * GRAIN

/** @param elapsedMs since the level was right; a clock that went back adds nothing */
export function refill(level: Level, perMinute: number, elapsedMs: number): Level {
  const counted = Math.min(Math.max(elapsedMs, 0), GRAIN)
  return Math.min(fullLevel(perMinute), level + perMinute * counted)
}

export type Taken =
  | { readonly ok: true; readonly level: Level }
  /** null: never, since it is more than a whole minute's worth */
  | { readonly ok: false; readonly retryAfterMs: number | null }

/** @example take(fullLevel(60), 60, 61n) // { ok: false, retryAfterMs: null } */
export function take(level: Level, perMinute: number, amount: bigint): Taken {
  if (amount > BigInt(perMinute)) return { ok: false, retryAfterMs: null }
  const wanted = Number(amount) * GRAIN
  if (wanted <= level) return { ok: true, level: level - wanted }
  return { ok: false, retryAfterMs: Math.ceil((wanted - level) / perMinute) }
}
