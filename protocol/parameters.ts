// What the house may set while it runs, within bounds that stand here. Each change has a reason, an author and a time from which it holds; a change that
// takes from others waits the time-lock and can be taken back until then.
import { z } from 'zod'
import { page, Timestamp } from './auth.ts'

/** unit, bounds and delay of every parameter */
export const PARAMETER_RULES = {
  /** the house's share of every charge */
  feeBps: { unit: 'bps', min: 0, max: 5_000, lockMs: 86_400_000 },
  /** what audits may cost, of what callers pay */
  auditBps: { unit: 'bps', min: 0, max: 5_000, lockMs: 0 },
  /** what a node on probation weighs in the choice, of what it would weigh without: with equal rivals, its share of their traffic each */
  probationShareBps: { unit: 'bps', min: 100, max: 10_000, lockMs: 86_400_000 },
  /** calls served well until probation ends */
  probationCalls: { unit: 'calls', min: 1, max: 100_000, lockMs: 86_400_000 },
  /** of a charge on probation that vests later */
  probationVestingBps: { unit: 'bps', min: 0, max: 10_000, lockMs: 86_400_000 },
  /** for how long after a call it may be disputed */
  disputeDays: { unit: 'days', min: 1, max: 30, lockMs: 86_400_000 },
} as const satisfies Record<string, { unit: string; min: number; max: number; lockMs: number }>

export const ParameterName = z.enum(
  Object.keys(PARAMETER_RULES) as [keyof typeof PARAMETER_RULES, ...(keyof typeof PARAMETER_RULES)[]], // an object literal with keys has at least one
)
export type ParameterName = z.infer<typeof ParameterName>

export const ParameterView = z.object({
  name: ParameterName,
  unit: z.string(),
  min: z.number(),
  max: z.number(),
  lockMs: z.number(),
  /** what holds now */
  value: z.number().int(),
  /** configured, until somebody sets it */
  isDefault: z.boolean(),
  /** counts up with every change: what a change is based on */
  version: z.number().int(),
  pending: z
    .object({ id: z.string(), value: z.number().int(), reason: z.string(), by: z.string(), effectiveAt: Timestamp })
    .nullable(),
})
export type ParameterView = z.infer<typeof ParameterView>
/** `GET /api/admin/parameters` */
export const ParameterList = z.object({ data: z.array(ParameterView) })

/** `PUT /api/admin/parameters/{name}`, with a fresh sign-in. 409 `changed_meanwhile` when `version` is not the present one. */
export const ParameterChange = z.strictObject({
  value: z.number().int(),
  reason: z.string().trim().min(1).max(200),
  version: z.number().int(),
})

/** of `DELETE /api/admin/parameters/{name}/pending`: takes back the change of this id, and no other (409 `changed_meanwhile`). Absent: whichever waits */
export const ParameterTakeBack = z.object({ id: z.string().max(80).optional() })

/** `GET /api/admin/parameters/{name}/history`, newest first. `DELETE /api/admin/parameters/{name}/pending` takes back what waits. */
export const ParameterEntry = z.object({
  id: z.string(),
  value: z.number().int(),
  before: z.number().int(),
  reason: z.string(),
  /** address of the admin */
  by: z.string(),
  at: Timestamp,
  effectiveAt: Timestamp,
  withdrawnAt: Timestamp.nullable(),
})
export const ParameterHistory = page(ParameterEntry)

/**
 * One entry of `GET /api/admin/log`, a chain: an act of an admin, entered before it is done, or what came of one (protocol/admin-acts.ts puts both together). `hash` = sha256 of `prevHash` followed by JCS of the entry without both and `signature`; `signature` is the gateway's JWS over it.
 */
export const AdminLogEntry = z.object({
  seq: z.number().int(),
  at: Timestamp,
  /** address of the admin */
  by: z.string(),
  accountId: z.string(),
  /** method and route pattern, such as `POST /api/admin/grants`; `outcome`: what came of an earlier entry */
  action: z.string(),
  /** what it was done to: the route's parameters; of an outcome `entry`, the number of the act's, and `code`, of a refusal */
  target: z.record(z.string(), z.string()),
  /** the body as it was sent, secrets left out; none of an outcome */
  body: z.string(),
  /** HTTP status of what came of it; 0: not known when it was entered */
  status: z.number().int(),
  requestId: z.string(),
  prevHash: z.string(),
  hash: z.string(),
  signature: z.string(),
})
export type AdminLogEntry = z.infer<typeof AdminLogEntry>
export const AdminLogPage = page(AdminLogEntry)
/** `GET /api/admin/log/check`: the gateway reads its whole chain and checks it (protocol/admin-log.ts). */
export const AdminLogCheck = z.object({
  ok: z.boolean(),
  /** checked, up to the first that is wrong */
  entries: z.number().int(),
  /** of the newest entry: who keeps both sees later whether newer ones were cut off; null without any */
  head: z.object({ seq: z.number().int(), hash: z.string() }).nullable(),
  /** null: nothing is wrong */
  wrong: z.object({ seq: z.number().int(), what: z.enum(['gap', 'chain', 'hash', 'signature']) }).nullable(),
})
export type AdminLogCheck = z.infer<typeof AdminLogCheck>
