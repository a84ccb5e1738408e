// Online verification, some accounts at a time: each guard checks itself and compares what the book was just read to say; the book's rows are
// held against the bodies that were hashed; credits are seen from both sides. False alarms are the worst enemy: a finding counts when a second
// look, after the guard has done all it had to do, finds the same. Then there is an alert, and the account is frozen.
import { instant, toSqlInteger, type AccountId, type Instant } from '../../../protocol/units.ts'
import { bookAt } from '../../core/book-index.ts'
import type { Clock } from '../../core/clock.ts'
import { logError } from '../../core/errors.ts'
import type { RegisteredAccount } from '../book/account-book.ts'
import type { Accounts } from '../account-port.ts'
import { alertId, createAlertBook, type Finding } from './alert-book.ts'
import { checkBooked, type CheckedWindow } from './book-check.ts'
import { createChecksBook, type AccountCheck } from './checks-book.ts'
import { checkCredits } from './credit-check.ts'
import { LEDGER } from '../limits/limits.ts'
import type { BookStand, Breach, SelfCheck } from './self-check-port.ts'
import { createVerificationBook, type AccountStand } from './verification-book.ts'

export interface VerificationNeeds {
  /** the registry */
  readonly db: D1Database
  readonly books: readonly D1Database[]
  readonly accounts: Accounts
  readonly clock: Clock
}

/** What owners and refused callers read; the finding itself is for admins. */
const FREEZE_REASON = 'A check of this account’s records found a difference; we are looking into it.'

/** @returns what is wrong, confirmed and acted upon */
export async function verifyAccounts(
  needs: VerificationNeeds,
  accounts: readonly RegisteredAccount[],
): Promise<Finding[]> {
  const checks = createChecksBook(needs.db)
  const before = await checks.read(accounts.map(({ id }) => id))
  const run: Run = { ...needs, before, left: newAllowance(), rewritten: new Set() }
  const confirmed: Finding[] = []
  const looked: Looked[] = []
  for (const group of groupsOf(accounts)) {
    try {
      const found = await lookAt(run, group)
      looked.push(...found)
      confirmed.push(...(await confirm(run, found)))
    } catch (error) {
      // A book or a registry that does not answer is no finding; these accounts are looked at again tomorrow.
      logError(error, null)
    }
  }
  await checks.save(looked.flatMap(({ account, check }) => (check && !run.rewritten.has(account.id) ? check : [])))
  const calm = looked.filter(({ check, findings }) => check && findings.length === 0)
  await createAlertBook(needs.db).caughtUp(
    calm.map(({ account }) => account.id),
    needs.clock(),
  )
  await act(needs, confirmed)
  return confirmed
}

/** Alerts first, which say whom to freeze: what an admin has accepted freezes nobody again. */
export async function act(
  { db, accounts, clock }: Pick<VerificationNeeds, 'db' | 'accounts' | 'clock'>,
  findings: readonly Finding[],
): Promise<void> {
  const subjects = await createAlertBook(db).raise(findings, clock())
  for (const subject of subjects) {
    if (subject === 'house') continue
    try {
      await accounts(subject).freeze({ cause: 'verification', reason: FREEZE_REASON, by: null })
    } catch (error) {
      // The hourly look at open alerts freezes it then.
      logError(error, null)
    }
  }
}

/** Every account that an open finding is about is frozen, also when freezing it failed before. */
export async function freezeAgain(needs: Pick<VerificationNeeds, 'db' | 'accounts' | 'clock'>): Promise<void> {
  for (const subject of await createAlertBook(needs.db).frozenSubjects(LEDGER.freezeAgainMax)) {
    if (subject === 'house') continue
    try {
      await needs.accounts(subject).freeze({ cause: 'verification', reason: FREEZE_REASON, by: null })
    } catch (error) {
      // One guard that does not answer keeps no other from being frozen.
      logError(error, null)
    }
  }
}

/** One run, with what it may still ask beyond the first look: a Worker's requests are counted (sweep.ts). */
interface Run extends VerificationNeeds {
  readonly before: ReadonlyMap<AccountId, AccountCheck>
  readonly left: Allowance
  /** whose book is being written again */
  readonly rewritten: Set<AccountId>
}
interface Allowance {
  suspects: number
  furtherChecks: number
  doubts: number
}
const newAllowance = (): Allowance => ({
  suspects: LEDGER.suspectsMax,
  furtherChecks: LEDGER.furtherChecksMax,
  doubts: LEDGER.doubtsMax,
})

