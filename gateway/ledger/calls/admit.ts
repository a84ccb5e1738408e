// Admission of a call: whether this key may spend this much here and now. One decision, made by the guard. All or nothing: a refusal changes
// nothing, not even a rate limit. Identity comes first, so that nobody learns of limits with a key that is not theirs; then the key's own
// limits, then the account's, then the money; before them whether the account is slowed (aborts.ts). A limit that is a shadow only counts what
// it would have refused.
import type { Scope } from '../../../protocol/auth.ts'
import { nanos, toUsd, type Instant } from '../../../protocol/units.ts'
import { pace, type AbortCount } from './aborts.ts'
import type { Balance, HoldRequest, Refused, Reply } from '../account-port.ts'
import { isItsSecret, type Secrets } from '../keys/key-secret.ts'
import type { CreateKey, Headroom, Limits } from '../limits/limit-port.ts'
import { headroomOf, takeLimits, type Use } from '../limits/limit-use.ts'
import type { Frozen } from '../transfer-port.ts'

export interface KeyState extends Omit<CreateKey, keyof Limits>, Secrets {
  readonly createdAt: Instant
  readonly revokedAt: Instant | null
}

/** All that a hold is judged by, as the guard has it now. */
export interface Standing {
  readonly key: KeyState | null
  readonly keyUse: Use | null
  readonly accountUse: Use
  readonly balance: Balance
  readonly frozen: Frozen | null
  readonly aborts: AbortCount
  /** the account wants nobody who keeps what it sends */
  readonly deniesCollection: boolean
}

/** What a granted hold leaves of the limits. */
export interface Admitted {
  readonly keyUse: Use
  readonly accountUse: Use
  readonly headroom: Headroom
  readonly aborts: AbortCount
}

const INFERENCE: Scope = 'inference'

export function admit(standing: Standing, request: HoldRequest, now: Instant): Reply<Admitted> {
  const { key, keyUse, accountUse, balance, frozen } = standing
  const stranger = checkKey(key, request.secretHash, now)
  if (stranger || !key || !keyUse) return stranger ?? refused('invalid_api_key')
  const barred = checkAllowed(standing, key, request) ?? checkFrozen(frozen)
  if (barred) return barred
  const paced = pace(standing.aborts, now)
  if (!paced.ok) return paced
  const ofKey = takeLimits('key', keyUse, request, now)
  if (!ofKey.ok) return ofKey
  const ofAccount = takeLimits('account', accountUse, request, now)
  if (!ofAccount.ok) return ofAccount
  const poor = checkBalance(request, balance)
  if (poor) return poor
  const headroom = headroomOf(ofKey.use, ofAccount.use)
  return { ok: true, keyUse: ofKey.use, accountUse: ofAccount.use, headroom, aborts: paced.count }
}

/** Whether this secret is this key's and the key still stands. Null when it does. */
export function checkKey(key: KeyState | null, secretHash: string, now: Instant): Refused | null {
  if (!key || !isItsSecret(key, secretHash, now)) return refused('invalid_api_key')
  if (key.revokedAt !== null) return refused('api_key_revoked')
  if (key.expiresAt !== null && key.expiresAt <= now) return refused('api_key_expired')
  return null
}

export function checkFrozen(frozen: Frozen | null): Refused | null {
  return frozen ? refused('account_frozen', frozen.reason) : null
}

function checkAllowed({ deniesCollection }: Standing, key: KeyState, request: HoldRequest): Refused | null {
  if (!key.scopes.includes(INFERENCE)) return refused('scope_missing')
  const wanted = [request.modelId, ...(request.fallbackModelIds ?? [])]
  if (key.models && !wanted.every((modelId) => key.models?.includes(modelId))) return refused('model_not_allowed')
  const { nodes } = key
  const isForeign = nodes !== null && request.nodeIds.some((id) => !nodes.includes(id))
  if (!isForeign && !(deniesCollection && request.collectsData !== false)) return null
  // Both at once, so that the call made ready anew is held at the second try.
  return { ...refused('node_not_allowed'), ...(nodes && { nodes }), ...(deniesCollection && { deniesCollection }) }
}

function checkBalance({ amountNanos }: HoldRequest, { availableNanos, heldNanos }: Balance): Refused | null {
  if (amountNanos <= availableNanos) return null
  const detail = `The most this call can cost is $${toUsd(amountNanos)}; $${toUsd(availableNanos)} are available.`
  const limit = {
    name: 'balance',
    limit: toUsd(nanos(availableNanos + heldNanos)),
    remaining: toUsd(availableNanos),
    resetsAt: null,
  } as const
  return { ...refused('insufficient_funds', detail), limit }
}

export const refused = (code: Refused['code'], detail?: string): Refused => ({
  ok: false,
  code,
  ...(detail === undefined ? {} : { detail }),
})
