// Databases that are used again: making their tables takes a quarter of a story's time. One that comes back is emptied, and what stood in it when
// its tables were made is put back, so that every story finds it as new.
import { Sqlite, type Row } from './sqlite.ts'

export class Shelf {
  readonly #free: Sqlite[] = []
  #tables: readonly { readonly name: string; readonly rows: readonly Row[] }[] | null = null

  /** @param make the tables of a new one */
  constructor(private readonly make: (sqlite: Sqlite) => void) {}

  take(): Sqlite {
    const sqlite = this.#free.pop() ?? this.#new()
    sqlite.writes = 0
    return sqlite
  }

  giveBack(sqlite: Sqlite): void {
    sqlite.transaction(() => {
      for (const { name } of this.#tables ?? []) sqlite.all(`DELETE FROM "${name}"`)
      for (const { name, rows } of this.#tables ?? [])
        for (const row of rows) {
          const columns = Object.keys(row)
          const places = columns.map(() => '?').join(', ')
          sqlite.all(`INSERT INTO "${name}" (${columns.join(', ')}) VALUES (${places})`, ...Object.values(row))
        }
    })
    this.#free.push(sqlite)
  }

  #new(): Sqlite {
    const sqlite = new Sqlite()
    this.make(sqlite)
    this.#tables ??= sqlite.all("SELECT name FROM sqlite_schema WHERE type = 'table'").map(({ name }) => ({
      name: String(name),
      rows: sqlite.all(`SELECT * FROM "${String(name)}"`),
    }))
    return sqlite
  }
}
