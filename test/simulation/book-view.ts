// What an outsider reads of one book, with its own SQL, and holds against the guards' journals: lines in order and without gaps, legs, calls,
// and rollups that are the sums of exactly the lines that are there.
import { nanosOf, sum } from './arithmetic.ts'
import type { BookDisk } from './book-disk.ts'
import { checkTotals } from './book-totals.ts'
import { Breach, type GuardView, type ReadLine } from './guard-view.ts'
import type { Row } from './sqlite.ts'

const HOUR_MS = 3_600_000
/** calls, errors, input, output, charge, operator, author, house */
type Sums = [bigint, bigint, bigint, bigint, bigint, bigint, bigint, bigint]

export class BookView {
  /** account to how many of its lines were seen here */
  readonly seen = new Map<string, number>()
  readonly #rollups = new Map<string, Sums>()
  #legs = 0
  #calls = 0
  #writesSeen = -1

  constructor(
    readonly disk: BookDisk,
    private readonly name: string,
  ) {}

  /** The book was lost: it begins again. */
  forget(): void {
    this.seen.clear()
    this.#rollups.clear()
    this.#legs = 0
    this.#calls = 0
  }

  /** @param guards by account id. @throws Breach */
  look(guards: ReadonlyMap<string, GuardView>): void {
    if (this.disk.sqlite.writes === this.#writesSeen) return
    this.#writesSeen = this.disk.sqlite.writes
    const counts = this.#sql('SELECT account_id, count(*) AS n, max(seq) AS last FROM lines GROUP BY account_id')
    const cursors = new Map(this.#sql('SELECT account_id, seq FROM cursors').map((row) => [row.account_id, row.seq]))
    for (const { account_id, n, last } of counts) {
      const id = String(account_id)
      const isWhole = n === last && cursors.get(account_id ?? null) === last
      if (!isWhole)
        throw new Breach(
          'I10',
          `${this.name}: ${n} lines of ${id} up to ${last}, the cursor says ${cursors.get(account_id ?? null)}`,
        )
      this.#readNew(id, guards.get(id))
    }
    if (cursors.size !== counts.length) throw new Breach('I10', `${this.name}: a cursor without lines`)
    this.#checkCounts()
    this.#checkRollups()
    checkTotals(this.disk.sqlite, this.name)
  }

  #readNew(id: string, view: GuardView | undefined): void {
    const from = this.seen.get(id) ?? 0
    const rows = this.#sql(
      'SELECT seq, transfer_id, kind, delta_nanos, hash, body, at FROM lines WHERE account_id = ? AND seq > ? ORDER BY seq',
      id,
      from,
    )
    for (const row of rows) {
      const line = view?.lines[Number(row.seq) - 1]
      const where = `${this.name}: line ${row.seq} of ${id}`
      if (!line || line.hash !== row.hash || line.text !== row.body)
        throw new Breach('I10', `${where} is not what the guard wrote`)
      const { body } = line
      const isSame =
        row.transfer_id === body.transferId &&
        row.kind === body.kind &&
        row.at === body.at &&
        BigInt(Number(row.delta_nanos)) === nanosOf(body.delta)
      if (!isSame) throw new Breach('I10', `${where} has other columns than its body`)
      this.#readLegs(id, line, where)
      if (body.kind === 'call') this.#readCall(id, line, where)
    }
    this.seen.set(id, from + rows.length)
  }

  #readLegs(id: string, { seq, body }: ReadLine, where: string): void {
    const rows = this.#sql(
      'SELECT party, role, amount_nanos FROM legs WHERE account_id = ? AND seq = ? ORDER BY leg',
      id,
      seq,
    )
    const isSame =
      rows.length === body.legs.length &&
      body.legs.every(({ party, role, amount }, n) => {
        const row = rows[n]
        return row?.party === party && row.role === role && BigInt(Number(row.amount_nanos)) === nanosOf(amount)
      })
    if (!isSame) throw new Breach('I1', `${where}: legs are not those of its body`)
    this.#legs += rows.length
  }

  #readCall(id: string, { body }: ReadLine, where: string): void {
    const { call, legs, transferId, at } = body
    if (!call) throw new Breach('I3', `${where} is no call`)
    const role = (wanted: string) => sum(legs.filter((leg) => leg.role === wanted).map(({ amount }) => nanosOf(amount)))
    const charge = -role('payer')
    const [row] = this.#sql(
      'SELECT account_id, key_id, node_id, outcome, charge_nanos, hold_nanos FROM calls WHERE id = ?',
      transferId,
    )
    const isSame =
      row?.account_id === id &&
      row.key_id === call.keyId &&
      row.node_id === call.nodeId &&
      row.outcome === call.outcome &&
      BigInt(Number(row.charge_nanos)) === charge &&
      BigInt(Number(row.hold_nanos)) === nanosOf(call.hold)
    if (!isSame) throw new Breach('I3', `${where}: its call is not in the book as it ended`)
    this.#calls += 1
    const hour = Math.floor(at / HOUR_MS) * HOUR_MS
    const key = `${hour} ${id} ${call.keyId} ${call.nodeId ?? ''}`
    const sums = this.#rollups.get(key) ?? ([0n, 0n, 0n, 0n, 0n, 0n, 0n, 0n] satisfies Sums)
    const isError = call.outcome === 'failed' || call.outcome === 'expired'
    const more = [
      1n,
      isError ? 1n : 0n,
      BigInt(call.inputTokens),
      BigInt(call.outputTokens),
      charge,
      role('operator'),
      role('author'),
      role('house'),
    ]
    this.#rollups.set(key, sums.map((so, n) => so + (more[n] ?? 0n)) as Sums) // as many as there were
  }

  #checkCounts(): void {
    const [counts] = this.#sql('SELECT (SELECT count(*) FROM legs) AS legs, (SELECT count(*) FROM calls) AS calls')
    if (counts?.legs !== this.#legs || counts.calls !== this.#calls)
      throw new Breach(
        'I3',
        `${this.name}: ${counts?.legs} legs and ${counts?.calls} calls instead of ${this.#legs} and ${this.#calls}`,
      )
  }

  #checkRollups(): void {
    const rows = this.#sql('SELECT * FROM rollups_hour')
    for (const row of rows) {
      const key = `${row.hour} ${row.account_id} ${row.key_id} ${row.node_id}`
      const stored = [
        row.calls,
        row.errors,
        row.input_tokens,
        row.output_tokens,
        row.charge_nanos,
        row.operator_nanos,
        row.author_nanos,
        row.house_nanos,
      ]
      const sums = this.#rollups.get(key)
      if (!sums || stored.some((value, n) => BigInt(Number(value)) !== sums[n]))
        throw new Breach('I3', `${this.name}: rollup ${key} is ${stored.join(' ')}, its lines say ${sums?.join(' ')}`)
    }
    if (rows.length !== this.#rollups.size)
      throw new Breach('I3', `${this.name}: ${rows.length} rollups instead of ${this.#rollups.size}`)
  }

  #sql(query: string, ...bindings: (string | number)[]): Row[] {
    return this.disk.sqlite.all(query, ...bindings)
  }
}
