// The guard's own audit of itself, inside one transaction: chain, sums, counters, deadlines, what is under way, and whether the book says the
// same. It reads, and remembers how far it came; what is to be done about a breach is decided outside. Bounded: so many lines each time.
import { GENESIS_HASH, readLine, type Leg } from '../../../protocol/journal.ts'
import { instant, nanos, toUsd, type AccountId, type Instant } from '../../../protocol/units.ts'
import type { AccountState } from '../guard/account-store.ts'
import type { HeldSum } from './check-store.ts'
import { LEDGER } from '../limits/limits.ts'
import { checkLines, type CheckedPoint } from './line-check.ts'
import { journalHead } from '../calls/record-flow.ts'
import type { BookStand, Breach, SelfCheck } from './self-check-port.ts'
import { earningsOf } from '../calls/split.ts'
import type { Stores } from '../guard/stores.ts'

const NOTHING_CHECKED: CheckedPoint = { seq: 0, hash: GENESIS_HASH, balanceNanos: nanos(0n) }

/** @param stand what the book says, when somebody has just read it */
export function selfCheck(stores: Stores, from: 'last' | 'first', stand: BookStand | null, now: Instant): SelfCheck {
  const head = journalHead(stores)
  const account = stores.account.read()
  if (!account) return { ...NOBODY, head }
  const { point, breaches } = checkJournal(stores, account, from)
  const projectedSeq = stores.account.projection()?.seq ?? 0
  const [oldest] = stores.checks.underWay(1)
  return {
    head,
    breaches: [
      ...breaches,
      ...checkHolds(stores, account),
      ...checkOverdue(stores, now),
      ...checkVesting(stores, account, now),
      ...checkUnderWay(stores, account.id),
      ...checkBook(stores, account, stand, projectedSeq),
    ],
    lag: account.seq - projectedSeq,
    lagSince: timeOf(stores, projectedSeq + 1),
    checkedSeq: point.seq,
    book: account.book,
    underWayNanos: stores.checks.underWaySum(),
    underWaySince: oldest ? timeOf(stores, oldest.fromSeq) : null,
    frozen: account.frozen,
  }
}

const NOBODY: Omit<SelfCheck, 'head'> = {
  breaches: [],
  lag: 0,
  lagSince: null,
  checkedSeq: 0,
  book: 0,
  underWayNanos: nanos(0n),
  underWaySince: null,
  frozen: null,
}

/** From the last checked line, or the first, as far as one check goes. At the head, balance and hash are the last line's. */
function checkJournal(stores: Stores, account: AccountState, from: 'last' | 'first') {
  const last = stores.checks.point()
  const isKept = from === 'last' && lineAt(stores, last.seq)?.hash === last.hash
  const start = isKept ? last : NOTHING_CHECKED
  const lines = stores.lines.after(start.seq, LEDGER.checkLines)
  const { point, breach } = checkLines(lines, account.id, start)
  stores.checks.setPoint(point)
  const breaches: Breach[] = []
  if (from === 'last' && !isKept && last.seq > 0)
    breaches.push({ kind: 'chain', at: String(last.seq), detail: `Line ${last.seq} was another when it was checked.` })
  if (breach) breaches.push(breach)
  else if (lines.length < LEDGER.checkLines) breaches.push(...checkHead(account, point))
  return { point, breaches }
}

function checkHead(account: AccountState, { seq, hash, balanceNanos }: CheckedPoint): Breach[] {
  if (seq !== account.seq || hash !== account.lastHash)
    return [{ kind: 'chain', at: String(seq), detail: `The last line is ${seq}; the head says ${account.seq}.` }]
  if (balanceNanos === account.balanceNanos) return []
  const detail = `The balance says ${toUsd(account.balanceNanos)} dollars; the lines say ${toUsd(balanceNanos)}.`
  return [{ kind: 'balance', at: '', detail }]
}

/** Held money, three times over: the account's counter, the limits' counters, the open holds themselves. */
function checkHolds(stores: Stores, account: AccountState): Breach[] {
  const byKey = stores.checks.openByKey()
  const total = {
    subject: 'account',
    heldNanos: nanos(byKey.reduce((sum, { heldNanos }) => sum + heldNanos, 0n)),
    openHolds: byKey.reduce((sum, { openHolds }) => sum + openHolds, 0),
  }
  const breaches: Breach[] = []
  if (total.heldNanos !== account.heldNanos) {
    const detail = `The account says ${toUsd(account.heldNanos)} dollars are held; its open holds are ${toUsd(total.heldNanos)}.`
    breaches.push({ kind: 'holds', at: '', detail })
  }
  const counted = stores.checks.counted()
  for (const subject of new Set([...byKey, ...counted, total].map(({ subject }) => subject))) {
    const open = subject === 'account' ? total : find(byKey, subject)
    const count = find(counted, subject)
    if (open.heldNanos === count.heldNanos && open.openHolds === count.openHolds) continue
    const detail = `The limits of ${subject} count ${count.openHolds} holds of ${toUsd(count.heldNanos)} dollars; open are ${open.openHolds} of ${toUsd(open.heldNanos)}.`
    breaches.push({ kind: 'holds', at: subject, detail })
  }
  return breaches
}

