// Dynamic batching: whoever comes while a lane is idle starts at once, and what comes while all are busy forms the next batch. Nobody is made to
// wait for company. Bounded: a full queue refuses at once and says when to come back. Fair between accounts; callers who left and callers whose
// time is over are dropped before they cost. Pure of any runtime: what computes is an argument, and so is the clock.
import { EngineRefusal, type EngineObserver } from './engine.ts'
import { FairQueue } from './fair-queue.ts'
import { averaged, retryAfterSeconds } from './retry-after.ts'

/** What the queue has to know of a call. */
export interface Turn {
  readonly account: string
  /** ms since the Unix epoch: whoever has not begun by then is refused `busy` */
  readonly startBy: number
  /** bytes or characters: what fairness and the budget of a batch are counted in */
  readonly cost: number
  /** calls of equal keys can be computed together; null: only alone */
  readonly batchKey: string | null
}

/** A call that is being computed; its signal aborts when the caller leaves. */
export interface Seat<Job> {
  readonly job: Job
  readonly signal: AbortSignal
}

export interface BatchQueueNeeds<Job, Answer> {
  /** batches computed side by side */
  readonly lanes: number
  /** calls computed at the same time, in all lanes together */
  readonly concurrencyMax: number
  /** calls accepted beyond those */
  readonly queueMax: number
  /** calls of one batch; 1: no batching */
  readonly batchMax: number
  /** cost of one batch, in the unit of the turns; a dearer call is computed alone */
  readonly batchCostMax: number
  /** Outcomes in the order of the seats. When it rejects, each seat is computed again alone. */
  readonly compute: (seats: readonly Seat<Job>[]) => Promise<readonly (Answer | EngineRefusal)[]>
  /** ms since the Unix epoch */
  readonly now: () => number
  readonly observe: Pick<EngineObserver, 'batch' | 'waited'>
}

interface Call<Job, Answer> extends Seat<Job> {
  readonly turn: Turn
  readonly since: number
  settle(outcome: Answer | EngineRefusal): void
  /** It waits no longer: neither its deadline nor its leaving concerns the queue. */
  begin(): void
}

/** ms a timer can hold; a later deadline is looked at when the call's turn comes */
const TIMER_MAX_MS = 2 ** 31 - 1

export class BatchQueue<Job, Answer> {
  readonly #queue: FairQueue<Call<Job, Answer>>
  #idleLanes: number
  #running = 0
  #closed: EngineRefusal | null = null
  /** seconds of one lane per call, smoothed; null before the first */
  #pace: number | null = null

  constructor(private readonly needs: BatchQueueNeeds<Job, Answer>) {
    this.#queue = new FairQueue(needs.concurrencyMax + needs.queueMax)
    this.#idleLanes = needs.lanes
  }

  /** @throws EngineRefusal `busy` when there is no room or its time is over; `internal` when the caller left or the engine ended; what it was answered */
  submit(job: Job, turn: Turn, signal: AbortSignal): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(this.#closed)
      if (signal.aborted) return reject(left())
      const { concurrencyMax, queueMax } = this.needs
      if (this.#running + this.#queue.size >= concurrencyMax + queueMax) return reject(this.#busy('is full'))
      const settle = (outcome: Answer | EngineRefusal) => {
        call.begin()
        signal.removeEventListener('abort', leave)
        if (outcome instanceof EngineRefusal) reject(outcome)
        else resolve(outcome)
      }
      // Whoever leaves is answered at once; only one who waits still has a place in the queue to give up.
      const leave = () => {
        this.#queue.remove((other) => other === call)
        settle(left())
      }
      // One ms behind it: at its deadline a call may still begin.
      const ms = Math.min(Math.max(turn.startBy + 1 - this.needs.now(), 0), TIMER_MAX_MS)
      const late = setTimeout(() => this.#dropLate(), ms)
      const call: Call<Job, Answer> = {
        ...{ job, signal, turn, since: this.needs.now(), settle },
        begin: () => clearTimeout(late),
      }
      signal.addEventListener('abort', leave, { once: true })
      this.#queue.push(turn.account, call, turn.cost)
      this.#dispatch()
    })
  }

  load(): { inFlight: number; waiting: number } {
    return { inFlight: this.#running, waiting: this.#queue.size }
  }

  /** Refuses everybody who waits and everybody who comes. What is being computed ends as it ends. */
  close(why: EngineRefusal): void {
    this.#closed = why
    for (const call of this.#queue.remove(() => true)) call.settle(why)
  }

  #dispatch(): void {
    if (this.#idleLanes > 0) this.#dropLate()
    while (this.#idleLanes > 0 && this.#running < this.needs.concurrencyMax) {
      const batch = this.#nextBatch()
      if (batch.length === 0) return
      this.#idleLanes -= 1
      this.#running += batch.length
      void this.#run(batch)
    }
  }

  #nextBatch(): Call<Job, Answer>[] {
    const first = this.#queue.next()
    if (!first) return []
    const batch = [first]
    const { batchKey, cost } = first.turn
    const seats = Math.min(this.needs.batchMax, this.needs.concurrencyMax - this.#running)
    let left = this.needs.batchCostMax - cost
    while (batchKey !== null && batch.length < seats) {
      const next = this.#queue.next(({ turn }) => turn.batchKey === batchKey && turn.cost <= left)
      if (!next) break
      batch.push(next)
      left -= next.turn.cost
    }
    return batch
  }

  async #run(batch: readonly Call<Job, Answer>[]): Promise<void> {
    const startedAt = this.needs.now()
    for (const call of batch) {
      call.begin()
      this.needs.observe.waited((startedAt - call.since) / 1_000, call.signal)
    }
    await this.#compute(batch)
    const seconds = (this.needs.now() - startedAt) / 1_000 / batch.length
    this.#pace = averaged(this.#pace, seconds)
    this.#idleLanes += 1
    this.#dispatch()
    if (this.#running === 0) this.#queue.rest()
  }

  /** Never rejects. A batch that throws is computed again one by one, so that the guilty call alone fails. */
  async #compute(batch: readonly Call<Job, Answer>[]): Promise<void> {
    const present = batch.filter(({ signal }) => !signal.aborted)
    this.#running -= batch.length - present.length
    if (present.length === 0) return
    this.needs.observe.batch(present.length)
    const outcomes = await this.needs.compute(present).catch((cause: unknown) => failed(cause))
    if (outcomes instanceof EngineRefusal && present.length > 1 && !this.#closed) {
      for (const call of present) await this.#compute([call])
      return
    }
    this.#running -= present.length
    present.forEach((call, index) => {
      const outcome = outcomes instanceof EngineRefusal ? outcomes : outcomes[index]
      call.settle(outcome ?? failed(null))
    })
  }

  #dropLate(): void {
    const now = this.needs.now()
    for (const call of this.#queue.remove(({ turn }) => turn.startBy < now))
      call.settle(this.#busy('did not get to it'))
  }

  /** A lane takes call after call at the measured pace: everybody who is here stands before a newcomer. */
  #busy(why: string): EngineRefusal {
    const waiting = this.#running + this.#queue.size
    const load = { waiting, concurrencyMax: this.needs.lanes, callSeconds: this.#pace }
    const message = `The queue of this model ${why}.`
    return new EngineRefusal('busy', message, { retryAfterSeconds: retryAfterSeconds(load) })
  }
}

const left = () => new EngineRefusal('internal', 'The caller left.')
const failed = (cause: unknown) =>
  cause instanceof EngineRefusal ? cause : new EngineRefusal('internal', 'The model failed.', { cause })
