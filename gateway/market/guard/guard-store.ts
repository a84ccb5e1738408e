// NodeGuard's own tables. The only reader and writer is the guard; a value read here was written here.
import { type CallId, type Instant, type ModelId } from '../../../protocol/units.ts'
import { CLOSED, type Breaker } from '../health/breaker.ts'
import { unknownHealth, type Health } from '../health/health.ts'
import { UNCAPPED, type InFlightCap } from '../health/in-flight-cap.ts'

/** Ended attempts are kept so that a repeated report finds them; they leave with their expiry. */
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS node (id TEXT PRIMARY KEY, served INTEGER NOT NULL DEFAULT 0);
  CREATE TABLE IF NOT EXISTS attempts (
    call_id TEXT NOT NULL, attempt INTEGER NOT NULL, model_id TEXT NOT NULL,
    expires_at INTEGER NOT NULL, -- ms
    ended INTEGER NOT NULL DEFAULT 0, -- 0 | 1
    PRIMARY KEY (call_id, attempt)
  );
  CREATE INDEX IF NOT EXISTS attempts_expiry ON attempts (expires_at);
  CREATE INDEX IF NOT EXISTS attempts_open ON attempts (model_id) WHERE ended = 0;
  CREATE TABLE IF NOT EXISTS offers (
    model_id TEXT PRIMARY KEY,
    state TEXT, -- JSON of OfferState; null while nothing is known
    changes INTEGER NOT NULL DEFAULT 0 -- not yet copied to the registry
  );
  CREATE TABLE IF NOT EXISTS paces (
    what TEXT PRIMARY KEY,
    at INTEGER NOT NULL -- ms when it was last done
  );
  CREATE TABLE IF NOT EXISTS probes (
    model_id TEXT PRIMARY KEY,
    not_before INTEGER NOT NULL -- ms: another one has to wait until then
  );
