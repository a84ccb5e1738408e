// Which secrets a key has (rule): the newest one, and after a reroll for a while those before it. Only digests are known here.
import { instant, type Instant } from '../../../protocol/units.ts'
import type { Reroll } from '../limits/limit-port.ts'

export interface OldSecret {
  /** sha256 hex */
  readonly hash: string
  /** good before, not at, this time */
  readonly until: Instant
}

export interface Secrets {
  readonly secretHash: string
  /** newest first */
  readonly oldSecrets: readonly OldSecret[]
}

/** Secrets before the newest that may be good at once: one per reroll within a grace, so that a repeated reroll breaks nobody */
const OLD_SECRETS_MAX = 4

export function isItsSecret({ secretHash, oldSecrets }: Secrets, hash: string, now: Instant): boolean {
  if (equalHashes(secretHash, hash)) return true
  return oldSecrets.some((old) => now < old.until && equalHashes(old.hash, hash))
}

/**
 * Without a grace every secret before is dead at once: the key leaked. With one, the secret until now is good for the grace, and older ones
 * as long as they were promised to be, never longer.
 */
export function rerolled(key: Secrets, { secretHash, graceMs }: Reroll, now: Instant): Secrets {
  if (graceMs <= 0) return { secretHash, oldSecrets: [] }
  const older = key.oldSecrets.filter(({ until }) => now < until)
  return {
    secretHash,
    oldSecrets: [{ hash: key.secretHash, until: instant(now + graceMs) }, ...older].slice(0, OLD_SECRETS_MAX),
  }
}

/** Until when a secret before the newest is good; null when none is. */
export function oldUntil({ oldSecrets }: Secrets, now: Instant): Instant | null {
  const live = oldSecrets.map(({ until }) => until).filter((until) => now < until)
  return live.reduce<Instant | null>((latest, until) => (latest === null || until > latest ? until : latest), null)
}

/** Takes the same time wherever two hex digests differ. */
function equalHashes(a: string, b: string): boolean {
  if (a.length !== b.length) return false
  let difference = 0
  for (let i = 0; i < a.length; i++) difference |= a.charCodeAt(i) ^ b.charCodeAt(i)
  return difference === 0
}
