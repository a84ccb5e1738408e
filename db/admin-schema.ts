// Registry tables of the house's own office: what it set while it runs, what its admins did, what people said was wrong, and which models an operator
// will not serve. Money: nanos. Times: milliseconds since the Unix epoch.
import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'

/** Every change of a parameter (protocol/parameters.ts). A row is never changed but to take it back before it holds. */
export const parameterEntries = sqliteTable(
  'parameter_entries',
  {
    id: text('id').primaryKey(),
    /** ParameterName */
    name: text('name').notNull(),
    /** 1, 2, 3 … of this parameter */
    n: integer('n').notNull(),
    /** in the parameter's own unit */
    value: integer('value').notNull(),
    /** what held when it was set */
    before: integer('before').notNull(),
    reason: text('reason').notNull(),
    /** checksummed address of the admin */
    by: text('by').notNull(),
    /** ms */
    at: integer('at').notNull(),
    /** ms from which it holds */
    effectiveAt: integer('effective_at').notNull(),
    /** ms when it was taken back before it held; null otherwise */
    withdrawnAt: integer('withdrawn_at'),
  },
  (t) => [uniqueIndex('parameter_entries_name').on(t.name, t.n)],
)

/** What admins did, as a chain that the gateway signed: each row holds the hash of the one before. An act has a row before it is done, and one for what came of it. Never changed. */
export const adminLog = sqliteTable('admin_log', {
  /** 1, 2, 3 … without gaps */
  seq: integer('seq').primaryKey(),
  /** ms */
  at: integer('at').notNull(),
  /** checksummed address of the admin */
  by: text('by').notNull(),
  /** AccountId */
  accountId: text('account_id').notNull(),
  /** method and route pattern; `outcome` */
  action: text('action').notNull(),
  /** JSON: the route's parameters; of an outcome the act's row, and the code of a refusal */
  target: text('target').notNull(),
  /** as it was sent, secrets left out */
  body: text('body').notNull(),
  /** HTTP status of the answer; 0: not known yet */
  status: integer('status').notNull(),
  requestId: text('request_id').notNull(),
  /** sha256 hex of the entry before; 64 zeros for the first */
  prevHash: text('prev_hash').notNull(),
  /** sha256 hex (protocol/admin-log.ts) */
  hash: text('hash').notNull(),
  /** the gateway's JWS over seq and hash */
  signature: text('signature').notNull(),
})

/** A call whose payer says that something was wrong. One for each call. */
export const disputes = sqliteTable(
  'disputes',
  {
    id: text('id').primaryKey(),
    /** CallId */
    callId: text('call_id').notNull(),
    /** AccountId that paid */
    accountId: text('account_id').notNull(),
    /** wrong_answer | not_delivered | overcharged | other */
    kind: text('kind').notNull(),
    words: text('words').notNull(),
    /** DisputeState */
    state: text('state').notNull(),
    /** nanos that the call cost */
    costNanos: integer('cost_nanos').notNull(),
    /** nanos given back; null when nothing was */
    refundedNanos: integer('refunded_nanos'),
    /** ModelId */
    modelId: text('model_id').notNull(),
    /** NodeId; null when none is known */
    nodeId: text('node_id'),
    /** JSON of a refund that was decided and is on its way (gateway/admin/dispute-decision.ts); null otherwise */
    refunding: text('refunding'),
    /** what the admin said; null until decided */
    answer: text('answer'),
    /** checksummed address of the admin who decided */
    decidedBy: text('decided_by'),
    /** ms */
    createdAt: integer('created_at').notNull(),
    /** ms */
    decidedAt: integer('decided_at'),
    /** counts up with every change */
    version: integer('version').notNull().default(1),
  },
  (t) => [
    uniqueIndex('disputes_call').on(t.callId),
    index('disputes_account').on(t.accountId, t.createdAt, t.id),
    index('disputes_state').on(t.state, t.createdAt, t.id),
    index('disputes_created').on(t.createdAt, t.id),
  ],
)

/** What somebody said of a model or a node. */
export const reports = sqliteTable(
  'reports',
  {
    id: text('id').primaryKey(),
    /** model | node */
    about: text('about').notNull(),
    /** ModelId or NodeId */
    subject: text('subject').notNull(),
    /** illegal | copyright | malicious | impersonation | other */
    kind: text('kind').notNull(),
    words: text('words').notNull(),
    /** AccountId */
    reporter: text('reporter').notNull(),
    /** open | acted | dismissed */
    state: text('state').notNull(),
    /** what the admin said; null until decided */
    answer: text('answer'),
    /** checksummed address of the admin who decided */
    decidedBy: text('decided_by'),
    /** ms */
    createdAt: integer('created_at').notNull(),
    /** ms */
    decidedAt: integer('decided_at'),
    /** counts up with every change */
    version: integer('version').notNull().default(1),
  },
  (t) => [
    index('reports_state').on(t.state, t.createdAt, t.id),
    index('reports_reporter').on(t.reporter, t.createdAt),
    index('reports_created').on(t.createdAt, t.id),
  ],
)

/** What an operator said of a model: accepted, or blocked, so that none of their nodes is asked for it. No row: nothing said. */
export const modelRules = sqliteTable(
  'model_rules',
  {
    /** AccountId */
    operatorAccountId: text('operator_account_id').notNull(),
    /** ModelId */
    modelId: text('model_id').notNull(),
    /** accepted | blocked */
    rule: text('rule').notNull(),
    /** ms */
    at: integer('at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.operatorAccountId, t.modelId] })],
)
