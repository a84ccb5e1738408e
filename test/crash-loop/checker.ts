// What must be true of a dead gateway's files, said once more with arithmetic of its own: at any moment, and when everything has settled.
// Every finding is a sentence; none is good.
import type { DeadGuard, DeadState } from './dead-state.ts'
import { digest } from './dead-state.ts'
import type { History } from './histories.ts'

interface Leg {
  readonly party: string
  readonly role: string
  readonly amount: string
}
interface Body {
  readonly kind: string
  readonly delta: string
  readonly legs: readonly Leg[]
  readonly credit?: { readonly sum: string }
}

/** Holds after any `kill -9`, whatever was under way. */
export function checkAlways({ guards, book }: DeadState): string[] {
  const found = [...guards.values()].flatMap(checkGuard)
  let total = 0n
  for (const guard of guards.values()) {
    total += guard.balance
    for (const { body } of guard.lines)
      for (const leg of (JSON.parse(body) as Body).legs)
        if (leg.party.startsWith('house:')) total += toNanos(leg.amount) // hashed by the gateway, so of its shape
    // A batch its payee has is no longer under way, whether or not the payer has heard.
    for (const { payee, toSeq, sum } of guard.creditsOut)
      if ((guards.get(payee)?.creditsIn.get(guard.id) ?? 0) < toSeq) total += sum
  }
  if (total !== 0n) found.push(`balances, credits under way and the house sum to ${total} nanos instead of nothing`)
  for (const line of book.lines) {
    const own = guards.get(line.accountId)?.lines[line.seq - 1]
    if (own?.hash !== line.hash || own.body !== line.body)
      found.push(`line ${line.seq} of ${line.accountId} in the book is not the one of its guard`)
  }
  for (const [line, sum] of sums(book.legs.map(({ accountId, seq, amount }) => [`${accountId} ${seq}`, amount])))
    if (sum !== 0n) found.push(`the legs of line ${line} in the book sum to ${sum}`)
  return found
}

/** Holds when the gateway was left alone for a while: nothing is open, nothing is under way, nothing is missing in the book. */
export function checkSettled({ guards, book }: DeadState, histories: readonly History[]): string[] {
  const found: string[] = []
  const linesInBook = new Map(sums(book.lines.map(({ accountId }) => [accountId, 1n])))
  const callsInBook = new Map(book.calls.map((call) => [call.id, call]))
  const rollups = new Map(book.rollups.map((rollup) => [rollup.accountId, rollup]))
  for (const guard of guards.values()) {
    if (guard.held !== 0n) found.push(`${guard.id} still holds ${guard.held} nanos`)
    if (guard.creditsOut.length > 0) found.push(`${guard.id} still owes ${guard.creditsOut.length} credits`)
    if ((linesInBook.get(guard.id) ?? 0n) !== BigInt(guard.lines.length))
      found.push(`the book has ${linesInBook.get(guard.id) ?? 0n} of the ${guard.lines.length} lines of ${guard.id}`)
    const ended = guard.holds.filter(({ charge }) => charge !== null)
    for (const { callId, charge } of ended)
      if (callsInBook.get(callId)?.charge !== charge) found.push(`the book’s row of ${callId} is not its guard’s`)
    const charged = ended.reduce((sum, { charge }) => sum + (charge ?? 0n), 0n)
    const rollup = rollups.get(guard.id)
    if ((rollup?.charge ?? 0n) !== charged || (rollup?.calls ?? 0) !== ended.length)
      found.push(`the rollups of ${guard.id} are not the sums of its calls`)
  }
  for (const history of histories) found.push(...checkHistory(history, guards.get(history.accountId)))
  return found
}

