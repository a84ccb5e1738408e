// Limits and what counts against them, for a key or for the whole account: rates per minute, calls at a time, a budget per period. Taking
// from them is pure; the guard keeps what comes out only when the whole admission succeeds. A shadow lets everything pass and counts.
import type { BudgetPeriod } from '../../protocol/auth.ts'
import { instant, nanos, toUsd, type Instant, type Nanos } from '../../protocol/units.ts'
import type { HoldRequest, Refused, Reply } from './account-port.ts'
import { currentSpending, periodEnd, type Spending } from './budget-period.ts'
import type { Headroom, LimitName, Limits, Rate } from './limit-port.ts'
import { fullLevel, refill, take, type Level } from './token-bucket.ts'

/** What is left of the rates at {@link at}; meaningless without a limit. */
export interface Levels {
  readonly calls: Level
  readonly tokens: Level
  readonly at: Instant
}

export interface Use extends Limits, Spending {
  /** of open holds */
  readonly heldNanos: Nanos
  readonly openHolds: number
  readonly levels: Levels
  /** calls a shadow would have refused */
  readonly shadowRefused: number
  readonly shadowRefusedAt: Instant | null
}

type Subject = 'key' | 'account'
type Wanted = Pick<HoldRequest, 'amountNanos' | 'tokensMax'>

/** ms after which a caller over its concurrency may ask again: calls end when they end */
const CONCURRENCY_RETRY_MS = 1_000

/** The period that spending is counted by. */
export const periodOf = ({ limit }: Pick<Limits, 'limit'>): BudgetPeriod => limit?.period ?? 'total'

/** On success: the use after this call took its rates. Held money is added by whoever writes the hold. */
export function takeLimits(who: Subject, use: Use, wanted: Wanted, now: Instant): Reply<{ readonly use: Use }> {
  const rates = takeRates(who, use, wanted, now)
  const overRates = rates.refusal && !use.ratesShadow ? rates.refusal : null
  if (overRates) return overRates
  const overBudget = checkBudget(who, use, wanted.amountNanos, now)
  if (overBudget && !use.limit?.shadow) return overBudget
  const isShadowed = rates.refusal !== null || overBudget !== null
  const shadow = isShadowed ? { shadowRefused: use.shadowRefused + 1, shadowRefusedAt: now } : {}
  return { ok: true, use: { ...use, levels: rates.levels, ...shadow } }
}

/** After a change of limits: a rate that is new begins full, one that stays keeps its level. */
export function withLimits(use: Use, limits: Limits, now: Instant): Use {
  const level = (was: number | null, is: number | null, kept: Level) =>
    is === null ? 0 : was === null ? fullLevel(is) : Math.min(refill(kept, was, now - use.levels.at), fullLevel(is))
  return {
    ...use,
    ...limits,
    levels: {
      calls: level(use.rpm, limits.rpm, use.levels.calls),
      tokens: level(use.tpm, limits.tpm, use.levels.tokens),
      at: now,
    },
  }
}

/** What the tighter of both leaves. */
export function headroomOf(key: Use, account: Use): Headroom {
  return {
    requests: tighter(rateOf(key.rpm, key.levels.calls), rateOf(account.rpm, account.levels.calls)),
    tokens: tighter(rateOf(key.tpm, key.levels.tokens), rateOf(account.tpm, account.levels.tokens)),
  }
}

const GRAIN = fullLevel(1)

function rateOf(perMinute: number | null, level: Level): Rate | null {
  if (perMinute === null) return null
  const missing = fullLevel(perMinute) - level
  return { limit: perMinute, remaining: Math.floor(level / GRAIN), resetMs: Math.ceil(missing / perMinute) }
}

const tighter = (a: Rate | null, b: Rate | null): Rate | null =>
  a && b ? (a.remaining <= b.remaining ? a : b) : (a ?? b)

interface Rates {
  readonly levels: Levels
  readonly refusal: Refused | null
}

function takeRates(who: Subject, use: Use, wanted: Wanted, now: Instant): Rates {
  const elapsedMs = now - use.levels.at
  const calls = takeRate(who, 'requests', use.levels.calls, use.rpm, 1n, elapsedMs, now)
  const tokens = takeRate(who, 'tokens', use.levels.tokens, use.tpm, wanted.tokensMax, elapsedMs, now)
  return {
    levels: { calls: calls.level, tokens: tokens.level, at: now },
    refusal: checkConcurrency(who, use, now) ?? calls.refusal ?? tokens.refusal,
  }
}

function checkConcurrency(who: Subject, { concurrency, openHolds }: Use, now: Instant): Refused | null {
  if (concurrency === null || openHolds < concurrency) return null
  return {
    ok: false,
    code: 'concurrency_limited',
    detail: `${whose(who)} may make ${concurrency} at the same time.`,
    retryAfterMs: CONCURRENCY_RETRY_MS,
    limit: {
      name: `${who}_concurrency`,
      limit: String(concurrency),
      remaining: '0',
      resetsAt: instant(now + CONCURRENCY_RETRY_MS),
    },
  }
}

/** A refused take leaves nothing of the level for a shadow, and everything for whoever was really refused. */
function takeRate(
  who: Subject,
  unit: 'requests' | 'tokens',
  level: Level,
  perMinute: number | null,
  amount: bigint,
  elapsedMs: number,
  now: Instant,
): { readonly level: Level; readonly refusal: Refused | null } {
  if (perMinute === null) return { level, refusal: null }
  const refilled = refill(level, perMinute, elapsedMs)
  const taken = take(refilled, perMinute, amount)
  if (taken.ok) return { level: taken.level, refusal: null }
  const name: LimitName = `${who}_${unit}`
  const never = taken.retryAfterMs === null
  const detail = never
    ? `This call alone can use ${amount} ${unit}; ${whose(who).toLowerCase()} may use ${perMinute} a minute.`
    : `${whose(who)} may use ${perMinute} ${unit} a minute.`
  const resetsAt = taken.retryAfterMs === null ? null : instant(now + taken.retryAfterMs)
  const limit = { name, limit: String(perMinute), remaining: String(Math.floor(refilled / GRAIN)), resetsAt }
  const wait = taken.retryAfterMs === null ? {} : { retryAfterMs: taken.retryAfterMs }
  return { level: 0, refusal: { ok: false, code: 'rate_limited', detail, limit, ...wait } }
}

function checkBudget(who: Subject, use: Use, amount: Nanos, now: Instant): Refused | null {
  if (!use.limit) return null
  const { spentNanos } = currentSpending(periodOf(use), use, now)
  const left = nanos(use.limit.nanos - spentNanos - use.heldNanos)
  if (amount <= left) return null
  const resetsAt = periodEnd(use.limit.period, now)
  return {
    ok: false,
    code: who === 'key' ? 'key_budget_exceeded' : 'account_budget_exceeded',
    detail: `The most this call can cost is $${toUsd(amount)}; $${toUsd(left)} of its budget are left.`,
    limit: { name: `${who}_budget`, limit: toUsd(use.limit.nanos), remaining: toUsd(left), resetsAt },
  }
}

const whose = (who: Subject): string => (who === 'key' ? 'This key' : 'This account')
