// The one row that says whose guard this is, what it has, and how far its journal and its projection stand.
import {
  fromSqlInteger,
  nanos,
  toSqlInteger,
  type AccountId,
  type Instant,
  type Nanos,
} from '../../../protocol/units.ts'
import { GENESIS_HASH } from '../../../protocol/journal.ts'
import { AccountIdText, InstantNumber } from '../../../protocol/fields.ts'
import { z } from 'zod'
import type { AbortCount } from '../calls/aborts.ts'
import type { BalanceAlert } from '../events/account-events.ts'
import type { Balance, DataPolicy } from '../account-port.ts'
import type { Frozen } from '../transfer-port.ts'
import type { GuardSql, SqlRow } from './guard-storage.ts'

export interface AccountState {
  readonly id: AccountId
  /** open holds included */
  readonly balanceNanos: Nanos
  readonly heldNanos: Nanos
  readonly seq: number
  readonly lastHash: string
  /** index of its book: BOOK_0, BOOK_1, … */
  readonly book: number
  readonly frozen: Frozen | null
  /** fees that calls on this operator's nodes brought the house */
  readonly feesNanos: Nanos
  /** what the house paid it for audits */
  readonly auditsNanos: Nanos
  /** of the balance: what it earned (earned.ts) */
  readonly earnedNanos: Nanos
  readonly alert: BalanceAlert
  readonly aborts: AbortCount
  readonly policy: DataPolicy
  /** of its limits, and of its threshold: each counts up with every change */
  readonly versions: { readonly limits: number; readonly alert: number }
}

/** What a line changes. */
type Head = Pick<AccountState, 'balanceNanos' | 'heldNanos' | 'earnedNanos' | 'seq' | 'lastHash'>

export interface Projection {
  readonly accountId: AccountId
  readonly book: number
  /** the book has at least the lines up to here */
  readonly seq: number
  readonly tries: number
  readonly nextAt: Instant | null
}

interface Row extends SqlRow {
  id: AccountId
  balance_nanos: number
  held_nanos: number
  seq: number
  last_hash: string
  projected_seq: number
  project_at: Instant | null
  project_tries: number
  book: number
  frozen: string | null
  fees_nanos: number
  audits_nanos: number
  earned_nanos: number
  alert_nanos: number
  low_since: Instant | null
  recent_calls: number
  recent_aborts: number
  aborts_at: Instant
  paced_at: Instant
  denies_collection: number
  audits_allowed: number
  policy_version: number
  limits_version: number
  alert_version: number
}

export type AccountStore = ReturnType<typeof createAccountStore>

const OPEN = `INSERT INTO account (one, id, balance_nanos, held_nanos, seq, last_hash, projected_seq, project_tries, book)
  VALUES (1, ?, 0, 0, 0, ?, 0, 0, ?)`

