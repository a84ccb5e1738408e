// One month's statement out of a journal that goes by, line by line; and what makes two statements of it the same.
import type { JournalLine } from '../../protocol/journal.ts'
import type { Keys } from '../../protocol/journal-proofs.ts'
import {
  claimsOf,
  firstOpening,
  monthEnd,
  monthOf,
  openingAfter,
  STATEMENT_TYP,
  StatementClaims,
  StatementMonth,
  statementText,
  type SignedStatement,
  type Statement,
} from '../../protocol/statement.ts'
import { verifyClaims } from '../../protocol/ticket.ts'
import { CannotRead } from './cannot-read.ts'

export class MonthFinder {
  #month: StatementMonth | null = null
  #found: Statement | null = null

  /** @param wanted YYYY-MM */
  constructor(private readonly wanted: string) {}

  /** @throws CannotRead for a journal that does not begin with its first line */
  add(line: JournalLine, hash: string): void {
    if (!this.#month && line.seq !== 1) throw new CannotRead('a statement needs the journal from its first line')
    this.#month ??= new StatementMonth(firstOpening(line.account, line.at))
    let month = this.#month
    while (month.opening.month !== monthOf(line.at)) month = this.#next(month)
    month.add(line, hash)
  }

  /** Null when the journal has no such month, or it was not over at `headAt` (ms). */
  end(headAt: number): Statement | null {
    let month = this.#month
    while (month && !this.#found && monthEnd(month.opening.month) <= headAt) month = this.#next(month)
    return this.#found
  }

  #next(month: StatementMonth): StatementMonth {
    const statement = month.close()
    if (statement.month === this.wanted) this.#found = statement
    this.#month = new StatementMonth(openingAfter(statement))
    return this.#month
  }
}

/** Why the statement that was given is not the one the journal gives; null: it is, and the gateway signed it. */
export async function statementFault(rebuilt: Statement, given: SignedStatement, keys: Keys): Promise<string | null> {
  if (statementText(given.statement) !== statementText(rebuilt)) {
    const fields = Object.keys(rebuilt) as (keyof Statement)[] // its own keys
    const field = fields.find((name) => JSON.stringify(given.statement[name]) !== JSON.stringify(rebuilt[name]))
    return `the statement differs from the journal${field === undefined ? '' : ` in "${field}"`}`
  }
  const signed = await verifyClaims(given.signature, STATEMENT_TYP, StatementClaims, keys.gateway)
  if (!signed.ok) return 'the statement is not signed by a key of the gateway'
  const isIts = JSON.stringify(signed.value) === JSON.stringify(claimsOf(rebuilt))
  return isIts ? null : 'the signature is that of another statement'
}
