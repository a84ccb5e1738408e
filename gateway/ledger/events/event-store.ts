// What an account's owner wants to be told, in the guard's SQLite: written with the change it tells of, kept until the registry has it.
import { instant, type Instant } from '../../../protocol/units.ts'
import { EventData, GuardEventKind } from '../../../protocol/webhook.ts'
import type { GuardSql, SqlRow } from '../guard/guard-storage.ts'
import { LEDGER } from '../limits/limits.ts'

export interface AccountEvent {
  /** unique for ever: the same event is told once */
  readonly id: string
  readonly kind: GuardEventKind
  readonly at: Instant
  /** amounts in decimal dollars, ids as text */
  readonly data: EventData
}

interface Row extends SqlRow {
  n: number
  id: string
  kind: string
  at: Instant
  data: string
  tries: number
}

export type EventStore = ReturnType<typeof createEventStore>

export function createEventStore(sql: GuardSql) {
  return {
    /** An event of the same id is told already. It leaves with the line it tells of, in one alarm. */
    add({ id, kind, at, data }: AccountEvent): void {
      sql.exec(
        'INSERT INTO events (id, kind, at, data, next_at) VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING',
        id,
        kind,
        at,
        JSON.stringify(data),
        instant(at + LEDGER.alarmMs),
      )
    },

    due(now: Instant, rows: number): { n: number; tries: number; event: AccountEvent }[] {
      return sql
        .exec<Row>('SELECT * FROM events WHERE next_at <= ? ORDER BY n LIMIT ?', now, rows)
        .toArray()
        .map(({ n, tries, id, kind, at, data }) => ({
          n,
          tries,
          event: { id, kind: GuardEventKind.parse(kind), at, data: EventData.parse(JSON.parse(data)) },
        }))
    },

    done(n: number): void {
      sql.exec('DELETE FROM events WHERE n = ?', n)
    },

    failed(n: number, tries: number, nextAt: Instant): void {
      sql.exec('UPDATE events SET tries = ?, next_at = ? WHERE n = ?', tries, nextAt, n)
    },
  }
}
