// What operators and their programs ask the gateway about their nodes. Two ways to ask: a signed-in wallet (or a managing API key), or the node's own
// key, which may look after its own node only: `authorization: SoukNode <JWS by the node key over NodeRequestClaims>`. What concerns the operator rather than
// one node (registering, rotating a key, revoking, money) always needs the wallet.
import { z } from 'zod'
import { Address, page, Signature, Timestamp } from './auth.ts'
import { HealthWindows } from './endpoints.ts'
import { Ed25519Key, NodeState, NodeView, OfferRequest, PricesView } from './node.ts'

export const NODE_REQUEST_SCHEME = 'SoukNode'
export const NODE_REQUEST_TYP = 'souk-node-request'

/** Signed per request: this method, this path with its query, this body, within a minute of `iat` (seconds). */
export const NodeRequestClaims = z.strictObject({
  use: z.literal('souk-node-request'),
  nodeId: z.string(),
  method: z.enum(['GET', 'POST', 'PUT']),
  path: z.string().max(512),
  /** sha256 hex of the body's bytes; of no bytes when there is no body */
  bodySha256: z.string().length(64),
  iat: z.number().int(),
})
export type NodeRequestClaims = z.infer<typeof NodeRequestClaims>

/** Sums of a span of time, of ended calls. */
export const Traffic = z.object({
  calls: z.number().int(),
  /** that ended failed or expired */
  errors: z.number().int(),
  inputTokens: z.number().int(),
  outputTokens: z.number().int(),
  tensorBytes: z.number().int(),
  /** decimal dollars: the operator's share */
  earned: z.string(),
})
export type Traffic = z.infer<typeof Traffic>

/** What others ask for the same model: the lowest, the middle and the highest price among live offers; null without any. */
export const PriceRange = z.object({
  model: z.string(),
  /** live offers of other nodes */
  offers: z.number().int(),
  low: PricesView.nullable(),
  median: PricesView.nullable(),
  high: PricesView.nullable(),
})
export type PriceRange = z.infer<typeof PriceRange>

/** `GET /api/models/{author}/{name}/prices`: public. */
export const PriceRangeReply = PriceRange

/** How the gateway sees one offer's health; null: nothing known yet. */
export const OfferHealthView = z.object({
  model: z.string(),
  breaker: z.enum(['closed', 'open', 'half_open']),
  /** 0…1, decayed */
  success: z.number().nullable(),
  firstTokenMs: z.number().nullable(),
  unitsPerSecond: z.number().nullable(),
  inFlight: z.number().int(),
  /** attempts at the same time it is sent at most: what it offers, or what it was found to take */
  inFlightCap: z.number().int().optional(),
  /** 0…1, decayed: refused because all its places were taken */
  busyShare: z.number().nullable().optional(),
  /** 0…1: what audits thought of it when the day began (UTC); 1 while they thought nothing */
  trust: z.number().optional(),
  windows: HealthWindows.nullable().optional(),
})
export type OfferHealthView = z.infer<typeof OfferHealthView>

/** When a node was stopped or let in again, by whom and why. */
export const SanctionView = z.object({
  what: z.enum(['suspended', 'reinstated']),
  by: z.enum(['audit', 'house']),
  /** in words */
  reason: z.string(),
  /** what it was decided by */
  evidence: z.record(z.string(), z.unknown()),
  at: Timestamp,
})
export type SanctionView = z.infer<typeof SanctionView>

/** `GET /api/nodes/{id}/sanctions`, by the node's key, its operator or an admin: newest first, at most a hundred. */
export const SanctionsReply = z.object({ data: z.array(SanctionView) })
export type SanctionsReply = z.infer<typeof SanctionsReply>

/** `POST /api/admin/nodes/{id}/suspend` and `/reinstate`, by an admin with a fresh sign-in. The answer is a NodeView. */
export const SanctionRequest = z.strictObject({
  /** for its operator: what was found, or what has changed */
  reason: z.string().trim().min(1).max(500),
})
export type SanctionRequest = z.infer<typeof SanctionRequest>

