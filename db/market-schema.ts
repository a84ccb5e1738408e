// Registry tables of the market's memory: how offers did over time, what audits found, and why nodes were stopped. None of them holds a prompt or an answer
// of a caller. Money: nanos. Times: milliseconds since the Unix epoch.
import { index, integer, primaryKey, sqliteTable, text } from 'drizzle-orm/sqlite-core'

/** Five minutes of one offer. Written by its node's guard when they are over, or when it is looked at; kept for some days. */
export const offerSlots = sqliteTable(
  'offer_slots',
  {
    /** ModelId */
    modelId: text('model_id').notNull(),
    /** NodeId */
    nodeId: text('node_id').notNull(),
    /** ms of its beginning, a multiple of five minutes */
    at: integer('at').notNull(),
    /** attempts that say something of the node */
    attempts: integer('attempts').notNull(),
    served: integer('served').notNull(),
    /** refused because all places were taken */
    busy: integer('busy').notNull(),
    /** ms; null without output */
    firstTokenP50: integer('first_token_p50'),
    firstTokenP90: integer('first_token_p90'),
    /** output units in a thousand seconds, median; null while unknown */
    unitsPerKs: integer('units_per_ks'),
  },
  (t) => [primaryKey({ columns: [t.modelId, t.nodeId, t.at] }), index('offer_slots_at').on(t.at)],
)

/** Every time a node was stopped or let in again, and by whom. Never changed. */
export const sanctions = sqliteTable(
  'sanctions',
  {
    id: text('id').primaryKey(),
    /** NodeId */
    nodeId: text('node_id').notNull(),
    /** AccountId */
    operatorAccountId: text('operator_account_id').notNull(),
    /** suspended | reinstated */
    what: text('what').notNull(),
    /** audit | house */
    by: text('by').notNull(),
    /** in words, for its operator */
    reason: text('reason').notNull(),
    /** JSON: what it was decided by */
    evidence: text('evidence').notNull(),
    /** ms */
    at: integer('at').notNull(),
  },
  (t) => [index('sanctions_node').on(t.nodeId, t.at), index('sanctions_operator').on(t.operatorAccountId, t.at)],
)

/** One call of the house to a node, and what became of it. Two nodes asked the same have two rows with one `pairId`. */
export const audits = sqliteTable(
  'audits',
  {
    /** CallId, as the node knew it */
    id: text('id').primaryKey(),
    /** null: a canary with a known answer */
    pairId: text('pair_id'),
    /** NodeId */
    nodeId: text('node_id').notNull(),
    /** ModelId */
    modelId: text('model_id').notNull(),
    /** canary | cross */
    kind: text('kind').notNull(),
    /** right | wrong | unanswered | undecided */
    outcome: text('outcome').notNull(),
    /** in words that give no answer away; null when there is nothing to say */
    detail: text('detail'),
    /** nanos the house owed for it */
    costNanos: integer('cost_nanos').notNull(),
    /** nanos the operator got of it: null while it is not paid */
    paidNanos: integer('paid_nanos'),
    /** what a caller would have been charged, and for what; 0 where nothing is owed */
    chargedNanos: integer('charged_nanos').notNull().default(0),
    inputTokens: integer('input_tokens').notNull().default(0),
    outputTokens: integer('output_tokens').notNull().default(0),
    tensorBytes: integer('tensor_bytes').notNull().default(0),
    /** ms when its answer was read; null without one */
    endedAt: integer('ended_at'),
    /** the node's suspicion after it, thousandths of a nat (rule: market/audits) */
    suspicion: integer('suspicion').notNull(),
    /** ms */
    at: integer('at').notNull(),
  },
  (t) => [
    index('audits_node').on(t.nodeId, t.modelId, t.at),
    index('audits_at').on(t.at),
    index('audits_ended').on(t.nodeId, t.endedAt, t.id),
  ],
)

/** Answers on which nodes agreed, to be asked again of others: each of one node once. Made up by the house, no caller's words. */
export const canaries = sqliteTable(
  'canaries',
  {
    id: text('id').primaryKey(),
    /** of the model's files */
    digest: text('digest').notNull(),
    /** of the node's paths */
    path: text('path').notNull(),
    /** JSON, or base64url of the canonical tensors */
    request: text('request').notNull(),
    /** JSON of the known answer */
    answer: text('answer').notNull(),
    /** nodes that gave it */
    agreed: integer('agreed').notNull(),
    /** ms */
    madeAt: integer('made_at').notNull(),
  },
  (t) => [index('canaries_digest').on(t.digest, t.madeAt)],
)

/** Which node was asked which canary. */
export const canaryUses = sqliteTable(
  'canary_uses',
  {
    canaryId: text('canary_id').notNull(),
    /** NodeId */
    nodeId: text('node_id').notNull(),
    /** ms */
    at: integer('at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.canaryId, t.nodeId] })],
)

/** What calls of a model look like, without a word of them: sizes and sampling, so that audits can look the same. A bounded sample for each model. */
export const callShapes = sqliteTable(
  'call_shapes',
  {
    /** ModelId */
    modelId: text('model_id').notNull(),
    /** its place in the sample, from 0 */
    slot: integer('slot').notNull(),
    /** JSON of CallShape (market-port.ts) */
    shape: text('shape').notNull(),
    /** ms */
    at: integer('at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.modelId, t.slot] })],
)

/** Receipts that a node handed in, or somebody for it, and that were refused for good: one row for each ticket. For its operator to read; nothing is decided by it. */
export const refusedReceipts = sqliteTable(
  'refused_receipts',
  {
    /** NodeId that the ticket was for */
    nodeId: text('node_id').notNull(),
    /** of the ticket */
    jti: text('jti').notNull(),
    /** bad_receipt | not_for_ticket (protocol/receipt.ts) */
    code: text('code').notNull(),
    /** ms of the first time */
    at: integer('at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.nodeId, t.jti] }), index('refused_receipts_at').on(t.nodeId, t.at)],
)
