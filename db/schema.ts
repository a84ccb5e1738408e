// The registry database (binding DB): who and what there is. Money never stands here; what happened stands in book-schema.ts.
// Times are milliseconds since the Unix epoch, amounts are nanos, both as INTEGER. Ids are text. Booleans do not exist: a time or null does.
import { sql } from 'drizzle-orm'
import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'

export const accounts = sqliteTable(
  'accounts',
  {
    /** AccountId */
    id: text('id').primaryKey(),
    /** ms */
    createdAt: integer('created_at').notNull(),
    /** which book its journal is written to: 0 is BOOK_0 */
    book: integer('book').notNull().default(0),
    /** counts up with every change of its members: what a change is based on */
    membersVersion: integer('members_version').notNull().default(0),
  },
  (t) => [index('accounts_created').on(t.createdAt, t.id)],
)

export const wallets = sqliteTable(
  'wallets',
  {
    /** EIP-55 checksummed address */
    address: text('address').primaryKey(),
    /** AccountId */
    accountId: text('account_id').notNull(),
    /** MemberRole (protocol/members.ts) */
    role: text('role').notNull().default('owner'),
    /** EIP-155 id of the chain its contract stands on; null: a key pair, which is the same on every chain */
    chainId: integer('chain_id'),
    /** ms */
    addedAt: integer('added_at').notNull(),
  },
  (t) => [
    index('wallets_account').on(t.accountId),
    // Addresses are searched by their beginning, as people write them.
    index('wallets_lower').on(sql`lower(${t.address})`),
  ],
)

/** Single-use credit codes. The claim is one conditional UPDATE; the money moves by a transfer with the code's id. */
export const creditCodes = sqliteTable('credit_codes', {
  /** sha256 hex of the code; shown once when made */
  codeHash: text('code_hash').primaryKey(),
  /** nanos */
  amountNanos: integer('amount_nanos').notNull(),
  reason: text('reason').notNull(),
  /** AccountId of the admin */
  createdBy: text('created_by').notNull(),
  /** ms */
  createdAt: integer('created_at').notNull(),
  /** ms */
  expiresAt: integer('expires_at').notNull(),
  /** AccountId, null while unused */
  redeemedBy: text('redeemed_by'),
  /** ms */
  redeemedAt: integer('redeemed_at'),
})

/** Who may publish under `author/…`: the first account that did. */
export const authors = sqliteTable(
  'authors',
  {
    /** the part of a model id before the slash */
    handle: text('handle').primaryKey(),
    /** AccountId: takes the royalties */
    accountId: text('account_id').notNull(),
    /** ms */
    createdAt: integer('created_at').notNull(),
  },
  (t) => [index('authors_account').on(t.accountId)],
)

export const models = sqliteTable(
  'models',
  {
    /** ModelId, author/name */
    id: text('id').primaryKey(),
    /** sha256 hex of JCS({ files }) */
    digest: text('digest').notNull(),
    /** Task (protocol/model.ts) */
    task: text('task').notNull(),
    /** AccountId: takes the royalty */
    authorAccountId: text('author_account_id').notNull(),
    /** basis points of the charge */
    royaltyBps: integer('royalty_bps').notNull(),
    /** ModelManifest as JSON */
    manifest: text('manifest').notNull(),
    /** ModelState (protocol/publish.ts) */
    state: text('state').notNull().default('active'),
    /** of the state, in words for callers and operators */
    stateReason: text('state_reason'),
    /** ModelId to use instead */
    replacedBy: text('replaced_by'),
    /** ms of the last change of state; null: never changed */
    stateAt: integer('state_at'),
    /** checksummed address whose wallet signed the publication; null for rows of before */
    publishedBy: text('published_by'),
    /** that EIP-712 signature, 0x-hex */
    signature: text('signature'),
    /** ms */
    createdAt: integer('created_at').notNull(),
  },
  (t) => [
    uniqueIndex('models_digest').on(t.digest),
    index('models_state').on(t.state, t.id),
    index('models_author').on(t.authorAccountId, t.id),
  ],
)

