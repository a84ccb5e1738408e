// What other rooms may ask of an account's guard, as typed RPC. The guard is the one writer of an account's money.
// Every method may be called twice with the same id with one effect. Expected refusals are returned, never thrown:
// across RPC an error loses its class. What money does beside calls stands in transfer-port.ts, limits and keys in limit-port.ts.
import type { ErrorCode } from '../../protocol/errors.ts'
import type { CallOutcome, ChainedLine, Leg } from '../../protocol/journal.ts'
import type { CallPart } from '../../protocol/journal-parts.ts'
import type { ExportLine } from '../../protocol/journal-export.ts'
import type { Price, Units } from '../../protocol/price.ts'
import type { AccountId, Bytes, CallId, Instant, KeyId, ModelId, Nanos, NodeId, Tokens } from '../../protocol/units.ts'
import type { Headroom, LimitPort, LimitRefusal } from './limits/limit-port.ts'
import type { Answered, IdempotencyPort, IdempotentRequest } from './idempotency/idempotency-port.ts'
import type { BookStand, JournalHead, SelfCheck } from './verification/self-check-port.ts'
import type { Part } from './calls/split.ts'
import type { TransferPort } from './transfer-port.ts'

export type { JournalHead, SelfCheck } from './verification/self-check-port.ts'

export type Refused = {
  readonly ok: false
  readonly code: ErrorCode
  readonly detail?: string
  readonly retryAfterMs?: number
  /** which limit it was, and when it frees */
  readonly limit?: LimitRefusal
  /** of `node_not_allowed`: the nodes this key may use */
  readonly nodes?: readonly NodeId[]
  /** of `node_not_allowed`: the account wants nobody who keeps what it sends, and some of those that would be asked do */
  readonly deniesCollection?: true
  /** of an Idempotency-Key that was used before: the call it began */
  readonly callId?: CallId
}
export type Reply<T> = ({ readonly ok: true } & T) | Refused

export interface HoldRequest {
  readonly callId: CallId
  readonly keyId: KeyId
  /** sha256 hex of the key's secret part */
  readonly secretHash: string
  /** that was asked for */
  readonly modelId: ModelId
  /** others that may serve it instead: the key must be good for each of them */
  readonly fallbackModelIds?: readonly ModelId[]
  /** every node that may be asked */
  readonly nodeIds: readonly NodeId[]
  /** some of them keep prompts or answers, or do not say that they keep none; absent: not known, which an account that denies it takes for yes */
  readonly collectsData?: boolean
  /** the highest possible cost */
  readonly amountNanos: Nanos
  /** input bound + output maximum: what a tokens-a-minute limit counts */
  readonly tokensMax: Tokens
  /** when the hold ends by itself */
  readonly deadline: Instant
  /** null without an Idempotency-Key */
  readonly idempotency: IdempotentRequest | null
}

export interface Held extends Balance {
  readonly headroom: Headroom
  /** the answer that this Idempotency-Key had before: nothing is held then, and nothing is to be done */
  readonly earlier: Answered | null
}

/** What a charge is made of besides units: frozen when the attempt begins. */
export interface ChargeTerms {
  readonly price: Price
  /** of the offer: which of its prices these are; absent: not known */
  readonly priceVersion?: number | undefined
  readonly operator: AccountId
  readonly author: AccountId
  readonly royaltyBps: number
  readonly feeBps: number
  /** part of the operator's share that vests later, basis points, and when; null when all is paid at once */
  readonly vesting: { readonly shareBps: number; readonly at: Instant } | null
}

/** What the guard keeps of the last progress, so that it can settle a hold whose gateway vanished. */
export interface Progress extends Units {
  readonly callId: CallId
  readonly attempt: number
  readonly nodeId: NodeId
  readonly terms: ChargeTerms
  /** what other nodes delivered of this answer before they broke off, in their order; absent: nothing */
  readonly before?: readonly Part[] | undefined
}

export interface AttemptRecord {
  readonly attempt: number
  readonly nodeId: NodeId
  /** it was asked for; absent: written before calls had fallback models */
  readonly modelId?: ModelId
  /** served, or why not */
  readonly outcome: 'served' | ErrorCode
  /** why it did not serve, in words; absent: it did, or the caller left */
  readonly reason?: string
  /** ms from sending to the first output; null without output */
  readonly firstTokenMs: number | null
  readonly durationMs: number
}

/** How a call ended. `detail` explains and proves; it is purgeable, so it is not part of the hashed line. */
export interface CallEnd {
  readonly callId: CallId
  readonly outcome: Exclude<CallOutcome, 'expired'>
  readonly errorCode: ErrorCode | null
  readonly nodeId: NodeId | null
  /** that answered, or was tried last; absent: the one the hold names */
  readonly modelId?: ModelId
  readonly inputTokens: Tokens
  readonly outputTokens: Tokens
  /** absent without any */
  readonly tensorBytes?: Bytes | undefined
  /** empty when nothing is charged */
  readonly legs: readonly Leg[]
  /** where others than its node are paid, each one's part of units and charge; absent: its node is paid alone */
  readonly parts?: readonly CallPart[] | undefined
  readonly startedAt: Instant
  readonly firstTokenAt: Instant | null
  readonly endedAt: Instant
  /** sha256 hex of the receipt's JWS; null without one. In the hashed line, so a receipt cannot be exchanged later. */
  readonly receiptHash: string | null
  /** the same of the ticket's JWS */
  readonly ticketHash: string | null
  /** of the offer that served, or was tried last */
  readonly priceVersion: number | null
  readonly detail: CallDetail
  /** the answer as this Idempotency-Key gets it again, sealed by the caller's own secret; null: not kept */
  readonly kept: ArrayBuffer | null
}