/** Of a node in probation: it ends when it has served so many attempts well, and part of what it earns until then is paid out later. */
export const ProbationView = z.object({
  /** null: not known just now */
  served: z.number().int().nullable(),
  attempts: z.number().int(),
  /** share of what it earns now that waits, 0…1, and until when */
  waitingShare: z.number(),
  until: Timestamp,
})
export type ProbationView = z.infer<typeof ProbationView>

/** Of a node's receipts, as the gateway has them. A receipt moves no money: one that is owed or refused takes none away. */
export const ReceiptsView = z.object({
  /** its newest calls that a receipt belongs to: at most 500 of each book, of the last 30 days */
  calls: z.number().int(),
  /** of them, without one until now */
  owed: z.number().int(),
  /** of them, whose receipt came after the answer */
  late: z.number().int(),
  /** refused for good in the last 30 days; whoever holds the order of a call can have its receipt refused, once */
  refused: z.array(z.object({ code: z.enum(['bad_receipt', 'not_for_ticket']), count: z.number().int() })),
  /** all of that in sentences that end in what to do; empty when nothing is owed, late or refused */
  words: z.array(z.string()),
})
export type ReceiptsView = z.infer<typeof ReceiptsView>

/** `GET /api/nodes/{id}/status`, by the node's key or its operator: one look at everything. */
export const NodeStatusView = z.object({
  node: NodeView,
  /** every reason, in words, why it gets no traffic or less than it could; empty when nothing is wrong */
  reasons: z.array(z.string()),
  health: z.array(OfferHealthView),
  traffic: z.object({ hour: Traffic, day: Traffic, month: Traffic }),
  /** newest first; null: never */
  lastCallAt: Timestamp.nullable(),
  prices: z.array(PriceRange),
  /** what its operator should know: a model was deprecated, withdrawn or blocked, an older wire is spoken, … */
  notices: z.array(z.string()),
  /** absent, or null: it is in no probation */
  probation: ProbationView.nullable().optional(),
  /** absent, or null: it is not suspended, or nobody wrote down why */
  suspension: SanctionView.nullable().optional(),
  /** absent: not told */
  receipts: ReceiptsView.optional(),
  /** the gateway's clock, so that the node can compare its own */
  at: Timestamp,
})
export type NodeStatusView = z.infer<typeof NodeStatusView>

/** `PUT /api/nodes/{id}/offers`, by the node's key or its operator: all offers at once; what is absent is paused. The answer is a NodeView. */
export const OffersRequest = z.strictObject({
  offers: z.array(OfferRequest).min(1).max(100),
  /** `offersTag` of the node that these are based on: 409 `changed_meanwhile` when it offers something else by now. Absent: whatever it offers */
  seen: z.string().max(64).optional(),
})
export type OffersRequest = z.infer<typeof OffersRequest>

/** `POST /api/nodes/{id}/selftest`, by the node's key or its operator: a call of the gateway to this node, paid by nobody. */
export const SelftestRequest = z.strictObject({ model: z.string().max(160).optional() })
export const SelftestReply = z.object({
  data: z.array(
    z.object({
      model: z.string(),
      ok: z.boolean(),
      /** ms until the whole answer was there */
      ms: z.number().int(),
      /** what was wrong, in a sentence; null when nothing was */
      detail: z.string().nullable(),
    }),
  ),
})
export type SelftestReply = z.infer<typeof SelftestReply>

/**
 * `GET /api/nodes/{id}/audits`, by the node's key or its operator: what audits found, newest first, by day (UTC) and model, of days that are over. Which calls were audits is told
 * to nobody.
 */
export const NodeAuditsView = z.object({
  /** what audits thought of its offers when the day began (UTC), 0…1: the choice multiplies its weight by what they think now */
  offers: z.array(z.object({ model: z.string(), trust: z.number() })),
  days: z.array(
    z.object({
      day: z.string(),
      model: z.string(),
      right: z.number().int(),
      wrong: z.number().int(),
      /** it did not answer, which is its health's matter */
      unanswered: z.number().int(),
      /** nobody else could say who was right */
      undecided: z.number().int(),
      /** what was wrong, in sentences */
      findings: z.array(z.string()),
      /** decimal dollars */
      paid: z.string(),
    }),
  ),
})
export type NodeAuditsView = z.infer<typeof NodeAuditsView>

