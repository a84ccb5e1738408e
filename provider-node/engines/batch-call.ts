// One call on its way through a batching queue, from its coming to its answer: it is answered once, by whatever comes first: its outcome, its caller's
// leaving, or the deadline until which it must have begun.
import { EngineRefusal } from './engine.ts'

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

/** A call that is to be computed. */
export interface Seat<Job> {
  readonly job: Job
  /** nobody wants the answer any more: the caller left, or its time was over before it began */
  readonly isGone: boolean
  /** whoever computes it may listen here for that moment; one listener */
  onGone: (() => void) | null
}

/** ms a timer can hold; a later deadline is looked at when the call's turn comes */
const TIMER_MAX_MS = 2 ** 31 - 1

/** A call from its coming to its answer. */
export class BatchCall<Job, Answer> implements Seat<Job> {
  isGone = false
  onGone: (() => void) | null = null
  #late: NodeJS.Timeout
  readonly #leave = () => this.waiting.leave(this)

  constructor(
    readonly job: Job,
    readonly turn: Turn,
    /** ms since the Unix epoch */
    readonly since: number,
    /** the caller's: also the name under which its wait is noted */
    readonly signal: AbortSignal,
    private readonly caller: { resolve(answer: Answer): void; reject(why: EngineRefusal): void },
    private readonly waiting: { leave(call: BatchCall<Job, Answer>): void; dropLate(): void },
  ) {
    // One ms behind it: at its deadline a call may still begin.
    const ms = Math.min(Math.max(turn.startBy + 1 - since, 0), TIMER_MAX_MS)
    this.#late = setTimeout(() => this.#look(), ms)
    signal.addEventListener('abort', this.#leave, { once: true })
  }

  /** A timer counts from when its loop last looked at a clock, and may be there before the deadline has passed: it looks again then. */
  #look(): void {
    this.waiting.dropLate()
    const isFarAway = this.turn.startBy - this.since >= TIMER_MAX_MS
    if (!this.isGone && !isFarAway) this.#late = setTimeout(() => this.#look(), 1)
  }

  /** It waits no longer: its deadline does not concern it any more. */
  begin(): void {
    clearTimeout(this.#late)
  }

  /** Answers the caller; what comes after the first answer is read by nobody. */
  settle(outcome: Answer | EngineRefusal): void {
    this.begin()
    this.signal.removeEventListener('abort', this.#leave)
    if (outcome instanceof EngineRefusal) this.caller.reject(outcome)
    else this.caller.resolve(outcome)
  }

  drop(why: EngineRefusal): void {
    this.isGone = true
    this.settle(why)
    this.onGone?.()
  }
}
