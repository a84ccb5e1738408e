// What an outsider reads of one guard's disk, with SQL and arithmetic of its own, and holds against the promises of design.md section 5 and
// the invariants of one account: I1, I2, I3, I5, I8, I9, I10, I12. Lines are immutable, so each is read once; a changed one is found at the end.
import { z } from 'zod'
import { add, costOf, nanosOf, sha256, sharesOf, sum } from './arithmetic.ts'
import type { SimGuard } from './guards.ts'
import type { CallTruth, ReportedUnits, TransferTruth, Truth } from './truth.ts'
import type { Row } from './sqlite.ts'

const GENESIS = '0'.repeat(64)

const Body = z.object({
  account: z.string(),
  seq: z.number(),
  at: z.number(),
  kind: z.string(),
  transferId: z.string(),
  delta: z.string(),
  legs: z.array(z.object({ party: z.string(), role: z.string(), amount: z.string(), vestsAt: z.number().optional() })),
  call: z
    .object({
      keyId: z.string(),
      nodeId: z.string().nullable(),
      inputTokens: z.number(),
      outputTokens: z.number(),
      hold: z.string(),
      outcome: z.string(),
    })
    .optional(),
  correction: z.object({ of: z.string(), owed: z.string() }).optional(),
  credit: z
    .object({
      payer: z.string(),
      fromSeq: z.number(),
      toSeq: z.number(),
      sum: z.string(),
      operator: z.string(),
      author: z.string(),
      fees: z.string(),
      vesting: z.array(z.object({ until: z.number(), amount: z.string() })),
    })
    .optional(),
})
export type Body = z.infer<typeof Body>

export interface ReadLine {
  readonly seq: number
  readonly hash: string
  readonly text: string
  readonly body: Body
}

/** What one account's lines owe another, or have brought it. */
export interface Owed {
  sum: bigint
  fees: bigint
  readonly vesting: Map<number, bigint>
}

export class Breach extends Error {
  constructor(
    readonly invariant: string,
    detail: string,
  ) {
    super(detail)
  }
}

export class GuardView {
  readonly lines: ReadLine[] = []
  balance = 0n
  /** legs of the house's accounts in this journal */
  house = 0n
  readonly owedTo = new Map<string, Owed>()
  readonly creditedBy = new Map<string, Owed>()
  /** credits that stand in the outbox: payee to rows */
  outbox: {
    readonly payee: string
    readonly isSending: boolean
    readonly toSeq: number
    readonly sum: bigint
    readonly fees: bigint
  }[] = []
  readonly marks = new Map<string, number>()
  readonly charges = new Map<string, bigint>()
  readonly #refunds = new Map<string, bigint>()
  /** by call: what it cost this account in the end, its own share taken off */
  readonly #costs = new Map<string, bigint>()
  readonly #totals = new Map<string, bigint>()
  readonly #returned = new Set<string>()
  readonly #spentByKey = new Map<string, bigint>()
  #writesSeen = -1
  #due: { readonly writes: number; readonly at: number | null } | null = null
  #audits = 0n
  /** earned and not taken out */
  #earned = 0n
  #fees = 0n

  constructor(
    readonly guard: SimGuard,
    private readonly truth: Truth,
  ) {}

