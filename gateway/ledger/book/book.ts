// The book: guards' journals, projected into D1 so that anybody may ask what happened. `append` is exactly-once however often it is
// repeated: lines are keyed, rollups count only lines above the account's cursor, and all of it is one batch. It is also where a queue
// and more databases go when one D1 (10 GB) is not enough. Rows travel as JSON: D1 takes 100 parameters, and no bigint.
import type { ChainedLine, JournalLine } from '../../../protocol/journal.ts'
import { toSqlInteger, type AccountId } from '../../../protocol/units.ts'
import { bookAt } from '../../core/book-index.ts'
import type { RecordedCall } from '../account-port.ts'
import { bucketsOf } from '../metering/latency.ts'
import { addTotals } from '../metering/totals-book.ts'
import { sumRole } from '../calls/split.ts'
import { detailToText } from '../guard/stored.ts'

export interface BookLine extends ChainedLine {
  readonly line: JournalLine
  /** of a call's line, and of a receipt's: the call as its guard has it now */
  readonly call: RecordedCall | null
}

export interface Book {
  /** Lines in order, without gaps. @throws when the book misses lines before them, and for everything D1 throws */
  append(accountId: AccountId, lines: readonly BookLine[]): Promise<void>
  /** seq of the last line the book has; 0 without any */
  cursor(accountId: AccountId): Promise<number>
}

const HOUR_MS = 3_600_000

/** One per database; an account's guard knows the index of its own. */
export type Books = (index: number) => Book

/** @throws Error for an account whose database this deployment does not have */
export function createBooks(databases: readonly D1Database[]): Books {
  const books = databases.map(createBook)
  return (index) => bookAt(books, index)
}

export function createBook(d1: D1Database): Book {
  return {
    async append(accountId, lines) {
      const first = lines[0]
      const last = lines.at(-1)
      if (!first || !last) return
      const rollups = JSON.stringify(lines.flatMap(rollupRows))
      await d1.batch([
        d1.prepare(REFUSE_GAP).bind(accountId, first.seq),
        d1.prepare(INSERT_LINES).bind(JSON.stringify(lines.map(lineRow))),
        d1.prepare(INSERT_LEGS).bind(JSON.stringify(lines.flatMap(legRows))),
        d1.prepare(INSERT_CALLS).bind(JSON.stringify(lines.flatMap(callRows))),
        d1.prepare(SET_DETAILS).bind(JSON.stringify(lines.flatMap(detailRows)), accountId),
        d1.prepare(ADD_ROLLUPS).bind(rollups, accountId),
        ...(rollups === '[]' ? [] : addTotals(d1, accountId, rollups, JSON.stringify(lines.flatMap(timeRows)))),
        d1.prepare(MOVE_CURSOR).bind(accountId, last.seq, last.line.at),
      ])
    },

    async cursor(accountId) {
      const row = await d1
        .prepare('SELECT seq FROM cursors WHERE account_id = ?')
        .bind(accountId)
        .first<{ seq: number }>()
      return row?.seq ?? 0
    },
  }
}

/** SQL cannot raise by itself here, so a gap is parsed as JSON, which it is not: the batch fails as a whole. */
const REFUSE_GAP = `
  SELECT CASE WHEN coalesce((SELECT seq FROM cursors WHERE account_id = ?1), 0) + 1 < ?2
    THEN json('lines are missing before these') END`

const INSERT_LINES = `
  INSERT INTO lines (account_id, seq, transfer_id, kind, delta_nanos, prev_hash, hash, body, at)
  SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7, value ->> 8
  FROM json_each(?1) WHERE true
  ON CONFLICT (account_id, seq) DO NOTHING`

const INSERT_LEGS = `
  INSERT INTO legs (account_id, seq, leg, transfer_id, party, role, amount_nanos, at)
  SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7
  FROM json_each(?1) WHERE true
  ON CONFLICT (account_id, seq, leg) DO NOTHING`

const INSERT_CALLS = `
  INSERT INTO calls (id, account_id, key_id, model_id, node_id, outcome, error_code, input_tokens, output_tokens, hold_nanos,
    charge_nanos, started_at, first_token_at, ended_at, price_version, detail, tensor_bytes)
  SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7, value ->> 8,
    value ->> 9, value ->> 10, value ->> 11, value ->> 12, value ->> 13, value ->> 14, value ->> 15, value ->> 16
  FROM json_each(?1) WHERE true
  ON CONFLICT (id) DO NOTHING`

/** A late receipt completes the detail of an earlier line's call. */
const SET_DETAILS = `
  UPDATE calls SET detail = late.value ->> 1 FROM json_each(?1) AS late WHERE calls.id = late.value ->> 0 AND calls.account_id = ?2`

