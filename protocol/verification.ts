// What admins see of the ledger's health: how far the books are behind, what is under way, and what verification found. Amounts are decimal
// dollars, times ISO 8601.
import { z } from 'zod'
import { page } from './auth.ts'
import { isAccountId } from './units.ts'

const Account = z.string().refine((text) => isAccountId(text) && !text.includes(':'), 'an account id')

/** `GET /api/admin/ledger`: as the daily look at every account left it. */
export const LedgerStand = z.object({
  accountsChecked: z.number().int(),
  checkedAt: z.string().nullable(),
  /** lines that no book had yet */
  linesNotProjected: z.number().int(),
  oldestNotProjectedAt: z.string().nullable(),
  /** owed to payees who had not acknowledged it */
  creditsUnderWay: z.string(),
  oldestUnderWayAt: z.string().nullable(),
  alertsOpen: z.number().int(),
  /** those that are behind longest */
  behind: z.array(z.object({ accountId: z.string(), lines: z.number().int(), since: z.string() })),
})
export type LedgerStand = z.infer<typeof LedgerStand>

/** `GET /api/admin/ledger/{accountId}`: asked of the account's guard at this moment. */
export const AccountStandView = z.object({
  accountId: z.string(),
  seq: z.number().int(),
  hash: z.string(),
  balance: z.string(),
  book: z.number().int(),
  linesNotProjected: z.number().int(),
  oldestNotProjectedAt: z.string().nullable(),
  creditsUnderWay: z.string(),
  oldestUnderWayAt: z.string().nullable(),
  checkedSeq: z.number().int(),
  breaches: z.array(z.object({ kind: z.string(), at: z.string(), detail: z.string() })),
  frozen: z.object({ cause: z.string(), reason: z.string(), at: z.string() }).nullable(),
})
export type AccountStandView = z.infer<typeof AccountStandView>

/** `POST /api/admin/ledger/rebuild`: of one account, or without one of the next accounts after `cursor`. */
export const RebuildBody = z.strictObject({
  accountId: Account.optional(),
  cursor: z.string().max(40).optional(),
  /** delete the account's rows first: for rows that are wrong, not only missing */
  wipe: z.boolean().default(false),
})
export const RebuildReply = z.object({ accounts: z.number().int(), nextCursor: z.string().nullable() })
export type RebuildReply = z.infer<typeof RebuildReply>

/** `GET /api/admin/alerts?state=open|all` */
export const AlertView = z.object({
  id: z.string(),
  kind: z.string(),
  /** an account, or house */
  subject: z.string(),
  detail: z.string(),
  at: z.string(),
  resolvedAt: z.string().nullable(),
  resolvedBy: z.string().nullable(),
  resolution: z.string().nullable(),
})
export type AlertView = z.infer<typeof AlertView>
export const AlertPage = page(AlertView)

/** `POST /api/admin/alerts/{id}/resolve` */
export const ResolveBody = z.strictObject({ reason: z.string().trim().min(1).max(200) })
/** `unfrozen`: nothing else keeps the account frozen, so it is free again */
export const ResolveReply = AlertView.extend({ unfrozen: z.boolean() })
export type ResolveReply = z.infer<typeof ResolveReply>