  /** @returns whether anything was written since the last look. @throws Breach */
  look(): boolean {
    const { sqlite } = this.guard.disk
    if (sqlite.writes === this.#writesSeen) return false
    this.#writesSeen = sqlite.writes
    for (const row of this.#sql('SELECT * FROM lines WHERE seq > ? ORDER BY seq', this.lines.length))
      this.#readLine(row)
    this.#checkAccount()
    this.#checkHolds()
    this.#checkLimits()
    this.#readOutbox()
    return true
  }

  /** Everything once more, from the first line. @throws Breach */
  reread(): void {
    const rows = this.#sql('SELECT seq, hash, body FROM lines ORDER BY seq')
    const isSame =
      rows.length === this.lines.length &&
      rows.every(({ hash, body }, n) => hash === this.lines[n]?.hash && body === this.lines[n]?.text)
    if (!isSame) throw new Breach('I10', `${this.guard.name}: a line was changed or taken out`)
  }

  #readLine(row: Row): void {
    const { name, id } = this.guard
    const before = this.lines.at(-1)
    const [text, hash] = [String(row.body), String(row.hash)]
    const body = Body.parse(JSON.parse(text))
    const where = `${name} line ${row.seq} (${body.kind} ${body.transferId})`
    const isNext =
      row.seq === this.lines.length + 1 &&
      body.seq === row.seq &&
      body.account === id &&
      body.transferId === row.transfer_id
    if (!isNext) throw new Breach('I10', `${where} follows line ${this.lines.length}`)
    if (body.at < (before?.body.at ?? 0)) throw new Breach('I10', `${where} is older than the line before it`)
    const prevHash = before?.hash ?? GENESIS
    if (row.prev_hash !== prevHash || hash !== sha256(prevHash + text))
      throw new Breach('I10', `${where} is not chained`)
    if (sum(body.legs.map(({ amount }) => nanosOf(amount))) !== 0n)
      throw new Breach('I1', `${where}: legs do not sum to zero`)
    const own = body.legs.filter(({ party }) => party === id)
    const delta = sum(own.map(({ amount }) => nanosOf(amount))) + nanosOf(body.credit?.sum ?? '0')
    if (delta !== nanosOf(body.delta)) throw new Breach('I1', `${where}: delta ${body.delta} is not what its legs say`)
    this.balance += delta
    if (this.balance < 0n) throw new Breach('I2', `${where}: the balance is ${this.balance}`)
    this.house += sum(body.legs.filter(({ party }) => party.startsWith('house:')).map(({ amount }) => nanosOf(amount)))
    this.lines.push({ seq: Number(row.seq), hash, text, body })
    if (body.kind === 'call') this.#readCall(body, where)
    else if (body.kind === 'credit') this.#readCredit(body, where)
    else this.#readTransfer(body, where)
  }

  #readCall({ transferId, legs, call, delta }: Body, where: string): void {
    const truth = this.truth.calls.get(transferId)
    if (!call || !truth || truth.payer !== this.guard.id) throw new Breach('I3', `${where}: nobody sent this call`)
    const charge = -sum(legs.filter(({ role }) => role === 'payer').map(({ amount }) => nanosOf(amount)))
    if (charge > nanosOf(call.hold) || nanosOf(call.hold) !== truth.holdNanos)
      throw new Breach('I5', `${where}: ${charge} charged, ${call.hold} held`)
    const units = call.outcome === 'expired' ? boundOf(truth, charge, where) : endOf(truth, call.outcome, charge, where)
    if (units) this.#readShares(legs, charge, units, where)
    else if (legs.length > 0) throw new Breach('I6', `${where}: charged for nothing`)
    this.charges.set(transferId, charge)
    this.#costs.set(transferId, -nanosOf(delta))
    add(this.#spentByKey, call.keyId, charge)
  }

  #readShares(legs: Body['legs'], charge: bigint, { terms }: ReportedUnits, where: string): void {
    const shares = sharesOf(charge, terms)
    const role = (wanted: string) => legs.filter((leg) => leg.role === wanted)
    const total = (of: Body['legs']) => sum(of.map(({ amount }) => nanosOf(amount)))
    const isRight =
      total(role('operator')) === shares.operator &&
      total(role('operator').filter(({ vestsAt }) => vestsAt !== undefined)) === shares.later &&
      total(role('author')) === shares.author &&
      total(role('house')) === shares.house &&
      role('operator').every(
        ({ party, vestsAt }) => party === terms.operator && (vestsAt === undefined || vestsAt === terms.vesting?.at),
      ) &&
      role('author').every(({ party }) => party === terms.author)
    if (!isRight) throw new Breach('I8', `${where}: ${charge} was not split as agreed: ${JSON.stringify(legs)}`)
    for (const { party, role: of, amount, vestsAt } of legs) {
      if ((of !== 'operator' && of !== 'author') || party === this.guard.id) continue
      const owed = owedIn(this.owedTo, party)
      owed.sum += nanosOf(amount)
      if (vestsAt !== undefined) add(owed.vesting, vestsAt, nanosOf(amount))
    }
    if (terms.operator !== this.guard.id && shares.operator > 0n)
      owedIn(this.owedTo, terms.operator).fees += shares.house
  }