/** Whose weights are: the first author who published a file has it, and under no name can another publish it again. */
export const weightFiles = sqliteTable('weight_files', {
  /** of the file's bytes, hex */
  sha256: text('sha256').primaryKey(),
  /** ModelId it was published with first */
  modelId: text('model_id').notNull(),
})

export const nodes = sqliteTable(
  'nodes',
  {
    /** NodeId */
    id: text('id').primaryKey(),
    name: text('name').notNull(),
    /** AccountId */
    operatorAccountId: text('operator_account_id').notNull(),
    /** checksummed wallet address that authorised the keys */
    operatorAddress: text('operator_address').notNull(),
    /** Ed25519 public key, base64url */
    nodeKey: text('node_key').notNull(),
    /** secp256k1 address for settlement vouchers */
    settlementKey: text('settlement_key').notNull(),
    /** https URL without a trailing slash, or `link`: reached by its own link */
    endpoint: text('endpoint').notNull(),
    /** of the wire, as agreed when the endpoint was proved; null before */
    wireVersion: integer('wire_version'),
    /** ms since when its link is there; null while it is not */
    linkUpAt: integer('link_up_at'),
    /** ms since when its link is gone, written when it stays away; null while it is there, and before the first one */
    linkDownAt: integer('link_down_at'),
    /** NodeState */
    state: text('state').notNull(),
    /** why it gets no traffic, for its operator; null when it does */
    reason: text('reason'),
    /** ms, null until the endpoint was proved */
    provedAt: integer('proved_at'),
    /** ms of the last hello or passed probe */
    seenAt: integer('seen_at'),
    /** continent it was last seen on (protocol/routing.ts); null: not known */
    region: text('region'),
    /** ms */
    createdAt: integer('created_at').notNull(),
  },
  (t) => [
    uniqueIndex('nodes_key').on(t.nodeKey),
    index('nodes_operator').on(t.operatorAccountId),
    index('nodes_state').on(t.state),
    index('nodes_state_created').on(t.state, t.createdAt, t.id),
    index('nodes_created').on(t.createdAt, t.id),
    index('nodes_name').on(sql`lower(${t.name})`, t.id),
    index('nodes_endpoint').on(t.endpoint),
    // Nodes are counted in these alone: by continent, and those whose link is gone.
    index('nodes_region').on(t.region, t.state, t.linkDownAt),
    index('nodes_silent')
      .on(t.state)
      .where(sql`link_down_at IS NOT NULL`),
  ],
)

/** Every key a node ever had: a key that was exchanged is nobody else's, and old receipts and tickets can be told to whom they belong. */
export const nodeKeys = sqliteTable(
  'node_keys',
  {
    /** Ed25519 public key, base64url */
    nodeKey: text('node_key').primaryKey(),
    /** NodeId */
    nodeId: text('node_id').notNull(),
    /** secp256k1 address that was authorised with it */
    settlementKey: text('settlement_key').notNull(),
    /** ms */
    fromAt: integer('from_at').notNull(),
    /** ms when another took its place; null while in use */
    untilAt: integer('until_at'),
  },
  (t) => [index('node_keys_node').on(t.nodeId)],
)

