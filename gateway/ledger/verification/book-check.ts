// Whether the book's rows are what their journal lines say: chain, columns, legs and calls of a run of lines, held against the bodies that
// were hashed. A rule; that the bodies are the guard's own is shown by the hash of the last one, which the guard compares.
import { readLine, type JournalLine, type Leg } from '../../../protocol/journal.ts'
import { toSqlInteger, type AccountId } from '../../../protocol/units.ts'
import { whyWrong, type CheckedPoint } from './line-check.ts'
import type { Breach } from './self-check-port.ts'

/** A line of the book with the rows that belong to it. */
export interface BookedLine {
  readonly seq: number
  readonly transferId: string
  readonly kind: string
  readonly deltaNanos: number
  readonly prevHash: string
  readonly hash: string
  readonly body: string
  readonly at: number
  /** [transfer id, party, role, nanos, ms] in order */
  readonly legs: readonly (readonly (string | number)[])[]
  /** the columns of a call's row as {@link callCells} says; null without one */
  readonly call: readonly (string | number | null)[] | null
}

export interface CheckedWindow {
  /** of the last row that was right; null when there was none */
  readonly last: { readonly seq: number; readonly hash: string } | null
  readonly lines: readonly JournalLine[]
  readonly breach: Breach | null
}

/**
 * The first row's link is taken on trust: when the last row's hash is the guard's own, so is all that was hashed before it.
 * @param rows in order, from the one after line `after`
 */
export function checkBooked(rows: readonly BookedLine[], account: AccountId, after: number): CheckedWindow {
  const before = { seq: after, hash: rows[0]?.prevHash ?? '' }
  const lines: JournalLine[] = []
  let last: CheckedWindow['last'] = null
  for (const row of rows) {
    const why = whyOff(row, account, last ?? before)
    if (typeof why === 'string') {
      const at = (last ?? before).seq + 1
      return { last, lines, breach: { kind: 'book', at: String(at), detail: `In the book line ${at} ${why}.` } }
    }
    lines.push(why)
    last = { seq: row.seq, hash: row.hash }
  }
  return { last, lines, breach: null }
}

function whyOff(row: BookedLine, account: AccountId, before: Pick<CheckedPoint, 'seq' | 'hash'>): string | JournalLine {
  const wrong = whyWrong(row, account, before)
  if (typeof wrong === 'string') return wrong
  const read = readLine(row.body)
  if (!read.ok) return 'is not canonical'
  const { line } = read
  const isItself =
    row.transferId === line.transferId &&
    row.kind === line.kind &&
    row.at === line.at &&
    row.deltaNanos === toSqlInteger(line.deltaNanos)
  if (!isItself) return 'has columns that its body does not say'
  if (
    !isEqual(
      row.legs,
      line.legs.map((leg) => legCells(line, leg)),
    )
  )
    return 'has other legs than its body'
  if (line.call && !(row.call && isEqual(row.call, callCells(line)))) return 'has another call than its body'
  return line
}

const legCells = ({ transferId, at }: JournalLine, { party, role, amountNanos }: Leg) => [
  transferId,
  party,
  role,
  toSqlInteger(amountNanos),
  at,
]

/** The hashed facts of a call, as its row has them: who pays what for how much. */
export function callCells({ call, deltaNanos, legs }: JournalLine): (string | number | null)[] {
  if (!call) return []
  const charge = legs.find(({ role }) => role === 'payer')?.amountNanos ?? deltaNanos
  return [
    call.keyId,
    call.modelId,
    call.nodeId,
    call.outcome,
    call.errorCode,
    toSqlInteger(call.inputTokens),
    toSqlInteger(call.outputTokens),
    toSqlInteger(call.holdNanos),
    0 - toSqlInteger(charge),
    toSqlInteger(call.tensorBytes ?? 0n),
  ]
}

const isEqual = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)
