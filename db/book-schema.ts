// The book (bindings BOOK_0 …): what happened, projected from the guards' journals by `book.append`, split by account when one is not enough.
// Nothing here decides a balance. Times are ms since the Unix epoch, amounts nanos, both INTEGER; sums that can pass 2^53 are read as text.
import { sql } from 'drizzle-orm'
import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'

/** Every journal line of every account, as its guard hashed it. */
export const lines = sqliteTable(
  'lines',
  {
    /** AccountId */
    accountId: text('account_id').notNull(),
    /** 1, 2, 3 … without gaps */
    seq: integer('seq').notNull(),
    /** transfer id: unique within the account */
    transferId: text('transfer_id').notNull(),
    /** LineKind (protocol/journal.ts) */
    kind: text('kind').notNull(),
    /** nanos by which the account's own balance changed */
    deltaNanos: integer('delta_nanos').notNull(),
    /** sha256 hex of the line before; 64 zeros for the first */
    prevHash: text('prev_hash').notNull(),
    /** sha256 hex of prevHash ‖ JCS(body) */
    hash: text('hash').notNull(),
    /** JCS of the line, exactly as hashed */
    body: text('body').notNull(),
    /** ms */
    at: integer('at').notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.accountId, t.seq] }),
    index('lines_transfer').on(t.transferId),
    index('lines_kind').on(t.kind, t.at),
    index('lines_account_at').on(t.accountId, t.at),
  ],
)

/** The legs of every transfer: they sum to zero per transfer. */
export const legs = sqliteTable(
  'legs',
  {
    /** AccountId of the payer's journal */
    accountId: text('account_id').notNull(),
    /** seq of the line */
    seq: integer('seq').notNull(),
    /** 0, 1, 2 … within the line */
    leg: integer('leg').notNull(),
    transferId: text('transfer_id').notNull(),
    /** whose money: an AccountId, or house:… */
    party: text('party').notNull(),
    /** payer | operator | author | house | receiver */
    role: text('role').notNull(),
    /** nanos, negative for who pays */
    amountNanos: integer('amount_nanos').notNull(),
    /** ms */
    at: integer('at').notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.accountId, t.seq, t.leg] }),
    index('legs_party').on(t.party, t.at),
    index('legs_transfer').on(t.transferId),
  ],
)

/** One row per ended call, also those that cost nothing. */
export const calls = sqliteTable(
  'calls',
  {
    /** CallId */
    id: text('id').primaryKey(),
    /** AccountId */
    accountId: text('account_id').notNull(),
    /** KeyId */
    keyId: text('key_id').notNull(),
    /** ModelId */
    modelId: text('model_id').notNull(),
    /** NodeId that finished or last tried; null when none was tried */
    nodeId: text('node_id'),
    /** complete | cancelled | failed | expired */
    outcome: text('outcome').notNull(),
    /** ErrorCode; null when it ended well */
    errorCode: text('error_code'),
    /** tokens charged for */
    inputTokens: integer('input_tokens').notNull(),
    /** tokens charged for */
    outputTokens: integer('output_tokens').notNull(),
    /** bytes of tensors charged for, in and out */
    tensorBytes: integer('tensor_bytes').notNull().default(0),
    /** nanos set aside */
    holdNanos: integer('hold_nanos').notNull(),
    /** nanos taken */
    chargeNanos: integer('charge_nanos').notNull(),
    /** ms */
    startedAt: integer('started_at').notNull(),
    /** ms, null without output */
    firstTokenAt: integer('first_token_at'),
    /** ms */
    endedAt: integer('ended_at').notNull(),
    /** of the offer's prices; null when no node was tried */
    priceVersion: integer('price_version'),
    /** CallDetail as JSON: attempts, the choice explained, receipt; null as JSON once retention has cleared it */
    detail: text('detail').notNull(),
  },
  (t) => [
    index('calls_account').on(t.accountId, t.startedAt),
    index('calls_key').on(t.accountId, t.keyId, t.startedAt),
    index('calls_model').on(t.accountId, t.modelId, t.startedAt),
    index('calls_outcome').on(t.accountId, t.outcome, t.startedAt),
    index('calls_node').on(t.nodeId, t.startedAt),
    index('calls_started').on(t.startedAt),
    // What retention has not cleared yet: the purge finds the oldest without passing what it has done.
    index('calls_kept')
      .on(t.endedAt)
      .where(sql`detail <> 'null'`),
  ],
)

