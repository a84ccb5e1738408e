// Money beside calls: in, out, between accounts, and back. Every request has an id; the same id again is the same answer and moves nothing.
// An account never goes below zero: what cannot be taken is said, not booked.
import type { AccountId, Instant, Nanos } from '../../protocol/units.ts'
import type { Balance, Reply } from './account-port.ts'

/** Money from the house or from outside: an admin's grant, a redeemed code, the local faucet, a payment. Idempotent by `transferId`. */
export interface GrantRequest {
  readonly transferId: string
  readonly kind: 'grant' | 'code' | 'faucet' | 'topup'
  readonly amountNanos: Nanos
  readonly reason: string
  /** AccountId of the admin, or null */
  readonly by: AccountId | null
}

/** Gives back to the payer what a call of theirs cost, or part of it; all refunds of a call together never pass its charge. */
export interface RefundRequest {
  readonly transferId: string
  /** of this account */
  readonly callId: string
  /** null: all that is left of what the call cost this account */
  readonly amountNanos: Nanos | null
  readonly reason: string
  readonly by: AccountId
}

/** Takes money back to the house: a share of a refunded call from who earned it, or a payment that was reversed outside. */
export interface TakeBackRequest {
  readonly transferId: string
  readonly kind: 'clawback' | 'chargeback'
  /** what is corrected, and in whose journal it stands */
  readonly of: string
  readonly ofAccount: AccountId
  readonly amountNanos: Nanos
  /** the amount is the total so far of what `of` has lost, as processors report refunds: what earlier totals took is not taken again */
  readonly isTotal?: boolean
  readonly reason: string
  readonly by: AccountId | null
}

/** A chargeback that was decided for the account after all: what it took comes back, once. */
export interface ReinstateRequest {
  /** transfer id of the chargeback */
  readonly chargeback: string
  readonly reason: string
}

export interface WithdrawRequest {
  readonly transferId: string
  /** whole millionths of a dollar: USDC has no smaller unit */
  readonly amountNanos: Nanos
  /** where it is to be paid to */
  readonly address: string
}

/** A withdrawal that could not be paid out comes back, once. */
export interface ReturnRequest {
  readonly transferId: string
  readonly withdrawal: string
  readonly reason: string
  readonly by: AccountId
}

/** The house pays a node for an audit, at most what its other calls brought the house in fees. */
export interface AuditPay {
  readonly transferId: string
  readonly amountNanos: Nanos
  readonly reason: string
}

/** Shares of one payer's lines fromSeq…toSeq, sent by the payer's alarm; idempotent by the payee's high-water mark for that payer. */
export interface Credit {
  readonly payer: AccountId
  readonly fromSeq: number
  readonly toSeq: number
  /** operator + author */
  readonly sumNanos: Nanos
  readonly operatorNanos: Nanos
  readonly authorNanos: Nanos
  /** house fees of the lines in which the payee was the operator */
  readonly feesNanos: Nanos
  /** parts of the sum that cannot be spent yet, soonest first */
  readonly vesting: readonly Vesting[]
}
export interface Vesting {
  readonly until: Instant
  readonly amountNanos: Nanos
}

/** Why an account may hold and withdraw nothing. Running calls finish, earnings arrive. */
export interface Freeze {
  readonly cause: 'admin' | 'chargeback' | 'verification'
  readonly reason: string
  readonly by: AccountId | null
  /** since when it was frozen, as whoever decided saw it; null: not; absent: however it stands */
  readonly seen?: Instant | null | undefined
}
export interface Frozen extends Omit<Freeze, 'seen'> {
  readonly at: Instant
}

export type Moved = Reply<{ readonly seq: number; readonly balance: Balance }>
/** The same, with what moved where the request leaves it to the guard. */
export type MovedSome = Reply<{ readonly seq: number; readonly balance: Balance; readonly movedNanos: Nanos }>

/** All that an account's money consists of, for its owner's withdrawals and for admins. */
export interface MoneyView extends Balance {
  /** soonest first */
  readonly vesting: readonly Vesting[]
  /** earned and free: what may leave the market */
  readonly withdrawableNanos: Nanos
  /** fees that calls on its nodes brought the house, and what the house paid it for audits */
  readonly feesNanos: Nanos
  readonly auditsNanos: Nanos
  readonly frozen: Frozen | null
  readonly seq: number
}

export interface TransferPort {
  grant(request: GrantRequest): Promise<Moved>
  refund(request: RefundRequest): Promise<MovedSome>
  /** `owedNanos`: what the account did not have */
  takeBack(request: TakeBackRequest): Promise<
    Reply<{
      readonly seq: number
      readonly takenNanos: Nanos
      readonly owedNanos: Nanos
      readonly balance: Balance
    }>
  >
  reinstate(request: ReinstateRequest): Promise<MovedSome>
  withdraw(request: WithdrawRequest): Promise<Moved>
  returnWithdrawal(request: ReturnRequest): Promise<MovedSome>
  /** Above the cap it pays what the cap leaves, which may be nothing. */
  payAudit(request: AuditPay): Promise<MovedSome>
  /** null for a guard that was never opened */
  money(): Promise<MoneyView | null>
  credit(credit: Credit): Promise<Reply<object>>
  freeze(freeze: Freeze): Promise<Reply<{ readonly frozen: Frozen }>>
  /** @param only refused with `conflict` while another cause holds it */
  unfreeze(reason: string, by: AccountId, only?: Freeze['cause'], seen?: Freeze['seen']): Promise<Reply<object>>
  /** null: the account may spend */
  frozen(): Promise<Frozen | null>
}