interface Looked {
  readonly account: RegisteredAccount
  readonly findings: readonly Finding[]
  /** null: its guard did not answer */
  readonly check: AccountCheck | null
}

/** Suspects are given time to do what is due, and looked at alone; what both looks found is so. Bounded, the rest waits for tomorrow. */
async function confirm(run: Run, looked: readonly Looked[]): Promise<Finding[]> {
  const suspects = looked.filter(({ findings }) => findings.length > 0).slice(0, run.left.suspects)
  run.left.suspects -= suspects.length
  const confirmed: Finding[] = []
  for (const { account, findings } of suspects) {
    // Somebody has begun to write its book again: what was seen of it before says nothing any more, and tomorrow tells.
    if (run.before.has(account.id) && !(await createChecksBook(run.db).read([account.id])).has(account.id)) {
      run.rewritten.add(account.id)
      continue
    }
    await run.accounts(account.id).tick()
    const again = (await lookAt(run, [account])).flatMap(({ findings }) => findings)
    const known = new Set(findings.map(alertId))
    confirmed.push(...again.filter((finding) => known.has(alertId(finding))))
  }
  return confirmed
}

/** All of one book. */
async function lookAt(run: Run, group: readonly RegisteredAccount[]): Promise<Looked[]> {
  const { before } = run
  const index = group[0]?.book ?? 0
  const book = createVerificationBook(bookAt(run.books, index))
  const starts = group.map(({ id }) => ({ accountId: id, after: before.get(id)?.auditedSeq ?? 0 }))
  // The stand first: a window read later may have more lines than it, never fewer.
  const stands = await book.stands(group.map(({ id }) => id))
  const rows = await book.windows(starts)
  const windows = new Map(
    starts.map(({ accountId, after }) => [accountId, checkBooked(rows.get(accountId) ?? [], accountId, after)]),
  )
  const now = run.clock()
  const checks = await Promise.allSettled(
    group.map(({ id, book }) => checkGuard(run, id, standFor(book, stands.get(id), windows.get(id)), now)),
  )
  const credits = await checkCredits(
    run,
    group.map(({ id, book }) => ({ accountId: id, book, lines: windows.get(id)?.lines ?? [] })),
    now,
    run.left,
  )
  return group.map((account, at): Looked => {
    const outcome = checks[at]
    if (outcome?.status === 'rejected') logError(outcome.reason, null)
    const check = outcome?.status === 'fulfilled' ? outcome.value : null
    const window = windows.get(account.id)
    const breaches = [
      ...(check?.breaches ?? []),
      ...(check ? lagOf(check, now) : []),
      ...ofBook(stands.get(account.id), before.get(account.id)),
      ...(window?.breach ? [window.breach] : []),
      ...credits.filter(({ accountId }) => accountId === account.id).map(({ breach }) => breach),
    ]
    const saved = check && checkRow(account.id, check, stands.get(account.id), window, before.get(account.id), now)
    return { account, check: saved, findings: breaches.map((breach) => ({ subject: account.id, breach })) }
  })
}

/** A long journal is checked in some steps, and from its first line once a week; a short one from the first every day. */
async function checkGuard(run: Run, id: AccountId, stand: BookStand, now: Instant): Promise<SelfCheck> {
  const before = run.before.get(id)
  const guard = run.accounts(id)
  const isWhole = !before || before.checkedSeq >= before.seq
  const isShort = !before || before.seq < LEDGER.checkLines
  const isItsDay = Math.floor(now / DAY_MS) % 7 === 0
  let check = await guard.selfCheck(isWhole && (isShort || isItsDay) ? 'first' : 'last', stand)
  for (let steps = 1; steps < LEDGER.checkSteps && isUnfinished(check) && run.left.furtherChecks > 0; steps++) {
    run.left.furtherChecks -= 1
    check = await guard.selfCheck('last', stand)
  }
  return check
}

const isUnfinished = ({ breaches, checkedSeq, head }: SelfCheck): boolean =>
  breaches.length === 0 && checkedSeq < head.seq
const DAY_MS = 86_400_000

function standFor(book: number, stand: AccountStand | undefined, window: CheckedWindow | undefined): BookStand {
  const ofWindow = window?.last ? [window.last] : []
  if (!stand || stand.seq === 0)
    return { book, points: [{ seq: 0, hash: '' }, ...ofWindow], balanceNanos: stand?.sumNanos ?? null }
  return { book, points: [{ seq: stand.seq, hash: stand.hash ?? '' }, ...ofWindow], balanceNanos: stand.sumNanos }
}