const find = (sums: readonly HeldSum[], subject: string): HeldSum =>
  sums.find((sum) => sum.subject === subject) ?? { subject, heldNanos: nanos(0n), openHolds: 0 }

/** The alarm ends a hold at its deadline, and whoever looks after lost alarms ticks before this is asked. */
function checkOverdue(stores: Stores, now: Instant): Breach[] {
  const overdue = stores.checks.overdue(instant(now - LEDGER.overdueGraceMs))
  if (!overdue) return []
  const detail = `The hold of ${overdue.callId} is open since its deadline at ${new Date(overdue.deadline).toISOString()}.`
  return [{ kind: 'overdue', at: overdue.callId, detail }]
}

/** Money taken back takes it from what vests as well, so what vests is always there. */
function checkVesting(stores: Stores, account: AccountState, now: Instant): Breach[] {
  const vesting = stores.vesting.sum(now)
  if (vesting <= account.balanceNanos) return []
  const detail = `${toUsd(vesting)} dollars vest of a balance of ${toUsd(account.balanceNanos)}.`
  return [{ kind: 'balance', at: 'vesting', detail }]
}

/** A batch under way is exactly what its lines owe to its payee. A range too long to add up here is left to the payee's side. */
function checkUnderWay(stores: Stores, account: AccountId): Breach[] {
  return stores.checks.underWay(LEDGER.payeesMax).flatMap(({ payee, fromSeq, toSeq, sumNanos }): Breach[] => {
    if (toSeq - fromSeq >= LEDGER.checkLines) return []
    const owed = stores.lines
      .after(fromSeq - 1, toSeq - fromSeq + 1)
      .flatMap(({ body }) => earningsOf(legsIn(body)))
      .reduce((sum, earning) => (earning.payee === payee ? sum + earning.operatorNanos + earning.authorNanos : sum), 0n)
    if (owed === sumNanos && payee !== account) return []
    const detail = `Under way to ${payee} are ${toUsd(sumNanos)} dollars; lines ${fromSeq} to ${toSeq} owe ${toUsd(nanos(owed))}.`
    return [{ kind: 'conservation', at: `${payee}:${fromSeq}`, detail }]
  })
}

/** None of a line that cannot be read: the chain's check says so. */
function legsIn(body: string): readonly Leg[] {
  const read = readLine(body)
  return read.ok ? read.line.legs : []
}

function checkBook(stores: Stores, account: AccountState, stand: BookStand | null, projectedSeq: number): Breach[] {
  const wrong = (at: number, detail: string): Breach => ({ kind: 'book', at: String(at), detail })
  const breaches: Breach[] = []
  if (projectedSeq > account.seq) breaches.push(wrong(projectedSeq, 'More lines were projected than there are.'))
  if (!stand) return breaches
  if (stand.book !== account.book)
    return [...breaches, wrong(0, `It writes to BOOK_${account.book} and is read from BOOK_${stand.book}.`)]
  for (const { seq, hash } of stand.points)
    if (seq > 0 && lineAt(stores, seq)?.hash !== hash) breaches.push(wrong(seq, `The book has another line ${seq}.`))
  const last = stand.points[0]?.seq ?? 0
  if (stand.balanceNanos === null || account.seq - last > LEDGER.checkLagMax) return breaches
  const balance = account.balanceNanos - stores.checks.deltasAfter(last)
  if (balance !== stand.balanceNanos)
    breaches.push(
      wrong(last, `Up to line ${last} the book adds up to ${stand.balanceNanos} nanos, the journal to ${balance}.`),
    )
  return breaches
}

const lineAt = (stores: Stores, seq: number) =>
  seq === 0 ? { hash: GENESIS_HASH } : stores.lines.after(seq - 1, 1).find((line) => line.seq === seq)

/** Null when there is no such line, or it cannot be read: its own check says so. */
function timeOf(stores: Stores, seq: number): Instant | null {
  const at = stores.lines.timeAt(seq)
  return at === null ? null : instant(at)
}
