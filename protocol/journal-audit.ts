// The audit of a journal, line by line: chain, order, canonical form, shapes, sums, and what a line says of lines before it. Pure and
// incremental: it keeps the state of the account, and of earlier lines only those that later ones name (journal-foresight.ts), so that a
// journal of any length is checked in the same memory. Signatures are checked beside it (journal-proofs.ts).
import {
  deltaOf,
  GENESIS_HASH,
  hashLine,
  isCanonical,
  readLine,
  type ChainedLine,
  type Correction,
  type JournalLine,
  type LineKind,
} from './journal.ts'
import { chargeNanosOf, shapeFault } from './journal-shapes.ts'
import { isHouse, type AccountId } from './units.ts'

/** What is known of the lines to come: which transfers are named again, so that only those are kept in mind. */
export interface Foresight {
  isNamed(transferId: string): boolean
}

/** What an earlier line is remembered for. */
interface Remembered {
  readonly kind: LineKind
  /** what the account lost by it: what may come back */
  readonly paidNanos: bigint
  readonly ticketHash: string | null
  readonly receiptHash: string | null
  backNanos: bigint
  hasLateReceipt: boolean
}

export interface AuditedKind {
  readonly count: number
  readonly deltaNanos: bigint
}

export interface AuditSummary {
  readonly lines: number
  readonly firstSeq: number
  readonly lastSeq: number
  /** of the account, over these lines */
  readonly deltaNanos: bigint
  readonly kinds: Readonly<Partial<Record<LineKind, AuditedKind>>>
  /** charged for calls */
  readonly paidNanos: bigint
  /** shares of calls, as operator and as author: credits, and of its own calls */
  readonly operatorNanos: bigint
  readonly authorNanos: bigint
  readonly refundedNanos: bigint
  /** lines that name one before the part that was read */
  readonly unresolved: number
}

export type Audited =
  | { readonly ok: true; readonly line: JournalLine; readonly ticketHash: string | null }
  | { readonly ok: false; readonly why: string }

export class JournalAudit {
  #seq: number
  #hash: string | null
  #at = 0
  #deltaNanos = 0n
  #lowest: { nanos: bigint; seq: number } = { nanos: 0n, seq: 0 }
  #isFrozen: boolean | null
  #paidNanos = 0n
  #operatorNanos = 0n
  #authorNanos = 0n
  #refundedNanos = 0n
  #unresolved = 0
  readonly #kinds: Partial<Record<LineKind, { count: number; deltaNanos: bigint }>> = {}
  readonly #remembered = new Map<string, Remembered>()
  /** up to which of a payer's lines this account was credited */
  readonly #marks = new Map<AccountId, number>()

  /**
   * @param after the journal is read from the line after this one; what it began with is then told by its end
   * @param foresight absent: every line is remembered
   */
  constructor(
    readonly account: AccountId,
    readonly after = 0,
    private readonly foresight: Foresight | null = null,
  ) {
    this.#seq = after
    this.#hash = after === 0 ? GENESIS_HASH : null
    this.#isFrozen = after === 0 ? false : null
  }

  get seq(): number {
    return this.#seq
  }

  /** Of the last line; null before the first of a part. */
  get hash(): string | null {
    return this.#hash
  }

