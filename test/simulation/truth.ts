// What really happened in a simulated world, written down by those who did it: which calls were sent, what gateways asked the guard to charge,
// what arrived there, what callers were told. The checkers hold journals and books against it.
import type { AccountId, CallId, KeyId, NodeId } from '../../protocol/units.ts'
import type { LateReceipt, LateReceiptOutcome, Progress } from '../../gateway/ledger/account-port.ts'
import type { Terms } from './arithmetic.ts'

export interface ReportedUnits {
  readonly attempt: number
  readonly input: bigint
  readonly output: bigint
  readonly terms: Terms
}

export interface CallTruth {
  readonly callId: CallId
  readonly payer: AccountId
  readonly keyId: KeyId
  readonly holdNanos: bigint
  readonly idempotencyId: string | null
  readonly attempts: { readonly attempt: number; readonly nodeId: NodeId; readonly terms: Terms }[]
  /** what the guard took while the hold was open, in its order */
  readonly progress: ReportedUnits[]
  /** receipts that reached the guard, and what it made of them */
  readonly receipts: {
    readonly attempt: number
    readonly input: bigint
    readonly output: bigint
    readonly outcome: string
  }[]
  /** the end the gateway asked for; null until then */
  end: { readonly outcome: string; readonly units: ReportedUnits | null } | null
  /** what the caller was told, nanos; null while it was told nothing */
  acknowledged: bigint | null
}

export interface TransferTruth {
  readonly account: AccountId
  readonly transferId: string
  readonly kind: string
  readonly amount: bigint
  /** the guard may move less; of totals, all together move at most the largest */
  readonly rule: 'exact' | 'at most' | 'total'
  /** call or withdrawal that it corrects */
  readonly of: string | null
  /** the guard said it was done */
  acknowledged: boolean
}

export class Truth {
  readonly calls = new Map<string, CallTruth>()
  readonly #transfers = new Map<string, TransferTruth>()

  /** A guard has done this, whether or not anybody hears of it. */
  noteDone(method: string, request: unknown, reply: unknown): void {
    if (method === 'progress') {
      const { callId, attempt, inputTokens, outputTokens, terms } = request as Progress // what gateways send
      if ((reply as { open: boolean }).open)
        // what guards answer to it
        this.calls.get(callId)?.progress.push({ attempt, input: inputTokens, output: outputTokens, terms })
    }
    if (method === 'lateReceipt') {
      const { callId, attempt, inputTokens, outputTokens } = request as LateReceipt // what nodes send
      const { outcome } = reply as { outcome: LateReceiptOutcome } // what guards answer to it
      this.calls.get(callId)?.receipts.push({ attempt, input: inputTokens, output: outputTokens, outcome })
    }
  }

  addTransfer(transfer: TransferTruth): TransferTruth {
    const key = `${transfer.account} ${transfer.transferId}`
    const known = this.#transfers.get(key)
    if (known) return known
    this.#transfers.set(key, transfer)
    return transfer
  }

  transfer(account: string, transferId: string): TransferTruth | null {
    return this.#transfers.get(`${account} ${transferId}`) ?? null
  }

  transfers(): IterableIterator<TransferTruth> {
    return this.#transfers.values()
  }
}
