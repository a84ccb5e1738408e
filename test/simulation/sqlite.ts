// SQLite for the simulator and for checkers: one connection, statements prepared once. What a guard's own storage and D1 do with it stands in
// guard-disk.ts and book-disk.ts; rows come as plain objects of SQL's own types.
import Database from 'libsql'

export type Cell = string | number | null | ArrayBuffer
export type Row = Record<string, Cell>

export class Sqlite {
  readonly #database: Database.Database
  readonly #prepared = new Map<
    string,
    { readonly statement: Database.Statement; readonly reads: boolean; readonly writes: boolean }
  >()
  #inTransaction = false

  /** @param path default: in memory */
  constructor(path = ':memory:', options: { readonly readonly?: boolean } = {}) {
    this.#database = new Database(path, options)
  }

  /** Counts every statement that may have changed something. */
  writes = 0

  get inTransaction(): boolean {
    return this.#inTransaction
  }

  all(query: string, ...bindings: readonly Cell[]): Row[] {
    const { statement, reads, writes } = this.#prepare(query)
    if (writes) this.writes += 1
    // A list, since the driver takes a single null for an object; `all` and never `get`, which adds the time it took to the row.
    const values = bindings.map(toDriver)
    if (reads) return statement.all(values) as Row[] // the driver's rows are objects of cells
    statement.run(values)
    return []
  }

  /** Several statements at once. */
  script(statements: string): void {
    this.writes += 1
    this.#database.exec(statements)
  }

  transaction<T>(work: () => T): T {
    if (this.#inTransaction) throw new Error('transactions do not nest here')
    this.#database.exec('BEGIN IMMEDIATE')
    this.#inTransaction = true
    try {
      const result = work()
      this.#database.exec('COMMIT')
      return result
    } catch (error) {
      this.#database.exec('ROLLBACK')
      throw error
    } finally {
      this.#inTransaction = false
    }
  }

  close(): void {
    this.#prepared.clear()
    this.#database.close()
  }

  #prepare(query: string) {
    const known = this.#prepared.get(query)
    if (known) return known
    const statement = this.#database.prepare(query)
    const prepared = { statement, reads: statement.reader, writes: !/^\s*(select|with|explain)\b/i.test(query) }
    this.#prepared.set(query, prepared)
    return prepared
  }
}

const toDriver = (cell: Cell): unknown => (cell instanceof ArrayBuffer ? Buffer.from(cell) : cell)
