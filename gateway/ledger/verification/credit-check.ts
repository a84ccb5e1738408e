// Money between accounts, seen from both sides in the books: each credit is what the payer's lines owe to its payee since the credit before it,
// and what lines owe has arrived. What one side has not written yet is judged another day; a payer whose journal is shorter than what it is
// said to have paid never paid.
import type { JournalLine } from '../../../protocol/journal.ts'
import { isHouse, toUsd, type AccountId, type Instant } from '../../../protocol/units.ts'
import { logError } from '../../core/errors.ts'
import type { Accounts } from '../account-port.ts'
import { createCreditBook, type Arrival, type CreditRange } from './credit-book.ts'
import { LEDGER } from '../limits/limits.ts'
import type { Breach } from './self-check-port.ts'

export interface CreditCheckNeeds {
  /** the registry */
  readonly db: D1Database
  readonly books: readonly D1Database[]
  readonly accounts: Accounts
}

/** An account whose lines were just read of its book. */
export interface Audited {
  readonly accountId: AccountId
  readonly book: number
  readonly lines: readonly JournalLine[]
}

export type Found = readonly { readonly accountId: AccountId; readonly breach: Breach }[]

/** How many doubts may still be asked about: each is two requests. */
export interface Doubts {
  doubts: number
}

/** @returns findings about those whose journal has a credit that nobody owes, or owes what never arrived */
export async function checkCredits(
  needs: CreditCheckNeeds,
  audited: readonly Audited[],
  now: Instant,
  left: Doubts,
): Promise<Found> {
  const credits = audited.flatMap(creditsOf)
  const owed = audited.flatMap((account) => owedOf(account, now))
  if (credits.length === 0 && owed.length === 0) return []
  const book = createCreditBook(needs.db, needs.books)
  const bookOf = await book.indexes([...credits.map(({ payer }) => payer), ...owed.map(({ payee }) => payee)])
  const asked = { ...needs, left }
  return [...(await checkReceived(asked, book, credits, bookOf)), ...(await checkArrived(asked, book, owed, bookOf))]
}

type CreditBook = ReturnType<typeof createCreditBook>
type Received = CreditRange & { readonly payeeBook: number }

/** With where the payer's credit before it ended, when that stands in the same run of lines. */
function creditsOf({ accountId, book, lines }: Audited): Received[] {
  const ends = new Map<AccountId, number>()
  return lines.flatMap(({ seq, credit }) => {
    if (!credit) return []
    const { payer, fromSeq, toSeq, sumNanos } = credit
    const earlierTo = ends.get(payer) ?? null
    ends.set(payer, toSeq)
    return [{ payee: accountId, payeeBook: book, seq, payer, fromSeq, toSeq, sumNanos, earlierTo }]
  })
}

/** The last line of a run that owes to each payee, of lines old enough to have arrived. */
function owedOf({ accountId, lines }: Audited, now: Instant): Arrival[] {
  const last = new Map<AccountId, Arrival>()
  for (const { seq, at, legs } of lines) {
    if (at > now - LEDGER.underWayMaxMs) continue
    for (const { party, role, amountNanos } of legs)
      if ((role === 'operator' || role === 'author') && amountNanos > 0n && party !== accountId && !isHouse(party))
        last.set(party, { payer: accountId, payee: party, seq, at })
  }
  return [...last.values()]
}

async function checkReceived(
  { books, accounts, left }: CreditCheckNeeds & { readonly left: Doubts },
  book: CreditBook,
  credits: readonly Received[],
  bookOf: (accountId: AccountId) => number,
): Promise<Found> {
  const found: Found[number][] = []
  const ranged = (
    await Promise.all(
      books.map((_, index) =>
        book.withEarlier(
          index,
          credits.filter(({ payeeBook }) => payeeBook === index),
        ),
      ),
    )
  ).flat()
  for (const [index] of books.entries()) {
    const here = ranged.filter(({ payer }) => bookOf(payer) === index)
    for (const { credit, owedNanos, cursor } of await book.owed(index, here)) {
      const { payee, seq, payer, fromSeq, toSeq, sumNanos, earlierTo } = credit
      const wrong = (detail: string) =>
        found.push({ accountId: payee, breach: { kind: 'conservation', at: String(seq), detail } })
      if (earlierTo !== null && fromSeq <= earlierTo) wrong(`Line ${seq} credits line ${fromSeq} of ${payer} again.`)
      else if (cursor >= toSeq && owedNanos !== sumNanos)
        wrong(
          `Line ${seq} credits ${toUsd(sumNanos)} dollars of ${payer}; its lines up to ${toSeq} owe ${owedNanos} nanos.`,
        )
      else if (cursor < toSeq && (await doubt(left, async () => (await accounts(payer).head()).seq < toSeq)))
        wrong(`Line ${seq} credits line ${toSeq} of ${payer}, which does not exist.`)
    }
  }
  return found
}

async function checkArrived(
  { books, accounts, left }: CreditCheckNeeds & { readonly left: Doubts },
  book: CreditBook,
  owed: readonly Arrival[],
  bookOf: (accountId: AccountId) => number,
): Promise<Found> {
  const found: Found[number][] = []
  for (const [index] of books.entries()) {
    const here = owed.filter(({ payee }) => bookOf(payee) === index)
    for (const { arrival, cursor } of await book.missing(index, here)) {
      const { payer, payee, seq } = arrival
      const isLost = async () => {
        // Still under way is lag, which the payer's guard tells; and the payee's book may be behind.
        const { underWaySince } = await accounts(payer).selfCheck('last')
        if (underWaySince !== null && underWaySince <= arrival.at) return false
        return (await accounts(payee).head()).seq <= cursor
      }
      if (!(await doubt(left, isLost))) continue
      const detail = `What line ${seq} owes to ${payee} is not under way and did not arrive.`
      found.push({ accountId: payer, breach: { kind: 'conservation', at: `${seq}:${payee}`, detail } })
    }
  }
  return found
}

/** False also when a guard does not answer, or too many were asked in this run: another day will tell. */
async function doubt(left: Doubts, isWrong: () => Promise<boolean>): Promise<boolean> {
  if (left.doubts <= 0) return false
  left.doubts -= 1
  try {
    return await isWrong()
  } catch (error) {
    logError(error, null)
    return false
  }
}