export function createAccountStore(sql: GuardSql) {
  const row = (): Row | null => sql.exec<Row>('SELECT * FROM account').toArray()[0] ?? null
  return {
    open(id: AccountId, book: number): void {
      sql.exec(OPEN, id, GENESIS_HASH, book)
    },

    /** Null for a guard that was never opened: it refuses everything. */
    read(): AccountState | null {
      const found = row()
      return found && stateOf(found)
    },

    setHeld(heldNanos: Nanos): void {
      sql.exec('UPDATE account SET held_nanos = ?', toSqlInteger(heldNanos))
    },

    /** After a line; the projection is due at `projectAt` unless it is already due earlier. */
    setHead(head: Head, projectAt: Instant): void {
      sql.exec(
        `UPDATE account SET balance_nanos = ?, held_nanos = ?, earned_nanos = ?, seq = ?, last_hash = ?,
           project_at = coalesce(project_at, ?)`,
        toSqlInteger(head.balanceNanos),
        toSqlInteger(head.heldNanos),
        toSqlInteger(head.earnedNanos),
        head.seq,
        head.lastHash,
        projectAt,
      )
    },

    setFrozen(frozen: Frozen | null): void {
      sql.exec('UPDATE account SET frozen = ?', frozen && JSON.stringify(frozen))
    },

    addFees(amount: Nanos): void {
      sql.exec('UPDATE account SET fees_nanos = fees_nanos + ?', toSqlInteger(amount))
    },

    addAudits(amount: Nanos): void {
      sql.exec('UPDATE account SET audits_nanos = audits_nanos + ?', toSqlInteger(amount))
    },

    setAlert({ thresholdNanos, lowSince }: BalanceAlert): void {
      sql.exec('UPDATE account SET alert_nanos = ?, low_since = ?', toSqlInteger(thresholdNanos), lowSince)
    },

    /** Somebody changed the limits, or the threshold. */
    countUp(what: keyof AccountState['versions']): void {
      sql.exec(`UPDATE account SET ${what}_version = ${what}_version + 1`)
    },

    setAborts({ calls, aborts, at, passedAt }: AbortCount): void {
      const counts = [calls, aborts, at, passedAt]
      sql.exec('UPDATE account SET recent_calls = ?, recent_aborts = ?, aborts_at = ?, paced_at = ?', ...counts)
    },

    setPolicy({ dataCollection, auditsAllowed, version }: DataPolicy): void {
      const said = [dataCollection === 'deny' ? 1 : 0, auditsAllowed ? 1 : 0, version]
      sql.exec('UPDATE account SET denies_collection = ?, audits_allowed = ?, policy_version = ?', ...said)
    },

    projection(): Projection | null {
      const found = row()
      if (!found) return null
      const { id, book, projected_seq, project_tries, project_at } = found
      return { accountId: id, book, seq: projected_seq, tries: project_tries, nextAt: project_at }
    },

    /** The book stands at `seq`. What was written meanwhile is due at once. @param from nothing when it stood elsewhere by now: it was set back */
    setProjected(seq: number, now: Instant, from?: number): void {
      sql.exec(
        `UPDATE account SET projected_seq = ?, project_tries = 0, project_at = CASE WHEN seq > ? THEN ? END
         WHERE projected_seq = coalesce(?, projected_seq)`,
        seq,
        seq,
        now,
        from ?? null,
      )
    },

    setProjectionFailed(tries: number, nextAt: Instant): void {
      sql.exec('UPDATE account SET project_tries = ?, project_at = ?', tries, nextAt)
    },
  }
}

/** Money taken back may eat into what has not vested: what can be spent is then nothing, never less. */
export function balanceOf({ balanceNanos, heldNanos }: Sums, vestingNanos: Nanos): Balance {
  const free = balanceNanos - heldNanos - vestingNanos
  return { availableNanos: nanos(free > 0n ? free : 0n), heldNanos, vestingNanos }
}
type Sums = Pick<AccountState, 'balanceNanos' | 'heldNanos'>

const FrozenJson = z.object({
  cause: z.enum(['admin', 'chargeback', 'verification']),
  reason: z.string(),
  by: AccountIdText.nullable(),
  at: InstantNumber,
})

const stateOf = ({ id, balance_nanos, held_nanos, seq, last_hash, book, ...row }: Row): AccountState => ({
  id,
  balanceNanos: nanos(fromSqlInteger(balance_nanos)),
  heldNanos: nanos(fromSqlInteger(held_nanos)),
  seq,
  lastHash: last_hash,
  book,
  frozen: row.frozen === null ? null : FrozenJson.parse(JSON.parse(row.frozen)),
  feesNanos: nanos(fromSqlInteger(row.fees_nanos)),
  auditsNanos: nanos(fromSqlInteger(row.audits_nanos)),
  earnedNanos: nanos(fromSqlInteger(row.earned_nanos)),
  alert: { thresholdNanos: nanos(fromSqlInteger(row.alert_nanos)), lowSince: row.low_since },
  aborts: { calls: row.recent_calls, aborts: row.recent_aborts, at: row.aborts_at, passedAt: row.paced_at },
  policy: {
    dataCollection: row.denies_collection === 1 ? 'deny' : 'allow',
    auditsAllowed: row.audits_allowed === 1,
    version: row.policy_version,
  },
  versions: { limits: row.limits_version, alert: row.alert_version },
})
