// What is metered, over time: spend for who pays, traffic for who serves, revenue for the house. Points stand at the start of their hour or day in UTC;
// amounts are decimal dollars; a point without calls is not sent. Everything is read from rollups, never from single calls.
import { z } from 'zod'
import { page, Timestamp } from './auth.ts'
import { Continent } from './routing.ts'

export const Step = z.enum(['hour', 'day'])
export type Step = z.infer<typeof Step>

/**
 * `from` and `to` are cut to whole steps, from the start of the one to the end of the other, so that the hour that runs is in it: `from` inclusive, `to`
 * exclusive. At most 31 days of hours, 400 of days. `format=csv` gives a file for a spreadsheet, `format=json` the reply as a file.
 */
export const RangeQuery = z.object({ from: Timestamp, to: Timestamp, step: Step.default('hour') })
export type RangeQuery = z.infer<typeof RangeQuery>

/** ms, read off a histogram whose steps are at most a tenth apart; null: nothing was measured */
export const LatencyView = z.object({ p50: z.number(), p90: z.number(), p99: z.number() }).nullable()
export type LatencyView = z.infer<typeof LatencyView>

export const Measures = z.object({
  calls: z.number().int(),
  /** calls that ended failed or expired */
  errors: z.number().int(),
  inputTokens: z.number().int(),
  outputTokens: z.number().int(),
  /** bytes of tensors, in and out */
  tensorBytes: z.number().int(),
  /** dollars charged */
  charge: z.string(),
})
export type Measures = z.infer<typeof Measures>

const at = { at: Timestamp }

/** `GET /api/spend`: RangeQuery and `by`, which splits the sums; `key`, `model`, `node` narrow them. */
export const SpendQuery = RangeQuery.extend({
  by: z.enum(['model', 'key', 'node']).default('model'),
  key: z.string().max(160).optional(),
  model: z.string().max(160).optional(),
  node: z.string().max(160).optional(),
})
export const SpendReply = z.object({
  from: Timestamp,
  to: Timestamp,
  step: Step,
  total: Measures,
  points: z.array(Measures.extend(at)),
  /** largest charge first, at most 50; `id` is the model, key or node */
  groups: z.array(Measures.extend({ id: z.string() })),
})
export type SpendReply = z.infer<typeof SpendReply>

export const Revenue = Measures.extend({
  /** dollars of the charge that went to operators, authors and the house */
  operators: z.string(),
  authors: z.string(),
  house: z.string(),
  firstTokenMs: LatencyView,
  /** from the first byte asked to the last byte answered */
  durationMs: LatencyView,
})
export type Revenue = z.infer<typeof Revenue>

/** `GET /api/admin/metering`: RangeQuery; `model`, `node` narrow it. `before` is the period of the same length right before. */
export const MeteringQuery = RangeQuery.extend({
  model: z.string().max(160).optional(),
  node: z.string().max(160).optional(),
})
export const MeteringReply = z.object({
  from: Timestamp,
  to: Timestamp,
  step: Step,
  total: Revenue,
  points: z.array(Revenue.extend(at)),
  before: z.object({ total: Revenue, points: z.array(Revenue.extend(at)) }),
  /** how far the book is behind the guards: of the accounts whose lines are on their way, the oldest. ms; 0: nothing waits */
  projectionLagMs: z.number(),
})
export type MeteringReply = z.infer<typeof MeteringReply>

/** `GET /api/admin/top`: who or what was charged most in the range. */
export const TopQuery = RangeQuery.extend({
  by: z.enum(['account', 'model', 'node']),
  limit: z.coerce.number().int().min(1).max(100).default(10),
})
export const TopReply = z.object({
  data: z.array(Measures.extend({ id: z.string(), operators: z.string(), authors: z.string(), house: z.string() })),
})
export type TopReply = z.infer<typeof TopReply>

/** `GET /api/nodes/{id}/history`: of the operator's own node. */
export const NodeHistoryReply = z.object({
  from: Timestamp,
  to: Timestamp,
  step: Step,
  points: z.array(
    Measures.extend(at).extend({
      /** dollars of the charge that went to the operator */
      earned: z.string(),
      firstTokenMs: LatencyView,
      durationMs: LatencyView,
    }),
  ),
})
export type NodeHistoryReply = z.infer<typeof NodeHistoryReply>

