// What a node's guard remembers of its link beside the socket itself: whether the registry shows it, and since when it is away. One row, written when a
// link comes or goes and never by a frame.
import { instant, type Instant } from '../../../protocol/units.ts'

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS link (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    is_shown INTEGER NOT NULL, -- 0 | 1: the registry says that it is up
    lost_at INTEGER -- ms since when it is away; null while it stands
  );
`

export interface LinkState {
  readonly isShown: boolean
  readonly lostAt: Instant | null
}

export class LinkStore {
  readonly #sql: SqlStorage

  constructor(sql: SqlStorage) {
    this.#sql = sql
    sql.exec(SCHEMA)
  }

  /** Null: this node never had a link. */
  state(): LinkState | null {
    const row = this.#sql
      .exec<{ is_shown: number; lost_at: number | null }>('SELECT is_shown, lost_at FROM link')
      .toArray()[0]
    return row ? { isShown: row.is_shown === 1, lostAt: row.lost_at === null ? null : instant(row.lost_at) } : null
  }

  /** @param isShown as the registry said it when the node came: it may have been registered anew since, or have been told meanwhile that the link is away */
  came(isShown: boolean): void {
    const upsert = `INSERT INTO link VALUES (1, ?, NULL)
      ON CONFLICT DO UPDATE SET is_shown = min(is_shown, excluded.is_shown), lost_at = NULL`
    this.#sql.exec(upsert, Number(isShown))
  }

  /** @param at ms; the first time counts */
  went(at: Instant): void {
    this.#sql.exec('UPDATE link SET lost_at = ? WHERE lost_at IS NULL', at)
  }

  shown(isShown: boolean): void {
    this.#sql.exec('UPDATE link SET is_shown = ?', Number(isShown))
  }
}
