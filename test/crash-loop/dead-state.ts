// The state of a gateway that was killed, read from its files with nobody's help: a copy is opened with SQLite (which recovers its write-ahead
// log as the gateway itself would), every row is read with this file's own SQL, and no code of the project is asked what it means.
import { createHash } from 'node:crypto'
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'libsql'

export interface DeadLine {
  readonly seq: number
  readonly transferId: string
  readonly prevHash: string
  readonly hash: string
  readonly body: string
}

export interface DeadGuard {
  readonly id: string
  readonly balance: bigint
  readonly held: bigint
  readonly lines: readonly DeadLine[]
  readonly holds: readonly {
    callId: string
    state: string
    amount: bigint
    charge: bigint | null
    outcome: string | null
  }[]
  readonly creditsOut: readonly { payee: string; toSeq: number; sum: bigint }[]
  /** payer -> up to which of its lines this account was credited */
  readonly creditsIn: ReadonlyMap<string, number>
}

export interface DeadBook {
  readonly lines: readonly (DeadLine & { accountId: string; delta: bigint })[]
  readonly legs: readonly { accountId: string; seq: number; party: string; role: string; amount: bigint }[]
  readonly calls: readonly { id: string; accountId: string; charge: bigint; outcome: string }[]
  readonly rollups: readonly { accountId: string; calls: number; charge: bigint }[]
}

export interface DeadState {
  readonly guards: ReadonlyMap<string, DeadGuard>
  readonly book: DeadBook
}

type Row = Record<string, unknown>

/** @param alter for the checker's own test: changes the copy before it is read */
export function readDeadState(stateDir: string, alter?: (file: string, db: Database.Database) => void): DeadState {
  const copy = mkdtempSync(join(tmpdir(), 'souk-dead-'))
  try {
    cpSync(stateDir, copy, { recursive: true, filter: (path) => !path.endsWith('.log') })
    const guards = new Map<string, DeadGuard>()
    let book: DeadBook | null = null
    for (const file of sqliteFiles(copy)) {
      const db = new Database(file)
      try {
        const tables = new Set(rows(db, "SELECT name FROM sqlite_master WHERE type = 'table'").map(({ name }) => name))
        alter?.(file, db)
        if (tables.has('holds') && tables.has('account')) {
          const guard = readGuard(db)
          if (guard) guards.set(guard.id, guard)
        }
        if (tables.has('rollups_hour')) book = readBook(db)
      } finally {
        db.close()
      }
    }
    if (!book) throw new Error(`there is no book in ${stateDir}`)
    return { guards, book }
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
}

/** sha256 hex of two texts, one after the other. */
export const digest = (...texts: string[]): string => {
  const hash = createHash('sha256')
  for (const text of texts) hash.update(text, 'utf8')
  return hash.digest('hex')
}

function readGuard(db: Database.Database): DeadGuard | null {
  const [account] = rows(db, 'SELECT id, balance_nanos, held_nanos FROM account')
  if (!account) return null
  return {
    id: String(account.id),
    balance: integer(account.balance_nanos),
    held: integer(account.held_nanos),
    lines: rows(db, 'SELECT seq, transfer_id, prev_hash, hash, body FROM lines ORDER BY seq').map(lineOf),
    holds: rows(db, 'SELECT call_id, state, amount_nanos, charge_nanos, outcome FROM holds').map((row) => ({
      callId: String(row.call_id),
      state: String(row.state),
      amount: integer(row.amount_nanos),
      charge: row.charge_nanos === null ? null : integer(row.charge_nanos),
      outcome: row.outcome === null ? null : String(row.outcome),
    })),
    creditsOut: rows(db, 'SELECT payee, to_seq, sum_nanos FROM credits_out').map((row) => ({
      payee: String(row.payee),
      toSeq: Number(row.to_seq),
      sum: integer(row.sum_nanos),
    })),
    creditsIn: new Map(
      rows(db, 'SELECT payer, to_seq FROM credits_in').map((row) => [String(row.payer), Number(row.to_seq)]),
    ),
  }
}

function readBook(db: Database.Database): DeadBook {
  return {
    lines: rows(
      db,
      'SELECT account_id, seq, transfer_id, delta_nanos, prev_hash, hash, body FROM lines ORDER BY account_id, seq',
    ).map((row) => ({ ...lineOf(row), accountId: String(row.account_id), delta: integer(row.delta_nanos) })),
    legs: rows(db, 'SELECT account_id, seq, party, role, amount_nanos FROM legs').map((row) => ({
      accountId: String(row.account_id),
      seq: Number(row.seq),
      party: String(row.party),
      role: String(row.role),
      amount: integer(row.amount_nanos),
    })),
    calls: rows(db, 'SELECT id, account_id, charge_nanos, outcome FROM calls').map((row) => ({
      id: String(row.id),
      accountId: String(row.account_id),
      charge: integer(row.charge_nanos),
      outcome: String(row.outcome),
    })),
    rollups: rows(
      db,
      'SELECT account_id, sum(calls) AS calls, sum(charge_nanos) AS charge FROM rollups_hour GROUP BY account_id',
    ).map((row) => ({
      accountId: String(row.account_id),
      calls: Number(row.calls),
      charge: integer(row.charge),
    })),
  }
}

const lineOf = (row: Row): DeadLine => ({
  seq: Number(row.seq),
  transferId: String(row.transfer_id),
  prevHash: String(row.prev_hash),
  hash: String(row.hash),
  body: String(row.body),
})

const rows = (db: Database.Database, query: string): Row[] => db.prepare(query).all() as Row[] // whatever SQL gives, read field by field

function integer(value: unknown): bigint {
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw new Error(`no safe integer: ${String(value)}`)
  return BigInt(value)
}

function sqliteFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.sqlite'))
    .map((entry) => join(entry.parentPath, entry.name))
}
