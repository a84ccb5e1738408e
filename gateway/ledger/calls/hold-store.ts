// Holds in the guard's SQLite, open and ended: an ended one stays, so that a repeated capture finds its answer.
import {
  fromSqlInteger,
  nanos,
  toSqlInteger,
  type CallId,
  type Instant,
  type KeyId,
  type ModelId,
} from '../../../protocol/units.ts'
import type { CallOutcome } from '../../../protocol/journal.ts'
import type { CallDetail, HoldRequest, LateReceipt, Progress } from '../account-port.ts'
import type { EndedCall, Hold, HoldEnd } from './hold.ts'
import {
  detailFromText,
  detailToText,
  lateReceiptFromText,
  lateReceiptToText,
  progressFromText,
  progressToText,
} from '../guard/stored.ts'
import type { GuardSql, SqlRow } from '../guard/guard-storage.ts'

export interface EndedHold {
  readonly startedAt: Instant
  readonly firstTokenAt: Instant | null
  readonly endedAt: Instant
  readonly chargeNanos: HoldEnd['chargeNanos']
  /** null: purged */
  readonly detail: CallDetail | null
}

interface Row extends SqlRow {
  call_id: CallId
  key_id: KeyId
  model_id: ModelId
  amount_nanos: number
  deadline: Instant
  started_at: Instant
  progress: string | null
  receipt: string | null
  idempotency_id: string | null
  state: 'open' | HoldEnd['state']
  outcome: CallOutcome | null
  charge_nanos: number | null
  seq: number | null
}

interface EndedRow extends SqlRow {
  call_started_at: Instant
  first_token_at: Instant | null
  call_ended_at: Instant
  charge_nanos: number
  detail: string | null
}

const COLUMNS = `call_id, key_id, model_id, amount_nanos, deadline, started_at, progress, receipt, idempotency_id,
  state, outcome, charge_nanos, seq`

export type HoldStore = ReturnType<typeof createHoldStore>

export function createHoldStore(sql: GuardSql) {
  return {
    insert({ callId, keyId, modelId, amountNanos, deadline, idempotency }: HoldRequest, now: Instant): void {
      sql.exec(
        `INSERT INTO holds (call_id, key_id, model_id, amount_nanos, deadline, started_at, idempotency_id)
         VALUES (?, ?, ?, ?, ?, ?, ?)`,
        callId,
        keyId,
        modelId,
        toSqlInteger(amountNanos),
        deadline,
        now,
        idempotency?.id ?? null,
      )
    },

    find(callId: CallId): Hold | null {
      const [row] = sql.exec<Row>(`SELECT ${COLUMNS} FROM holds WHERE call_id = ?`, callId)
      return row ? holdOf(row) : null
    },

    /** Oldest first. */
    overdue(now: Instant, rows: number): CallId[] {
      const query = `SELECT call_id FROM holds WHERE state = 'open' AND deadline <= ? ORDER BY deadline LIMIT ?`
      return sql
        .exec<{ call_id: CallId }>(query, now, rows)
        .toArray()
        .map(({ call_id }) => call_id)
    },

    saveProgress(progress: Progress): void {
      sql.exec('UPDATE holds SET progress = ? WHERE call_id = ?', progressToText(progress), progress.callId)
    },

    saveReceipt(receipt: LateReceipt): void {
      sql.exec('UPDATE holds SET receipt = ? WHERE call_id = ?', lateReceiptToText(receipt), receipt.callId)
    },

    /** Completes what is known of an ended call: nothing of it is hashed. */
    saveDetail(callId: CallId, detail: CallDetail): void {
      sql.exec(`UPDATE holds SET detail = ? WHERE call_id = ? AND state <> 'open'`, detailToText(detail), callId)
    },

    end(call: EndedCall, { state, outcome, chargeNanos, seq }: HoldEnd): void {
      sql.exec(
        `UPDATE holds SET state = ?, outcome = ?, charge_nanos = ?, seq = ?, call_started_at = ?, first_token_at = ?,
           call_ended_at = ?, detail = ?, progress = NULL, receipt = NULL WHERE call_id = ?`,
        state,
        outcome,
        toSqlInteger(chargeNanos),
        seq,
        call.startedAt,
        call.firstTokenAt,
        call.endedAt,
        detailToText(call.detail),
        call.callId,
      )
    },

    /** Clears the detail of calls that ended by `before`, oldest first. @returns how many */
    purge(before: Instant, rows: number): number {
      const old = `SELECT call_id FROM holds WHERE state <> 'open' AND detail IS NOT NULL AND call_ended_at <= ?
        ORDER BY call_ended_at LIMIT ?`
      const purged = sql.exec<{ call_id: string }>(
        `UPDATE holds SET detail = NULL WHERE call_id IN (${old}) RETURNING call_id`,
        before,
        rows,
      )
      return purged.toArray().length
    },

    /** The part of an ended call that is not in its line. */
    ended(callId: string): EndedHold | null {
      const [row] = sql.exec<EndedRow>(
        `SELECT call_started_at, first_token_at, call_ended_at, charge_nanos, detail FROM holds
         WHERE call_id = ? AND state <> 'open'`,
        callId,
      )
      return row ? endedOf(row) : null
    },
  }
}

function holdOf(row: Row): Hold {
  const { state, outcome, charge_nanos, seq } = row
  const isEnded = state !== 'open' && outcome !== null && charge_nanos !== null && seq !== null
  return {
    callId: row.call_id,
    keyId: row.key_id,
    modelId: row.model_id,
    amountNanos: nanos(fromSqlInteger(row.amount_nanos)),
    deadline: row.deadline,
    startedAt: row.started_at,
    progress: row.progress === null ? null : progressFromText(row.progress),
    receipt: row.receipt === null ? null : lateReceiptFromText(row.receipt),
    idempotencyId: row.idempotency_id,
    end: isEnded ? { state, outcome, chargeNanos: nanos(fromSqlInteger(charge_nanos)), seq } : null,
  }
}

const endedOf = (row: EndedRow): EndedHold => ({
  startedAt: row.call_started_at,
  firstTokenAt: row.first_token_at,
  endedAt: row.call_ended_at,
  chargeNanos: nanos(fromSqlInteger(row.charge_nanos)),
  detail: row.detail === null ? null : detailFromText(row.detail),
})
