// Who is before the server now, and who waits: so many at the same time, so many waiting, fair between accounts. Whoever leaves or is too late
// is dropped from the queue before it costs the server anything.
import { EngineRefusal, type JobOwner } from '../engine.ts'
import { FairQueue } from '../fair-queue.ts'

interface Waiter {
  readonly startBy: number
  /** @param refusal null: it is your turn */
  readonly turn: (refusal: EngineRefusal | null) => void
}

interface GateNeeds {
  readonly concurrencyMax: number
  readonly queueMax: number
  /** ms since the Unix epoch */
  readonly now: () => number
  readonly waited: (seconds: number, call: AbortSignal) => void
}

export class Gate {
  #inFlight = 0
  readonly #queue: FairQueue<Waiter>

  constructor(private readonly needs: GateNeeds) {
    this.#queue = new FairQueue(needs.queueMax)
  }

  get load(): { inFlight: number; waiting: number } {
    return { inFlight: this.#inFlight, waiting: this.#queue.size }
  }

  /**
   * @param cost of the call in tokens or bytes
   * @returns call it, once or more often, when the server is done with this one
   * @throws EngineRefusal `busy`: the queue is full, or the turn did not come in time; `internal`: the caller left while waiting
   */
  async enter({ account, startBy }: JobOwner, cost: number, signal: AbortSignal): Promise<() => void> {
    const { concurrencyMax, now, waited } = this.needs
    const since = now()
    if (signal.aborted) throw left()
    if (startBy <= since) throw tooLate()
    if (this.#inFlight >= concurrencyMax || this.#queue.size > 0) await this.#wait(account, startBy, cost, signal)
    else this.#inFlight += 1
    waited((now() - since) / 1_000, signal)
    let isIn = true
    return () => {
      if (!isIn) return
      isIn = false
      this.#inFlight -= 1
      this.#next()
    }
  }

  /** Refuses everybody who waits. */
  close(): void {
    for (const { turn } of this.#queue.remove(() => true))
      turn(new EngineRefusal('internal', 'The model is not running.'))
  }

  #wait(account: string, startBy: number, cost: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        startBy,
        turn: (refusal) => {
          clearTimeout(late)
          signal.removeEventListener('abort', leave)
          if (refusal) return reject(refusal)
          this.#inFlight += 1
          resolve()
        },
      }
      const drop = (refusal: EngineRefusal) => {
        this.#queue.remove((other) => other === waiter)
        waiter.turn(refusal)
      }
      const leave = () => drop(left())
      if (!this.#queue.push(account, waiter, cost))
        return reject(new EngineRefusal('busy', 'The queue of this model is full.'))
      // A timer of Node.js holds 2^31 ms at most; nobody waits so long.
      const late = setTimeout(() => drop(tooLate()), Math.min(startBy - this.needs.now(), 2 ** 31 - 1))
      signal.addEventListener('abort', leave, { once: true })
    })
  }

  #next(): void {
    while (this.#inFlight < this.needs.concurrencyMax) {
      const next = this.#queue.next()
      if (!next) return
      next.turn(next.startBy <= this.needs.now() ? tooLate() : null)
    }
  }
}

const left = () => new EngineRefusal('internal', 'The caller left.')
const tooLate = () => new EngineRefusal('busy', 'Its turn did not come in time.')
