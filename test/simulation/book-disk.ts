// A D1 database over SQLite, with its own migrations: prepare, bind, batch (one transaction), first, all, run. Answers go through a network
// that may fail before or after the commit. Like D1 it refuses bigints and undefined.
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Shelf } from './shelf.ts'
import type { Cell, Row, Sqlite } from './sqlite.ts'

/** How a query reaches the database, and its answer comes back. */
export type Carry = <T>(label: string, work: () => T) => Promise<T>

const shelfOf = (folder: 'registry' | 'book') => {
  const migrations = migrationsOf(folder)
  return new Shelf((sqlite) => migrations.forEach((migration) => sqlite.script(migration)))
}
const SHELVES = { registry: shelfOf('registry'), book: shelfOf('book') }

export class BookDisk {
  readonly #shelf: Shelf
  readonly sqlite: Sqlite

  constructor(folder: keyof typeof SHELVES) {
    this.#shelf = SHELVES[folder]
    this.sqlite = this.#shelf.take()
  }

  close(): void {
    this.#shelf.giveBack(this.sqlite)
  }

  /** An empty one in its place, as after a loss without a copy. */
  wipe(): void {
    for (const { name } of this.sqlite.all("SELECT name FROM sqlite_schema WHERE type = 'table'"))
      this.sqlite.script(`DELETE FROM "${String(name)}"`)
  }

  over(carry: Carry): D1Database {
    const database = {
      prepare: (query: string) => statement(this.sqlite, carry, query, []),
      batch: (statements: readonly Statement[]) =>
        carry('batch', () => this.sqlite.transaction(() => statements.map((one) => ({ results: one.rows() })))),
    }
    return database as unknown as D1Database // the ledger uses these parts of it and no other
  }
}

type Statement = ReturnType<typeof statement>

function statement(sqlite: Sqlite, carry: Carry, query: string, bindings: readonly Cell[]) {
  const rows = (): Row[] => sqlite.all(query, ...bindings)
  return {
    rows,
    bind: (...values: readonly unknown[]) => statement(sqlite, carry, query, values.map(toCell)),
    first: () => carry('first', () => rows()[0] ?? null),
    all: () => carry('all', () => ({ results: rows() })),
    run: () => carry('run', () => ({ results: rows() })),
    raw: () => carry('raw', () => rows().map((row) => Object.values(row))),
  }
}

function toCell(value: unknown): Cell {
  if (value === null || typeof value === 'string' || typeof value === 'number' || value instanceof ArrayBuffer)
    return value
  if (typeof value === 'boolean') return Number(value)
  throw new TypeError(`D1 takes no ${typeof value}`)
}

/** Of one of the folders under migrations/, in order. */
function migrationsOf(folder: 'registry' | 'book'): string[] {
  const path = fileURLToPath(new URL(`../../migrations/${folder}/`, import.meta.url))
  return readdirSync(path)
    .filter((name) => name.endsWith('.sql'))
    .sort()
    .map((name) => readFileSync(`${path}${name}`, 'utf8'))
}