/** What the book alone shows. */
function ofBook(stand: AccountStand | undefined, before: AccountCheck | undefined): Breach[] {
  if (!stand) return []
  const { seq, lines, callLines, calls, crookedSeq, chargedNanos, rolledNanos } = stand
  const wrong = (at: string, detail: string): Breach => ({ kind: 'book', at, detail })
  const found: Breach[] = []
  if (before && seq < before.bookSeq)
    found.push(wrong('set-back', `The book had line ${before.bookSeq} and has ${seq}: it is to be written again.`))
  if (lines !== null && lines !== seq)
    found.push(wrong('lines', `The book has ${lines} lines; its cursor says ${seq}.`))
  if (calls !== callLines) found.push(wrong('calls', `The book has ${calls} calls and ${callLines} lines of calls.`))
  if (crookedSeq !== null) found.push(wrong(`legs:${crookedSeq}`, `The legs of line ${crookedSeq} do not sum to zero.`))
  if (chargedNanos !== rolledNanos)
    found.push(wrong('rollups', `Calls were charged ${chargedNanos} nanos; the hourly sums say ${rolledNanos}.`))
  return found
}

/** Seen by admins, frozen by nobody: late is not wrong. */
function lagOf({ lag, lagSince, underWaySince }: SelfCheck, now: Instant): Breach[] {
  const found: Breach[] = []
  if (lag > 0 && lagSince !== null && now - lagSince > LEDGER.lagMaxMs)
    found.push({ kind: 'lag', at: 'book', detail: `The book misses lines since ${new Date(lagSince).toISOString()}.` })
  if (underWaySince !== null && now - underWaySince > LEDGER.underWayMaxMs)
    found.push({
      kind: 'lag',
      at: 'credits',
      detail: `Credits are under way since ${new Date(underWaySince).toISOString()}.`,
    })
  return found
}

function checkRow(
  accountId: AccountId,
  check: SelfCheck,
  stand: AccountStand | undefined,
  window: CheckedWindow | undefined,
  before: AccountCheck | undefined,
  now: Instant,
): AccountCheck {
  // What the book had once it has for ever: as it was read, and as its guard was told.
  const bookSeq = Math.max(stand?.seq ?? 0, check.head.seq - check.lag, before?.bookSeq ?? 0)
  const auditedSeq = window?.last?.seq ?? 0
  return {
    accountId,
    at: now,
    seq: check.head.seq,
    bookSeq,
    lagSince: check.lag > 0 ? check.lagSince : null,
    underWayNanos: toSqlInteger(check.underWayNanos),
    underWaySince: check.underWaySince,
    checkedSeq: check.checkedSeq,
    // At the end the next round begins; where a row is wrong it is found again.
    auditedSeq: window?.breach ? (before?.auditedSeq ?? 0) : auditedSeq >= (stand?.seq ?? 0) ? 0 : auditedSeq,
  }
}

function groupsOf(accounts: readonly RegisteredAccount[]): RegisteredAccount[][] {
  const groups: RegisteredAccount[][] = []
  for (const index of new Set(accounts.map(({ book }) => book))) {
    const here = accounts.filter(({ book }) => book === index)
    for (let at = 0; at < here.length; at += LEDGER.verifyGroup) groups.push(here.slice(at, at + LEDGER.verifyGroup))
  }
  return groups
}

/** Once a minute: the whole minute that ended ten minutes ago, in every book. What is written later belongs to whole lines too. */
export async function verifyConservation(needs: VerificationNeeds): Promise<Finding[]> {
  const before = Math.floor(needs.clock() / 60_000) * 60_000 - LEDGER.conservationLagMs
  const findings: Finding[] = []
  for (const [index, database] of needs.books.entries()) {
    const total = await createVerificationBook(database).conservation(before - 60_000, before)
    if (total === 0n) continue
    const since = new Date(instant(before - 60_000)).toISOString()
    const detail = `In BOOK_${index} the lines of the minute from ${since} sum to ${total} nanos instead of nothing.`
    findings.push({ subject: 'house', breach: { kind: 'conservation', at: `${index}:${before}`, detail } })
  }
  await act(needs, findings)
  return findings
}