const ADD_ROLLUPS = `
  INSERT INTO rollups_hour (hour, account_id, key_id, model_id, node_id, calls, errors, input_tokens, output_tokens, charge_nanos,
    operator_nanos, author_nanos, house_nanos, tensor_bytes)
  SELECT value ->> 1, ?2, value ->> 2, value ->> 3, value ->> 4, sum(value ->> 5), sum(value ->> 6), sum(value ->> 7),
    sum(value ->> 8), sum(value ->> 9), sum(value ->> 10), sum(value ->> 11), sum(value ->> 12), sum(value ->> 13)
  FROM json_each(?1)
  WHERE value ->> 0 > coalesce((SELECT seq FROM cursors WHERE account_id = ?2), 0)
  GROUP BY 1, 3, 4, 5
  ON CONFLICT (hour, account_id, key_id, model_id, node_id) DO UPDATE SET
    calls = calls + excluded.calls,
    errors = errors + excluded.errors,
    input_tokens = input_tokens + excluded.input_tokens,
    output_tokens = output_tokens + excluded.output_tokens,
    charge_nanos = charge_nanos + excluded.charge_nanos,
    operator_nanos = operator_nanos + excluded.operator_nanos,
    author_nanos = author_nanos + excluded.author_nanos,
    house_nanos = house_nanos + excluded.house_nanos,
    tensor_bytes = tensor_bytes + excluded.tensor_bytes`

const MOVE_CURSOR = `
  INSERT INTO cursors (account_id, seq, at) VALUES (?1, ?2, ?3)
  ON CONFLICT (account_id) DO UPDATE SET
    seq = max(seq, excluded.seq),
    at = CASE WHEN excluded.seq > seq THEN excluded.at ELSE at END`

type Cell = string | number | null

const lineRow = ({ line, seq, prevHash, hash, body }: BookLine): Cell[] => [
  line.account,
  seq,
  line.transferId,
  line.kind,
  toSqlInteger(line.deltaNanos),
  prevHash,
  hash,
  body,
  line.at,
]

const legRows = ({ line, seq }: BookLine): Cell[][] =>
  line.legs.map(({ party, role, amountNanos }, leg) => [
    line.account,
    seq,
    leg,
    line.transferId,
    party,
    role,
    toSqlInteger(amountNanos),
    line.at,
  ])

function callRows({ line, call }: BookLine): Cell[][] {
  if (!call || line.kind !== 'call') return []
  return [
    [
      call.callId,
      line.account,
      call.keyId,
      call.modelId,
      call.nodeId,
      call.outcome,
      call.errorCode,
      toSqlInteger(call.inputTokens),
      toSqlInteger(call.outputTokens),
      toSqlInteger(call.holdNanos),
      toSqlInteger(call.chargeNanos),
      call.startedAt,
      call.firstTokenAt,
      call.endedAt,
      call.priceVersion,
      detailToText(call.detail),
      toSqlInteger(call.tensorBytes ?? 0n),
    ],
  ]
}

const detailRows = ({ line, call }: BookLine): Cell[][] =>
  call && line.kind === 'receipt' ? [[call.callId, detailToText(call.detail)]] : []

/**
 * The hour is the ledger's own (the line's), so that a closed hour never changes by a gateway's late clock. Calls and units are counted once, for
 * the node that ended the call; what others earned by their parts of it is theirs.
 */
function rollupRows({ line, seq, call }: BookLine): Cell[][] {
  if (!call || line.kind !== 'call') return []
  const { legs } = line
  const others = [...new Set(legs.flatMap(({ node }) => (node === undefined || node === call.nodeId ? [] : [node])))]
  const hour = hourOf(line.at)
  return [
    [
      seq,
      hour,
      call.keyId,
      call.modelId,
      call.nodeId ?? '',
      1,
      call.outcome === 'failed' || call.outcome === 'expired' ? 1 : 0,
      toSqlInteger(call.inputTokens),
      toSqlInteger(call.outputTokens),
      toSqlInteger(call.chargeNanos),
      toSqlInteger(
        sumRole(
          legs.filter(({ node }) => node === undefined || node === call.nodeId),
          'operator',
        ),
      ),
      toSqlInteger(sumRole(legs, 'author')),
      toSqlInteger(sumRole(legs, 'house')),
      toSqlInteger(call.tensorBytes ?? 0n),
    ],
    ...others.map((node) => {
      const earned = sumRole(
        legs.filter((leg) => leg.node === node),
        'operator',
      )
      return [seq, hour, call.keyId, call.modelId, node, 0, 0, 0, 0, 0, toSqlInteger(earned), 0, 0, 0]
    }),
  ]
}

const timeRows = ({ line, seq, call }: BookLine): Cell[][] =>
  call && line.kind === 'call'
    ? bucketsOf(call).map((bucket) => [seq, hourOf(line.at), call.modelId, call.nodeId ?? '', bucket])
    : []

const hourOf = (at: number): number => Math.floor(at / HOUR_MS) * HOUR_MS
