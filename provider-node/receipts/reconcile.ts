// What this node did beside what it was paid for: sums by day and model, and every difference with the calls it is made of and what it means. A
// rule. A node cannot know whether a receipt was of a paid call or of a probe, so what nobody paid is shown and explained, never accused.
import type { EarningView } from '../../protocol/operator.ts'
import { fromUsd, nanos, toUsd } from '../../protocol/units.ts'
import { dayOf, type Own } from './history.ts'

/** ms after which a call that ended stands in the gateway's book, unless the gateway is behind */
export const SETTLED_MS = 15 * 60_000

interface Sums {
  readonly inputTokens: number
  readonly outputTokens: number
  readonly tensorBytes: number
}

/** One model on one day; dollars are decimal. */
export interface Row {
  readonly day: string
  readonly model: string
  /** calls this node signed for and did not fail itself */
  readonly served: number
  readonly failed: number
  readonly paid: number
  readonly claimed: Sums
  /** units that were charged */
  readonly counted: Sums
  /** what the receipts come to at their tickets' prices */
  readonly expected: string
  /** what consumers were charged, and the operator's share of it */
  readonly charged: string
  readonly earned: string
}

/** In the order in which they are shown: what mends itself first, what needs looking at last. */
const KINDS = ['pending', 'waiting', 'unpaid', 'cancelled', 'lower', 'higher', 'rejected', 'no_receipt'] as const
export type DifferenceKind = (typeof KINDS)[number]

export interface Difference {
  readonly kind: DifferenceKind
  readonly meaning: string
  readonly expected: string
  readonly charged: string
  readonly calls: readonly { callId: string; attempt: number; model: string; expected: string; charged: string }[]
}

export interface Reconciliation {
  readonly rows: readonly Row[]
  readonly total: Omit<Row, 'day' | 'model'>
  /** empty: everything was paid as it was claimed */
  readonly differences: readonly Difference[]
}

const MEANING: Record<DifferenceKind, string> = {
  pending: `Not settled yet: younger than ${SETTLED_MS / 60_000} minutes.`,
  waiting: 'Not handed in yet: the gateway gets these receipts as soon as it can be reached.',
  unpaid:
    'Not paid: probes, self-tests and checks of the gateway look like every other call and nobody pays for them; so does a call that broke off on its way to its consumer.',
  cancelled: 'Not paid: the caller left before anything had reached the gateway.',
  lower:
    'Charged less than claimed: only what reached the gateway counts, up to what was ordered, and a caller who left pays what had come until then.',
  higher: 'Charged more than claimed: the gateway counted more than these receipts say.',
  rejected: 'The gateway refused these receipts: they are kept in receipts/rejected.log with its reason.',
  no_receipt:
    'Paid, but there is no receipt here: it was lost with a disk, is older than the history, or another machine has this key.',
}

/** @param days both included, as {@link dayOf} */
export function reconcile(
  own: readonly Own[],
  paid: readonly EarningView[],
  days: { readonly from: string; readonly to: string },
  now: number,
): Reconciliation {
  const pairs = pairsOf(own, paid)
  const asked = pairs.filter(({ day }) => day >= days.from && day <= days.to)
  return {
    rows: rowsOf(asked),
    total: sumOf(asked),
    differences: differencesOf(asked, now),
  }
}

type Pair = { readonly day: string; readonly model: string } & (
  { readonly own: Own; readonly paid: EarningView | null } | { readonly own: null; readonly paid: EarningView }
)

/** By call and attempt; what is left by the call alone, since the gateway forgets which attempt it was after a quarter. */
function pairsOf(own: readonly Own[], paid: readonly EarningView[]): Pair[] {
  const left = new Map(paid.map((earning) => [keyOf(earning), earning]))
  const taken = new Map<Own, EarningView>()
  for (const receipt of own) {
    const earning = left.get(keyOf(receipt))
    if (!earning) continue
    taken.set(receipt, earning)
    left.delete(keyOf(receipt))
  }
  const byCall = new Map([...left.values()].map((earning) => [earning.callId, earning]))
  const pairs = own.map((receipt): Pair => {
    const earning = taken.get(receipt) ?? byCall.get(receipt.callId) ?? null
    if (earning && !taken.has(receipt)) {
      byCall.delete(earning.callId)
      left.delete(keyOf(earning))
    }
    return { own: receipt, paid: earning, day: dayOf(receipt.at), model: receipt.model }
  })
  const unknown = [...left.values()].map((earning): Pair => ({
    own: null,
    paid: earning,
    day: dayOf(Date.parse(earning.at)),
    model: earning.model,
  }))
  return [...pairs, ...unknown]
}

