// Looks at the whole simulated world after every step: each guard and each book by itself, then what only holds between them: credits under
// way, conservation, an alarm wherever there is something to do. At the end, when nothing fails any more, also that everything has arrived.
import { sum } from './arithmetic.ts'
import { BookView } from './book-view.ts'
import { Breach, GuardView, type Owed } from './guard-view.ts'
import type { Market } from './market.ts'

const NOTHING: Owed = { sum: 0n, fees: 0n, vesting: new Map() }

export class Inspector {
  readonly views: Map<string, GuardView>
  readonly books: BookView[]

  constructor(private readonly market: Market) {
    this.views = new Map([...market.guards].map(([id, guard]) => [id as string, new GuardView(guard, market.truth)]))
    this.books = market.books.map((disk, n) => new BookView(disk, `book ${n}`))
  }

  /** After every step. */
  look(): void {
    this.#guarded(() => {
      const changed = [...this.views.values()].filter((view) => view.look())
      if (changed.length > 0) {
        for (const view of changed) this.#checkPairs(view)
        this.#checkConservation()
      }
      for (const view of this.views.values()) this.#checkAlarm(view)
      for (const book of this.books) book.look(this.views)
    })
  }

  /** When faults have ended and time has passed: nothing is open, nothing under way, everybody was told the truth. */
  lookAtTheEnd(): void {
    this.#guarded(() => {
      for (const view of this.views.values()) this.#checkSettled(view)
      this.#checkAcknowledged()
      this.#checkTold()
    })
  }

  #guarded(look: () => void): void {
    try {
      look()
    } catch (error) {
      if (!(error instanceof Breach)) throw error
      this.market.world.broken(error.invariant, error.message)
    }
  }

  /** What a payer's lines owe a payee is in the payee's journal or on its way, and in one of the two only. */
  #checkPairs(view: GuardView): void {
    for (const [id, other] of this.views) {
      if (other === view) continue
      this.#checkPair(view, other, id)
      this.#checkPair(other, view, view.guard.id)
    }
  }

  #checkPair(payer: GuardView, payee: GuardView, payeeId: string): void {
    const owed = payer.owedTo.get(payeeId) ?? NOTHING
    const arrived = payee.creditedBy.get(payer.guard.id) ?? NOTHING
    const mark = payee.marks.get(payer.guard.id) ?? 0
    const underWay = payer.outbox.filter((row) => row.payee === payeeId && !(row.isSending && row.toSeq <= mark))
    const rest = owed.sum - arrived.sum
    const fees = owed.fees - arrived.fees
    const pair = `${payer.guard.name} owes ${payee.guard.name} ${owed.sum}`
    if (rest !== sum(underWay.map((row) => row.sum)))
      throw new Breach('I8', `${pair}, ${arrived.sum} arrived, ${sum(underWay.map((row) => row.sum))} are under way`)
    if (fees !== sum(underWay.map((row) => row.fees))) throw new Breach('I8', `${pair}: fees of ${fees} are missing`)
    if (rest !== 0n) return
    for (const [until, amount] of owed.vesting)
      if (arrived.vesting.get(until) !== amount)
        throw new Breach('I8', `${pair}: ${amount} that vest at ${until} came as ${arrived.vesting.get(until)}`)
  }

  #checkConservation(): void {
    const views = [...this.views.values()]
    const owed = (all: ReadonlyMap<string, Owed>) => sum([...all.values()].map((one) => one.sum))
    const total =
      sum(views.map(({ balance, house }) => balance + house)) +
      sum(views.map(({ owedTo, creditedBy }) => owed(owedTo) - owed(creditedBy)))
    if (total !== 0n) throw new Breach('I1', `all accounts, what is under way and the house sum to ${total}`)
  }

  /** Whoever has something to do has an alarm, unless a planned fault took it. */
  #checkAlarm(view: GuardView): void {
    const { guard } = view
    if (guard.disk.alarmAt !== null || guard.alarmIsLost || guard.isTicking) return
    const due = view.dueAt()
    if (due !== null) throw new Breach('I9', `${guard.name} has something to do at ${due} and no alarm`)
  }

  #checkSettled(view: GuardView): void {
    const { guard, outbox, lines } = view
    view.reread()
    const sql = (query: string) => guard.disk.sqlite.all(query)
    const open = sql("SELECT call_id FROM holds WHERE state = 'open'")
    if (open.length > 0) throw new Breach('I9', `${guard.name}: ${open[0]?.call_id} is still held`)
    if (outbox.length > 0)
      throw new Breach('I8', `${guard.name}: ${outbox[0]?.sum} for ${outbox[0]?.payee} never arrived`)
    if (sql('SELECT 1 FROM events').length > 0) throw new Breach('events', `${guard.name} has told nobody`)
    const book = this.books[this.market.bookOf.get(guard.id) ?? 0]
    if (book?.seen.get(guard.id) !== (lines.length || undefined))
      throw new Breach('I10', `${guard.name}: the book has ${book?.seen.get(guard.id)} of ${lines.length} lines`)
    if (sql('SELECT 1 FROM idempotency WHERE status IS NULL AND call_id IS NOT NULL').length > 0)
      throw new Breach('I12', `${guard.name}: an Idempotency-Key is under way for ever`)
    const settledBook = sql('SELECT projected_seq AS seq FROM account')[0]?.seq
    if (settledBook !== lines.length)
      throw new Breach('I10', `${guard.name} believes its book at ${settledBook} of ${lines.length}`)
  }

  /** Whoever was told of a charge or a transfer finds exactly that. */
  #checkAcknowledged(): void {
    for (const { callId, payer, acknowledged } of this.market.truth.calls.values()) {
      const charge = this.views.get(payer)?.charges.get(callId)
      if (acknowledged !== null && charge !== acknowledged)
        throw new Breach('I4', `${callId} was acknowledged with ${acknowledged} and is ${charge} in the journal`)
    }
    for (const { account, transferId, acknowledged, amount, rule } of this.market.truth.transfers()) {
      const count = this.views.get(account)?.lines.filter(({ body }) => body.transferId === transferId).length
      // A total that earlier totals have covered takes nothing, and has no line.
      if (acknowledged && count !== 1 && rule !== 'total')
        throw new Breach('I4', `${transferId} of ${amount} was acknowledged and is ${count} times in the journal`)
    }
  }

  /** Each freeze and its end came to the registry once. */
  #checkTold(): void {
    const told = new Set(this.market.registry.sqlite.all('SELECT id FROM events').map(({ id }) => id))
    for (const { guard, lines } of this.views.values())
      for (const { body } of lines)
        if ((body.kind === 'freeze' || body.kind === 'unfreeze') && !told.has(`${guard.id}:${body.transferId}`))
          throw new Breach('events', `${guard.name} was never told of ${body.transferId}`)
  }
}
