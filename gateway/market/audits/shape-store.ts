// A node's guard keeps a few shapes of the calls it hears of, until its alarm copies them to the registry: of each model an even sample of those since the last copy, so that a
// busy node writes no more than a quiet one. Shapes are sizes and sampling parameters, never a word.
import type { Instant, ModelId, RandomBytes } from '../../../protocol/units.ts'
import type { CallShape } from '../market-port.ts'

/** shapes of one model between two copies */
const KEPT_MAX = 2
/** ms between two copies: what calls look like changes slowly, and every copy is rows to write */
const COPY_MS = 60_000

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS shapes (
    model_id TEXT NOT NULL,
    slot INTEGER NOT NULL, -- 0 … ${KEPT_MAX - 1}
    shape TEXT NOT NULL, -- JSON of CallShape
    PRIMARY KEY (model_id, slot)
  );
  CREATE TABLE IF NOT EXISTS shapes_seen (
    model_id TEXT PRIMARY KEY,
    seen INTEGER NOT NULL -- since the last copy
  );
  CREATE TABLE IF NOT EXISTS shapes_copied (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    at INTEGER NOT NULL -- ms
  );
`

export interface KeptShape {
  readonly modelId: ModelId
  /** JSON */
  readonly shape: string
}

export class ShapeStore {
  readonly #sql: SqlStorage

  constructor(sql: SqlStorage) {
    this.#sql = sql
    sql.exec(SCHEMA)
  }

  /** Reservoir sampling (Vitter's R): every shape since the last copy is kept with the same chance. */
  note(modelId: ModelId, shape: CallShape, random: RandomBytes): void {
    const count = `INSERT INTO shapes_seen VALUES (?, 1) ON CONFLICT DO UPDATE SET seen = seen + 1 RETURNING seen`
    const { seen } = this.#sql.exec<{ seen: number }>(count, modelId).one()
    const slot = seen <= KEPT_MAX ? seen - 1 : Math.floor((wordOf(random) / 2 ** 32) * seen)
    if (slot >= KEPT_MAX) return
    const put = 'INSERT INTO shapes VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET shape = excluded.shape'
    this.#sql.exec(put, modelId, slot, JSON.stringify(shape))
  }

  /** What was kept, when a copy is due; it is forgotten here, since a sample may miss a few. */
  take(now: Instant): KeptShape[] {
    const at = this.#sql.exec<{ at: number }>('SELECT at FROM shapes_copied').toArray()[0]?.at ?? -Infinity
    if (at <= now && now - at < COPY_MS) return []
    const rows = this.#sql
      .exec<{ model_id: ModelId; shape: string }>('DELETE FROM shapes RETURNING model_id, shape')
      .toArray()
    if (rows.length === 0) return []
    this.#sql.exec('DELETE FROM shapes_seen')
    this.#sql.exec('INSERT INTO shapes_copied VALUES (1, ?) ON CONFLICT DO UPDATE SET at = excluded.at', now)
    return rows.map((row) => ({ modelId: row.model_id, shape: row.shape }))
  }
}

const wordOf = (random: RandomBytes): number => new DataView(random(4).slice().buffer).getUint32(0)