/** `GET /api/operator/earnings`: RangeQuery; all nodes of the operator who asks. Groups: most charged first, at most 50. */
export const OperatorEarningsReply = z.object({
  from: Timestamp,
  to: Timestamp,
  step: Step,
  /** `earned`: dollars of the charge that went to the operator */
  points: z.array(Measures.extend(at).extend({ earned: z.string() })),
  nodes: z.array(Measures.extend({ id: z.string(), earned: z.string() })),
  models: z.array(Measures.extend({ id: z.string(), earned: z.string() })),
})
export type OperatorEarningsReply = z.infer<typeof OperatorEarningsReply>

/** `GET /api/author/royalties`: RangeQuery; all models of the author who asks. */
export const RoyaltiesReply = z.object({
  from: Timestamp,
  to: Timestamp,
  step: Step,
  points: z.array(Measures.extend(at).extend({ royalty: z.string() })),
  models: z.array(Measures.extend({ id: z.string(), royalty: z.string() })),
})
export type RoyaltiesReply = z.infer<typeof RoyaltiesReply>

/** `GET /api/status`: for everybody. `share` of calls that ended well, 0…1, null without calls. */
export const StatusReply = z.object({
  days: z.array(z.object({ at: Timestamp, calls: z.number().int(), share: z.number().nullable() })),
  /** as coarse as a continent; null: not known */
  nodes: z.array(z.object({ region: Continent.nullable(), active: z.number().int(), total: z.number().int() })),
  models: z.number().int(),
  firstTokenMs: LatencyView,
})
export type StatusReply = z.infer<typeof StatusReply>

/** One account, in `GET /api/admin/accounts` (newest first; `q`: the beginning of an account id or a wallet's address). */
export const AdminAccountRow = z.object({
  accountId: z.string(),
  wallets: z.array(z.string()),
  isOperator: z.boolean(),
  isAuthor: z.boolean(),
  createdAt: Timestamp,
})
export const AdminAccountPage = page(AdminAccountRow)

/** One node, in `GET /api/admin/nodes` (`state`: a node's, or `silent` as {@link NodeCounts} has it; `q`: the beginning of its name or id). */
export const AdminNodeRow = z.object({
  id: z.string(),
  name: z.string(),
  operator: z.string(),
  endpoint: z.string(),
  region: Continent.nullable(),
  state: z.string(),
  reason: z.string().nullable(),
  models: z.number().int(),
  seenAt: Timestamp.nullable(),
  createdAt: Timestamp,
})
export const AdminNodePage = page(AdminNodeRow)

/** `GET /api/admin/nodes/count`: every node that is not revoked, counted once. A number of `countedMax` means "or more". */
export const NodeCounts = z.object({
  /** active, and answer */
  live: z.number().int(),
  /** in probation, and answer */
  probation: z.number().int(),
  /** active or in probation, and do not answer: their link is gone, or no live offer of theirs is let through by its breaker */
  silent: z.number().int(),
  pending: z.number().int(),
  draining: z.number().int(),
  suspended: z.number().int(),
  countedMax: z.number().int(),
})
export type NodeCounts = z.infer<typeof NodeCounts>

/** One model, in `GET /api/admin/models` (by id; `state`, `q`: the beginning of its id). */
export const AdminModelRow = z.object({
  id: z.string(),
  task: z.string(),
  /** AccountId */
  author: z.string(),
  royaltyBps: z.number().int(),
  state: z.string(),
  reason: z.string().nullable(),
  /** of the last change of its state: what a change is based on; null: never changed */
  stateAt: Timestamp.nullable().default(null),
  /** that offer it: live ones, of nodes in whatever state */
  offers: z.number().int(),
  createdAt: Timestamp,
})
export const AdminModelPage = page(AdminModelRow)

/**
 * Of the three lists of admins, beside `cursor` and `limit`. What `q` finds comes on one page, without a cursor: who is looking for one thing writes more of it.
 * `format=csv` is the whole list as a file, at most 10,000 rows.
 */
export const AdminListQuery = z.object({
  q: z.string().trim().min(1).max(160).optional(),
  format: z.enum(['json', 'csv']).default('json'),
})