/**
 * `GET /api/nodes/{id}/earnings?from&to&cursor&limit`, by the node's key or its operator: charged calls this node was paid for, newest first. `from` is included, `to` is
 * not. A page may be short, even empty: the list ends where `nextCursor` is null. A call that was refunded later stands here as it was paid.
 */
export const EarningView = z.object({
  callId: z.string(),
  attempt: z.number().int(),
  model: z.string(),
  inputTokens: z.number().int(),
  outputTokens: z.number().int(),
  tensorBytes: z.number().int(),
  /** decimal dollars: what the consumer was charged, and the operator's share of it */
  charged: z.string(),
  earned: z.string(),
  at: Timestamp,
})
export type EarningView = z.infer<typeof EarningView>
export const EarningsPage = page(EarningView)
export type EarningsPage = z.infer<typeof EarningsPage>

/** Decimal dollars. */
export const OperatorMoney = z.object({
  /** earned and free: what may be withdrawn now */
  withdrawable: z.string(),
  /** earned, and spendable later: the sum, and its parts, the soonest first */
  vesting: z.string(),
  vestingParts: z.array(z.object({ usd: z.string(), until: Timestamp })),
  /** asked for and not yet paid */
  withdrawals: z.object({ count: z.number().int(), usd: z.string() }),
})
export type OperatorMoney = z.infer<typeof OperatorMoney>

/** `GET /api/operator/summary?cursor&limit`, by the operator: every machine on one page. `day`: the last 24 clock hours, `month`: the last 720, the running one among them. */
export const OperatorSummary = page(
  z.object({
    node: NodeView,
    traffic: z.object({ day: Traffic, month: Traffic }),
    /** null: never */
    lastCallAt: Timestamp.nullable(),
  }),
).extend({
  /** of the account, those on other pages too; so is the traffic */
  nodes: z.number().int(),
  traffic: z.object({ day: Traffic, month: Traffic }),
  money: OperatorMoney,
})
export type OperatorSummary = z.infer<typeof OperatorSummary>

/** What both keys sign when a node's key is exchanged: the id stays, and with it history, state and offers. */
export const rotationClaims = (nodeId: string, oldKey: string, newKey: string, deadline: number) => ({
  use: 'souk-node-rotation',
  nodeId,
  oldKey,
  newKey,
  deadline,
})
export const ROTATION_TYP = 'souk-node-rotation'

/** `POST /api/nodes/{id}/rotate`, by the signed-in operator. `signature`: EIP-712 NodeAuthorization for the new keys. The answer is a NodeView. */
export const RotateRequest = z.strictObject({
  nodeKey: Ed25519Key,
  settlementKey: Address,
  operator: Address,
  /** seconds since the Unix epoch, as in everything that is signed here */
  deadline: z.number().int().min(0),
  signature: Signature,
  /** compact JWS over {@link rotationClaims}: by the new key always; by the old one unless it is lost */
  newProof: z.string().max(4_096),
  oldProof: z.string().max(4_096).optional(),
})
export type RotateRequest = z.infer<typeof RotateRequest>

/** `GET /api/node-keys/{nodeKey}`, public: whose key this is, so that a node finds its id by it. 404 for a key that no node ever had. */
export const NodeKeyView = z.object({
  nodeId: z.string(),
  state: NodeState,
  /** when another key took its place; null while it is the node's */
  replacedAt: Timestamp.nullable(),
})
export type NodeKeyView = z.infer<typeof NodeKeyView>

/** `GET|PUT|DELETE /api/account/payout-address`: each answers with a PayoutAddressView (auth.ts); DELETE takes a pending change back. A change needs a fresh sign-in, comes into force after a delay and is told to the account at once; until then the old one holds. */
export const PayoutAddressRequest = z.strictObject({
  address: Address,
  /** `requestedAt` of the change that waits as it was seen, null for none: 409 `changed_meanwhile` when another one waits. Absent: whichever does */
  pending: Timestamp.nullable().optional(),
})
/** of `DELETE /api/account/payout-address`: takes back the change that was asked for then, and no other. Absent: whichever waits */
export const PayoutAddressTakeBack = z.object({ pending: Timestamp.optional() })
