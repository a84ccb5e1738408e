// Who is next, fair between accounts: every account is as far along as what was computed for it, and whoever is least far goes first. One account
// with a thousand calls and one with a single call so alternate. Bounded: a full queue refuses at once, it never grows.

/** accounts that are not waiting and of which it is known how far ahead they are: beyond it that is forgotten, which costs a little fairness */
const ACCOUNTS_REMEMBERED = 4_096

interface Waiting<T> {
  readonly item: T
  readonly cost: number
}

export class FairQueue<T> {
  readonly #lanes = new Map<string, Waiting<T>[]>()
  /** cost served per account since it last was idle, on one scale for all (start-time fair queueing) */
  readonly #served = new Map<string, number>()
  #clock = 0
  #size = 0

  constructor(private readonly sizeMax: number) {}

  get size(): number {
    return this.#size
  }

  /** @param cost of this call in any unit that is the same for all @returns false when the queue is full */
  push(account: string, item: T, cost: number): boolean {
    if (this.#size >= this.sizeMax) return false
    const lane = this.#lanes.get(account)
    if (lane) lane.push({ item, cost })
    else {
      this.#lanes.set(account, [{ item, cost }])
      // Whoever was away has no claim to the time it did not use.
      this.#served.set(account, Math.max(this.#served.get(account) ?? 0, this.#clock))
    }
    this.#size += 1
    return true
  }

  /** Takes the next one, of those at the head of their account's lane, that fits. Null when none does. */
  next(fits: (item: T) => boolean = () => true): T | null {
    let best: string | null = null
    for (const [account, [head]] of this.#lanes) {
      if (!head || !fits(head.item)) continue
      if (best === null || (this.#served.get(account) ?? 0) < (this.#served.get(best) ?? 0)) best = account
    }
    if (best === null) return null
    const taken = this.#lanes.get(best)?.shift()
    if (!taken) return null
    this.#clock = this.#served.get(best) ?? 0
    this.#served.set(best, this.#clock + taken.cost)
    this.#afterLeaving(best)
    return taken.item
  }

  /** Takes out every item that matches: callers who left, deadlines that passed. */
  remove(matches: (item: T) => boolean): T[] {
    const removed: T[] = []
    for (const [account, lane] of [...this.#lanes]) {
      const kept = lane.filter(({ item }) => !matches(item) || (removed.push(item), false))
      if (kept.length === lane.length) continue
      this.#size -= lane.length - kept.length
      this.#lanes.set(account, kept)
      if (kept.length === 0) this.#lanes.delete(account)
    }
    return removed
  }

  /** Cost that shows only later: the tokens of an answer, as they come. */
  charge(account: string, cost: number): void {
    this.#served.set(account, Math.max(this.#served.get(account) ?? 0, this.#clock) + cost)
  }

  /** Nobody waits and nobody is computed: everybody begins anew. */
  rest(): void {
    if (this.#size > 0) return
    this.#served.clear()
    this.#clock = 0
  }

  #afterLeaving(account: string): void {
    this.#size -= 1
    if (this.#lanes.get(account)?.length === 0) this.#lanes.delete(account)
    // Accounts that are not waiting and not ahead of the clock need no memory.
    const isCrowded = this.#served.size > this.#lanes.size + ACCOUNTS_REMEMBERED
    for (const [other, served] of this.#served)
      if (!this.#lanes.has(other) && (served <= this.#clock || isCrowded)) this.#served.delete(other)
  }
}
