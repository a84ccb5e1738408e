// The one admission decision of a call: who asks, what the key may do, how often, and with what money. All or nothing: a refusal changes
// nothing, not even a rate limit. Identity comes first, so that nobody learns of limits with a key that is not theirs.
import type { BudgetPeriod, Scope } from '../../protocol/auth.ts'
import { nanos, toUsd, type Instant, type Nanos } from '../../protocol/units.ts'
import type { Balance, CreateKey, HoldRequest, Refused, Reply } from './account-port.ts'
import { currentSpending, type Spending } from './budget-period.ts'
import { refill, take, type Level } from './token-bucket.ts'

/** What is left of the rates at {@link at}; meaningless without the key's limit. */
export interface Levels {
  readonly calls: Level
  readonly tokens: Level
  readonly at: Instant
}

export interface KeyState extends CreateKey, Spending {
  readonly createdAt: Instant
  readonly revokedAt: Instant | null
  /** open holds of this key */
  readonly heldNanos: Nanos
  readonly openHolds: number
  readonly levels: Levels
}

const INFERENCE: Scope = 'inference'
/** ms after which a caller over its concurrency may ask again: calls end when they end */
const CONCURRENCY_RETRY_MS = 1_000

/** On success: the levels after this call. */
export function admit(
  key: KeyState | null,
  request: HoldRequest,
  balance: Balance,
  now: Instant,
): Reply<{ readonly levels: Levels }> {
  const stranger = checkKey(key, request.secretHash, now)
  if (key === null || stranger) return stranger ?? refused('invalid_api_key')
  if (!key.scopes.includes(INFERENCE)) return refused('scope_missing')
  if (key.models && !key.models.includes(request.modelId)) return refused('model_not_allowed')
  const rated = takeRates(key, request, now)
  if (!rated.ok) return rated
  return checkMoney(key, request.amountNanos, balance, now) ?? rated
}

/** Whether this secret is this key's and the key still stands. Null when it does. */
export function checkKey(key: KeyState | null, secretHash: string, now: Instant): Refused | null {
  if (!key || !equalHashes(key.secretHash, secretHash)) return refused('invalid_api_key')
  if (key.revokedAt !== null) return refused('api_key_revoked')
  if (key.expiresAt !== null && key.expiresAt <= now) return refused('api_key_expired')
  return null
}

/** The period that a key's spending is counted by. */
export const periodOf = (key: Pick<CreateKey, 'limit'>): BudgetPeriod => key.limit?.period ?? 'total'

function takeRates(key: KeyState, request: HoldRequest, now: Instant): Reply<{ readonly levels: Levels }> {
  if (key.concurrency !== null && key.openHolds >= key.concurrency)
    return {
      ...refused('concurrency_limited', `This key may make ${key.concurrency} at the same time.`),
      retryAfterMs: CONCURRENCY_RETRY_MS,
    }
  const elapsedMs = now - key.levels.at
  const calls = takeRate(key.levels.calls, key.rpm, 1n, elapsedMs, 'calls')
  if (!calls.ok) return calls
  const tokens = takeRate(key.levels.tokens, key.tpm, request.tokensMax, elapsedMs, 'tokens')
  if (!tokens.ok) return tokens
  return { ok: true, levels: { calls: calls.level, tokens: tokens.level, at: now } }
}

function takeRate(
  level: Level,
  perMinute: number | null,
  amount: bigint,
  elapsedMs: number,
  unit: string,
): Reply<{ readonly level: Level }> {
  if (perMinute === null) return { ok: true, level }
  const taken = take(refill(level, perMinute, elapsedMs), perMinute, amount)
  if (taken.ok) return taken
  if (taken.retryAfterMs === null)
    return refused('rate_limited', `This call alone can use ${amount} ${unit}; the key may use ${perMinute} a minute.`)
  return {
    ...refused('rate_limited', `This key may use ${perMinute} ${unit} a minute.`),
    retryAfterMs: taken.retryAfterMs,
  }
}

function checkMoney(key: KeyState, amount: Nanos, balance: Balance, now: Instant): Refused | null {
  if (key.limit) {
    const { spentNanos } = currentSpending(periodOf(key), key, now)
    const left = nanos(key.limit.nanos - spentNanos - key.heldNanos)
    if (amount > left) return refused('key_budget_exceeded', costs(amount, left, 'of its budget are left'))
  }
  if (amount > balance.availableNanos)
    return refused('insufficient_funds', costs(amount, balance.availableNanos, 'are available'))
  return null
}

const costs = (most: Nanos, left: Nanos, where: string) =>
  `The most this call can cost is $${toUsd(most)}; $${toUsd(left)} ${where}.`

/** Takes the same time wherever two hex digests differ. */
function equalHashes(a: string, b: string): boolean {
  if (a.length !== b.length) return false
  let difference = 0
  for (let i = 0; i < a.length; i++) difference |= a.charCodeAt(i) ^ b.charCodeAt(i)
  return difference === 0
}

export const refused = (code: Refused['code'], detail?: string): Refused => ({
  ok: false,
  code,
  ...(detail === undefined ? {} : { detail }),
})
