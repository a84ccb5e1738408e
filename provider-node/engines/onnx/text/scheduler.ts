// Who is computed next, of all calls of one model: continuous batching. Calls wait in a queue that is fair between accounts; as many as there is
// room for are begun, their prompts fed in bounded runs between the steps of the answers under way, and all choices of all of them then take
// each step together. Whoever left, or whose time to begin has passed, is dropped before it costs.
import { Choice } from '../../choice.ts'
import type { TextJob } from '../../engine.ts'
import { FairQueue } from '../../fair-queue.ts'
import type { TokenTable } from '../../token-table.ts'
import type { Decoder, Fed } from './decoder.ts'
import type { Row } from './kv-cache.ts'
import { planPrefill } from './prefill-plan.ts'
import type { TextReply } from './text-messages.ts'

export interface SchedulerNeeds {
  readonly decoder: Pick<Decoder, 'prefill' | 'step' | 'fork'>
  readonly tokens: TokenTable
  readonly contextTokens: number
  /** sequences in one step */
  readonly rowsMax: number
  /** tokens of prompts in one run, padding included */
  readonly prefillTokensMax: number
  /** positions that all rows of the batch may take in the cache, padding included; a call alone may take more */
  readonly cachePositionsMax: number
  /** ms since the Unix epoch */
  readonly now: () => number
  /** @param rows of the step that was taken; null when it was none */
  readonly send: (replies: readonly TextReply[], rows: number | null) => void
  /** lets messages in */
  readonly breathe: () => Promise<void>
}

interface Call {
  readonly id: number
  readonly job: TextJob
  readonly prompt: readonly number[]
  readonly outputTokensMax: number
  readonly since: number
  /** choices that are not over */
  open: number
  outputTokens: number
  isOver: boolean
}

/** A call whose prompt is being fed. */
interface Opening {
  readonly call: Call
  row: Row | null
  fed: number
}

/** A choice under way. */
interface Sequence {
  readonly call: Call
  readonly index: number
  readonly choice: Choice
  readonly row: Row
  /** what the graph is to see next */
  next: number
}

/** The queue is bounded where calls come in. */
const UNBOUNDED = Infinity

export class Scheduler {
  readonly #needs: SchedulerNeeds
  readonly #queue = new FairQueue<Call>(UNBOUNDED)
  /** taken from the queue, and too large for the room there is now: nobody overtakes it */
  #head: Call | null = null
  #opening: Opening[] = []
  /** begun, waiting for a place in the batch */
  #ready: Sequence[] = []
  #running: Sequence[] = []
  #replies: TextReply[] = []
  #isRunning = false
  #expiredAt = 0

  constructor(needs: SchedulerNeeds) {
    this.#needs = needs
  }

