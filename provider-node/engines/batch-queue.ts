// Dynamic batching: whoever comes while a lane is idle starts at once, and what comes while all are busy forms the next batch. Nobody is made to
// wait for company. Bounded: a full queue refuses at once and says when to come back. Fair between accounts; callers who left and callers whose
// time is over are dropped before they cost. Pure of any runtime: what computes is an argument, and so is the clock.
import { BatchCall, type Seat, type Turn } from './batch-call.ts'
import { EngineRefusal, type EngineObserver } from './engine.ts'
import { FairQueue } from './fair-queue.ts'
import { averaged, retryAfterSeconds } from './retry-after.ts'

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
  /**
   * Outcomes in the order of the seats. When it rejects, each seat is computed again alone. A single lane may be handed its next batch while it
   * computes one: it takes them in order, and leaves out who is gone by then.
   */
  readonly compute: (seats: readonly Seat<Job>[]) => Promise<readonly (Answer | EngineRefusal)[]>
  /** ms since the Unix epoch */
  readonly now: () => number
  readonly observe: Pick<EngineObserver, 'batch' | 'waited'>
}

/** Of a whole batch: its calls' outcomes, or one refusal for all. */
type Outcomes<Answer> = readonly (Answer | EngineRefusal)[] | EngineRefusal

export class BatchQueue<Job, Answer> {
  readonly #queue: FairQueue<BatchCall<Job, Answer>>
  #idleLanes: number
  /** calls being computed */
  #running = 0
  /** the batch that a busy lane holds already, so that it need not wait for this thread between two */
  #ahead: readonly BatchCall<Job, Answer>[] = []
  #last: Promise<void> = Promise.resolve()
  #closed: EngineRefusal | null = null
  /** seconds of one lane per call, smoothed; null before the first */
  #pace: number | null = null

  constructor(private readonly needs: BatchQueueNeeds<Job, Answer>) {
    this.#queue = new FairQueue(needs.concurrencyMax + needs.queueMax)
    this.#idleLanes = needs.lanes
  }

