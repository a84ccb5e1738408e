// API keys of an account: made, listed, revoked, shown. The key itself is minted elsewhere; here only the hash of its secret is known.
import type { KeyView } from '../../protocol/auth.ts'
import { toUsd, type Instant, type KeyId } from '../../protocol/units.ts'
import { LIMITS } from '../core/limits.ts'
import type { Balance, CreateKey, Reply } from './account-port.ts'
import { balanceOf } from './account-store.ts'
import { checkKey, periodOf, refused, type KeyState } from './admit.ts'
import { currentSpending, periodEnd } from './budget-period.ts'
import type { Stores } from './stores.ts'

export function createKey(stores: Stores, key: CreateKey, now: Instant): Reply<{ readonly key: KeyView }> {
  if (!stores.account.read()) return refused('not_found', 'There is no such account.')
  const earlier = stores.keys.find(key.id)
  if (earlier)
    return earlier.secretHash === key.secretHash ? { ok: true, key: keyView(earlier, now) } : refused('conflict')
  if (stores.keys.countActive(now) >= LIMITS.keysPerAccount)
    return refused('conflict', `An account has at most ${LIMITS.keysPerAccount} active keys; revoke one first.`)
  stores.keys.insert(key, now)
  return shown(stores, key.id, now)
}

/** @param cursor what the page before gave; one that nobody gave finds nothing */
export function listKeys(
  stores: Stores,
  cursor: string | null,
  rows: number,
  now: Instant,
): { readonly data: KeyView[]; readonly nextCursor: string | null } {
  const before = cursor === null ? Number.MAX_SAFE_INTEGER : /^\d{1,15}$/.test(cursor) ? Number(cursor) : 0
  const size = Math.min(Math.max(rows, 1), LIMITS.pageRows)
  const found = stores.keys.page(before, size + 1)
  const page = found.slice(0, size)
  const last = page.at(-1)
  return {
    data: page.map(({ key }) => keyView(key, now)),
    nextCursor: found.length > size && last ? String(last.n) : null,
  }
}

export function revokeKey(stores: Stores, keyId: KeyId, now: Instant): Reply<{ readonly key: KeyView }> {
  stores.keys.revoke(keyId, now)
  return shown(stores, keyId, now)
}

export function inspectKey(
  stores: Stores,
  keyId: KeyId,
  secretHash: string,
  now: Instant,
): Reply<{ readonly key: KeyView; readonly balance: Balance }> {
  const account = stores.account.read()
  const key = stores.keys.find(keyId)
  const stranger = checkKey(key, secretHash, now)
  if (!account || !key || stranger) return stranger ?? refused('invalid_api_key')
  return { ok: true, key: keyView(key, now), balance: balanceOf(account) }
}

/** As the wire shows it: amounts in dollars, the budget as it stands in its current period. */
export function keyView(key: KeyState, now: Instant): KeyView {
  const { id, name, hint, scopes, models, rpm, tpm, concurrency } = key
  return {
    id,
    name,
    hint,
    scopes: [...scopes],
    models: models && [...models],
    limit: key.limit && {
      usd: toUsd(key.limit.nanos),
      period: key.limit.period,
      spent: toUsd(currentSpending(periodOf(key), key, now).spentNanos),
      held: toUsd(key.heldNanos),
      resetsAt: isoOrNull(periodEnd(key.limit.period, now)),
    },
    rateLimit: { rpm, tpm, concurrency },
    createdAt: new Date(key.createdAt).toISOString(),
    expiresAt: isoOrNull(key.expiresAt),
    revokedAt: isoOrNull(key.revokedAt),
  }
}

function shown(stores: Stores, keyId: KeyId, now: Instant): Reply<{ readonly key: KeyView }> {
  const key = stores.keys.find(keyId)
  return key ? { ok: true, key: keyView(key, now) } : refused('not_found', 'There is no such key.')
}

const isoOrNull = (at: Instant | null): string | null => (at === null ? null : new Date(at).toISOString())
