// What leaves a guard, in its alarm only: credits to payees and lines to the book. Both may be sent again at any time and count once.
// Each outside answer has a deadline, and each failure only moves its own next try: nothing here can keep a hold from ending.
import { parseLine } from '../../../protocol/journal.ts'
import { instant, isCallId } from '../../../protocol/units.ts'
import type { Clock } from '../../core/clock.ts'
import { assert, logError } from '../../core/errors.ts'
import type { Accounts } from '../account-port.ts'
import type { BookLine, Books } from '../book/book.ts'
import type { Tell } from '../events/event-book.ts'
import { recordedCall } from '../calls/call-flow.ts'
import type { Projection } from './account-store.ts'
import { backOffMs, LEDGER } from '../limits/limits.ts'
import type { Stores } from './stores.ts'

export interface OutboxNeeds {
  readonly clock: Clock
  readonly accounts: Accounts
  readonly books: Books
  readonly events: Tell
}

/** Sends what is owed to payees. A batch is frozen in storage before it is first sent, and deleted when the payee has it. */
export async function sendCredits(stores: Stores, needs: OutboxNeeds): Promise<void> {
  const account = stores.account.read()
  if (!account) return
  const now = needs.clock()
  stores.credits.freeze(now)
  const batches = stores.credits.due(now, LEDGER.payeesMax)
  await Promise.all(
    batches.map(async (batch) => {
      try {
        const { payee, tries: _, ...shares } = batch
        const reply = await within(LEDGER.payeeMs, needs.accounts(payee).credit({ payer: account.id, ...shares }))
        assert(reply.ok, 'the payee refused a credit')
        stores.credits.done(batch)
      } catch (error) {
        logError(error, null)
        stores.credits.failed(batch, instant(needs.clock() + backOffMs(batch.tries + 1)))
      }
    }),
  )
}

/** Tells the registry what the owner is to hear. Each event goes its own way: one that cannot be written keeps no other back. */
export async function sendEvents(stores: Stores, { clock, events }: OutboxNeeds): Promise<void> {
  const account = stores.account.read()
  if (!account) return
  for (const { n, tries, event } of stores.events.due(clock(), LEDGER.eventsMax)) {
    try {
      await within(LEDGER.bookMs, events(account.id, event))
      stores.events.done(n)
    } catch (error) {
      logError(error, null)
      stores.events.failed(n, tries + 1, instant(clock() + backOffMs(tries + 1)))
    }
  }
}

/** Appends new lines to the book, page by page. After a failure the book is asked where it stands: the append may have happened. */
export async function projectLines(stores: Stores, needs: OutboxNeeds): Promise<void> {
  for (let appends = 0; appends < LEDGER.appendsMax; appends++) {
    const projection = stores.account.projection()
    const now = needs.clock()
    if (!projection || projection.nextAt === null || projection.nextAt > now) return
    try {
      await projectPage(stores, needs, projection)
    } catch (error) {
      logError(error, null)
      const tries = projection.tries + 1
      stores.account.setProjectionFailed(tries, instant(needs.clock() + backOffMs(tries)))
    }
  }
}

async function projectPage(stores: Stores, { books, clock }: OutboxNeeds, projection: Projection): Promise<void> {
  const { accountId, tries } = projection
  const book = books(projection.book)
  // Never beyond what is known here: a book that is being written again has a cursor far ahead of it.
  const from =
    tries === 0 ? projection.seq : Math.min(projection.seq, await within(LEDGER.bookMs, book.cursor(accountId)))
  const page = pageAfter(stores, from)
  await within(LEDGER.bookMs, book.append(accountId, page))
  stores.account.setProjected(page.at(-1)?.seq ?? from, clock(), projection.seq)
}

/** As many lines as fit one append; at least one. */
function pageAfter(stores: Stores, seq: number): BookLine[] {
  const page: BookLine[] = []
  let chars = 0
  for (const chained of stores.lines.after(seq, LEDGER.linesMax)) {
    const line = parseLine(chained.body)
    const callId = line.receipt?.callId ?? line.transferId
    const call = isCallId(callId) ? recordedCall(stores, callId) : null
    chars += chained.body.length + (call ? JSON.stringify(call.detail).length : 0)
    if (page.length > 0 && chars > LEDGER.appendChars) break
    page.push({ ...chained, line, call })
  }
  return page
}

/** An answer that comes too late is a failure; whatever it was, sending again is harmless. */
async function within<T>(ms: number, answer: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms)
  })
  try {
    return await Promise.race([answer, late])
  } finally {
    clearTimeout(timer)
  }
}
