// The ledger of one account as anybody would write it on a page: lists, maps and bigints, no hashes, no SQL, no counters. What it answers to each
// order is what the real one must answer (design.md section 5, transfer-port.ts, limit-port.ts). It shares no code with it.
import type { Step } from './steps.ts'

interface NaiveHold {
  readonly amount: bigint
  readonly key: number
  readonly deadline: number
  readonly idem: number | null
  progress: { attempt: number; input: bigint; output: bigint; cost: bigint } | null
  end: { outcome: string; charge: bigint } | null
}

export interface NaiveLine {
  readonly kind: string
  readonly id: string
  readonly delta: bigint
}

export interface NaiveKey {
  readonly budget: { readonly nanos: bigint; readonly period: 'day' | 'total' } | null
  readonly concurrency: number | null
  readonly rpm: number | null
  readonly isShadow: boolean
}

interface KeyUse {
  revoked: boolean
  secret: number
  /** good for a while after a reroll, newest first */
  old: readonly { readonly secret: number; readonly until: number }[]
  readonly charges: { readonly at: number; readonly charge: bigint }[]
  /** when each call of the last minute was let in: a full minute's worth at once, then evenly */
  level: bigint
  levelAt: number
}

const DAY_MS = 86_400_000
/** after which a POST that nobody finished may be done again */
const POST_LOST_MS = 60_000
const EARNING = ['credit', 'audit', 'clawback', 'withdrawal', 'withdrawal_return']

export class NaiveAccount {
  balance = 0n
  readonly lines: NaiveLine[] = []
  /** what it owes others, by the names of the steps */
  readonly owed = new Map<string, bigint>()
  #earned = 0n
  #fees = 0n
  #audits = 0n
  #frozen = false
  #account: NaiveKey = { budget: null, concurrency: null, rpm: null, isShadow: false }
  readonly #holds = new Map<number, NaiveHold>()
  readonly #uses: KeyUse[]
  readonly #marks = new Map<number, number>()
  #vesting: { until: number; amount: bigint }[] = []
  readonly #gone = new Map<string, bigint>()
  readonly #idem = new Map<number, { body: number; call: number; answered: boolean; until: number }>()
  readonly #posts = new Map<number, { body: number; status: number | null; lostAt: number; until: number }>()
  readonly #told = new Map<string, string>()