/** Every acknowledged call is there once, at its price; and no charge is there that nobody asked for. */
function checkHistory({ accountId, wanted }: History, guard: DeadGuard | undefined): string[] {
  if (!guard) return [`${accountId} has no guard`]
  const found: string[] = []
  const charges = new Map(guard.holds.map(({ callId, charge, outcome }) => [callId, { charge: charge ?? 0n, outcome }]))
  const lines = new Map(sums(guard.lines.map(({ transferId }) => [transferId, 1n])))
  const known = new Set<string>()
  let unheard = 0
  for (const { acknowledged, callIds, isIdempotent, sent } of wanted) {
    for (const callId of callIds) known.add(callId)
    if (callIds.size < sent) unheard += isIdempotent ? 1 : sent - callIds.size
    if (acknowledged) {
      const { callId, cost } = acknowledged
      const { charge, outcome } = charges.get(callId) ?? {}
      if (lines.get(callId) !== 1n) found.push(`${callId} was acknowledged and has ${lines.get(callId) ?? 0n} lines`)
      if (charge !== toNanos(cost)) found.push(`${callId} was acknowledged at $${cost} and charged ${charge} nanos`)
      if (outcome !== 'complete') found.push(`${callId} was acknowledged and ended ${outcome}`)
    }
    const paid = [...callIds].filter((callId) => (charges.get(callId)?.charge ?? 0n) > 0n)
    if (isIdempotent && paid.length > 1)
      found.push(`one Idempotency-Key was charged ${paid.length} times: ${paid.join(', ')}`)
  }
  const strange = [...charges].filter(([callId, { charge }]) => charge > 0n && !known.has(callId))
  if (strange.length > unheard)
    found.push(
      `${strange.length} charges of ${accountId} belong to calls nobody heard of; ${unheard} requests had no answer`,
    )
  return found
}

function checkGuard(guard: DeadGuard): string[] {
  const found: string[] = []
  const say = (what: string) => found.push(`${guard.id}: ${what}`)
  let balance = 0n
  let prevHash = '0'.repeat(64)
  for (const [index, line] of guard.lines.entries()) {
    if (line.seq !== index + 1) say(`a gap before line ${line.seq}`)
    if (line.prevHash !== prevHash || line.hash !== digest(prevHash, line.body))
      say(`line ${line.seq} breaks the chain`)
    prevHash = line.hash
    const { legs, delta, credit } = JSON.parse(line.body) as Body // hashed by the gateway, so of its shape
    const sum = legs.reduce((total, { amount }) => total + toNanos(amount), 0n)
    if (sum !== 0n) say(`the legs of line ${line.seq} sum to ${sum}`)
    const own = legs.reduce((total, leg) => (leg.party === guard.id ? total + toNanos(leg.amount) : total), 0n)
    if (toNanos(delta) !== own + (credit ? toNanos(credit.sum) : 0n))
      say(`line ${line.seq} moves another sum than its legs`)
    balance += toNanos(delta)
    if (balance < 0n) say(`the balance is ${balance} after line ${line.seq}`)
  }
  if (balance !== guard.balance) say(`the lines sum to ${balance}, the balance says ${guard.balance}`)
  const open = guard.holds.filter(({ state }) => state === 'open')
  const held = open.reduce((sum, { amount }) => sum + amount, 0n)
  if (held !== guard.held) say(`open holds sum to ${held}, held says ${guard.held}`)
  if (guard.held > guard.balance) say(`holds ${guard.held} of ${guard.balance}`)
  found.push(...checkHolds(guard))
  return found
}

/** Every ended hold has one line with its charge, every call's line an ended hold, and no charge is above its hold. */
function checkHolds(guard: DeadGuard): string[] {
  const found: string[] = []
  const charged = new Map<string, bigint>()
  for (const { transferId, body } of guard.lines) {
    const { kind, legs } = JSON.parse(body) as Body // hashed by the gateway, so of its shape
    if (kind !== 'call') continue
    const paid = legs.reduce((sum, { role, amount }) => (role === 'payer' ? sum - toNanos(amount) : sum), 0n)
    charged.set(transferId, paid)
  }
  for (const { callId, state, amount, charge } of guard.holds) {
    const paid = charged.get(callId)
    charged.delete(callId)
    if (state === 'open' && paid !== undefined) found.push(`${callId} is open and has a line`)
    if (state !== 'open' && paid !== charge) found.push(`${callId} was charged ${charge} and its line says ${paid}`)
    if (paid !== undefined && paid > amount) found.push(`${callId} was charged ${paid}, above its hold of ${amount}`)
  }
  for (const callId of charged.keys()) found.push(`${callId} has a line and no hold`)
  return found
}

function sums(entries: readonly (readonly [string, bigint])[]): Map<string, bigint> {
  const totals = new Map<string, bigint>()
  for (const [key, value] of entries) totals.set(key, (totals.get(key) ?? 0n) + value)
  return totals
}

/** Decimal dollars to nanos, by this file's own reading. */
function toNanos(dollars: string): bigint {
  const [whole = '0', fraction = ''] = dollars.replace('-', '').split('.')
  const amount = BigInt(whole) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0').slice(0, 9))
  return dollars.startsWith('-') ? -amount : amount
}
