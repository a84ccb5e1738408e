// What souk-verify tells: for people as a few lines, for programs as JSON. Amounts are decimal dollars.
import type { Verified } from '../../protocol/journal-verify.ts'
import { LineKind } from '../../protocol/journal.ts'
import type { Statement } from '../../protocol/statement.ts'
import { toUsd, type Nanos } from '../../protocol/units.ts'

export interface Outcome {
  readonly verified: Verified
  /** keys came from --jwks */
  readonly isPinned: boolean
  /** of --statement */
  readonly statement: Statement | null
  /** of --against */
  readonly statementFault: string | null
}

export const isRight = ({ verified, statementFault }: Outcome) => verified.broken === null && statementFault === null

/** One sentence. @example 'line 7 is broken: its hash is not that of its text' */
export function verdict({ verified: { broken }, statementFault }: Outcome): string {
  if (broken) return `${broken.seq === null ? 'the file' : `line ${broken.seq}`} is broken: ${broken.why}`
  return statementFault ?? 'everything holds'
}

export function asJson(outcome: Outcome): string {
  const { verified, isPinned, statement } = outcome
  const { header, head, broken, proofs, summary } = verified
  return `${JSON.stringify(
    {
      ok: isRight(outcome),
      verdict: verdict(outcome),
      broken,
      account: header?.accountId ?? null,
      after: header?.after ?? null,
      keys: isPinned ? 'given' : 'of the journal',
      head,
      ...(summary && sumsOf(summary)),
      proofs,
      statement,
      statementFault: outcome.statementFault,
    },
    null,
    2,
  )}\n`
}

export function asText(outcome: Outcome): string {
  const { verified, isPinned } = outcome
  const { header, head, summary, proofs } = verified
  const lines: string[] = []
  if (header && summary) {
    const { lines: count, kinds, paid, earnedAsOperator, earnedAsAuthor, refunded, unresolved } = sumsOf(summary)
    lines.push(`account     ${header.accountId}`)
    lines.push(`lines       ${count} (${summary.firstSeq} to ${summary.lastSeq})`)
    for (const { kind, count: n, amount } of kinds)
      lines.push(`  ${kind.padEnd(18)} ${String(n).padStart(9)} ${amount.padStart(22)}`)
    lines.push(`paid        ${paid} for calls, refunded ${refunded}`)
    lines.push(`earned      ${earnedAsOperator} as operator, ${earnedAsAuthor} as author`)
    lines.push(
      `proofs      ${proofs.tickets} tickets and ${proofs.receipts} receipts of ${proofs.calls} calls hold; ` +
        `${proofs.ticketsNotKept} tickets and ${proofs.receiptsNotKept} receipts are not kept`,
    )
    if (unresolved > 0) lines.push(`before      ${unresolved} lines name lines before this part`)
    lines.push(
      `keys        ${isPinned ? 'those given with --jwks' : 'of the journal itself; --jwks checks with others'}`,
    )
  }
  if (head) lines.push(`head        line ${head.seq}, balance ${head.balance}, signed for ${head.at}`)
  return `${[...lines, verdict(outcome)].join('\n')}\n`
}

function sumsOf(summary: NonNullable<Verified['summary']>) {
  return {
    lines: summary.lines,
    kinds: LineKind.options.flatMap((kind) => {
      const sums = summary.kinds[kind]
      return sums ? [{ kind, count: sums.count, amount: usd(sums.deltaNanos) }] : []
    }),
    paid: usd(summary.paidNanos),
    refunded: usd(summary.refundedNanos),
    earnedAsOperator: usd(summary.operatorNanos),
    earnedAsAuthor: usd(summary.authorNanos),
    unresolved: summary.unresolved,
  }
}

/** Sums may pass 2^53 nanos; they are only printed. */
const usd = (amount: bigint): string => toUsd(amount as Nanos)
