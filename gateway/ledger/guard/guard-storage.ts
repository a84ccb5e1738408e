// What a guard's ledger needs of its storage: SQLite, a transaction, an alarm. A Durable Object's storage is one of these; the simulator has
// another with the same SQL and a clock of its own, so that it runs this very ledger.

export type SqlCell = string | number | null | ArrayBuffer
export type SqlRow = Record<string, SqlCell>

export interface SqlResult<Row extends SqlRow> {
  toArray(): Row[]
  /** @throws unless there is exactly one */
  one(): Row
  [Symbol.iterator](): IterableIterator<Row>
}

export interface GuardSql {
  exec<Row extends SqlRow>(query: string, ...bindings: SqlCell[]): SqlResult<Row>
}

export interface GuardStorage {
  readonly sql: GuardSql
  /** All of `work` or, when it throws, nothing. */
  transactionSync<T>(work: () => T): T
  /** Replaces the alarm that was set before. @param at ms */
  setAlarm(at: number): Promise<void>
}