  /**
   * @throws EngineRefusal `busy` when there is no room or its time is over; `internal` when the caller left or the engine ended; whatever refusal it
   * was answered with
   */
  submit(job: Job, turn: Turn, signal: AbortSignal): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(this.#closed)
      if (signal.aborted) return reject(left())
      const { inFlight, waiting } = this.load()
      if (inFlight + waiting >= this.needs.concurrencyMax + this.needs.queueMax) return reject(this.#busy('is full'))
      const call = new BatchCall(job, turn, this.needs.now(), signal, { resolve, reject }, this)
      this.#queue.push(turn.account, call, turn.cost)
      this.#dispatch()
    })
  }

  /** Whoever leaves is answered at once; only one who waits still has a place in the queue to give up. */
  leave(call: BatchCall<Job, Answer>): void {
    this.#queue.remove((other) => other === call)
    call.drop(left())
  }

  /** Refuses everybody whose deadline has passed before they began. */
  dropLate(): void {
    const now = this.needs.now()
    const isLate = ({ turn }: BatchCall<Job, Answer>) => turn.startBy < now
    for (const call of [...this.#queue.remove(isLate), ...this.#ahead.filter(isLate)])
      call.drop(this.#busy('did not get to it'))
  }

  load(): { inFlight: number; waiting: number } {
    return { inFlight: this.#running, waiting: this.#queue.size + this.#ahead.length }
  }

  /** Refuses everybody who waits and everybody who comes. What is being computed ends as it ends. */
  close(why: EngineRefusal): void {
    this.#closed = why
    for (const call of [...this.#ahead, ...this.#queue.remove(() => true)]) call.drop(why)
  }

  #dispatch(): void {
    const { lanes, concurrencyMax, batchMax } = this.needs
    // The lane that falls idle is taken already.
    if (this.#ahead.length > 0) return
    if (this.#idleLanes > 0) this.dropLate()
    while (this.#idleLanes > 0 && this.#running < concurrencyMax) {
      const batch = this.#nextBatch(concurrencyMax - this.#running)
      if (batch.length === 0) return
      this.#idleLanes -= 1
      this.#begin(batch)
      this.#last = this.#run(batch, this.#handOver(batch))
    }
    // Only a full batch is handed ahead: whoever comes later could not have joined it.
    const isWorthIt = lanes === 1 && batchMax > 1 && this.#queue.size >= batchMax
    if (isWorthIt && this.#idleLanes === 0) this.#handAhead()
  }

  #nextBatch(room: number): BatchCall<Job, Answer>[] {
    const first = this.#queue.next()
    if (!first) return []
    const batch = [first]
    const { batchKey, cost } = first.turn
    const seats = Math.min(this.needs.batchMax, room)
    let budget = this.needs.batchCostMax - cost
    while (batchKey !== null && batch.length < seats) {
      const next = this.#queue.next(({ turn }) => turn.batchKey === batchKey && turn.cost <= budget)
      if (!next) break
      batch.push(next)
      budget -= next.turn.cost
    }
    return batch
  }

  #handAhead(): void {
    const batch = this.#nextBatch(this.needs.concurrencyMax)
    const handed = this.#handOver(batch)
    this.#ahead = batch
    this.#last = this.#last.then(() => {
      this.#ahead = []
      this.#idleLanes -= 1
      const present = batch.filter(({ isGone }) => !isGone)
      this.#begin(present)
      this.#dispatch()
      const ofPresent = (all: Outcomes<Answer>): Outcomes<Answer> =>
        all instanceof EngineRefusal ? all : present.map((call) => all[batch.indexOf(call)] ?? failed(null))
      return this.#run(present, handed.then(ofPresent), batch.length)
    })
  }

  #begin(batch: readonly BatchCall<Job, Answer>[]): void {
    this.#running += batch.length
    if (batch.length > 0) this.needs.observe.batch(batch.length)
    for (const call of batch) {
      call.begin()
      this.needs.observe.waited((this.needs.now() - call.since) / 1_000, call.signal)
    }
  }

  /** Never rejects: a refusal is that of the whole batch. */
  async #handOver(batch: readonly BatchCall<Job, Answer>[]): Promise<Outcomes<Answer>> {
    try {
      return await this.needs.compute(batch)
    } catch (cause) {
      return failed(cause)
    }
  }

  /**
   * Sees a batch that has begun to its end. One that throws is computed again one by one, so that the guilty call alone fails.
   * @param seats that were handed over: the guilty one may have left meanwhile
   */
  async #run(
    batch: readonly BatchCall<Job, Answer>[],
    handed: Promise<Outcomes<Answer>>,
    seats = batch.length,
  ): Promise<void> {
    const startedAt = this.needs.now()
    let outcomes = await handed
    if (outcomes instanceof EngineRefusal && seats > 1 && !this.#closed) outcomes = await this.#oneByOne(batch)
    if (batch.length > 0) this.#pace = averaged(this.#pace, (this.needs.now() - startedAt) / 1_000 / batch.length)
    this.#running -= batch.length
    this.#idleLanes += 1
    // The lane's next batch comes before this one's answers: it is the lane that must not wait.
    this.#dispatch()
    if (this.#running + this.#ahead.length === 0) this.#queue.rest()
    batch.forEach((call, index) => {
      const outcome = outcomes instanceof EngineRefusal ? outcomes : outcomes[index]
      call.settle(outcome ?? failed(null))
    })
  }

  async #oneByOne(batch: readonly BatchCall<Job, Answer>[]): Promise<(Answer | EngineRefusal)[]> {
    const outcomes: (Answer | EngineRefusal)[] = []
    for (const call of batch) {
      if (call.isGone) {
        outcomes.push(left())
        continue
      }
      this.needs.observe.batch(1)
      const own = await this.#handOver([call])
      const outcome = own instanceof EngineRefusal ? own : (own[0] ?? failed(null))
      // Whoever is done need not wait for the others.
      call.settle(outcome)
      outcomes.push(outcome)
    }
    return outcomes
  }

  /** A lane takes call after call at the measured pace: everybody who is here stands before a newcomer. */
  #busy(why: string): EngineRefusal {
    const { inFlight, waiting } = this.load()
    const load = { waiting: inFlight + waiting, concurrencyMax: this.needs.lanes, callSeconds: this.#pace }
    const message = `The queue of this model ${why}.`
    return new EngineRefusal('busy', message, { retryAfterSeconds: retryAfterSeconds(load) })
  }
}

const left = () => new EngineRefusal('internal', 'The caller left.')
const failed = (cause: unknown) =>
  cause instanceof EngineRefusal ? cause : new EngineRefusal('internal', 'The model failed.', { cause })
