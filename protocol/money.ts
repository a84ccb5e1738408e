// Money that goes back, comes in and goes out, as it crosses the wire: refunds, withdrawals, pay-out files, and what an account's money consists
// of. Amounts are decimal dollars, times ISO 8601 in UTC. Every request that moves money names its own id: the same id again moves nothing.
import { z } from 'zod'
import { AccountLimitsView, Address, KeyView, page, Timestamp, Usd } from './auth.ts'
import { fromUsd, isAccountId, isCallId } from './units.ts'

const PositiveUsd = Usd.refine((text) => !Usd.safeParse(text).success || fromUsd(text) > 0n, 'more than nothing')
const Reason = z.string().trim().min(1).max(200)
const RequestId = z.string().regex(/^[\w.:-]{1,64}$/, '1 to 64 letters, digits, or . : _ -')
const AccountIdIn = z.string().refine((text) => isAccountId(text) && !text.includes(':'), 'an account id')

/** `POST /api/admin/refunds`. Without `usd`: all that is left of what the call cost the account. */
export const RefundBody = z.strictObject({
  accountId: AccountIdIn,
  callId: z.string().refine(isCallId, 'a call id'),
  usd: PositiveUsd.optional(),
  reason: Reason,
  id: RequestId,
  /** earners: operator and author give back their shares of what is refunded; the house bears the rest */
  from: z.enum(['house', 'earners']).default('house'),
})
export type RefundBody = z.infer<typeof RefundBody>

export const RefundReply = z.object({
  usd: z.string(),
  /** what the payer can spend now */
  balance: z.string(),
  held: z.string(),
  seq: z.number().int(),
  /** one entry per earner: what was asked, what could be taken, what could not */
  takenBack: z.array(
    z.object({
      accountId: z.string(),
      usd: z.string(),
      taken: z.string(),
      owed: z.string(),
      /** why nothing is known of this one; the same request again tries it again */
      error: z.string().nullable(),
    }),
  ),
  /** of `usd`, what is at the house's expense */
  house: z.string(),
})
export type RefundReply = z.infer<typeof RefundReply>

/** What a key may spend, and nothing of what it is recognised by. */
export const KeyLimitsView = KeyView.omit({ hint: true, scopes: true, models: true, nodes: true, oldKeyUntil: true })
export type KeyLimitsView = z.infer<typeof KeyLimitsView>
/** `GET /api/admin/accounts/{id}` */
export const AccountMoneyReply = z.object({
  accountId: z.string(),
  balance: z.string(),
  held: z.string(),
  vesting: z.string(),
  vestingParts: z.array(z.object({ usd: z.string(), until: Timestamp })),
  /** earned and free: what may be withdrawn */
  withdrawable: z.string(),
  /** house fees that calls on its nodes brought in, and what audits of them were paid */
  fees: z.string(),
  audits: z.string(),
  frozen: z.object({ cause: z.string(), reason: z.string(), by: z.string().nullable(), at: Timestamp }).nullable(),
  seq: z.number().int(),
  /** of all its keys together; absent: a gateway of before */
  limits: AccountLimitsView.optional(),
  /** its newest keys, at most a page of them, with the limits of each */
  keys: z.array(KeyLimitsView).optional(),
})
export type AccountMoneyReply = z.infer<typeof AccountMoneyReply>

/** `POST /api/withdrawals`. Without `address`: the wallet that is signed in. */
export const WithdrawalBody = z.strictObject({
  usd: PositiveUsd.refine((text) => !/\.\d{6}\d*[1-9]/.test(text), 'at most six places: USDC has no smaller unit'),
  address: Address.optional(),
  id: RequestId,
})
export type WithdrawalBody = z.infer<typeof WithdrawalBody>

export const WithdrawalState = z.enum(['requested', 'filed', 'paid', 'returning', 'returned'])
export type WithdrawalState = z.infer<typeof WithdrawalState>

export const Withdrawal = z.object({
  id: z.string(),
  accountId: z.string(),
  usd: z.string(),
  address: z.string(),
  state: WithdrawalState,
  /** of the pay-out file it stands in */
  batchId: z.string().nullable(),
  /** what the payer names the payment */
  reference: z.string().nullable(),
  requestedAt: Timestamp,
  endedAt: Timestamp.nullable(),
})
export type Withdrawal = z.infer<typeof Withdrawal>

/** `GET /api/withdrawals`: one's own, newest first, with what could be withdrawn now. */
export const WithdrawalPage = page(Withdrawal).extend({ withdrawable: z.string() })
/** `GET /api/admin/withdrawals?state=` */
export const WithdrawalAdminPage = page(Withdrawal)

/** `GET /api/admin/payouts/{batch}`: the same bytes every time, as long as none of its withdrawals goes back; such a one stands in it no more. */
export const PayoutFile = z.object({
  batchId: z.string(),
  rows: z.array(z.object({ id: z.string(), address: z.string(), usd: z.string() })),
  /** the sum of all rows */
  usd: z.string(),
})
export type PayoutFile = z.infer<typeof PayoutFile>

/** `POST /api/admin/payouts`: a new file of all that is requested and may go out. Without any there is no file. */
export const PayoutReply = z.object({
  batchId: z.string().nullable(),
  count: z.number().int(),
  usd: z.string(),
  /** what stays requested, and why: account_frozen, alert (of this account or of the house), or unavailable (its guard did not answer) */
  leftOut: z.array(z.object({ id: z.string(), accountId: z.string(), reason: z.string() })),
  /** the file is full, and more is requested: make another */
  more: z.boolean(),
})
export type PayoutReply = z.infer<typeof PayoutReply>

/** `POST /api/admin/payouts/{batch}/paid` */
export const PaidBody = z.strictObject({ reference: z.string().trim().min(1).max(200) })
export type PaidBody = z.infer<typeof PaidBody>
export const PaidReply = z.object({
  batchId: z.string(),
  reference: z.string(),
  /** withdrawals of this file that are paid; those that were returned before are not */
  paid: z.number().int(),
  usd: z.string(),
})
export type PaidReply = z.infer<typeof PaidReply>

/** `POST /api/admin/withdrawals/{id}/return` */
export const ReturnBody = z.strictObject({ reason: Reason })
export type ReturnBody = z.infer<typeof ReturnBody>
