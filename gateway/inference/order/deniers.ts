// Accounts that this isolate has just heard from their guards to want nobody who keeps what they send: their next calls are made ready that way at once. It
// may only be stricter than the guard, which decides; who has changed their mind is asked for less within a minute.
import type { AccountId, Instant } from '../../../protocol/units.ts'

/** ms that it is remembered */
export const DENIER_MS = 60_000
const ACCOUNTS_MAX = 10_000

export interface Deniers {
  has(accountId: AccountId, now: Instant): boolean
  note(accountId: AccountId, now: Instant): void
}

export function createDeniers(): Deniers {
  const until = new Map<AccountId, number>()
  return {
    has: (accountId, now) => (until.get(accountId) ?? 0) > now,
    note(accountId, now) {
      // The oldest leaves when there are too many: it costs its next call a second question.
      until.delete(accountId)
      until.set(accountId, now + DENIER_MS)
      if (until.size <= ACCOUNTS_MAX) return
      for (const oldest of until.keys()) {
        until.delete(oldest)
        return
      }
    },
  }
}
