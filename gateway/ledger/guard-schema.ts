// The tables inside an account's guard: everything that decides about its money. Each guard has its own SQLite, made when it first wakes;
// a version number lets later code widen old ones. Times are ms, amounts nanos, both INTEGER below 2^53.

const VERSIONS: readonly string[] = [
  `
  CREATE TABLE account (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    id TEXT NOT NULL,
    -- the sum of all lines' deltas; open holds are still in it
    balance_nanos INTEGER NOT NULL CHECK (balance_nanos >= 0),
    -- the sum of all open holds
    held_nanos INTEGER NOT NULL CHECK (held_nanos >= 0),
    -- of the last line, 0 before the first
    seq INTEGER NOT NULL,
    last_hash TEXT NOT NULL,
    -- up to which line the book is known to stand
    projected_seq INTEGER NOT NULL,
    -- ms of the next append; null when the book has everything
    project_at INTEGER,
    -- failures in a row
    project_tries INTEGER NOT NULL,
    CHECK (held_nanos <= balance_nanos)
  ) STRICT;

  CREATE TABLE keys (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    -- sha256 hex; the secret itself was shown once and is nowhere
    secret_hash TEXT NOT NULL,
    hint TEXT NOT NULL,
    name TEXT NOT NULL,
    scopes TEXT NOT NULL,
    -- JSON list, null for all
    models TEXT,
    limit_nanos INTEGER,
    limit_period TEXT,
    rpm INTEGER,
    tpm INTEGER,
    concurrency INTEGER,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER,
    spent_nanos INTEGER NOT NULL DEFAULT 0,
    -- start of the period that spent_nanos belongs to
    spent_since INTEGER NOT NULL DEFAULT 0,
    held_nanos INTEGER NOT NULL DEFAULT 0 CHECK (held_nanos >= 0),
    open_holds INTEGER NOT NULL DEFAULT 0 CHECK (open_holds >= 0),
    -- 60_000ths of calls and tokens left at levels_at (token-bucket.ts)
    calls_level INTEGER NOT NULL,
    tokens_level INTEGER NOT NULL,
    levels_at INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE holds (
    call_id TEXT PRIMARY KEY,
    key_id TEXT NOT NULL,
    model_id TEXT NOT NULL,
    amount_nanos INTEGER NOT NULL,
    deadline INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    -- JSON (stored.ts), null before the first
    progress TEXT,
    -- open | captured | expired
    state TEXT NOT NULL DEFAULT 'open',
    outcome TEXT,
    charge_nanos INTEGER,
    seq INTEGER,
    -- when the gateway began and ended it; the line's own time is the guard's
    call_started_at INTEGER,
    first_token_at INTEGER,
    call_ended_at INTEGER,
    -- CallDetail as JSON
    detail TEXT
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX holds_open ON holds (deadline) WHERE state = 'open';

  CREATE TABLE lines (
    seq INTEGER PRIMARY KEY,
    transfer_id TEXT NOT NULL UNIQUE,
    prev_hash TEXT NOT NULL,
    hash TEXT NOT NULL,
    -- JCS, exactly as hashed
    body TEXT NOT NULL
  ) STRICT;

  -- Earnings of others on their way. 'gathering' grows with each line; 'sending' is frozen until its payee has acknowledged it.
  CREATE TABLE credits_out (
    payee TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('gathering', 'sending')),
    from_seq INTEGER NOT NULL,
    to_seq INTEGER NOT NULL,
    sum_nanos INTEGER NOT NULL,
    next_at INTEGER NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (payee, state)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX credits_out_next ON credits_out (next_at);

  -- Up to which of a payer's lines this account was credited.
  CREATE TABLE credits_in (
    payer TEXT PRIMARY KEY,
    to_seq INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  `,
]

/** Brings this guard's SQLite to the newest version; harmless when it is there. */
export function migrateGuard(storage: DurableObjectStorage): void {
  const { sql } = storage
  sql.exec('CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)')
  const version = sql.exec<{ version: number }>('SELECT max(version) AS version FROM schema_version').one().version ?? 0
  VERSIONS.slice(version).forEach((statements, index) => {
    storage.transactionSync(() => {
      sql.exec(statements)
      sql.exec('INSERT INTO schema_version VALUES (?)', version + index + 1)
    })
  })
}