  constructor(
    private readonly keys: readonly NaiveKey[],
    public now: number,
  ) {
    this.#uses = keys.map(({ rpm }) => ({
      revoked: false,
      secret: 0,
      old: [],
      charges: [],
      level: 60_000n * BigInt(rpm ?? 0),
      levelAt: now,
    }))
  }

  held(): bigint {
    return this.#open().reduce((sum, { amount }) => sum + amount, 0n)
  }

  vesting(): bigint {
    return this.#vesting.reduce((sum, { until, amount }) => (until > this.now ? sum + amount : sum), 0n)
  }

  available(): bigint {
    const free = this.balance - this.held() - this.vesting()
    return free > 0n ? free : 0n
  }

  take(step: Step): string {
    switch (step.do) {
      case 'wait':
        this.now += step.ms
        return 'ok'
      case 'tick':
        this.#endOverdue()
        return 'ok'
      case 'hold':
        this.#endOverdue()
        return this.#hold(step)
      case 'progress':
        return this.#progress(step)
      case 'capture':
        return this.#capture(step)
      case 'grant':
        return this.#grant(step)
      case 'credit':
        return this.#credit(step)
      case 'refund':
        return this.#refund(step)
      case 'takeBack':
        return this.#takeBack(step)
      case 'withdraw':
        return this.#withdraw(step)
      case 'return':
        return this.#return(step)
      case 'audit':
        return this.#audit(step)
      case 'begin':
        return this.#begin(step)
      case 'answered':
        return this.#answered(step)
      case 'freeze':
        return this.#setFrozen(step.on)
      case 'limits':
        this.#account = {
          budget: step.budget === null ? null : { nanos: step.budget, period: 'total' },
          concurrency: step.concurrency,
          rpm: null,
          isShadow: false,
        }
        return 'ok'
      case 'revoke':
        this.#use(step.key).revoked = true
        return 'ok'
      case 'reroll':
        return this.#reroll(step)
      default:
        return step satisfies never
    }
  }

  #hold(step: Extract<Step, { do: 'hold' }>): string {
    const use = this.#use(step.key)
    const isOld = use.old.some(({ secret, until }) => secret === step.secret && this.now < until)
    if (use.secret !== step.secret && !isOld) return 'invalid_api_key'
    if (use.revoked) return 'api_key_revoked'
    const before = this.#holds.get(step.call)
    if (before) {
      if (before.end) return before.end.outcome === 'expired' ? 'call_expired' : 'conflict'
      return before.key === step.key && before.amount === step.amount ? 'ok' : 'conflict'
    }
    const record = step.idem === null ? undefined : this.#idem.get(step.idem)
    if (record && record.until > this.now) {
      if (record.body !== step.body) return 'idempotency_mismatch'
      return record.answered ? `earlier ${record.call}` : 'idempotency_in_progress'
    }
    if (this.#frozen) return 'account_frozen'
    const refusal =
      this.#limited(this.#key(step.key), step.key, step.amount, 'key') ??
      this.#limited(this.#account, null, step.amount, 'account')
    if (refusal) return refusal
    if (step.amount > this.available()) return 'insufficient_funds'
    this.#letIn(step.key, step.amount)
    this.#holds.set(step.call, {
      amount: step.amount,
      key: step.key,
      deadline: this.now + step.life,
      idem: step.idem,
      progress: null,
      end: null,
    })
    if (step.idem !== null)
      this.#idem.set(step.idem, { body: step.body, call: step.call, answered: false, until: this.now + DAY_MS })
    return 'ok'
  }

  #limited(
    { budget, concurrency, rpm, isShadow }: NaiveKey,
    key: number | null,
    amount: bigint,
    who: string,
  ): string | null {
    const open = this.#open().filter((hold) => key === null || hold.key === key)
    if (concurrency !== null && !isShadow && open.length >= concurrency) return 'concurrency_limited'
    if (rpm !== null && key !== null && !isShadow && this.#levelOf(key) < 60_000n) return 'rate_limited'
    if (budget === null || isShadow) return null
    const held = open.reduce((sum, hold) => sum + hold.amount, 0n)
    return this.#spent(key, budget.period) + held + amount > budget.nanos ? `${who}_budget_exceeded` : null
  }

  #spent(key: number | null, period: 'day' | 'total'): bigint {
    const since = period === 'day' ? Math.floor(this.now / DAY_MS) * DAY_MS : 0
    const charges = this.#uses.flatMap((use, n) => (key === null || n === key ? use.charges : []))
    return charges.reduce((sum, { at, charge }) => (at >= since ? sum + charge : sum), 0n)
  }

  #levelOf(key: number): bigint {
    const { level, levelAt } = this.#use(key)
    const rpm = BigInt(this.#key(key).rpm ?? 0)
    const refilled = level + rpm * BigInt(Math.min(this.now - levelAt, 60_000))
    return refilled < rpm * 60_000n ? refilled : rpm * 60_000n
  }

  /** A shadow that would have refused takes nothing. */
  #letIn(key: number, amount: bigint): void {
    const { rpm, budget, concurrency, isShadow } = this.#key(key)
    if (rpm === null) return
    const use = this.#use(key)
    const level = this.#levelOf(key)
    const strict: NaiveKey = { rpm, budget, concurrency, isShadow: false }
    const wouldRefuse = isShadow && this.#limited(strict, key, amount, 'key') !== null
    use.level = wouldRefuse ? level : level - 60_000n
    use.levelAt = this.now
  }

  #progress({ call, attempt, input, output, price }: Extract<Step, { do: 'progress' }>): string {
    const hold = this.#holds.get(call)
    if (!hold || hold.end) return 'closed'
    const last = hold.progress
    const isLater =
      !last || attempt > last.attempt || (attempt === last.attempt && input >= last.input && output >= last.output)
    if (isLater && output * price <= hold.amount) hold.progress = { attempt, input, output, cost: output * price }
    return 'open'
  }

  #capture({ call, outcome, charge }: Extract<Step, { do: 'capture' }>): string {
    const hold = this.#holds.get(call)
    if (!hold) return 'call_not_found'
    if (hold.end?.outcome === 'expired') return 'call_expired'
    if (hold.end) return hold.end.outcome === outcome && hold.end.charge === charge ? `charged ${charge}` : 'conflict'
    if (charge > hold.amount) return 'internal_error'
    this.#end(call, hold, outcome, charge)
    return `charged ${charge}`
  }

  #endOverdue(): void {
    const overdue = [...this.#holds].filter(([, { end, deadline }]) => !end && deadline <= this.now)
    for (const [call, hold] of overdue.sort(([a, x], [b, y]) => x.deadline - y.deadline || a - b))
      this.#end(call, hold, 'expired', hold.progress?.cost ?? 0n)
  }

  #end(call: number, hold: NaiveHold, outcome: string, charge: bigint): void {
    hold.end = { outcome, charge }
    this.#use(hold.key).charges.push({ at: this.now, charge })
    this.#write({ kind: 'call', id: `call ${call}`, delta: -charge })
    const fee = (charge * 500n) / 10_000n
    const royalty = (charge * 300n) / 10_000n
    this.owed.set('operator', (this.owed.get('operator') ?? 0n) + charge - fee - royalty)
    this.owed.set('author', (this.owed.get('author') ?? 0n) + royalty)
    const record = hold.idem === null ? undefined : this.#idem.get(hold.idem)
    if (hold.idem === null || record?.call !== call) return
    if (outcome !== 'complete' && charge === 0n) this.#idem.delete(hold.idem)
    else this.#idem.set(hold.idem, { ...record, answered: true, until: this.now + DAY_MS })
  }

  #grant({ id, kind, amount }: Extract<Step, { do: 'grant' }>): string {
    return this.#once(`in ${id}`, `${kind} ${amount}`, () => {
      this.#write({ kind, id: `in ${id}`, delta: amount })
      return 'ok'
    })
  }

  #credit({ payer, skip, lines, operator, author, vests, fees }: Extract<Step, { do: 'credit' }>): string {
    const mark = this.#marks.get(payer) ?? 0
    const [from, to] = [mark + skip, mark + skip + lines - 1]
    if (to <= mark) return 'ok'
    if (from <= mark || operator + author === 0n) return 'conflict'
    this.#marks.set(payer, to)
    this.#fees += fees
    const later = vests === null ? 0n : operator / 2n
    if (later > 0n) this.#vesting.push({ until: this.now + (vests ?? 0), amount: later })
    this.#write({ kind: 'credit', id: `credit ${payer} ${from}-${to}`, delta: operator + author })
    return 'ok'
  }

  #refund({ id, call, amount }: Extract<Step, { do: 'refund' }>): string {
    const known = this.#told.get(`out ${id}`)
    if (known !== undefined) {
      const [what, size] = known.split(' = ')
      return what === `refund ${call}` && (amount === null || String(amount) === size) ? 'ok' : 'conflict'
    }
    const hold = this.#holds.get(call)
    if (!hold?.end) return 'call_not_found'
    const left = hold.end.charge - (this.#gone.get(`call ${call}`) ?? 0n)
    const back = amount ?? left
    if (back > left || back <= 0n) return 'refund_exceeds_charge'
    this.#add(`call ${call}`, back)
    this.#told.set(`out ${id}`, `refund ${call} = ${back}`)
    this.#write({ kind: 'refund', id: `out ${id}`, delta: back })
    return 'ok'
  }

  #takeBack({ id, amount }: Extract<Step, { do: 'takeBack' }>): string {
    return this.#once(`back ${id}`, `clawback ${amount}`, () => {
      const free = this.balance - this.held()
      const taken = amount < free ? amount : free
      const fromLater = taken - this.available()
      if (fromLater > 0n) this.#takeVesting(fromLater)
      this.#write({ kind: 'clawback', id: `back ${id}`, delta: -taken })
      return `took ${taken}, owes ${amount - taken}`
    })
  }

  /** The latest first. */
  #takeVesting(amount: bigint): void {
    let rest = amount
    for (const part of this.#vesting.filter(({ until }) => until > this.now).sort((a, b) => b.until - a.until)) {
      const taken = rest < part.amount ? rest : part.amount
      part.amount -= taken
      rest -= taken
    }
  }

  #withdraw({ id, amount }: Extract<Step, { do: 'withdraw' }>): string {
    return this.#once(`w ${id}`, `withdraw ${amount}`, () => {
      if (this.#frozen) return 'account_frozen'
      const vested = this.#earned - this.vesting()
      const most = vested < this.available() ? vested : this.available()
      if (amount > most) return 'not_withdrawable'
      this.#write({ kind: 'withdrawal', id: `w ${id}`, delta: -amount })
      return 'ok'
    })
  }

  #return({ id, withdrawal }: Extract<Step, { do: 'return' }>): string {
    return this.#once(`r ${id}`, `return ${withdrawal}`, () => {
      const paid = this.lines.find((line) => line.id === `w ${withdrawal}`)
      if (!paid) return 'not_found'
      if (this.#gone.has(paid.id)) return 'conflict'
      this.#add(paid.id, -paid.delta)
      this.#write({ kind: 'withdrawal_return', id: `r ${id}`, delta: -paid.delta })
      return 'ok'
    })
  }

  #audit({ id, amount }: Extract<Step, { do: 'audit' }>): string {
    const done = this.lines.find((line) => line.id === `a ${id}`)
    if (done) return done.delta <= amount ? `moved ${done.delta}` : 'conflict'
    const cap = this.#fees - this.#audits
    const paid = cap < amount ? cap : amount
    this.#audits += paid
    this.#write({ kind: 'audit', id: `a ${id}`, delta: paid })
    return `moved ${paid}`
  }

  #begin({ post, body }: Extract<Step, { do: 'begin' }>): string {
    const known = this.#posts.get(post)
    if (known && known.until > this.now) {
      if (known.body !== body) return 'idempotency_mismatch'
      if (known.status !== null) return `earlier ${known.status}`
      if (this.now < known.lostAt) return 'idempotency_in_progress'
    }
    this.#posts.set(post, { body, status: null, lostAt: this.now + POST_LOST_MS, until: this.now + DAY_MS })
    return 'begins'
  }

  #answered({ post, status }: Extract<Step, { do: 'answered' }>): string {
    const known = this.#posts.get(post)
    if (!known || known.until <= this.now || known.status !== null) return 'ok'
    if (status === null) this.#posts.delete(post)
    else this.#posts.set(post, { ...known, status, until: this.now + DAY_MS })
    return 'ok'
  }

  #setFrozen(on: boolean): string {
    if (on !== this.#frozen)
      this.#write({
        kind: on ? 'freeze' : 'unfreeze',
        id: `${on ? 'freeze' : 'unfreeze'}:${this.lines.length + 1}`,
        delta: 0n,
      })
    this.#frozen = on
    return 'ok'
  }

  #reroll({ key, secret, grace }: Extract<Step, { do: 'reroll' }>): string {
    const use = this.#use(key)
    if (use.revoked) return 'conflict'
    if (use.secret !== secret) {
      const live = use.old.filter(({ until }) => this.now < until)
      use.old = grace === 0 ? [] : [{ secret: use.secret, until: this.now + grace }, ...live].slice(0, 4)
      use.secret = secret
    }
    return 'ok'
  }

  /** The same id for the same is the same answer; for something else it is a conflict; a refused one has not happened. */
  #once(id: string, what: string, work: () => string): string {
    const known = this.#told.get(id)
    if (known !== undefined) {
      const [asked, answer = ''] = known.split(' = ')
      return asked === what ? answer : 'conflict'
    }
    const before = this.lines.length
    const answer = work()
    if (this.lines.length > before) this.#told.set(id, `${what} = ${answer}`)
    return answer
  }

  #write(line: NaiveLine): void {
    this.lines.push(line)
    this.balance += line.delta
    if (EARNING.includes(line.kind)) this.#earned += line.delta
    if (this.#earned < 0n) this.#earned = 0n
    if (this.#earned > this.balance) this.#earned = this.balance
  }

  #add(what: string, amount: bigint): void {
    this.#gone.set(what, (this.#gone.get(what) ?? 0n) + amount)
  }

  #open(): NaiveHold[] {
    return [...this.#holds.values()].filter(({ end }) => !end)
  }

  #key(key: number): NaiveKey {
    const found = this.keys[key]
    if (!found) throw new Error(`no key ${key}`)
    return found
  }

  #use(key: number): KeyUse {
    const found = this.#uses[key]
    if (!found) throw new Error(`no key ${key}`)
    return found
  }
}
