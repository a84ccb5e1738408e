// Money as it crosses the wire: grants, credit codes, the account's calls and its journal. Amounts are decimal dollars, times ISO 8601 in UTC.
import { z } from 'zod'
import { page, Timestamp, Usd } from './auth.ts'
import { CallOutcome } from './journal.ts'
import { fromUsd, isAccountId } from './units.ts'

const PositiveUsd = Usd.refine((text) => !Usd.safeParse(text).success || fromUsd(text) > 0n, 'more than nothing')
const Reason = z.string().trim().min(1).max(200)

/** `POST /api/admin/grants`. The same `id` for the same account is the same grant; with another amount it is a conflict. */
export const GrantBody = z.strictObject({
  accountId: z.string().refine((text) => isAccountId(text) && !text.includes(':'), 'an account id'),
  usd: PositiveUsd,
  reason: Reason,
  id: z.string().regex(/^[\w.:-]{1,64}$/, '1 to 64 letters, digits, or . : _ -'),
})
export type GrantBody = z.infer<typeof GrantBody>

/** What came of a grant, a redeemed code or the faucet. `balance` is what can be spent now. */
export const GrantReply = z.object({ usd: z.string(), balance: z.string(), held: z.string(), seq: z.number().int() })
export type GrantReply = z.infer<typeof GrantReply>

/** `POST /api/admin/codes` */
export const CodeBody = z.strictObject({ usd: PositiveUsd, reason: Reason, expiresAt: Timestamp.optional() })
export type CodeBody = z.infer<typeof CodeBody>

/** 201: the only time the code is shown. */
export const CodeReply = z.object({ code: z.string(), usd: z.string(), expiresAt: Timestamp })
export type CodeReply = z.infer<typeof CodeReply>

/** `POST /api/admin/accounts/{id}/freeze` and `/unfreeze`: why, for the account's own journal. */
export const FreezeBody = z.strictObject({
  reason: Reason,
  /** since when the account is frozen, as it was seen, null for not: 409 `changed_meanwhile` when that changed. Absent: however it stands */
  seen: Timestamp.nullable().optional(),
})
export type FreezeBody = z.infer<typeof FreezeBody>

/** What holds afterwards. An account that was frozen already keeps its first reason. */
export const FreezeReply = z.object({
  accountId: z.string(),
  frozen: z.object({ cause: z.string(), reason: z.string(), by: z.string().nullable(), at: Timestamp }).nullable(),
})
export type FreezeReply = z.infer<typeof FreezeReply>

/** `POST /api/codes/redeem` */
export const RedeemBody = z.strictObject({ code: z.string().min(1).max(100) })
export type RedeemBody = z.infer<typeof RedeemBody>

/** `GET /api/top-up`, signed in: the ways this gateway offers to bring money in, besides a credit code. */
export const TopUpView = z.object({
  /** where a card is charged for this account; null: no card is taken here */
  paymentLink: z.string().nullable(),
  /** dollars that the faucet of a development market gives once a day; null: there is none */
  faucet: z.string().nullable(),
})
export type TopUpView = z.infer<typeof TopUpView>

/** One ended call, in `GET /api/usage`. */
export const UsageCall = z.object({
  id: z.string(),
  keyId: z.string(),
  model: z.string(),
  provider: z.string().nullable(),
  outcome: z.string(),
  errorCode: z.string().nullable(),
  inputTokens: z.number().int(),
  outputTokens: z.number().int(),
  tensorBytes: z.number().int(),
  hold: z.string(),
  cost: z.string(),
  startedAt: Timestamp,
  firstTokenAt: Timestamp.nullable(),
  endedAt: Timestamp,
})
export type UsageCall = z.infer<typeof UsageCall>
export const UsagePage = page(UsageCall)
/** `GET /api/usage?key=&model=&outcome=` */
export const UsageFilter = z.object({
  key: z.string().max(160).optional(),
  model: z.string().max(160).optional(),
  outcome: CallOutcome.optional(),
})
export type UsageFilter = z.infer<typeof UsageFilter>

/** One line of `GET /api/journal`: `hash` is the hex sha256 of the text `prevHash` followed by the text `body`. */
export const JournalEntry = z.object({
  seq: z.number().int(),
  prevHash: z.string(),
  hash: z.string(),
  body: z.string(),
})
export type JournalEntry = z.infer<typeof JournalEntry>
export const JournalPage = page(JournalEntry)