  /** @param prompt at least one token, and fewer than the context has */
  add(id: number, job: TextJob, prompt: readonly number[]): void {
    const outputTokensMax = Math.min(job.outputTokensMax, this.#needs.contextTokens - prompt.length)
    const counts = { open: job.choices, outputTokens: 0, isOver: false }
    const call: Call = { id, job, prompt, outputTokensMax, since: this.#needs.now(), ...counts }
    this.#queue.push(job.account, call, prompt.length)
    if (!this.#isRunning) void this.#run()
  }

  /** The call takes no further step. Unknown ids have already ended. */
  cancel(id: number): void {
    const isIt = (call: Call) => call.id === id
    const call = this.#queue.remove(isIt)[0] ?? this.#begun().find(isIt)
    if (!call) return
    this.#end(call)
    this.#replies.push({ type: 'cancelled', id, outputTokens: call.outputTokens })
    this.#flush(null)
  }

  /** Nothing is computed any more, and nobody is told. */
  stop(): void {
    this.#queue.remove(() => true)
    for (const call of this.#begun()) this.#end(call)
  }

  #begun(): Call[] {
    const sequences = [...this.#opening, ...this.#ready, ...this.#running]
    return [...(this.#head ? [this.#head] : []), ...sequences.map(({ call }) => call)]
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    // What arrives together is begun together.
    await this.#needs.breathe()
    while (this.#queue.size + this.#begun().length > 0) {
      this.#expire()
      this.#admit()
      if (this.#opening.length > 0) await this.#prefill()
      this.#running.push(...this.#ready.splice(0, this.#needs.rowsMax - this.#running.length))
      if (this.#running.length > 0) await this.#step()
      await this.#needs.breathe()
    }
    this.#queue.rest()
    this.#isRunning = false
  }

  /** Looking through a long queue at every step would cost; a moment's lateness does not. */
  #expire(): void {
    const now = this.#needs.now()
    if (now - this.#expiredAt < EXPIRE_EVERY_MS) return
    this.#expiredAt = now
    for (const call of this.#queue.remove(({ job }) => job.startBy < now)) this.#refuseLate(call)
    this.#flush(null)
  }

  #refuseLate(call: Call): void {
    this.#end(call)
    const message = 'The model was too busy to begin in time.'
    this.#replies.push({ type: 'refused', id: call.id, code: 'busy', message })
  }

  #admit(): void {
    for (;;) {
      const call = this.#head ?? this.#queue.next()
      if (!call) break
      this.#head = call
      if (call.job.startBy < this.#needs.now()) {
        this.#refuseLate(call)
        continue
      }
      if (!this.#hasRoom(call)) break
      this.#head = null
      this.#opening.push({ call, row: null, fed: 0 })
      const waitedMs = this.#needs.now() - call.since
      this.#replies.push({ type: 'started', id: call.id, inputTokens: call.prompt.length, waitedMs })
    }
    this.#flush(null)
  }

  /** With one row free a call of many choices begins; those without a row wait, and before them nobody else begins. */
  #hasRoom(call: Call): boolean {
    const { rowsMax, cachePositionsMax } = this.#needs
    const others = [...this.#opening, ...this.#ready, ...this.#running].map((under) => under.call)
    if (others.length === 0) return true
    const opening = this.#opening.reduce((sum, under) => sum + under.call.job.choices, 0)
    const rows = opening + this.#ready.length + this.#running.length
    if (rows >= rowsMax) return false
    const positions = [...others, call].reduce((most, other) => Math.max(most, positionsOf(other)), 0)
    return Math.min(rows + call.job.choices, rowsMax) * positions <= cachePositionsMax
  }

  async #prefill(): Promise<void> {
    const { decoder, prefillTokensMax } = this.#needs
    const unfed = this.#opening.map(({ call, fed }) => ({ tokensLeft: call.prompt.length - fed, isBegun: fed > 0 }))
    const plan = planPrefill(unfed, prefillTokensMax).flatMap(({ index, tokens }) => {
      const opening = this.#opening[index]
      return opening ? [{ opening, tokens: opening.call.prompt.slice(opening.fed, opening.fed + tokens) }] : []
    })
    const pieces = plan.map(({ opening, tokens }) => ({ row: opening.row, tokens }))
    const fed = await decoder.prefill(pieces).catch((cause: unknown) => pieces.map(() => failed(cause)))
    plan.forEach(({ opening, tokens }, index) => this.#fed(opening, tokens.length, fed[index]))
    this.#flush(null)
  }

  #fed(opening: Opening, tokens: number, fed: Fed | undefined): void {
    const { call } = opening
    if (call.isOver) return
    if (!fed || 'failed' in fed) return this.#fail(call, fed?.failed ?? 'nothing')
    opening.row = fed.row
    opening.fed += tokens
    if (opening.fed < call.prompt.length) return
    this.#opening = this.#opening.filter((other) => other !== opening)
    for (let index = 0; index < call.job.choices && !call.isOver; index++) this.#begin(call, index, fed)
  }

  /** Every choice goes on from the one prompt. */
  #begin(call: Call, index: number, { row, logits }: Extract<Fed, { row: Row }>): void {
    const { tokens, decoder } = this.#needs
    const choice = new Choice({ job: call.job, index, tokens, outputTokensMax: call.outputTokensMax })
    const next = this.#take(call, index, choice, logits)
    if (next === null) return
    this.#ready.push({ call, index, choice, row: index === 0 ? row : decoder.fork(row), next })
  }

  async #step(): Promise<void> {
    const sequences = [...this.#running]
    const rows = sequences.map(({ row }) => row)
    const tokens = sequences.map(({ next }) => next)
    // No memory for so large a batch, say: its calls fail, and not the thread with everybody else's.
    const fed = await this.#needs.decoder.step(rows, tokens).catch((cause: unknown) => rows.map(() => failed(cause)))
    sequences.forEach((sequence, index) => {
      const { call, choice } = sequence
      const given = fed[index]
      if (call.isOver) return
      if (!given || 'failed' in given) return this.#fail(call, given?.failed ?? 'nothing')
      const next = this.#take(call, sequence.index, choice, given.logits)
      if (next === null) this.#running = this.#running.filter((other) => other !== sequence)
      else sequence.next = next
    })
    this.#flush(sequences.length)
  }

  /** @returns the token to feed next; null when the choice is over, and with the last one the call */
  #take(call: Call, index: number, choice: Choice, logits: Float32Array): number | null {
    const before = choice.outputTokens
    try {
      const { next, text, logprobs, finishReason } = choice.take(logits)
      const produced = choice.outputTokens - before
      call.outputTokens += produced
      this.#queue.charge(call.job.account, produced)
      const { id, outputTokens } = call
      this.#replies.push({ type: 'step', id, choice: index, text, outputTokens, logprobs, finishReason })
      if (next !== null) return next
      call.open -= 1
      if (call.open === 0) this.#end(call)
    } catch (cause) {
      this.#fail(call, cause instanceof Error ? cause.name : 'unknown')
    }
    return null
  }

  #fail(call: Call, reason: string): void {
    this.#end(call)
    this.#replies.push({ type: 'failed', id: call.id, reason })
  }

  #end(call: Call): void {
    call.isOver = true
    const isAnother = (other: { readonly call: Call }) => other.call !== call
    if (this.#head === call) this.#head = null
    this.#opening = this.#opening.filter(isAnother)
    this.#ready = this.#ready.filter(isAnother)
    this.#running = this.#running.filter(isAnother)
  }

  #flush(rows: number | null): void {
    if (this.#replies.length === 0 && rows === null) return
    this.#needs.send(this.#replies, rows)
    this.#replies = []
  }
}

const failed = (cause: unknown): Fed => ({ failed: cause instanceof Error ? cause.name : 'unknown' })

/** ms between two looks for calls whose time to begin has passed; it is also looked at when a call would begin */
const EXPIRE_EVERY_MS = 100

/** What a row of this call may come to take in the cache. */
const positionsOf = ({ prompt, outputTokensMax }: Call): number => prompt.length + outputTokensMax
