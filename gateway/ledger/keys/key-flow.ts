// API keys of an account: made, listed, revoked, shown. The key itself is minted elsewhere; here only the hash of its secret is known.
import type { AccountLimitsView, KeyView, LimitsView } from '../../../protocol/auth.ts'
import { toUsd, type Instant, type KeyId } from '../../../protocol/units.ts'
import { assert } from '../../core/errors.ts'
import { LIMITS } from '../../core/limits.ts'
import type { AccountPort, Reply } from '../account-port.ts'
import { checkKey, refused, type KeyState } from '../calls/admit.ts'
import { currentSpending, periodEnd } from '../limits/budget-period.ts'
import { oldUntil, rerolled } from './key-secret.ts'
import type { CreateKey, Limits, Reroll } from '../limits/limit-port.ts'
import { newUse } from '../limits/limit-store.ts'
import { periodOf, withLimits, type Use } from '../limits/limit-use.ts'
import { balanceAt, type Stores } from '../guard/stores.ts'

export function createKey(stores: Stores, key: CreateKey, now: Instant): Reply<{ readonly key: KeyView }> {
  if (!stores.account.read()) return refused('not_found', 'There is no such account.')
  const earlier = stores.keys.find(key.id)
  if (earlier) return earlier.secretHash === key.secretHash ? shown(stores, key.id, now) : refused('conflict')
  if (stores.keys.countActive(now) >= LIMITS.keysPerAccount)
    return refused('conflict', `An account has at most ${LIMITS.keysPerAccount} active keys; revoke one first.`)
  stores.keys.insert(key, now)
  stores.limits.save(key.id, newUse(limitsOf(key), now))
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
    data: page.map(({ key }) => keyView(key, useOf(stores, key.id), now)),
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
): Awaited<ReturnType<AccountPort['inspectKey']>> {
  const account = stores.account.read()
  const key = stores.keys.find(keyId)
  const stranger = checkKey(key, secretHash, now)
  if (!account || !key || stranger) return stranger ?? refused('invalid_api_key')
  return {
    ok: true,
    key: keyView(key, useOf(stores, keyId), now),
    account: accountLimits(stores, now),
    balance: balanceAt(stores, account, now),
    deniesCollection: account.policy.dataCollection === 'deny',
  }
}

export function showKey(stores: Stores, keyId: KeyId, now: Instant): Reply<{ readonly key: KeyView }> {
  return shown(stores, keyId, now)
}

/** A new secret; what the key spent, holds and may do stays. Again with the same secret: the same answer. */
export function rerollKey(stores: Stores, reroll: Reroll, now: Instant): Reply<{ readonly key: KeyView }> {
  const key = stores.keys.find(reroll.keyId)
  if (!key) return refused('not_found', 'There is no such key.')
  if (key.revokedAt !== null) return refused('conflict', 'A revoked key stays revoked.')
  if (key.expiresAt !== null && key.expiresAt <= now) return refused('conflict', 'An expired key stays expired.')
  if (key.secretHash !== reroll.secretHash) {
    if (reroll.of !== undefined && reroll.of !== key.hint) return refused('changed_meanwhile')
    stores.keys.setSecrets(key.id, rerolled(key, reroll, now), reroll.hint)
  }
  return shown(stores, reroll.keyId, now)
}

export function revokeAllKeys(stores: Stores, now: Instant): { readonly revoked: number } {
  return { revoked: stores.keys.revokeAll(now) }
}

/** @param version of the limits that these replace; null: whatever they are */
export function setLimits(
  stores: Stores,
  limits: Limits,
  version: number | null,
  now: Instant,
): Reply<{ readonly limits: AccountLimitsView }> {
  const account = stores.account.read()
  if (!account) return refused('not_found', 'There is no such account.')
  if (version !== null && version !== account.versions.limits) return refused('changed_meanwhile')
  stores.limits.save('account', withLimits(stores.limits.account(), limits, now))
  stores.account.countUp('limits')
  return { ok: true, limits: accountLimits(stores, now) }
}

export const accountLimits = (stores: Stores, now: Instant): AccountLimitsView => ({
  ...limitsView(stores.limits.account(), now),
  version: stores.account.read()?.versions.limits ?? 0,
})

/** As the wire shows it: amounts in dollars, the budget as it stands in its current period. */
export function keyView(key: KeyState, use: Use, now: Instant): KeyView {
  const { id, name, hint, scopes, models, nodes } = key
  return {
    id,
    name,
    hint,
    scopes: [...scopes],
    models: models && [...models],
    nodes: nodes && [...nodes],
    ...limitsView(use, now),
    createdAt: new Date(key.createdAt).toISOString(),
    expiresAt: isoOrNull(key.expiresAt),
    revokedAt: isoOrNull(key.revokedAt),
    oldKeyUntil: isoOrNull(oldUntil(key, now)),
  }
}

function limitsView(use: Use, now: Instant): LimitsView {
  const { limit, rpm, tpm, concurrency, ratesShadow } = use
  return {
    limit: limit && {
      usd: toUsd(limit.nanos),
      period: limit.period,
      shadow: limit.shadow,
      spent: toUsd(currentSpending(periodOf(use), use, now).spentNanos),
      held: toUsd(use.heldNanos),
      resetsAt: isoOrNull(periodEnd(limit.period, now)),
    },
    rateLimit: { rpm, tpm, concurrency, shadow: ratesShadow },
    held: toUsd(use.heldNanos),
    openCalls: use.openHolds,
    shadowRefused: use.shadowRefused,
    shadowRefusedAt: isoOrNull(use.shadowRefusedAt),
  }
}

const limitsOf = ({ limit, rpm, tpm, concurrency, ratesShadow }: Limits): Limits => ({
  limit,
  rpm,
  tpm,
  concurrency,
  ratesShadow,
})

function useOf(stores: Stores, keyId: KeyId): Use {
  const use = stores.limits.find(keyId)
  assert(use, 'a key has its limits')
  return use
}

function shown(stores: Stores, keyId: KeyId, now: Instant): Reply<{ readonly key: KeyView }> {
  const key = stores.keys.find(keyId)
  return key
    ? { ok: true, key: keyView(key, useOf(stores, keyId), now) }
    : refused('not_found', 'There is no such key.')
}

const isoOrNull = (at: Instant | null): string | null => (at === null ? null : new Date(at).toISOString())