const keyOf = ({ callId, attempt }: { callId: string; attempt: number }): string => `${callId}/${attempt}`
const expectedOf = ({ own }: Pair): bigint => BigInt(own?.expected ?? '0')
const chargedOf = ({ paid }: Pair): bigint => (paid ? fromUsd(paid.charged) : 0n)

/** Null: nothing to say of it. */
function differenceOf(pair: Pair, now: number): DifferenceKind | null {
  const { own, paid } = pair
  if (!own) return 'no_receipt'
  const isRefused = own.state !== 'waiting' && own.state !== 'taken'
  const expected = expectedOf(pair)
  if (paid) {
    const charged = chargedOf(pair)
    if (isRefused) return 'rejected'
    return charged === expected ? null : charged < expected ? 'lower' : 'higher'
  }
  // Nobody owes anything for what the node itself says it failed, and for what costs nothing.
  if (expected === 0n) return null
  if (isRefused) return 'rejected'
  if (now - own.at < SETTLED_MS) return 'pending'
  if (own.state === 'waiting') return 'waiting'
  return own.outcome === 'cancelled' ? 'cancelled' : 'unpaid'
}

function differencesOf(pairs: readonly Pair[], now: number): Difference[] {
  const byKind = new Map<DifferenceKind, Pair[]>()
  for (const pair of pairs) {
    const kind = differenceOf(pair, now)
    if (kind === null) continue
    const others = byKind.get(kind)
    if (others) others.push(pair)
    else byKind.set(kind, [pair])
  }
  return KINDS.flatMap((kind) => {
    const found = byKind.get(kind)
    if (!found) return []
    const calls = found.map((pair) => ({
      callId: (pair.own ?? pair.paid).callId,
      attempt: (pair.own ?? pair.paid).attempt,
      model: pair.model,
      expected: usd(expectedOf(pair)),
      charged: usd(chargedOf(pair)),
    }))
    const { expected, charged } = sumOf(found)
    return [{ kind, meaning: MEANING[kind], expected, charged, calls }]
  })
}

function rowsOf(pairs: readonly Pair[]): Row[] {
  const byRow = new Map<string, Pair[]>()
  for (const pair of pairs) {
    const key = `${pair.day} ${pair.model}`
    const others = byRow.get(key)
    if (others) others.push(pair)
    else byRow.set(key, [pair])
  }
  const rows = [...byRow.values()].flatMap((some) => {
    const [first] = some
    return first ? [{ day: first.day, model: first.model, ...sumOf(some) }] : []
  })
  return rows.sort((a, b) => (a.day === b.day ? (a.model < b.model ? -1 : 1) : a.day < b.day ? -1 : 1))
}

function sumOf(pairs: readonly Pair[]): Omit<Row, 'day' | 'model'> {
  const receipts = pairs.flatMap(({ own }) => own ?? [])
  const paid = pairs.flatMap((pair) => pair.paid ?? [])
  const failed = receipts.filter(({ outcome }) => outcome === 'failed').length
  return {
    served: receipts.length - failed,
    failed,
    paid: paid.length,
    claimed: unitsOf(receipts),
    counted: unitsOf(paid),
    expected: usd(receipts.reduce((sum, { expected }) => sum + BigInt(expected), 0n)),
    charged: usd(paid.reduce((sum, { charged }) => sum + fromUsd(charged), 0n)),
    earned: usd(paid.reduce((sum, { earned }) => sum + fromUsd(earned), 0n)),
  }
}

const unitsOf = (counted: readonly Sums[]): Sums => ({
  inputTokens: counted.reduce((sum, { inputTokens }) => sum + inputTokens, 0),
  outputTokens: counted.reduce((sum, { outputTokens }) => sum + outputTokens, 0),
  tensorBytes: counted.reduce((sum, { tensorBytes }) => sum + tensorBytes, 0),
})

const usd = (amount: bigint): string => toUsd(nanos(amount))
