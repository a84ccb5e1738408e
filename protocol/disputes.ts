// When somebody says that something was wrong: a payer disputes a call, anybody reports a model or a node, an admin decides.
import { z } from 'zod'
import { page, Timestamp, Usd } from './auth.ts'

export const DisputeState = z.enum(['open', 'refunded', 'rejected', 'withdrawn'])
export type DisputeState = z.infer<typeof DisputeState>
/** of `GET /api/admin/disputes`, beside `cursor` and `limit`; absent: all, newest first */
export const DisputeQuery = z.object({ state: DisputeState.optional() })
/** of `GET /api/disputes`, beside `cursor` and `limit`: that of one call */
export const OwnDisputeQuery = z.object({ call: z.string().max(80).optional() })
/** `POST /api/disputes/{id}/withdraw`, by the payer while it is open. 409 `changed_meanwhile` when `version` is old. */
export const DisputeWithdrawal = z.strictObject({ version: z.number().int() })
const Words = z.string().trim().min(1).max(1000)

/** `POST /api/disputes`, by the payer, within the days of the parameter `disputeDays`, once a call. */
export const DisputeRequest = z.strictObject({
  callId: z.string().max(80),
  /** what was wrong: wrong_answer, not_delivered, overcharged, other */
  kind: z.enum(['wrong_answer', 'not_delivered', 'overcharged', 'other']),
  words: Words,
})
export const DisputeView = z.object({
  id: z.string(),
  callId: z.string(),
  accountId: z.string(),
  kind: DisputeRequest.shape.kind,
  words: z.string(),
  state: DisputeState,
  /** dollars the call cost, and what was given back */
  cost: z.string(),
  refunded: z.string().nullable(),
  model: z.string(),
  node: z.string().nullable(),
  /** what the admin said */
  answer: z.string().nullable(),
  createdAt: Timestamp,
  decidedAt: Timestamp.nullable(),
  version: z.number().int(),
})
export type DisputeView = z.infer<typeof DisputeView>
/** `GET /api/admin/disputes?state=` */
export const DisputePage = page(DisputeView)
/** `GET /api/disputes`: own ones, and for how many days after its end a call may be disputed now (the parameter `disputeDays`) */
export const OwnDisputePage = DisputePage.extend({ days: z.number().int() })
/** `POST /api/admin/disputes/{id}/decide`, fresh. Without `usd`, all of the call. 409 `changed_meanwhile` when decided already or `version` is old. */
export const DisputeDecision = z.strictObject({
  decision: z.enum(['refund', 'reject']),
  usd: Usd.optional(),
  /** earners: operator and author give back their shares of it; house: it bears all */
  from: z.enum(['house', 'earners']).default('earners'),
  answer: Words,
  version: z.number().int(),
})

export const ReportState = z.enum(['open', 'acted', 'dismissed'])
/** of `GET /api/admin/reports`, beside `cursor` and `limit`; absent: all, newest first */
export const ReportQuery = z.object({ state: ReportState.optional() })
/** `POST /api/reports`, by anybody signed in: about a model or a node. */
export const ReportRequest = z.strictObject({
  about: z.enum(['model', 'node']),
  id: z.string().min(1).max(160),
  kind: z.enum(['illegal', 'copyright', 'malicious', 'impersonation', 'other']),
  words: Words,
})
export const ReportView = z.object({
  id: z.string(),
  about: z.enum(['model', 'node']),
  subject: z.string(),
  kind: ReportRequest.shape.kind,
  words: z.string(),
  reporter: z.string(),
  state: ReportState,
  answer: z.string().nullable(),
  createdAt: Timestamp,
  decidedAt: Timestamp.nullable(),
  version: z.number().int(),
})
export type ReportView = z.infer<typeof ReportView>
/** `GET /api/admin/reports?state=` */
export const ReportPage = page(ReportView)
/** `POST /api/admin/reports/{id}/decide`. Taking a model down or suspending a node is an action of its own. */
export const ReportDecision = z.strictObject({
  decision: z.enum(['acted', 'dismissed']),
  answer: Words,
  version: z.number().int(),
})

/** `PUT /api/account/policy`: what may be done with what this account sends. Calls may ask for more protection, never for less. */
export const PolicyRequest = z.strictObject({
  /** deny: only nodes that say they keep nothing are asked */
  dataCollection: z.enum(['allow', 'deny']),
  /** true: the gateway may send calls of this account to a second node to compare (design.md, section 6). Default no */
  auditsAllowed: z.boolean(),
  version: z.number().int(),
})
export const PolicyView = PolicyRequest
export type PolicyView = z.infer<typeof PolicyView>

/** `PUT /api/operator/models`: which models the operator's nodes may serve. blocked: none of their nodes is asked for it, whatever it offers. */
export const ModelRule = z.object({ model: z.string().max(160), rule: z.enum(['accepted', 'blocked']), at: Timestamp })
export const ModelRuleRequest = z.strictObject({
  model: z.string().max(160),
  rule: z.enum(['accepted', 'blocked']).nullable(),
  /** the rule as it was seen, null for none: 409 `changed_meanwhile` when there is another one. Absent: whichever there is */
  was: z.enum(['accepted', 'blocked']).nullable().optional(),
})
export const ModelRuleList = z.object({ data: z.array(ModelRule) })