/** What is summed. */
const sums = {
  calls: integer('calls').notNull(),
  /** calls that ended failed or expired */
  errors: integer('errors').notNull(),
  inputTokens: integer('input_tokens').notNull(),
  outputTokens: integer('output_tokens').notNull(),
  /** bytes of tensors, in and out */
  tensorBytes: integer('tensor_bytes').notNull().default(0),
  /** nanos charged */
  chargeNanos: integer('charge_nanos').notNull(),
  /** nanos of the charge that went to the operator */
  operatorNanos: integer('operator_nanos').notNull(),
  /** nanos of the charge that went to the author */
  authorNanos: integer('author_nanos').notNull(),
  /** nanos of the charge that went to the house */
  houseNanos: integer('house_nanos').notNull(),
}

/** Hourly sums by account, key, model and node: what dashboards read. */
export const rollupsHour = sqliteTable(
  'rollups_hour',
  {
    /** ms of the hour's start */
    hour: integer('hour').notNull(),
    accountId: text('account_id').notNull(),
    keyId: text('key_id').notNull(),
    modelId: text('model_id').notNull(),
    /** NodeId, '' when none was tried */
    nodeId: text('node_id').notNull(),
    ...sums,
  },
  (t) => [
    primaryKey({ columns: [t.hour, t.accountId, t.keyId, t.modelId, t.nodeId] }),
    index('rollups_account').on(t.accountId, t.hour),
    index('rollups_node').on(t.nodeId, t.hour),
  ],
)

/** Of everybody's calls together. `step`: hour | day | month; `at`: ms of its start, UTC. `cut` says which of the ids are kept, the others are '':
 * 0 none, 1 model, 2 node, 3 both (gateway/ledger/metering/cuts.ts). Without rowids: a row is its key's leaf, written and read once. */
export const totals = sqliteTable(
  'totals',
  {
    step: text('step').notNull(),
    cut: integer('cut').notNull(),
    /** ModelId */
    modelId: text('model_id').notNull(),
    /** NodeId, also '' when none was tried */
    nodeId: text('node_id').notNull(),
    /** ms */
    at: integer('at').notNull(),
    ...sums,
  },
  (t) => [primaryKey({ columns: [t.step, t.cut, t.modelId, t.nodeId, t.at] })],
)

/** The same of one account; `cut` also knows 4, its keys; few of them are kept. Without rowids. */
export const accountTotals = sqliteTable(
  'account_totals',
  {
    /** AccountId */
    accountId: text('account_id').notNull(),
    step: text('step').notNull(),
    cut: integer('cut').notNull(),
    /** ms */
    at: integer('at').notNull(),
    keyId: text('key_id').notNull(),
    modelId: text('model_id').notNull(),
    nodeId: text('node_id').notNull(),
    ...sums,
  },
  (t) => [
    primaryKey({ columns: [t.accountId, t.step, t.cut, t.at, t.keyId, t.modelId, t.nodeId] }),
    // Who was charged most is found in the index alone.
    index('account_totals_charge')
      .on(t.step, t.at, t.chargeNanos)
      .where(sql`cut = 0`),
  ],
)

/** How long calls took, by the same cuts; hours and days. Without rowids. */
export const latencies = sqliteTable(
  'latencies',
  {
    step: text('step').notNull(),
    cut: integer('cut').notNull(),
    /** ModelId */
    modelId: text('model_id').notNull(),
    /** NodeId */
    nodeId: text('node_id').notNull(),
    /** ms */
    at: integer('at').notNull(),
    /** JSON: bucket (gateway/ledger/metering/latency.ts) to how many calls */
    counts: text('counts').notNull(),
  },
  (t) => [primaryKey({ columns: [t.step, t.cut, t.modelId, t.nodeId, t.at] })],
)

/** Days whose totals and latencies are to be summed anew from hourly sums and calls. */
export const recounts = sqliteTable('recounts', {
  /** ms of its start, UTC */
  day: integer('day').primaryKey(),
})

/** Up to which line an account's journal stands here: makes appending exactly-once. */
export const cursors = sqliteTable('cursors', {
  accountId: text('account_id').primaryKey(),
  /** seq of the last projected line */
  seq: integer('seq').notNull(),
  /** ms of the last projected line */
  at: integer('at').notNull(),
})

/** Monthly statements: what an account's journal says of a month, numbered from 1, written once when the month is over. */
export const statements = sqliteTable(
  'statements',
  {
    /** AccountId */
    accountId: text('account_id').notNull(),
    /** 1, 2, 3 … */
    number: integer('number').notNull(),
    /** YYYY-MM, UTC */
    month: text('month').notNull(),
    /** the statement as JCS */
    body: text('body').notNull(),
    /** the gateway's JWS over its hash */
    signature: text('signature').notNull(),
    /** ms */
    at: integer('at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.accountId, t.number] }), uniqueIndex('statements_month').on(t.accountId, t.month)],
)
