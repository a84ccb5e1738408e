// Limits and their use in the guard's SQLite: a row per key, and the row 'account' for all keys together.
import { BudgetPeriod } from '../../../protocol/auth.ts'
import { fromSqlInteger, instant, nanos, toSqlInteger, type Instant, type KeyId } from '../../../protocol/units.ts'
import { NOTHING_SPENT } from './budget-period.ts'
import type { GuardSql, SqlCell, SqlRow } from '../guard/guard-storage.ts'
import type { Limits } from './limit-port.ts'
import type { Use } from './limit-use.ts'
import { fullLevel } from './token-bucket.ts'

export type LimitSubject = KeyId | 'account'

interface Pair {
  readonly key: Use | null
  readonly account: Use
}

interface Row extends SqlRow {
  subject: string
  limit_nanos: number | null
  limit_period: string | null
  limit_shadow: number
  rpm: number | null
  tpm: number | null
  concurrency: number | null
  rates_shadow: number
  spent_day_nanos: number
  spent_week_nanos: number
  spent_month_nanos: number
  spent_total_nanos: number
  spent_at: Instant
  held_nanos: number
  open_holds: number
  calls_level: number
  tokens_level: number
  levels_at: Instant
  shadow_refused: number
  shadow_refused_at: Instant | null
}

export type LimitStore = ReturnType<typeof createLimitStore>

export function createLimitStore(sql: GuardSql) {
  return {
    /** Null for a subject that has no row: there is no such key. */
    find(subject: LimitSubject): Use | null {
      const [row] = sql.exec<Row>('SELECT * FROM limits WHERE subject = ?', subject)
      return row ? useOf(row) : null
    },

    /** The account's own; an account without limits has unlimited ones. */
    account(): Use {
      return this.find('account') ?? newUse(NO_LIMITS, instant(0))
    },

    save(subject: LimitSubject, use: Use): void {
      sql.exec(saveRows(1), ...cellsOf(subject, use))
    },

    /** What counts for a call of this key, in one reading. `key` null: there is no such key. */
    pair(keyId: KeyId): Pair {
      const rows = sql.exec<Row>(`SELECT * FROM limits WHERE subject IN (?, 'account')`, keyId).toArray()
      const of = (subject: LimitSubject) => rows.filter((row) => row.subject === subject).map(useOf)[0] ?? null
      return { key: of(keyId), account: of('account') ?? newUse(NO_LIMITS, instant(0)) }
    },

    savePair(keyId: KeyId, { key, account }: Pair): void {
      if (key) sql.exec(saveRows(2), ...cellsOf(keyId, key), ...cellsOf('account', account))
      else this.save('account', account)
    },
  }
}

const saveRows = (rows: number): string =>
  `INSERT OR REPLACE INTO limits (subject, limit_nanos, limit_period, limit_shadow, rpm, tpm, concurrency, rates_shadow,
     spent_day_nanos, spent_week_nanos, spent_month_nanos, spent_total_nanos, spent_at, held_nanos, open_holds,
     calls_level, tokens_level, levels_at, shadow_refused, shadow_refused_at)
   VALUES ${Array.from({ length: rows }, () => `(${'?, '.repeat(19)}?)`).join(', ')}`

const cellsOf = (subject: LimitSubject, use: Use): SqlCell[] => [
  subject,
  use.limit && toSqlInteger(use.limit.nanos),
  use.limit && use.limit.period,
  Number(use.limit?.shadow ?? false),
  use.rpm,
  use.tpm,
  use.concurrency,
  Number(use.ratesShadow),
  toSqlInteger(use.spent.day),
  toSqlInteger(use.spent.week),
  toSqlInteger(use.spent.month),
  toSqlInteger(use.spent.total),
  use.spentAt,
  toSqlInteger(use.heldNanos),
  use.openHolds,
  use.levels.calls,
  use.levels.tokens,
  use.levels.at,
  use.shadowRefused,
  use.shadowRefusedAt,
]

export const NO_LIMITS: Limits = { limit: null, rpm: null, tpm: null, concurrency: null, ratesShadow: false }

/** Nothing spent, every rate full. */
export const newUse = (limits: Limits, now: Instant): Use => ({
  ...limits,
  ...NOTHING_SPENT,
  heldNanos: nanos(0n),
  openHolds: 0,
  levels: { calls: fullLevel(limits.rpm ?? 0), tokens: fullLevel(limits.tpm ?? 0), at: now },
  shadowRefused: 0,
  shadowRefusedAt: null,
})

const useOf = (row: Row): Use => ({
  limit:
    row.limit_nanos === null
      ? null
      : {
          nanos: nanos(fromSqlInteger(row.limit_nanos)),
          period: BudgetPeriod.parse(row.limit_period),
          shadow: row.limit_shadow === 1,
        },
  rpm: row.rpm,
  tpm: row.tpm,
  concurrency: row.concurrency,
  ratesShadow: row.rates_shadow === 1,
  spent: {
    day: nanos(fromSqlInteger(row.spent_day_nanos)),
    week: nanos(fromSqlInteger(row.spent_week_nanos)),
    month: nanos(fromSqlInteger(row.spent_month_nanos)),
    total: nanos(fromSqlInteger(row.spent_total_nanos)),
  },
  spentAt: row.spent_at,
  heldNanos: nanos(fromSqlInteger(row.held_nanos)),
  openHolds: row.open_holds,
  levels: { calls: row.calls_level, tokens: row.tokens_level, at: row.levels_at },
  shadowRefused: row.shadow_refused,
  shadowRefusedAt: row.shadow_refused_at,
})
