// A book of any length for `dashboard.ts`, written straight into the SQLite file of BOOK_0 while the gateway is stopped: calls spread over 400 days, few
// accounts, models and nodes with most of them and many with few, and the sums that append would have kept of them, by the product's own statements.
// Lines and legs are written for the calls of the measured account and the measured node alone: nobody else's are asked for.
import Database from 'libsql'
import { readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { atSql, cutsSql, keptSql, LATENCIES } from '../../gateway/ledger/metering/cuts.ts'
import { bucketOf } from '../../gateway/ledger/metering/latency.ts'
import { monthOf, nextMonth } from '../../gateway/ledger/metering/ranges.ts'
import { setTotalsSql, SUM_COLUMNS } from '../../gateway/ledger/metering/totals-sql.ts'

const DAY_MS = 86_400_000
export const DAYS = 400
const ACCOUNTS = 2_000
const MODELS = 40
const NODES = 200
const KEYS = 4
/** entries of the tables that calls are drawn from: 16 bits of a sequence that fills them evenly */
const SLOTS = 65_536
/** days that are drawn; the others are those again, later */
const DRAWN_DAYS = 8

export interface Cast {
  /** of the account with the most calls */
  readonly account: string
  readonly operator: string
  /** of the operator, with the most calls */
  readonly node: string
  readonly author: string
}

export const modelName = (n: number): string => `bench/model-${n}`
export const keyName = (n: number): string => `key${n}`

/** @param until ms of the day's start after the last call @returns calls that were written */
export function seedBook(stateDir: string, cast: Cast, calls: number, until: number): number {
  const path = fileWith(stateDir, 'rollups_hour')
  const copy = `${path}.seed`
  const empty = new Database(path)
  empty.exec(`VACUUM INTO '${copy}'`)
  empty.close()
  // Nobody else has opened the copy, so it needs neither a journal nor a lock.
  const db = new Database(copy)
  db.exec(
    'PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -2000000; PRAGMA temp_store = MEMORY',
  )
  const indexes = dropIndexes(db)
  drawings(db, cast)
  const perDay = Math.floor(calls / DAYS)
  const write = statements(db, cast)
  const from = until - DAYS * DAY_MS
  db.exec('BEGIN')
  for (let n = 0; n < DRAWN_DAYS; n++) {
    const first = n * perDay + 1
    write.calls(first, perDay, from + n * DAY_MS, Math.floor(DAY_MS / perDay))
    write.hours(first, first + perDay - 1)
    write.totals(from + n * DAY_MS)
    write.latencies(first, first + perDay - 1)
  }
  repeat(db, perDay * DRAWN_DAYS)
  write.money()
  for (let month = monthOf(from); month < until; month = nextMonth(month)) write.months(month)
  db.exec('DROP TABLE drawn; DROP TABLE buckets; COMMIT')
  for (const index of indexes) db.exec(index)
  db.close()
  for (const name of [path, `${path}-wal`, `${path}-shm`]) rmSync(name, { force: true })
  renameSync(copy, path)
  return perDay * DAYS
}

/** The drawn days again and again until all days are full: rows of everything, each with its times moved on. */
function repeat(db: Database.Database, drawn: number): void {
  db.exec(`CREATE TABLE shifts (k INTEGER PRIMARY KEY, ms INTEGER)`)
  for (let k = 1; k < DAYS / DRAWN_DAYS; k++)
    db.prepare('INSERT INTO shifts VALUES (?, ?)').run(k, k * DRAWN_DAYS * DAY_MS)
  const tables = {
    calls: ['started_at', 'first_token_at', 'ended_at'],
    rollups_hour: ['hour'],
    totals: ['at'],
    account_totals: ['at'],
    latencies: ['at'],
  }
  for (const [table, times] of Object.entries(tables)) {
    const columns = (db.prepare(`SELECT name FROM pragma_table_info('${table}')`).all() as { name: string }[]).map(
      ({ name }) => name,
    ) // the column that was asked for
    const moved = columns.map((name) =>
      times.includes(name)
        ? `b.${name} + s.ms`
        : table === 'calls' && name === 'id'
          ? `'call_' || printf('%026d', b.rowid + s.k * ${drawn})`
          : `b.${name}`,
    )
    db.exec(`CREATE TABLE drawn_rows AS SELECT * FROM ${table}`)
    // Where the key begins with time, one copy after the other; else all copies of a row, which lie beside each other.
    const source =
      times[0] === 'at' ? 'drawn_rows AS b CROSS JOIN shifts AS s' : 'shifts AS s CROSS JOIN drawn_rows AS b'
    db.exec(
      `INSERT INTO ${table} (${columns.join(', ')}) SELECT ${moved.join(', ')} FROM ${source}; DROP TABLE drawn_rows`,
    )
    process.stderr.write(`${table} `)
  }
  db.exec('DROP TABLE shifts')
}

/** A node for the operator and models for the author. */
export function seedRegistry(stateDir: string, { operator, node, author }: Cast, models: number): void {
  const db = new Database(fileWith(stateDir, 'credit_codes'))
  db.prepare(
    `INSERT INTO nodes (id, name, operator_account_id, operator_address, node_key, settlement_key, endpoint, state, created_at)
     VALUES (?, 'bench', ?, '', 'bench', '', 'link', 'active', 0)`,
  ).run(node, operator)
  const publish = db.prepare(
    `INSERT INTO models (id, digest, task, author_account_id, royalty_bps, manifest, created_at) VALUES (?, ?, 'text', ?, 300, '{}', 0)`,
  )
  for (let n = 0; n < models; n++) publish.run(modelName(n), `bench-${n}`, author)
  db.close()
}

/** The larger ones of so many come first: of a thousand slots, the first has a hundred, the second seventy … */
function drawings(db: Database.Database, { account, node }: Cast): void {
  db.exec(`CREATE TABLE drawn (slot INTEGER PRIMARY KEY, account TEXT, node TEXT, model TEXT, first INTEGER);
    CREATE TABLE buckets (ms INTEGER PRIMARY KEY, bucket TEXT)`)
  const draw = db.prepare('INSERT INTO drawn VALUES (?, ?, ?, ?, ?)')
  const times = new Set<number>()
  db.exec('BEGIN')
  for (let slot = 0; slot < SLOTS; slot++) {
    const at = slot / SLOTS
    const one = Math.floor(ACCOUNTS * at ** 3)
    const host = Math.floor(NODES * at ** 2)
    const first = Math.floor(40 * Math.exp(5 * at ** 2))
    for (const ms of [first, first * 3]) times.add(ms)
    draw.run(
      slot,
      one === 0 ? account : `a${String(one).padStart(15, '0')}`,
      host === 0 ? node : `node_${String(host).padStart(16, '0')}`,
      modelName(Math.floor(MODELS * at ** 2)),
      first,
    )
  }
  const bucket = db.prepare('INSERT INTO buckets VALUES (?, ?)')
  for (const ms of times) bucket.run(ms, bucketOf('d', ms).slice(1))
  db.exec('COMMIT')
}

/** Knuth's and others' odd constants: each draws from all slots in another order. */
const slot = (constant: number): string => `((i * ${constant}) & 4294967295) >> 16`

function statements(db: Database.Database, cast: Cast) {
  const calls = db.prepare(`
    WITH RECURSIVE n(i) AS (SELECT CAST(?1 AS INTEGER) UNION ALL SELECT i + 1 FROM n WHERE i < ?1 + ?2 - 1)
    INSERT INTO calls (rowid, id, account_id, key_id, model_id, node_id, outcome, error_code, input_tokens, output_tokens, hold_nanos, charge_nanos,
      started_at, first_token_at, ended_at, price_version, detail, tensor_bytes)
    SELECT i, 'call_' || printf('%026d', i), a.account, 'key' || (i / 7 % ${KEYS}), m.model, h.node,
      CASE WHEN i % 53 = 0 THEN 'failed' WHEN i % 97 = 0 THEN 'cancelled' ELSE 'complete' END, CASE WHEN i % 53 = 0 THEN 'provider_failed' END,
      100 + i % 900, i % 700, 1000000, CASE WHEN i % 53 = 0 THEN 0 ELSE 20000 + i % 7919 * 100 END,
      ?3 + (i - ?1) * ?4, ?3 + (i - ?1) * ?4 + f.first, ?3 + (i - ?1) * ?4 + f.first * 3, 1, '{"stream":true,"attempts":[]}', 0
    FROM n CROSS JOIN drawn AS a ON a.slot = ${slot(2_654_435_761)} CROSS JOIN drawn AS m ON m.slot = ${slot(2_246_822_519)}
      CROSS JOIN drawn AS h ON h.slot = ${slot(3_266_489_917)} CROSS JOIN drawn AS f ON f.slot = ${slot(668_265_263)}`)
  const measured = `(account_id = ?1 OR node_id = ?2)`
  const lines = db.prepare(`
    INSERT INTO lines (account_id, seq, transfer_id, kind, delta_nanos, prev_hash, hash, body, at)
    SELECT account_id, rowid, id, 'call', -charge_nanos, ?3, ?3, '{"legs":[]}' || ?3 || ?3 || ?3 || ?3, ended_at FROM calls WHERE ${measured}`)
  const party = `CASE r.value WHEN 'payer' THEN account_id WHEN 'operator' THEN CASE node_id WHEN ?2 THEN ?3 ELSE 'somebody' END
    WHEN 'author' THEN ?4 ELSE 'house:fees' END`
  const amount = `CASE r.value WHEN 'payer' THEN -charge_nanos WHEN 'operator' THEN ${NANOS.operator} WHEN 'author' THEN ${NANOS.author} ELSE ${NANOS.house} END`
  const legs = db.prepare(`
    INSERT INTO legs (account_id, seq, leg, transfer_id, party, role, amount_nanos, at)
    SELECT account_id, calls.rowid, r.key, calls.id, ${party}, r.value, ${amount}, ended_at
    FROM calls CROSS JOIN json_each('["payer","operator","author","house"]') AS r WHERE ${measured}`)
  const hours = db.prepare(`
    INSERT INTO rollups_hour (hour, account_id, key_id, model_id, node_id, calls, errors, input_tokens, output_tokens, tensor_bytes, charge_nanos,
      operator_nanos, author_nanos, house_nanos)
    SELECT started_at - started_at % 3600000, account_id, key_id, model_id, node_id, count(*), sum(outcome = 'failed'), sum(input_tokens),
      sum(output_tokens), 0, sum(charge_nanos), sum(${NANOS.operator}), sum(${NANOS.author}), sum(${NANOS.house})
    FROM calls WHERE rowid BETWEEN ?1 AND ?2 GROUP BY 1, 2, 3, 4, 5`)
  const latencies = db.prepare(`
    WITH ${cutsSql(LATENCIES)}, fresh AS (
      SELECT k.started_at - k.started_at % 3600000 AS hour, k.model_id AS model_id, k.node_id AS node_id, m.measure || b.bucket AS bucket, 1 AS n
      FROM calls AS k CROSS JOIN (SELECT 'f' AS measure UNION ALL SELECT 'd') AS m
        CROSS JOIN buckets AS b ON b.ms = CASE m.measure WHEN 'f' THEN k.first_token_at ELSE k.ended_at END - k.started_at
      WHERE k.rowid BETWEEN ?1 AND ?2 AND (m.measure = 'f' OR k.outcome = 'complete'))
    INSERT INTO latencies (step, cut, model_id, node_id, at, counts)
    SELECT step, cut, model_id, node_id, at, json_group_object(bucket, n) FROM (
      SELECT c.step AS step, c.cut AS cut, ${keptSql('c.cut', 'model', 'f.model_id')} AS model_id,
        ${keptSql('c.cut', 'node', 'f.node_id')} AS node_id, ${atSql('c.step', 'f.hour')} AS at, f.bucket AS bucket, sum(f.n) AS n
      FROM fresh AS f CROSS JOIN cuts AS c GROUP BY 1, 2, 3, 4, 5, 6)
    GROUP BY 1, 2, 3, 4, 5`)
  const filler = 'x'.repeat(64)

  return {
    calls: (first: number, count: number, day: number, step: number) => calls.run(first, count, day, step),
    money() {
      lines.run(cast.account, cast.node, filler)
      legs.run(cast.account, cast.node, cast.operator, cast.author)
    },
    hours: (first: number, last: number) => hours.run(first, last),
    latencies: (first: number, last: number) => latencies.run(first, last),
    /** As the product sums a day anew; its latencies need lines, which are not all there. */
    totals(day: number) {
      for (const { sql, values } of setTotalsSql(day, { from: monthOf(day), to: nextMonth(day) }))
        if (!/INTO latencies|'month', /.test(sql)) db.prepare(sql).run(...values)
    },
    months(month: number) {
      db.prepare(MONTHS).run(month, nextMonth(month))
      db.prepare(ACCOUNT_MONTHS).run(month, nextMonth(month))
    },
  }
}

const SUMMED = SUM_COLUMNS.map((column) => `sum(${column})`).join(', ')
const MONTHS = `
  INSERT INTO totals (step, cut, model_id, node_id, at, ${SUM_COLUMNS.join(', ')})
  SELECT 'month', cut, model_id, node_id, ?1, ${SUMMED} FROM totals WHERE step = 'day' AND cut IN (1, 2) AND at >= ?1 AND at < ?2 GROUP BY 2, 3, 4`
const ACCOUNT_MONTHS = `
  INSERT INTO account_totals (account_id, step, cut, at, key_id, model_id, node_id, ${SUM_COLUMNS.join(', ')})
  SELECT account_id, 'month', 0, ?1, '', '', '', ${SUMMED} FROM account_totals WHERE step = 'day' AND cut = 0 AND at >= ?1 AND at < ?2 GROUP BY 1`

const NANOS = {
  operator: 'charge_nanos * 92 / 100',
  author: 'charge_nanos * 3 / 100',
  house: 'charge_nanos - charge_nanos * 92 / 100 - charge_nanos * 3 / 100',
} as const

/** Made again at the end, which is a sort instead of ten million insertions. @returns how */
function dropIndexes(db: Database.Database): string[] {
  const tables = `'calls', 'lines', 'legs', 'rollups_hour'`
  const indexes = db
    .prepare(`SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND tbl_name IN (${tables})`)
    .all() as { name: string; sql: string }[] // the columns that were asked for
  for (const { name } of indexes) db.exec(`DROP INDEX ${name}`)
  return indexes.map(({ sql }) => sql)
}

/** The database that has this table. */
export function fileWith(stateDir: string, table: string): string {
  for (const name of readdirSync(stateDir, { recursive: true, encoding: 'utf8' }).filter((one) =>
    one.endsWith('.sqlite'),
  )) {
    const db = new Database(join(stateDir, name))
    try {
      if (db.prepare('SELECT 1 FROM sqlite_master WHERE name = ?').get(table) !== undefined) return join(stateDir, name)
    } finally {
      db.close()
    }
  }
  throw new Error(`no database has the table ${table}`)
}
