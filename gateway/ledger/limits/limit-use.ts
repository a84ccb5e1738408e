// Limits and what counts against them, for a key or for the whole account: rates per minute, calls at a time, a budget per period. Taking
// from them is pure; the guard keeps what comes out only when the whole admission succeeds. A shadow lets everything pass and counts.
import type { BudgetPeriod } from '../../../protocol/auth.ts'
import { instant, nanos, toUsd, type Instant, type Nanos } from '../../../protocol/units.ts'
import type { HoldRequest, Refused, Reply } from '../account-port.ts'
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
  if (rates.refusal && !use.ratesShadow) return rates.refusal
  const overBudget = checkBudget(who, use, wanted.amountNanos, now)
  if (overBudget && !use.limit?.shadow) return overBudget
  if (!rates.refusal && !overBudget) return { ok: true, use: { ...use, levels: rates.taken } }
  // A call that would have been refused would have taken nothing: only so do the next ones find the shadow as they would find the limit.
  const levels = use.ratesShadow ? rates.refilled : rates.taken
  return { ok: true, use: { ...use, levels, shadowRefused: use.shadowRefused + 1, shadowRefusedAt: now } }
}

/** After a change of limits: a rate that is new begins full; of one that is changed, what was used of this minute stays used. */
export function withLimits(use: Use, limits: Limits, now: Instant): Use {
  const level = (was: number | null, is: number | null, kept: Level) => {
    if (is === null) return 0
    if (was === null) return fullLevel(is)
    const used = fullLevel(was) - refill(kept, was, now - use.levels.at)
    return Math.max(0, fullLevel(is) - used)
  }
  return {
    ...use,
    ...limits,
    levels: {
      calls: level(use.rpm, limits.rpm, use.levels.calls),
      tokens: level(use.tpm, limits.tpm, use.levels.tokens),
      at: now > use.levels.at ? now : use.levels.at,
    },
  }
}

/** What the tighter of both leaves. Of a shadow nothing is said: a client that slows down for it would change what it is there to measure. */
export function headroomOf(key: Use, account: Use): Headroom {
  const calls = (use: Use) => (use.ratesShadow ? null : rateOf(use.rpm, use.levels.calls))
  const tokens = (use: Use) => (use.ratesShadow ? null : rateOf(use.tpm, use.levels.tokens))
  return { requests: tighter(calls(key), calls(account)), tokens: tighter(tokens(key), tokens(account)) }
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
  /** as they stand now */
  readonly refilled: Levels
  /** after this call; meaningless when it is refused */
  readonly taken: Levels
  readonly refusal: Refused | null
}

function takeRates(who: Subject, use: Use, wanted: Wanted, now: Instant): Rates {
  const elapsedMs = now - use.levels.at
  // Levels are right at the latest time that was ever seen, so that a clock that went back does not refill the same minute twice.
  const at = elapsedMs > 0 ? now : use.levels.at
  const full = (level: Level, perMinute: number | null) =>
    perMinute === null ? level : refill(level, perMinute, elapsedMs)
  const refilled = { calls: full(use.levels.calls, use.rpm), tokens: full(use.levels.tokens, use.tpm), at }
  const calls = takeRate(who, 'requests', refilled.calls, use.rpm, 1n, now)
  const tokens = takeRate(who, 'tokens', refilled.tokens, use.tpm, wanted.tokensMax, now)
  return {
    refilled,
    taken: { calls: calls.level, tokens: tokens.level, at },
    refusal: checkConcurrency(who, use, now) ?? calls.refusal ?? tokens.refusal,
  }
}

function checkConcurrency(who: Subject, { concurrency, openHolds }: Use, now: Instant): Refused | null {
  if (concurrency === null || openHolds < concurrency) return null
  return {
    ok: false,
    code: 'concurrency_limited',
    detail: `${whose(who)} may make ${concurrency} ${concurrency === 1 ? 'call' : 'calls'} at the same time.`,
    retryAfterMs: CONCURRENCY_RETRY_MS,
    limit: {
      name: `${who}_concurrency`,
      limit: String(concurrency),
      remaining: '0',
      resetsAt: instant(now + CONCURRENCY_RETRY_MS),
    },
  }
}

/** @param level refilled */
function takeRate(
  who: Subject,
  unit: 'requests' | 'tokens',
  level: Level,
  perMinute: number | null,
  amount: bigint,
  now: Instant,
): { readonly level: Level; readonly refusal: Refused | null } {
  if (perMinute === null) return { level, refusal: null }
  const taken = take(level, perMinute, amount)
  if (taken.ok) return { level: taken.level, refusal: null }
  const name: LimitName = `${who}_${unit}`
  const never = taken.retryAfterMs === null
  const detail = never
    ? `This call alone can use ${amount} ${unit}; ${whose(who).toLowerCase()} may use ${perMinute} a minute.`
    : `${whose(who)} may use ${perMinute} ${unit} a minute.`
  const resetsAt = taken.retryAfterMs === null ? null : instant(now + taken.retryAfterMs)
  const limit = { name, limit: String(perMinute), remaining: String(Math.floor(level / GRAIN)), resetsAt }
  const wait = taken.retryAfterMs === null ? {} : { retryAfterMs: taken.retryAfterMs }
  return { level, refusal: { ok: false, code: 'rate_limited', detail, limit, ...wait } }
}

function checkBudget(who: Subject, use: Use, amount: Nanos, now: Instant): Refused | null {
  if (!use.limit) return null
  const { spentNanos } = currentSpending(periodOf(use), use, now)
  const left = nanos(use.limit.nanos - spentNanos - use.heldNanos)
  if (amount <= left) return null
  // What is more than the whole budget waits for no new period.
  const resetsAt = amount > use.limit.nanos ? null : periodEnd(use.limit.period, now)
  // A limit set below what is spent already leaves nothing, not less.
  const remaining = toUsd(left > 0n ? left : nanos(0n))
  return {
    ok: false,
    code: who === 'key' ? 'key_budget_exceeded' : 'account_budget_exceeded',
    detail: `The most this call can cost is $${toUsd(amount)}; $${remaining} of its budget are left.`,
    limit: { name: `${who}_budget`, limit: toUsd(use.limit.nanos), remaining, resetsAt },
    ...(resetsAt === null ? {} : { retryAfterMs: resetsAt - now }),
  }
}

const whose = (who: Subject): string => (who === 'key' ? 'This key' : 'This account')
