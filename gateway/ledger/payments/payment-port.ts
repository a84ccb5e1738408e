// How money paid outside reaches the ledger: an adapter reads one processor's signed events into these four facts and knows nothing of accounts;
// the ledger books them and knows nothing of the processor. References are the processor's own: they make every fact bookable once.
import type { Result } from '../../../protocol/errors.ts'
import type { Instant, Nanos } from '../../../protocol/units.ts'

export type PaymentEvent =
  | {
      readonly kind: 'topup'
      readonly payment: string
      /** whose, as the payment page was told; the ledger checks it */
      readonly accountId: string
      readonly amountNanos: Nanos
    }
  /** the payer's bank took it back; one per dispute */
  | {
      readonly kind: 'chargeback'
      readonly payment: string
      readonly dispute: string
      readonly amountNanos: Nanos
    }
  /** the dispute was decided for us after all */
  | { readonly kind: 'reinstated'; readonly payment: string; readonly dispute: string }
  /** given back at the processor: all refunds of this payment together, so that order and repeats do not matter */
  | { readonly kind: 'refunded'; readonly payment: string; readonly totalNanos: Nanos }
  /** genuine, and nothing this ledger can book: somebody has to look */
  | { readonly kind: 'unbookable'; readonly reference: string; readonly why: string }

export interface PaymentAdapter {
  /** part of every transfer id: lower-case letters */
  readonly name: string
  /**
   * No events: nothing here is about money. A refusal is the sender's fault (signature, time, shape).
   * @param rawBody exactly the bytes that were signed
   */
  read(headers: Headers, rawBody: Uint8Array, now: Instant): Result<PaymentEvent[]> | Promise<Result<PaymentEvent[]>>
}
