// The guard's own tables of how its offers did over time: minutes for half an hour, half hours for a day. Five minutes that are over are written to the
// registry once. The only reader and writer is the guard; a value read here was written here.
import { instant, type Instant, type ModelId } from '../../../protocol/units.ts'
import {
  HALF_HOUR_MS,
  KEPT_MS,
  mergedSlots,
  MINUTE_MS,
  NO_SLOT,
  ROW_MS,
  slotStart,
  withSampleIn,
  type Slot,
  type SlotAt,
} from '../health/windows.ts'
import type { Sample } from '../health/health.ts'

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS slots (
    model_id TEXT NOT NULL,
    length INTEGER NOT NULL, -- ms
    at INTEGER NOT NULL, -- ms of its beginning
    counts TEXT NOT NULL, -- JSON of Slot
    is_written INTEGER NOT NULL DEFAULT 0, -- 0 | 1: a minute whose five minutes stand in the registry
    PRIMARY KEY (model_id, length, at)
  );
  CREATE INDEX IF NOT EXISTS slots_unwritten ON slots (at) WHERE is_written = 0 AND length = ${MINUTE_MS};
`
const UNWRITTEN = `is_written = 0 AND length = ${MINUTE_MS}`
/** rows written to the registry at once: three statements' worth of D1's hundred thousand bytes */
const ROWS_MAX = 100

/** Five minutes of one offer that are over. */
export interface SlotRow extends SlotAt {
  readonly modelId: ModelId
}

export class SlotStore {
  readonly #sql: SqlStorage

  constructor(sql: SqlStorage) {
    this.#sql = sql
    sql.exec(SCHEMA)
  }

  add(modelId: ModelId, sample: Sample, now: Instant): void {
    const upsert = `INSERT INTO slots (model_id, length, at, counts) VALUES (?, ?, ?, ?)
      ON CONFLICT DO UPDATE SET counts = excluded.counts, is_written = 0`
    for (const length of [MINUTE_MS, HALF_HOUR_MS]) {
      const at = slotStart(now, length)
      const slot = withSampleIn(this.#read(modelId, length, at, at + length)[0] ?? NO_SLOT, sample)
      if (slot) this.#sql.exec(upsert, modelId, length, at, JSON.stringify(asSlot(slot)))
    }
  }

  minutes(modelId: ModelId, now: Instant): SlotAt[] {
    return this.#read(modelId, MINUTE_MS, now - HALF_HOUR_MS, now + 1)
  }

  halfHours(modelId: ModelId, now: Instant): SlotAt[] {
    return this.#read(modelId, HALF_HOUR_MS, 0, now + 1)
  }

  /** Five minutes that are over and not written yet, the oldest first. */
  over(now: Instant): SlotRow[] {
    const begun = slotStart(now, ROW_MS)
    const rows = `SELECT DISTINCT model_id, at - at % ${ROW_MS} AS at FROM slots WHERE ${UNWRITTEN} AND at < ? ORDER BY 2 LIMIT ${ROWS_MAX}`
    return this.#sql
      .exec<{ model_id: ModelId; at: Instant }>(rows, begun)
      .toArray()
      .map(({ model_id: modelId, at }) => ({
        modelId,
        at,
        ...mergedSlots(this.#read(modelId, MINUTE_MS, at, at + ROW_MS)),
      }))
  }

  written(rows: readonly SlotRow[]): void {
    const done = 'UPDATE slots SET is_written = 1 WHERE model_id = ? AND length = ? AND at >= ? AND at < ?'
    for (const { modelId, at } of rows) this.#sql.exec(done, modelId, MINUTE_MS, at, at + ROW_MS)
  }

  /** When five minutes that are to be written are over; null: nothing is. */
  nextOver(): Instant | null {
    const oldest = `SELECT min(at) AS at FROM slots WHERE ${UNWRITTEN}`
    const { at } = this.#sql.exec<{ at: number | null }>(oldest).one()
    return at === null ? null : instant(slotStart(at, ROW_MS) + ROW_MS)
  }

  forget(now: Instant): void {
    for (const [length, keptMs] of Object.entries(KEPT_MS))
      this.#sql.exec('DELETE FROM slots WHERE length = ? AND at <= ?', Number(length), now - keptMs)
  }

  #read(modelId: ModelId, length: number, from: number, before: number): SlotAt[] {
    const slots = 'SELECT at, counts FROM slots WHERE model_id = ? AND length = ? AND at >= ? AND at < ? ORDER BY at'
    return this.#sql
      .exec<{ at: Instant; counts: string }>(slots, modelId, length, from, before)
      .toArray()
      .map(({ at, counts }) => ({ at, ...(JSON.parse(counts) as Slot) })) // written by `add` above, by nobody else
  }
}

/** Without its time, which stands beside it. */
const asSlot = ({ attempts, served, busy, firstTokenMs, unitsPerSecond }: Slot): Slot => ({
  attempts,
  served,
  busy,
  firstTokenMs,
  unitsPerSecond,
})