export interface CallDetail {
  readonly stream: boolean
  readonly attempts: readonly AttemptRecord[]
  /** the choice, explained and replayable (market/choose.ts); JSON */
  readonly choice: unknown
  readonly receipt: string | null
  readonly salt: string | null
  readonly ticket: string | null
  /** the node's own count beside ours; null without one */
  readonly claimed: Claimed | null
  /** of several nodes that are paid, each one's part in order; absent: one */
  readonly parts?: readonly PaidPart[] | undefined
}

/** What of an answer came from one node. */
export interface PaidPart {
  readonly attempt: number
  readonly nodeId: NodeId
  readonly inputTokens: number
  readonly outputTokens: number
  /** UTF-16 units of its text that are part of the answer */
  readonly characters: number
  /** decimal dollars that the caller was charged for it */
  readonly charge: string
}

export interface Claimed {
  readonly inputTokens: number
  readonly outputTokens: number
  /** absent without any */
  readonly tensorBytes?: number | undefined
}

export interface Balance {
  /** spendable now: holds and what has not vested are already taken off */
  readonly availableNanos: Nanos
  readonly heldNanos: Nanos
  /** earned, and spendable later */
  readonly vestingNanos: Nanos
}

/** A node's receipt that comes after the answer, or without one. Checked by who hands it in: signature, ticket, node. */
export interface LateReceipt extends Units {
  readonly callId: CallId
  readonly attempt: number
  readonly nodeId: NodeId
  /** JWS */
  readonly receipt: string
  readonly ticket: string
}

export type LateReceiptOutcome =
  /** it completes the record of an ended call */
  | 'recorded'
  /** the call is open: it bounds what the call's expiry may charge */
  | 'noted'
  /** this call has its receipt */
  | 'known'
  /** another attempt, another node, or no such call */
  | 'foreign'

/** What the owner wants to be told, beside what everybody is. */
export interface Alerts {
  /** tell when what can be spent falls below this; 0: never */
  readonly balanceLowNanos: Nanos
  /** what a change is based on; absent: whatever it is */
  readonly version?: number | undefined
}
export type AlertsNow = Alerts & { readonly version: number }

/** What may be done with what the account sends (protocol/disputes.ts). */
export interface DataPolicy {
  readonly dataCollection: 'allow' | 'deny'
  readonly auditsAllowed: boolean
  /** counts up with every change */
  readonly version: number
}

export interface AccountPort extends LimitPort, IdempotencyPort, TransferPort {
  /** Makes the guard know whose it is, and in which book it is written. Called when the account is made; harmless afterwards. */
  open(accountId: AccountId, book?: number): Promise<Reply<object>>
  hold(request: HoldRequest): Promise<Reply<Held>>
  /** False when the hold is no longer open: the relay must stop. */
  progress(progress: Progress): Promise<{ readonly open: boolean }>
  /** Ends a hold with a charge of minus the payer's leg (0 without legs), and writes the call's line. The same end again is the same answer. */
  capture(end: CallEnd): Promise<Reply<{ readonly chargeNanos: Nanos; readonly seq: number }>>
  balance(): Promise<Balance>
  alerts(): Promise<AlertsNow>
  /** Refused with `changed_meanwhile` when it has a version that is not the present one. */
  setAlerts(alerts: Alerts): Promise<Reply<AlertsNow>>
  policy(): Promise<DataPolicy>
  /** Refused with `changed_meanwhile` when `version` is not the present one. */
  setPolicy(policy: DataPolicy): Promise<Reply<{ readonly policy: DataPolicy }>>
  /** A call's end as the guard wrote it, before or after the book has it; null when this account has no such ended call. */
  call(callId: CallId): Promise<RecordedCall | null>
  lateReceipt(receipt: LateReceipt): Promise<{ readonly outcome: LateReceiptOutcome }>
  head(): Promise<JournalHead>
  /** In order, after `seq`: the journal from its source. */
  lines(afterSeq: number, rows: number): Promise<ChainedLine[]>
  /** The same in larger pages, as many lines as one answer may hold; with what is kept of their proofs. Empty: there are no more. */
  journal(afterSeq: number, withProofs: boolean): Promise<ExportLine[]>
  /** Chain, sums, counters and deadlines, from where the last check ended, or from the first line; and the book, as it was just read. */
  selfCheck(from: 'last' | 'first', stand?: BookStand): Promise<SelfCheck>
  /** Writes every line to the book again, from the first: for a book that was lost. */
  reproject(): Promise<void>
  /** Ends overdue holds, sends credits, projects lines: what the alarm does, for the cron that looks after lost alarms. */
  tick(): Promise<void>
}

export interface RecordedCall extends Omit<CallEnd, 'outcome' | 'kept' | 'detail'> {
  /** null: purged, as retention says */
  readonly detail: CallDetail | null
  readonly outcome: CallOutcome
  readonly keyId: KeyId
  readonly modelId: ModelId
  readonly holdNanos: Nanos
  readonly chargeNanos: Nanos
}

/** Whoever has an account's id can reach its guard. */
export type Accounts = (accountId: AccountId) => AccountPort