  #readCredit({ credit, legs }: Body, where: string): void {
    if (!credit || legs.length > 0) throw new Breach('I1', `${where} is no credit`)
    const from = owedIn(this.creditedBy, credit.payer)
    from.sum += nanosOf(credit.sum)
    from.fees += nanosOf(credit.fees)
    this.#fees += nanosOf(credit.fees)
    this.#earned += nanosOf(credit.sum)
    for (const { until, amount } of credit.vesting) add(from.vesting, until, nanosOf(amount))
    if (nanosOf(credit.operator) + nanosOf(credit.author) !== nanosOf(credit.sum))
      throw new Breach('I1', `${where} does not add up`)
  }

  #readTransfer({ kind, transferId, delta, correction }: Body, where: string): void {
    const moved = nanosOf(delta)
    if (kind === 'freeze' || kind === 'unfreeze' || kind === 'receipt') {
      if (moved !== 0n) throw new Breach('I1', `${where} moved money`)
      return
    }
    const asked = this.truth.transfer(this.guard.id, transferId)
    if (!asked || asked.kind !== kind) throw new Breach('I3', `${where}: nobody asked for it`)
    const size = moved < 0n ? -moved : moved
    const taken = size + nanosOf(correction?.owed ?? '0')
    const isIncome = !['withdrawal', 'clawback', 'chargeback'].includes(kind)
    const isAsked = asked.rule === 'exact' ? taken === asked.amount : taken <= asked.amount
    if (!isAsked || (moved !== 0n && moved > 0n !== isIncome))
      throw new Breach('I1', `${where}: ${delta} moved, ${asked.amount} asked for`)
    this.#checkOf(asked, size, taken, where)
    this.#earned += ['audit', 'withdrawal', 'withdrawal_return'].includes(kind) ? moved : 0n
    if (this.#earned < 0n) throw new Breach('I11', `${where}: more left the market than was earned`)
  }

  /** All that was done about one call, payment or withdrawal, together. */
  #checkOf({ kind, of, amount, rule, transferId }: TransferTruth, size: bigint, taken: bigint, where: string): void {
    if (kind === 'refund') {
      add(this.#refunds, of ?? '', size)
      if ((this.#refunds.get(of ?? '') ?? 0n) > (this.#costs.get(of ?? '') ?? 0n))
        throw new Breach('I5', `${where}: more was given back than ${of} cost`)
    }
    if (kind === 'withdrawal_return' || transferId.startsWith('reinstated:')) {
      const line = this.lines.find(({ body }) => body.transferId === of)
      const isWhole = line !== undefined && nanosOf(line.body.delta) === -size
      if (!isWhole || this.#returned.has(of ?? ''))
        throw new Breach('I3', `${where}: ${of} comes back, but not once and whole`)
      this.#returned.add(of ?? '')
    }
    if (rule === 'total') {
      add(this.#totals, of ?? '', taken)
      if ((this.#totals.get(of ?? '') ?? 0n) > amount)
        throw new Breach('I5', `${where}: totals of ${of} took more than ${amount}`)
    }
    if (kind === 'audit') {
      this.#audits += size
      if (this.#audits > this.#fees) throw new Breach('I5', `${where}: audits above the fees this operator brought`)
    }
  }

  #checkAccount(): void {
    const [account] = this.#sql('SELECT balance_nanos, held_nanos, seq, last_hash FROM account')
    if (!account) return
    const last = this.lines.at(-1)
    const { name } = this.guard
    if (account.seq !== this.lines.length || account.last_hash !== (last?.hash ?? GENESIS))
      throw new Breach('I10', `${name}: the head is not the last line`)
    if (BigInt(Number(account.balance_nanos)) !== this.balance)
      throw new Breach('I1', `${name}: balance ${account.balance_nanos}, the lines say ${this.balance}`)
    const [open] = this.#sql("SELECT coalesce(sum(amount_nanos), 0) AS held FROM holds WHERE state = 'open'")
    if (account.held_nanos !== open?.held)
      throw new Breach('I9', `${name}: ${account.held_nanos} held, open holds are ${open?.held}`)
    if (BigInt(Number(account.held_nanos)) > this.balance) throw new Breach('I2', `${name}: more is held than there is`)
  }

  #checkHolds(): void {
    const { name } = this.guard
    const counts = this.#sql("SELECT count(*) AS ended FROM holds WHERE state <> 'open'")
    if (counts[0]?.ended !== this.charges.size)
      throw new Breach('I3', `${name}: ${counts[0]?.ended} holds ended, ${this.charges.size} have a line`)
    const open = this.#sql("SELECT call_id, idempotency_id FROM holds WHERE state = 'open'")
    for (const { call_id } of open)
      if (this.charges.has(String(call_id))) throw new Breach('I3', `${name}: ${call_id} has a line and is open`)
    const ids = open.map(({ idempotency_id }) => idempotency_id).filter((id) => id !== null)
    if (new Set(ids).size < ids.length) throw new Breach('I12', `${name}: one Idempotency-Key holds twice`)
    const twice = this
      .#sql(`SELECT idempotency_id FROM holds WHERE idempotency_id IS NOT NULL AND (outcome = 'complete' OR charge_nanos > 0)
      GROUP BY idempotency_id HAVING count(*) > 1`)
    if (twice.length > 0) throw new Breach('I12', `${name}: one Idempotency-Key paid twice`)
  }

  #checkLimits(): void {
    const wrong = this.#sql(`SELECT l.subject FROM limits l
      WHERE (l.held_nanos, l.open_holds) <> (SELECT coalesce(sum(amount_nanos), 0), count(*) FROM holds h
        WHERE h.state = 'open' AND (l.subject = 'account' OR h.key_id = l.subject))`)
    if (wrong.length > 0)
      throw new Breach('I9', `${this.guard.name}: limits of ${wrong[0]?.subject} do not count its open holds`)
    for (const { subject, limit_nanos, held_nanos, open_holds, concurrency } of this.#sql(
      `SELECT subject, held_nanos, open_holds, CASE WHEN limit_shadow = 0 AND limit_period = 'total' THEN limit_nanos END AS limit_nanos,
         CASE WHEN rates_shadow = 0 AND subject <> 'account' THEN concurrency END AS concurrency FROM limits`,
    )) {
      const spent = this.#spentByKey.get(String(subject)) ?? 0n
      if (limit_nanos !== null && spent + BigInt(Number(held_nanos)) > BigInt(Number(limit_nanos)))
        throw new Breach(
          'I5',
          `${this.guard.name}: key ${subject} spent ${spent} and holds ${held_nanos} of a budget of ${limit_nanos}`,
        )
      if (concurrency !== null && Number(open_holds) > Number(concurrency))
        throw new Breach('I5', `${this.guard.name}: key ${subject} makes ${open_holds} calls of ${concurrency}`)
    }
  }

  #readOutbox(): void {
    this.outbox = this.#sql('SELECT payee, state, to_seq, sum_nanos, fees_nanos FROM credits_out').map((row) => ({
      payee: String(row.payee),
      isSending: row.state === 'sending',
      toSeq: Number(row.to_seq),
      sum: BigInt(Number(row.sum_nanos)),
      fees: BigInt(Number(row.fees_nanos)),
    }))
    for (const { payer, to_seq } of this.#sql('SELECT payer, to_seq FROM credits_in'))
      this.marks.set(String(payer), Number(to_seq))
  }

  /** When the guard has something to do by itself, in its own time; null when it has nothing. */
  dueAt(): number | null {
    const { writes } = this.guard.disk.sqlite
    if (this.#due?.writes === writes) return this.#due.at
    const [row] = this.#sql(`SELECT min(at) AS at FROM (
      SELECT min(deadline) AS at FROM holds WHERE state = 'open'
      UNION ALL SELECT min(next_at) FROM credits_out WHERE state = 'sending' OR payee NOT IN (SELECT payee FROM credits_out WHERE state = 'sending')
      UNION ALL SELECT project_at FROM account
      UNION ALL SELECT min(next_at) FROM events)`)
    const at = row?.at === null || row === undefined ? null : Number(row.at)
    this.#due = { writes, at }
    return at
  }

  #sql(query: string, ...bindings: number[]): Row[] {
    return this.guard.disk.sqlite.all(query, ...bindings)
  }
}

export function owedIn(all: Map<string, Owed>, party: string): Owed {
  const known = all.get(party) ?? { sum: 0n, fees: 0n, vesting: new Map<number, bigint>() }
  all.set(party, known)
  return known
}

/** What a hold that ran out may have cost: its last report, and a receipt only makes it less. Null for nothing. */
function boundOf({ progress, receipts, holdNanos }: CallTruth, charge: bigint, where: string): ReportedUnits | null {
  let last: ReportedUnits | null = null
  for (const next of progress) {
    if (costOf(next.input, next.output, next.terms) > holdNanos) continue
    const isOld =
      last &&
      (next.attempt < last.attempt ||
        (next.attempt === last.attempt && (next.input < last.input || next.output < last.output)))
    if (!isOld) last = next
  }
  const reported = last ? costOf(last.input, last.output, last.terms) : 0n
  const isExact = receipts.length === 0 ? charge === reported : charge <= reported
  if (!isExact) throw new Breach('I5', `${where}: ran out with a charge of ${charge}, reported was ${reported}`)
  return charge === 0n ? null : last
}

/** What the gateway asked for, recomputed from its units. */
function endOf({ end }: CallTruth, outcome: string, charge: bigint, where: string): ReportedUnits | null {
  if (!end || end.outcome !== outcome) throw new Breach('I3', `${where}: no gateway ended it like this`)
  const { units } = end
  const cost = units ? costOf(units.input, units.output, units.terms) : 0n
  if (charge !== cost) throw new Breach('I5', `${where}: charged ${charge}, its units cost ${cost}`)
  return charge === 0n ? null : units
}
