// The tables inside an account's guard: everything that decides about its money. Each guard has its own SQLite, made when it first wakes;
// a version number lets later code widen old ones. Times are ms, amounts nanos, both INTEGER below 2^53.

import type { GuardStorage } from './guard-storage.ts'

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
  `
  -- which book this account is written in (BOOK_0, BOOK_1, …)
  ALTER TABLE account ADD COLUMN book INTEGER NOT NULL DEFAULT 0;
  -- Frozen as JSON; null while the account may spend
  ALTER TABLE account ADD COLUMN frozen TEXT;
  -- fees that calls on this operator's nodes brought the house, and what the house has paid it for audits
  ALTER TABLE account ADD COLUMN fees_nanos INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE account ADD COLUMN audits_nanos INTEGER NOT NULL DEFAULT 0;
  -- what the account earned and did not spend: all that may be withdrawn (earned.ts). Before there was this column, earnings were not told
  -- apart from gifts; what a line's delta says in nine places is nanos without its point.
  ALTER TABLE account ADD COLUMN earned_nanos INTEGER NOT NULL DEFAULT 0;
  UPDATE account SET earned_nanos = min(balance_nanos, (
    SELECT coalesce(sum(CAST(replace(body ->> '$.delta', '.', '') AS INTEGER)), 0) FROM lines WHERE body ->> '$.kind' = 'credit'));
  -- how far the guard has checked its own journal, and what stood there
  ALTER TABLE account ADD COLUMN checked_seq INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE account ADD COLUMN checked_hash TEXT;
  ALTER TABLE account ADD COLUMN checked_balance_nanos INTEGER NOT NULL DEFAULT 0;
  -- calls, and those left before the first token, decayed (aborts.ts): millionths of a call, right at aborts_at
  ALTER TABLE account ADD COLUMN recent_calls INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE account ADD COLUMN recent_aborts INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE account ADD COLUMN aborts_at INTEGER NOT NULL DEFAULT 0;
  -- ms at which a slowed account's last call was let through
  ALTER TABLE account ADD COLUMN paced_at INTEGER NOT NULL DEFAULT 0;
  -- below how many nanos the owner is told, 0 for never; since when the balance counts as low, null while it does not (account-events.ts)
  ALTER TABLE account ADD COLUMN alert_nanos INTEGER NOT NULL DEFAULT 1000000000;
  ALTER TABLE account ADD COLUMN low_since INTEGER;

  -- Limits and what counts against them: one row per key, and one, 'account', for all of them together.
  CREATE TABLE limits (
    -- KeyId, or 'account'
    subject TEXT PRIMARY KEY,
    limit_nanos INTEGER,
    limit_period TEXT,
    -- 1: counts, and refuses nothing
    limit_shadow INTEGER NOT NULL DEFAULT 0,
    rpm INTEGER,
    tpm INTEGER,
    concurrency INTEGER,
    rates_shadow INTEGER NOT NULL DEFAULT 0,
    -- charged in the day, week, month (UTC) of the last charge, and ever
    spent_day_nanos INTEGER NOT NULL DEFAULT 0,
    spent_week_nanos INTEGER NOT NULL DEFAULT 0,
    spent_month_nanos INTEGER NOT NULL DEFAULT 0,
    spent_total_nanos INTEGER NOT NULL DEFAULT 0,
    -- ms of the last charge
    spent_at INTEGER NOT NULL DEFAULT 0,
    held_nanos INTEGER NOT NULL DEFAULT 0 CHECK (held_nanos >= 0),
    open_holds INTEGER NOT NULL DEFAULT 0 CHECK (open_holds >= 0),
    -- 60_000ths of calls and tokens left at levels_at (token-bucket.ts)
    calls_level INTEGER NOT NULL DEFAULT 0,
    tokens_level INTEGER NOT NULL DEFAULT 0,
    levels_at INTEGER NOT NULL DEFAULT 0,
    -- how many calls a shadow would have refused, and when last
    shadow_refused INTEGER NOT NULL DEFAULT 0,
    shadow_refused_at INTEGER
  ) STRICT, WITHOUT ROWID;
  -- A key's sum was of its limit's period, which began at spent_since: it belongs to that period, and to longer ones as far as is known.
  INSERT INTO limits (subject, limit_nanos, limit_period, rpm, tpm, concurrency, spent_day_nanos, spent_week_nanos, spent_month_nanos,
      spent_total_nanos, spent_at, held_nanos, open_holds, calls_level, tokens_level, levels_at)
    SELECT id, limit_nanos, limit_period, rpm, tpm, concurrency,
      iif(limit_period = 'day', spent_nanos, 0), iif(limit_period IN ('day', 'week'), spent_nanos, 0),
      iif(limit_period IN ('day', 'month'), spent_nanos, 0), spent_nanos, spent_since, held_nanos, open_holds,
      calls_level, tokens_level, levels_at FROM keys;
  INSERT INTO limits (subject, held_nanos, open_holds)
    SELECT 'account', coalesce(sum(held_nanos), 0), coalesce(sum(open_holds), 0) FROM keys;
  ALTER TABLE keys DROP COLUMN limit_nanos;
  ALTER TABLE keys DROP COLUMN limit_period;
  ALTER TABLE keys DROP COLUMN rpm;
  ALTER TABLE keys DROP COLUMN tpm;
  ALTER TABLE keys DROP COLUMN concurrency;
  ALTER TABLE keys DROP COLUMN spent_nanos;
  ALTER TABLE keys DROP COLUMN spent_since;
  ALTER TABLE keys DROP COLUMN held_nanos;
  ALTER TABLE keys DROP COLUMN open_holds;
  ALTER TABLE keys DROP COLUMN calls_level;
  ALTER TABLE keys DROP COLUMN tokens_level;
  ALTER TABLE keys DROP COLUMN levels_at;
  -- JSON list, null for all
  ALTER TABLE keys ADD COLUMN nodes TEXT;
  -- secrets before a reroll: JSON list of { hash, until } (key-secret.ts), newest first
  ALTER TABLE keys ADD COLUMN old_secrets TEXT NOT NULL DEFAULT '[]';

  -- LateReceipt as JSON: came while the hold was open
  ALTER TABLE holds ADD COLUMN receipt TEXT;
  -- the idempotency record this call answers
  ALTER TABLE holds ADD COLUMN idempotency_id TEXT;
  CREATE INDEX holds_ended ON holds (call_ended_at) WHERE state <> 'open' AND detail IS NOT NULL;

  ALTER TABLE credits_out ADD COLUMN operator_nanos INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE credits_out ADD COLUMN author_nanos INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE credits_out ADD COLUMN fees_nanos INTEGER NOT NULL DEFAULT 0;
  -- JSON list of [ms, nanos], soonest first
  ALTER TABLE credits_out ADD COLUMN vesting TEXT NOT NULL DEFAULT '[]';
  UPDATE credits_out SET operator_nanos = sum_nanos;

  -- Part of the balance that cannot be spent before its time.
  CREATE TABLE vesting (
    until INTEGER PRIMARY KEY,
    amount_nanos INTEGER NOT NULL CHECK (amount_nanos > 0)
  ) STRICT;

  -- What was given back already of a call or a withdrawal, or taken back of a payment: by the id of its transfer.
  CREATE TABLE refunds (
    call_id TEXT PRIMARY KEY,
    refunded_nanos INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE idempotency (
    id TEXT PRIMARY KEY,
    body_hash TEXT NOT NULL,
    -- null for a POST that is no call
    call_id TEXT,
    -- null while under way
    status INTEGER,
    -- sealed answer; null when it was not kept
    kept BLOB,
    -- of a POST under way: when it counts as lost
    lost_at INTEGER,
    expires_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX idempotency_expiry ON idempotency (expires_at);

  -- What the account's owner wants to be told, until the registry has it (webhooks).
  CREATE TABLE events (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    at INTEGER NOT NULL,
    -- JSON
    data TEXT NOT NULL,
    next_at INTEGER NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  `,
  `
  -- What may be done with what the account sends: 1 where nobody who keeps it is asked; 1 where audits may use it; counts up with every change.
  ALTER TABLE account ADD COLUMN denies_collection INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE account ADD COLUMN audits_allowed INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE account ADD COLUMN policy_version INTEGER NOT NULL DEFAULT 0;
  `,
  `
  -- Count up with every change of the account's limits, and of the threshold below which its owner is told.
  ALTER TABLE account ADD COLUMN limits_version INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE account ADD COLUMN alert_version INTEGER NOT NULL DEFAULT 0;
  `,
]

/** Brings this guard's SQLite to the newest version; harmless when it is there. @param to an older one: tests build guards as they were */
export function migrateGuard(storage: GuardStorage, to = VERSIONS.length): void {
  const { sql } = storage
  sql.exec('CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)')
  const version = sql.exec<{ version: number }>('SELECT max(version) AS version FROM schema_version').one().version ?? 0
  VERSIONS.slice(version, to).forEach((statements, index) => {
    storage.transactionSync(() => {
      sql.exec(statements)
      sql.exec('INSERT INTO schema_version VALUES (?)', version + index + 1)
    })
  })
}