  /** Takes the next line, or says in one sentence why it cannot be the next one. After a fault the audit is over. */
  add(chained: ChainedLine): Audited {
    const chainFault = this.#chainFault(chained)
    if (chainFault !== null) return { ok: false, why: chainFault }
    const read = readLine(chained.body)
    if (!read.ok) return { ok: false, why: 'its body is no line of a journal' }
    const { line } = read
    const why = this.#lineFault(chained, line) ?? shapeFault(line) ?? this.#historyFault(line)
    if (why !== null) return { ok: false, why }
    if (this.after === 0 && this.#deltaNanos + line.deltaNanos < 0n)
      return { ok: false, why: 'the balance falls below zero' }
    this.#seq = chained.seq
    this.#hash = chained.hash
    this.#at = line.at
    this.#count(line)
    this.#move(line)
    const ticketHash = line.receipt ? (this.#remembered.get(line.receipt.callId)?.ticketHash ?? null) : null
    this.#remember(line)
    return { ok: true, line, ticketHash }
  }

  /** The lowest balance of the part that was read, once its end is known. */
  prefixFault(balanceNanos: bigint): { readonly seq: number; readonly why: string } | null {
    const opening = balanceNanos - this.#deltaNanos
    if (this.after === 0)
      return opening === 0n ? null : { seq: this.#seq, why: 'the signed balance is not the sum of the lines' }
    if (opening < 0n) return { seq: this.after + 1, why: 'before these lines the balance was below zero' }
    const { nanos, seq } = this.#lowest
    return opening + nanos < 0n ? { seq, why: 'the balance falls below zero' } : null
  }

  summary(): AuditSummary {
    return {
      lines: this.#seq - this.after,
      firstSeq: this.after + 1,
      lastSeq: this.#seq,
      deltaNanos: this.#deltaNanos,
      kinds: this.#kinds,
      paidNanos: this.#paidNanos,
      operatorNanos: this.#operatorNanos,
      authorNanos: this.#authorNanos,
      refundedNanos: this.#refundedNanos,
      unresolved: this.#unresolved,
    }
  }

  #chainFault({ seq, prevHash, hash, body }: ChainedLine): string | null {
    if (seq !== this.#seq + 1) return `it is numbered ${seq} where ${this.#seq + 1} follows: a gap, or another order`
    if (this.#hash !== null && prevHash !== this.#hash) return 'it does not follow the hash of the line before'
    return hash === hashLine(prevHash, body) ? null : 'its hash is not that of its text'
  }

  #lineFault({ seq, body }: ChainedLine, line: JournalLine): string | null {
    if (line.account !== this.account) return 'it belongs to another account'
    if (line.seq !== seq) return 'its text has another number'
    if (!isCanonical(body, line)) return 'its text is not in canonical form'
    if (line.at < this.#at) return 'its time is before that of the line before'
    return line.deltaNanos === deltaOf(line, this.account)
      ? null
      : 'its change of the balance is not what its legs and credit say'
  }

  /** What the lines before forbid. */
  #historyFault(line: JournalLine): string | null {
    if (this.#remembered.has(line.transferId)) return `transfer ${line.transferId} stands there for the second time`
    switch (line.kind) {
      case 'credit':
        return this.#creditFault(line)
      case 'freeze':
        return this.#isFrozen === true ? 'the account is frozen already' : null
      case 'unfreeze':
        return this.#isFrozen === false ? 'the account is not frozen' : null
      case 'withdrawal':
        return this.#isFrozen === true ? 'a frozen account withdraws nothing' : null
      case 'receipt':
        return this.#receiptFault(line)
      default:
        return line.correction ? this.#correctionFault(line, line.correction) : null
    }
  }

  #creditFault({ credit }: JournalLine): string | null {
    if (!credit) return null
    const mark = this.#marks.get(credit.payer) ?? 0
    return credit.fromSeq > mark ? null : `line ${credit.fromSeq} of its payer was credited already`
  }

  #receiptFault({ receipt }: JournalLine): string | null {
    if (!receipt) return null
    const call = this.#find(receipt.callId)
    if (call === 'before') return null
    if (call?.kind !== 'call') return 'its receipt is for a call that does not stand before it'
    return call.receiptHash !== null || call.hasLateReceipt ? 'its call has a receipt already' : null
  }

  #correctionFault({ kind, deltaNanos }: JournalLine, { of, ofAccount }: Correction): string | null {
    // What is clawed back was earned by a call in somebody else's journal.
    if (kind === 'clawback') return isHouse(ofAccount) ? 'the house has no journal to correct' : null
    if (ofAccount !== this.account) return `a ${kind} corrects a line of this journal`
    const corrected = this.#find(of)
    if (corrected === 'before') return null
    if (!corrected || corrected.kind !== CORRECTS[kind]) return `what a ${kind} corrects does not stand before it`
    if (kind === 'chargeback') return null
    const left = corrected.paidNanos - corrected.backNanos
    if (kind === 'refund') return deltaNanos > left ? 'more is refunded than the call was charged' : null
    const isOnceAndWhole = corrected.backNanos === 0n && deltaNanos === corrected.paidNanos
    return isOnceAndWhole ? null : `a ${kind} gives back what was taken, whole and once`
  }

  /** `before`: the part that was read does not begin at the first line, so that it may stand there. */
  #find(transferId: string): Remembered | 'before' | null {
    const found = this.#remembered.get(transferId)
    if (found) return found
    if (this.after === 0) return null
    this.#unresolved += 1
    return 'before'
  }

  #move(line: JournalLine): void {
    this.#deltaNanos += line.deltaNanos
    if (this.#deltaNanos < this.#lowest.nanos) this.#lowest = { nanos: this.#deltaNanos, seq: line.seq }
    if (line.kind === 'freeze') this.#isFrozen = true
    if (line.kind === 'unfreeze') this.#isFrozen = false
    if (line.credit) this.#marks.set(line.credit.payer, line.credit.toSeq)
    const corrected = line.correction && this.#remembered.get(line.correction.of)
    if (corrected) corrected.backNanos += line.deltaNanos
    const completed = line.receipt && this.#remembered.get(line.receipt.callId)
    if (completed) completed.hasLateReceipt = true
  }

  #count(line: JournalLine): void {
    const kind = (this.#kinds[line.kind] ??= { count: 0, deltaNanos: 0n })
    kind.count += 1
    kind.deltaNanos += line.deltaNanos
    this.#paidNanos += line.kind === 'call' ? chargeNanosOf(line) : 0n
    if (line.kind === 'refund') this.#refundedNanos += line.deltaNanos
    this.#operatorNanos += line.credit?.operatorNanos ?? 0n
    this.#authorNanos += line.credit?.authorNanos ?? 0n
    if (line.kind !== 'call') return
    for (const { party, role, amountNanos } of line.legs) {
      if (party !== this.account) continue
      if (role === 'operator') this.#operatorNanos += amountNanos
      if (role === 'author') this.#authorNanos += amountNanos
    }
  }

  #remember({ transferId, kind, deltaNanos, call }: JournalLine): void {
    if (this.foresight && !this.foresight.isNamed(transferId)) return
    this.#remembered.set(transferId, {
      kind,
      paidNanos: -deltaNanos,
      ticketHash: call?.ticketHash ?? null,
      receiptHash: call?.receiptHash ?? null,
      backNanos: 0n,
      hasLateReceipt: false,
    })
  }
}

/** What each correction may name. */
const CORRECTS: Readonly<Partial<Record<LineKind, LineKind>>> = {
  refund: 'call',
  chargeback: 'topup',
  withdrawal_return: 'withdrawal',
  topup: 'chargeback',
}
