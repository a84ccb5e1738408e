// One guard's storage, as the ledger sees it: SQLite, a transaction, an alarm. It outlives every instance of the guard; an instance that was
// moved away can touch it no more, as on the platform.
import type { GuardStorage, SqlCell, SqlResult, SqlRow } from '../../gateway/ledger/guard/guard-storage.ts'
import { migrateGuard } from '../../gateway/ledger/guard/guard-schema.ts'
import { Shelf } from './shelf.ts'
import type { Sqlite } from './sqlite.ts'
import { Planned, type Life } from './world.ts'

const SHELF = new Shelf((sqlite) => {
  const disk = new GuardDisk(() => undefined, sqlite)
  migrateGuard(disk.storageOf({ alive: true }))
})

export class GuardDisk {
  /** in the guard's own time; null: none is set */
  alarmAt: number | null = null
  /** the n-th statement from here fails, unless a transaction ends before; null: none does */
  failAtStatement: number | null = null

  constructor(
    private readonly onAlarmSet: () => void,
    readonly sqlite: Sqlite = SHELF.take(),
  ) {}

  close(): void {
    SHELF.giveBack(this.sqlite)
  }

  /** The storage of one instance: an error for who is dead. */
  storageOf(instance: Life): GuardStorage {
    const living = () => {
      if (!instance.alive) throw new Planned('this instance was moved away')
    }
    return {
      sql: {
        exec: <T extends SqlRow>(query: string, ...bindings: SqlCell[]): SqlResult<T> => {
          living()
          this.#failPerhaps()
          if (bindings.length === 0 && /;\s*\S/.test(query)) {
            this.sqlite.script(query)
            return resultOf([])
          }
          return resultOf(this.sqlite.all(query, ...bindings) as T[]) // the caller says what its query gives
        },
      },
      transactionSync: (work) => {
        living()
        try {
          return this.sqlite.transaction(work)
        } finally {
          this.failAtStatement = null
        }
      },
      setAlarm: (at) => {
        if (instance.alive) {
          this.alarmAt = at
          this.onAlarmSet()
        }
        return Promise.resolve()
      },
    }
  }

  #failPerhaps(): void {
    if (this.failAtStatement === null) return
    if (this.failAtStatement-- > 0) return
    this.failAtStatement = null
    throw new Planned('a statement failed')
  }
}

const resultOf = <T extends SqlRow>(rows: T[]): SqlResult<T> => ({
  toArray: () => rows,
  one: () => {
    const [row] = rows
    if (!row || rows.length > 1) throw new Error(`${rows.length} rows instead of one`)
    return row
  },
  [Symbol.iterator]: () => rows[Symbol.iterator](),
})
