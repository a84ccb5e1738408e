// What other rooms may ask of an account's guard, as typed RPC. The guard is the one writer of an account's money.
// Every method may be called twice with the same id with one effect. Expected refusals are returned, never thrown:
// across RPC an error loses its class.
import type { BudgetPeriod, KeyView, Scope } from '../../protocol/auth.ts'
import type { ErrorCode } from '../../protocol/errors.ts'
import type { AccountId, CallId, Instant, KeyId, ModelId, Nanos, NodeId, Tokens } from '../../protocol/units.ts'

export type Refused = {
  readonly ok: false
  readonly code: ErrorCode
  readonly detail?: string
  readonly retryAfterMs?: number
}
export type Reply<T> = ({ readonly ok: true } & T) | Refused

export type LegRole = 'payer' | 'receiver' | 'operator' | 'author' | 'house'
/** One party's part of a transfer. Negative pays. All legs of a transfer sum to zero. */
export interface Leg {
  readonly party: AccountId
  readonly role: LegRole
  readonly amountNanos: Nanos
}

export interface HoldRequest {
  readonly callId: CallId
  readonly keyId: KeyId
  /** sha256 hex of the key's secret part */
  readonly secretHash: string
  readonly modelId: ModelId
  /** the highest possible cost */
  readonly amountNanos: Nanos
  /** input bound + output maximum: what a tokens-a-minute limit counts */
  readonly tokensMax: Tokens
  /** when the hold ends by itself */
  readonly deadline: Instant
}

/** What the guard keeps of the last progress, so that it can settle a hold whose gateway vanished. */
export interface Progress {
  readonly callId: CallId
  readonly attempt: number
  readonly nodeId: NodeId
  readonly inputTokens: Tokens
  readonly outputTokens: Tokens
  /** the legs of a charge for exactly these units */
  readonly legs: readonly Leg[]
}

export type CallOutcome = 'complete' | 'cancelled' | 'failed' | 'expired'

export interface AttemptRecord {
  readonly attempt: number
  readonly nodeId: NodeId
  /** served, or why not */
  readonly outcome: 'served' | ErrorCode
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
  readonly inputTokens: Tokens
  readonly outputTokens: Tokens
  /** empty when nothing is charged */
  readonly legs: readonly Leg[]
  readonly startedAt: Instant
  readonly firstTokenAt: Instant | null
  readonly endedAt: Instant
  /** sha256 hex of the receipt's JWS; null without one. In the hashed line, so a receipt cannot be exchanged later. */
  readonly receiptHash: string | null
  readonly detail: CallDetail
}

export interface CallDetail {
  readonly stream: boolean
  readonly attempts: readonly AttemptRecord[]
  /** the choice, explained and replayable (market/choose.ts); JSON */
  readonly choice: unknown
  readonly receipt: string | null
  readonly salt: string | null
}

export interface CreateKey {
  readonly id: KeyId
  readonly secretHash: string
  readonly hint: string
  readonly name: string
  readonly scopes: readonly Scope[]
  readonly models: readonly string[] | null
  readonly limit: { readonly nanos: Nanos; readonly period: BudgetPeriod } | null
  readonly rpm: number | null
  readonly tpm: number | null
  readonly concurrency: number | null
  readonly expiresAt: Instant | null
}

export interface Balance {
  /** spendable now: holds are already taken off */
  readonly availableNanos: Nanos
  readonly heldNanos: Nanos
}

/** Money from the house: an admin's grant, a redeemed code, the local faucet. Idempotent by `transferId`. */
export interface GrantRequest {
  readonly transferId: string
  readonly kind: 'grant' | 'code' | 'faucet'
  readonly amountNanos: Nanos
  readonly reason: string
  /** AccountId of the admin, or null */
  readonly by: AccountId | null
}

/** Credits of one payer's lines fromSeq…toSeq, sent by the payer's alarm; idempotent by the payee's high-water mark for that payer. */
export interface Credit {
  readonly payer: AccountId
  readonly fromSeq: number
  readonly toSeq: number
  readonly sumNanos: Nanos
}

export interface AccountPort {
  /** Makes the guard know whose it is. Called when the account is made; harmless afterwards. */
  open(accountId: AccountId): Promise<Reply<object>>
  hold(request: HoldRequest): Promise<Reply<Balance>>
  /** False when the hold is no longer open: the relay must stop. */
  progress(progress: Progress): Promise<{ readonly open: boolean }>
  /** Ends a hold with a charge of minus the payer's leg (0 without legs), and writes the call's line. The same end again is the same answer. */
  capture(end: CallEnd): Promise<Reply<{ readonly chargeNanos: Nanos; readonly seq: number }>>
  grant(request: GrantRequest): Promise<Reply<{ readonly seq: number; readonly balance: Balance }>>
  credit(credit: Credit): Promise<Reply<object>>
  createKey(key: CreateKey): Promise<Reply<{ readonly key: KeyView }>>
  listKeys(
    cursor: string | null,
    rows: number,
  ): Promise<{ readonly data: KeyView[]; readonly nextCursor: string | null }>
  revokeKey(keyId: KeyId): Promise<Reply<{ readonly key: KeyView }>>
  /** Checks a key as `hold` does, without holding: for `/v1/key` and other routes a key may ask. */
  inspectKey(keyId: KeyId, secretHash: string): Promise<Reply<{ readonly key: KeyView; readonly balance: Balance }>>
  balance(): Promise<Balance>
  /** A call's end as the guard wrote it, before or after the book has it; null when this account has no such ended call. */
  call(callId: CallId): Promise<RecordedCall | null>
  /** Ends overdue holds, sends credits, projects lines: what the alarm does, for the cron that looks after lost alarms. */
  tick(): Promise<void>
}

export interface RecordedCall extends Omit<CallEnd, 'outcome'> {
  readonly outcome: CallOutcome
  readonly keyId: KeyId
  readonly modelId: ModelId
  readonly holdNanos: Nanos
  readonly chargeNanos: Nanos
}

/** Whoever has an account's id can reach its guard. */
export type Accounts = (accountId: AccountId) => AccountPort
