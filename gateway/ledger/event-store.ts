// What an account's owner wants to be told, in the guard's SQLite: written with the change it tells of, kept until the registry has it.
import { z } from 'zod'
import type { Instant } from '../../protocol/units.ts'
import type { GuardSql, SqlRow } from './guard-storage.ts'

export type EventKind = 'balance.low' | 'budget.reached' | 'refund.created' | 'account.frozen' | 'account.unfrozen'

export interface AccountEvent {
  /** unique for ever: the same event is told once */
  readonly id: string
  readonly kind: EventKind
  readonly at: Instant
  /** amounts in decimal dollars, ids as text */
  readonly data: Readonly<Record<string, string | number | null>>
}

interface Row extends SqlRow {
  n: number
  id: string
  kind: string
  at: Instant
  data: string
  tries: number
}

const Kind = z.enum(['balance.low', 'budget.reached', 'refund.created', 'account.frozen', 'account.unfrozen'])
const Data = z.record(z.string(), z.union([z.string(), z.number(), z.null()]))

export type EventStore = ReturnType<typeof createEventStore>

export function createEventStore(sql: GuardSql) {
  return {
    /** An event of the same id is told already. */
    add({ id, kind, at, data }: AccountEvent): void {
      sql.exec(
        'INSERT INTO events (id, kind, at, data, next_at) VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING',
        id,
        kind,
        at,
        JSON.stringify(data),
        at,
      )
    },

    due(now: Instant, rows: number): { n: number; tries: number; event: AccountEvent }[] {
      return sql
        .exec<Row>('SELECT * FROM events WHERE next_at <= ? ORDER BY n LIMIT ?', now, rows)
        .toArray()
        .map(({ n, tries, id, kind, at, data }) => ({
          n,
          tries,
          event: { id, kind: Kind.parse(kind), at, data: Data.parse(JSON.parse(data)) },
        }))
    },

    done(n: number): void {
      sql.exec('DELETE FROM events WHERE n = ?', n)
    },

    failed(n: number, tries: number, nextAt: Instant): void {
      sql.exec('UPDATE events SET tries = ?, next_at = ? WHERE n = ?', tries, nextAt, n)
    },

    nextAt(): Instant | null {
      return sql.exec<{ at: Instant | null }>('SELECT min(next_at) AS at FROM events').one().at
    },
  }
}
