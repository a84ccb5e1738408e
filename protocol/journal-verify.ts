// Checks a whole exported journal: the file's own form, every line (journal-audit.ts), every proof that was kept (journal-proofs.ts), and the
// signed head at its end. Lines come in pieces and are checked in pieces: what is in memory is one piece, however long the journal is.
import {
  ExportHeader,
  ExportLine,
  ExportTrailer,
  HEAD_TYP,
  HeadClaims,
  isCanonicalJws,
  type Jwks,
} from './journal-export.ts'
import { JournalAudit, type AuditSummary, type Foresight } from './journal-audit.ts'
import { GENESIS_HASH, type JournalLine } from './journal.ts'
import { openKeys, proofFault, type Keys, type Proven } from './journal-proofs.ts'
import { verifyClaims } from './ticket.ts'
import { fromUsd } from './units.ts'

export interface VerifyOptions {
  /** keys that the reader trusts; without, those of the file's own header */
  readonly jwks?: readonly Jwks[]
  readonly foresight?: Foresight
  /** hears every line that is right, in order */
  readonly onLine?: (line: JournalLine, hash: string) => void
}

export interface ProofCounts {
  calls: number
  tickets: number
  receipts: number
  /** of calls whose line names one: purged since */
  ticketsNotKept: number
  receiptsNotKept: number
}

export interface Verified {
  readonly header: ExportHeader | null
  /** what was read, up to the fault if there is one */
  readonly summary: AuditSummary | null
  readonly proofs: ProofCounts
  readonly head: HeadClaims | null
  /** the first line that is broken: its seq, or null where the file itself is; null: nothing is broken */
  readonly broken: Broken | null
}
export interface Broken {
  readonly seq: number | null
  readonly why: string
}

/** @param pieces the file's lines, each with its line end */
export async function verifyJournal(
  pieces: AsyncIterable<readonly string[]>,
  options: VerifyOptions = {},
): Promise<Verified> {
  const reading = new Reading(options)
  for await (const texts of pieces) {
    await reading.read(texts)
    if (reading.broken) break
  }
  return reading.end()
}

class Reading {
  broken: Broken | null = null
  #header: ExportHeader | null = null
  #audit: JournalAudit | null = null
  #keys: Keys | null = null
  #head: HeadClaims | null = null
  readonly #proofs: ProofCounts = { calls: 0, tickets: 0, receipts: 0, ticketsNotKept: 0, receiptsNotKept: 0 }

  constructor(private readonly options: VerifyOptions) {}

  /** The lines first, in order; then their proofs side by side. Of several faults the earliest line's counts. */
  async read(texts: readonly string[]): Promise<void> {
    const proven: Proven[] = []
    for (const text of texts) {
      this.broken = await this.#readText(text, proven)
      if (this.broken) break
    }
    const keys = this.#keys
    if (!keys) return
    const faults = await Promise.all(proven.map((one) => proofFault(one, keys)))
    const at = faults.findIndex((fault) => fault !== null)
    const [first, why] = [proven[at], faults[at]]
    if (first && why) this.broken = { seq: first.line.seq, why }
  }

  end(): Verified {
    const isWhole = this.#head !== null
    return {
      header: this.#header,
      summary: this.#audit?.summary() ?? null,
      proofs: this.#proofs,
      head: this.#head,
      broken:
        this.broken ??
        (isWhole ? null : { seq: this.#next(), why: 'the file ends without its signed head: it was cut' }),
    }
  }

  async #readText(text: string, proven: Proven[]): Promise<Broken | null> {
    if (this.#head) return { seq: null, why: 'something follows the signed head' }
    const value = exactJson(text)
    if (value === undefined) return { seq: this.#next(), why: 'it is not a line as the gateway writes it' }
    if (!this.#header) return this.#readHeader(value)
    const line = ExportLine.safeParse(value)
    if (line.success) return this.#readLine(line.data, proven)
    const trailer = ExportTrailer.safeParse(value)
    return trailer.success
      ? this.#readHead(trailer.data.head)
      : { seq: this.#next(), why: 'it is neither a line nor the end of a journal' }
  }

  async #readHeader(value: unknown): Promise<Broken | null> {
    const header = ExportHeader.safeParse(value)
    if (!header.success) return { seq: null, why: 'it does not begin with the header of an exported journal' }
    try {
      const own = await openKeys([header.data.jwks])
      this.#keys = this.options.jwks ? await openKeys(this.options.jwks) : own
    } catch {
      return { seq: null, why: 'a key is not named by its thumbprint' }
    }
    this.#header = header.data
    this.#audit = new JournalAudit(header.data.accountId, header.data.after, this.options.foresight ?? null)
    return null
  }

  #readLine({ receipt, ticket, salt, ...chained }: ExportLine, proven: Proven[]): Broken | null {
    const audited = this.#audit?.add(chained)
    if (!audited?.ok) return { seq: this.#next(), why: audited?.why ?? 'it has no header' }
    const { line, ticketHash } = audited
    this.#countProofs(line, { receipt, ticket })
    if (receipt !== undefined || ticket !== undefined || salt !== undefined)
      proven.push({ line, ticketHash, kept: { receipt, ticket, salt } })
    this.options.onLine?.(line, chained.hash)
    return null
  }

  async #readHead(jws: string): Promise<Broken | null> {
    const audit = this.#audit
    const keys = this.#keys
    if (!audit || !keys) return { seq: null, why: 'it has no header' }
    const verified = isCanonicalJws(jws) ? await verifyClaims(jws, HEAD_TYP, HeadClaims, keys.gateway) : null
    if (!verified?.ok) return { seq: null, why: 'the head is not signed by a key of the gateway' }
    const head = verified.value
    if (head.accountId !== audit.account) return { seq: null, why: 'the head is that of another account' }
    if (head.seq !== audit.seq)
      return {
        seq: Math.min(head.seq, audit.seq) + 1,
        why: `the signed head is line ${head.seq}, the file ends with ${audit.seq}`,
      }
    const last = audit.hash ?? (audit.after === 0 ? GENESIS_HASH : head.hash)
    if (head.hash !== last) return { seq: audit.seq, why: 'the signed head has another hash than the last line' }
    const fault = audit.prefixFault(fromUsd(head.balance))
    this.#head = fault ? null : head
    return fault
  }

  #countProofs({ call }: JournalLine, { receipt, ticket }: Pick<ExportLine, 'receipt' | 'ticket'>): void {
    if (ticket !== undefined) this.#proofs.tickets += 1
    if (receipt !== undefined) this.#proofs.receipts += 1
    if (!call) return
    this.#proofs.calls += 1
    if (call.ticketHash !== null && ticket === undefined) this.#proofs.ticketsNotKept += 1
    if (call.receiptHash !== null && receipt === undefined) this.#proofs.receiptsNotKept += 1
  }

  /** The line that is read now; null before the header. */
  #next(): number | null {
    return this.#audit && this.#audit.seq + 1
  }
}

/** The value of a text that is exactly what JSON.stringify writes, and a line end; undefined for anything else. */
function exactJson(text: string): unknown {
  if (!text.endsWith('\n')) return undefined
  try {
    const value: unknown = JSON.parse(text)
    return `${JSON.stringify(value)}\n` === text ? value : undefined
  } catch {
    return undefined
  }
}