`

export interface OfferState {
  readonly breaker: Breaker
  readonly health: Health
  readonly cap: InFlightCap
  /** failures since it last answered that were tickets it refused */
  readonly ticketsRefused: number
}

/** What an older version wrote has no count of tickets. */
type Kept = Omit<OfferState, 'ticketsRefused'> & Partial<OfferState>
const NEW = { breaker: CLOSED, cap: UNCAPPED, ticketsRefused: 0 }

export interface OfferChange {
  readonly modelId: ModelId
  readonly inFlight: number
  readonly changes: number
}

export class GuardStore {
  readonly #sql: SqlStorage

  constructor(sql: SqlStorage) {
    this.#sql = sql
    sql.exec(SCHEMA)
  }

  remember(nodeId: string): void {
    this.#sql.exec('INSERT INTO node (id) VALUES (?) ON CONFLICT DO NOTHING', nodeId)
  }

  /** '' before the first call. */
  nodeId(): string {
    return this.#sql.exec<{ id: string }>('SELECT id FROM node').toArray()[0]?.id ?? ''
  }

  served(): number {
    return this.#sql.exec<{ served: number }>('SELECT served FROM node').toArray()[0]?.served ?? 0
  }

  countServed(): void {
    this.#sql.exec('UPDATE node SET served = served + 1')
  }

  forgetServed(): void {
    this.#sql.exec('UPDATE node SET served = 0')
  }

  /** What is known of the offers' health stays. */
  closeBreakers(): void {
    const close = `UPDATE offers SET state = json_set(state, '$.breaker', json(?), '$.ticketsRefused', 0), changes = changes + 1
      WHERE state IS NOT NULL`
    this.#sql.exec(close, JSON.stringify(CLOSED))
  }

  /** Notes that it is done now, unless it was less than `apartMs` ago. @returns ms until it may be done; 0: it is done now */
  pace(what: string, apartMs: number, now: Instant): number {
    const at = this.#sql.exec<{ at: number }>('SELECT at FROM paces WHERE what = ?', what).toArray()[0]?.at ?? -Infinity
    // A time ahead of now is a clock that was set back, and keeps nobody waiting for longer than once.
    if (at <= now && now - at < apartMs) return at + apartMs - now
    this.#sql.exec('INSERT INTO paces VALUES (?, ?) ON CONFLICT DO UPDATE SET at = excluded.at', what, now)
    return 0
  }

  /** @returns whether it was new */
  begin(callId: CallId, attempt: number, modelId: ModelId, expiresAt: Instant): boolean {
    const insert =
      'INSERT INTO attempts (call_id, attempt, model_id, expires_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING'
    return this.#sql.exec(insert, callId, attempt, modelId, expiresAt).rowsWritten > 0
  }

  /** @returns whether it was not ended before */
  end(callId: CallId, attempt: number, modelId: ModelId, expiresAt: Instant): boolean {
    const end = `INSERT INTO attempts (call_id, attempt, model_id, expires_at, ended) VALUES (?, ?, ?, ?, 1)
      ON CONFLICT DO UPDATE SET ended = 1, expires_at = excluded.expires_at WHERE ended = 0`
    return this.#sql.exec(end, callId, attempt, modelId, expiresAt).rowsWritten > 0
  }

  inFlight(modelId: ModelId): number {
    const open = 'SELECT count(*) AS open FROM attempts WHERE model_id = ? AND ended = 0'
    return this.#sql.exec<{ open: number }>(open, modelId).one().open
  }

  /** @returns whether none is under way and enough time has passed since the last one: then it is noted as under way until then */
  beginProbe(modelId: ModelId, now: Instant, until: Instant): boolean {
    const begin = `INSERT INTO probes VALUES (?1, ?3) ON CONFLICT DO UPDATE SET not_before = ?3 WHERE not_before <= ?2`
    return this.#sql.exec(begin, modelId, now, until).rowsWritten > 0
  }

  endProbe(modelId: ModelId, notBefore: Instant): void {
    this.#sql.exec('UPDATE probes SET not_before = ? WHERE model_id = ?', notBefore, modelId)
  }

  expire(now: Instant): void {
    const gone = 'DELETE FROM attempts WHERE expires_at <= ? RETURNING model_id, ended'
    for (const row of this.#sql.exec<{ model_id: string; ended: number }>(gone, now).toArray())
      if (row.ended === 0) this.markDirty(row.model_id)
  }

  offer(modelId: ModelId, now: Instant): OfferState {
    const row = this.#sql
      .exec<{ state: string | null }>('SELECT state FROM offers WHERE model_id = ?', modelId)
      .toArray()[0]
    if (!row?.state) return { ...NEW, health: unknownHealth(now) }
    const { breaker, health, cap, ticketsRefused } = JSON.parse(row.state) as Kept // written by `write` below, by nobody else
    // What an older version wrote lacks what was learnt since.
    return {
      breaker: { ...CLOSED, ...breaker },
      health: { ...unknownHealth(now), ...health },
      cap: { ...UNCAPPED, ...cap },
      ticketsRefused: ticketsRefused ?? NEW.ticketsRefused,
    }
  }

  /** Model -> its {@link OfferState.ticketsRefused}, where there are any. */
  ticketsRefused(): Record<string, number> {
    const refused = `SELECT model_id, json_extract(state, '$.ticketsRefused') AS count FROM offers WHERE count > 0`
    const rows = this.#sql.exec<{ model_id: string; count: number }>(refused).toArray()
    return Object.fromEntries(rows.map(({ model_id, count }) => [model_id, count]))
  }

  write(modelId: ModelId, state: OfferState): void {
    const upsert = `INSERT INTO offers (model_id, state, changes) VALUES (?, ?, 1)
      ON CONFLICT DO UPDATE SET state = excluded.state, changes = changes + 1`
    this.#sql.exec(upsert, modelId, JSON.stringify(state))
  }

  markDirty(modelId: string): void {
    const upsert =
      'INSERT INTO offers (model_id, changes) VALUES (?, 1) ON CONFLICT DO UPDATE SET changes = changes + 1'
    this.#sql.exec(upsert, modelId)
  }

  dirty(): OfferChange[] {
    const changed = `SELECT model_id, changes,
        (SELECT count(*) FROM attempts WHERE attempts.model_id = offers.model_id AND ended = 0) AS in_flight
      FROM offers WHERE changes > 0 LIMIT 100`
    return this.#sql
      .exec<{ model_id: ModelId; changes: number; in_flight: number }>(changed)
      .toArray()
      .map((row) => ({ modelId: row.model_id, inFlight: row.in_flight, changes: row.changes }))
  }

  /** Changes made while the copy was under way stay. */
  clearDirty(changes: readonly OfferChange[]): void {
    for (const { modelId, changes: count } of changes)
      this.#sql.exec('UPDATE offers SET changes = changes - ? WHERE model_id = ?', count, modelId)
  }

  hasWork(): boolean {
    const any = 'SELECT EXISTS (SELECT 1 FROM offers WHERE changes > 0) OR EXISTS (SELECT 1 FROM attempts) AS is_needed'
    return this.#sql.exec<{ is_needed: number }>(any).one().is_needed === 1
  }

  /** When the alarm is needed next: `soon` for changes, otherwise when an attempt expires. */
  nextWork(soon: Instant): Instant {
    const next = `SELECT CASE WHEN EXISTS (SELECT 1 FROM offers WHERE changes > 0) THEN ?
      ELSE (SELECT max(?, min(expires_at)) FROM attempts) END AS at`
    return this.#sql.exec<{ at: Instant }>(next, soon, soon).one().at
  }
}
