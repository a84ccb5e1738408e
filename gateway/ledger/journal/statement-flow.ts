// The cron that writes statements: of every account, every month that is over, from its first line on, once and in order. A statement is
// made of the guard's lines and what the statement before it ended with, so a repeated or interrupted run writes the same. Accounts are
// visited once a day, by the slices of the sweep.
import { parseLine } from '../../../protocol/journal.ts'
import {
  claimsOf,
  firstOpening,
  monthEnd,
  openingAfter,
  STATEMENT_TYP,
  StatementMonth,
  statementText,
  type Opening,
  type SignedStatement,
} from '../../../protocol/statement.ts'
import { instant, type AccountId } from '../../../protocol/units.ts'
import { bookAt } from '../../core/book-index.ts'
import type { Clock } from '../../core/clock.ts'
import { logError } from '../../core/errors.ts'
import type { GatewayKey } from '../../core/gateway-key.ts'
import { createAccountBook } from '../book/account-book.ts'
import type { AccountPort, Accounts } from '../account-port.ts'
import { createEventBook } from '../events/event-book.ts'
import { LEDGER } from '../limits/limits.ts'
import { createStatementBook, type KeptStatement } from './statement-book.ts'
import { sliceOf } from '../book/sweep.ts'

export interface StatementNeeds {
  /** the registry */
  readonly db: D1Database
  /** BOOK_0, BOOK_1, … */
  readonly books: readonly D1Database[]
  readonly accounts: Accounts
  readonly clock: Clock
  readonly key: Pick<GatewayKey, 'attest'>
}

/** For `scheduled`, once a minute. @returns how many statements were written */
export async function writeStatements(needs: StatementNeeds): Promise<number> {
  const { from, before } = sliceOf(Math.floor(needs.clock() / 60_000) % 1_440)
  const found = await createAccountBook(needs.db).slice(from, before, LEDGER.sweepMax)
  let written = 0
  for (const book of new Set(found.map((account) => account.book))) {
    const ids = found.filter((account) => account.book === book).map(({ id }) => id)
    const latest = await createStatementBook(bookAt(needs.books, book)).latest(ids)
    for (const id of ids) written += await visit(needs, id, book, latest.get(id) ?? null)
  }
  return written
}

/** One account: what is due of it. A failure waits for the next visit and stops no other account. */
async function visit(
  needs: StatementNeeds,
  id: AccountId,
  book: number,
  latest: KeptStatement | null,
): Promise<number> {
  try {
    if (latest && latest.at + LEDGER.statementTellMs > needs.clock()) await tell(needs, latest)
    return await writeDue(needs, id, book, latest)
  } catch (error) {
    logError(error, null)
    return 0
  }
}

async function writeDue(needs: StatementNeeds, id: AccountId, book: number, latest: KeptStatement | null) {
  const account = needs.accounts(id)
  const statements = createStatementBook(bookAt(needs.books, book))
  let opening = latest ? openingAfter(latest.statement) : await openingOf(account, id)
  let written = 0
  for (; opening && isOver(opening, needs) && written < LEDGER.statementMonthsMax; written++) {
    const signed = await sign(needs, await readMonth(account, opening))
    await statements.add(signed, statementText(signed.statement), needs.clock())
    await tell(needs, signed)
    opening = openingAfter(signed.statement)
  }
  return written
}

/** Null: nothing ever happened to this account. */
async function openingOf(account: AccountPort, id: AccountId): Promise<Opening | null> {
  const [first] = await account.lines(0, 1)
  return first ? firstOpening(id, parseLine(first.body).at) : null
}

const isOver = ({ month }: Opening, { clock }: StatementNeeds) => monthEnd(month) + LEDGER.statementGraceMs <= clock()

async function readMonth(account: AccountPort, opening: Opening) {
  const month = new StatementMonth(opening)
  const end = monthEnd(opening.month)
  let seq = opening.stand.seq
  for (;;) {
    const page = await account.journal(seq, false)
    for (const { body, hash } of page) {
      const line = parseLine(body)
      if (line.at >= end) return month.close()
      month.add(line, hash)
      seq = line.seq
    }
    if (page.length === 0) break
  }
  return month.close()
}

async function sign({ key }: StatementNeeds, statement: SignedStatement['statement']): Promise<SignedStatement> {
  return { statement, signature: await key.attest(STATEMENT_TYP, claimsOf(statement)) }
}

/** The same event again is the same row. */
async function tell({ db }: StatementNeeds, { statement }: SignedStatement): Promise<void> {
  const { accountId, number, month, closing } = statement
  await createEventBook(db)(accountId, {
    id: `statement:${month}`,
    kind: 'statement.ready',
    at: instant(monthEnd(month) + LEDGER.statementGraceMs),
    data: { number, month, balance: closing.balance },
  })
}