export const offers = sqliteTable(
  'offers',
  {
    /** NodeId */
    nodeId: text('node_id').notNull(),
    /** ModelId */
    modelId: text('model_id').notNull(),
    /** pending | live | paused */
    state: text('state').notNull(),
    /** why it gets no traffic; null when live */
    reason: text('reason'),
    /** nanos per million input tokens */
    inputPriceNanos: integer('input_price_nanos').notNull(),
    /** nanos per million output tokens */
    outputPriceNanos: integer('output_price_nanos').notNull(),
    /** nanos per million cached input tokens */
    cachedInputPriceNanos: integer('cached_input_price_nanos').notNull(),
    /** nanos per million tensor bytes */
    bytesPriceNanos: integer('bytes_price_nanos').notNull(),
    /** nanos per call */
    callPriceNanos: integer('call_price_nanos').notNull(),
    /** tokens */
    contextTokens: integer('context_tokens').notNull(),
    /** tokens */
    outputTokensMax: integer('output_tokens_max').notNull(),
    /** calls at the same time */
    concurrencyMax: integer('concurrency_max').notNull(),
    /** closed | open | half_open: the breaker as NodeGuard last saw it */
    breaker: text('breaker').notNull().default('closed'),
    /** ms until which an open breaker stays open */
    breakerUntil: integer('breaker_until'),
    /** decayed share of attempts that succeeded, in millionths; null while unknown */
    successPpm: integer('success_ppm'),
    /** decayed time to first token, ms; null while unknown */
    firstTokenMs: integer('first_token_ms'),
    /** decayed output units per second, in thousandths; null while unknown */
    unitsPerKs: integer('units_per_ks'),
    /** attempts under way, as NodeGuard last saw */
    inFlight: integer('in_flight').notNull().default(0),
    /** decayed gap between what the node claimed and what its bytes can be, in millionths; null while unknown */
    driftPpm: integer('drift_ppm'),
    /** pinned | declared: whether the node loads the digest's own files, or fronts a server and can only say so */
    assurance: text('assurance').notNull().default('pinned'),
    /** JSON list of request fields its engine honours; null: not said */
    parameters: text('parameters'),
    /** 0 | 1: its text goes on from what another node has delivered */
    continues: integer('continues').notNull().default(0),
    /** 0 | 1: keeps prompts or answers; null: not said */
    collectsData: integer('collects_data'),
    /** decayed share of attempts refused because all places were taken, in millionths; null while unknown */
    busyPpm: integer('busy_ppm'),
    /** attempts at the same time it was found to take; null: as many as it says */
    inFlightCap: integer('in_flight_cap'),
    /** JSON of HealthWindows (protocol/endpoints.ts); null before the first attempt */
    windows: text('windows'),
    /** what audits think of it, in millionths; null: nothing yet, which counts as whole */
    trustPpm: integer('trust_ppm'),
    /** the same as it stood when the day of its last audit began, which is what anybody is told that day */
    toldTrustPpm: integer('told_trust_ppm'),
    /** that day, in days since the Unix epoch, UTC; null before the first audit */
    toldDay: integer('told_day'),
    /** of the prices above, from 1 */
    priceVersion: integer('price_version').notNull().default(1),
    /** ms of the last change */
    updatedAt: integer('updated_at').notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.nodeId, t.modelId] }),
    index('offers_model').on(t.modelId, t.state),
    // The few that do not answer now.
    index('offers_broken')
      .on(t.nodeId)
      .where(sql`breaker = 'open'`),
  ],
)

/** Every price an offer ever had. A row is written when it comes into force and never changed. */
export const priceVersions = sqliteTable(
  'price_versions',
  {
    /** NodeId */
    nodeId: text('node_id').notNull(),
    /** ModelId */
    modelId: text('model_id').notNull(),
    /** 1, 2, 3 … */
    version: integer('version').notNull(),
    /** nanos per million input tokens */
    inputPriceNanos: integer('input_price_nanos').notNull(),
    /** nanos per million output tokens */
    outputPriceNanos: integer('output_price_nanos').notNull(),
    /** nanos per million cached input tokens */
    cachedInputPriceNanos: integer('cached_input_price_nanos').notNull(),
    /** nanos per million tensor bytes */
    bytesPriceNanos: integer('bytes_price_nanos').notNull(),
    /** nanos per call */
    callPriceNanos: integer('call_price_nanos').notNull(),
    /** ms from which it holds */
    fromAt: integer('from_at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.nodeId, t.modelId, t.version] })],
)
