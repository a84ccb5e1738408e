// What is seen of an attempt while it runs, and what is said of it when it has ended: to the market, which learns how its node does, and in the
// record of the call.
import type { Clock } from '../../core/clock.ts'
import type { AttemptRecord } from '../../ledger/account-port.ts'
import type { Market } from '../../market/market-port.ts'
import type { Background } from '../order/order.ts'
import { utf8Bytes } from '../order/quote.ts'
import type { Meter } from '../settle/meter.ts'
import type { AttemptFailure } from './failure.ts'

interface NotesNeeds {
  readonly market: Market
  readonly clock: Clock
}

export class AttemptNotes {
  readonly #startedAt: number
  #firstOutputAt: number | null = null
  #endedAt: number | null = null
  #bodyBytes = 0

  constructor(
    private readonly needs: NotesNeeds,
    private readonly meter: Meter,
    private readonly background: Background,
  ) {
    this.#startedAt = needs.clock()
    const { order, candidate, attempt } = meter
    background(needs.market.attemptStarted(candidate.offer.nodeId, candidate.model.id, order.callId, attempt))
  }

  get firstOutputAt(): number | null {
    return this.#firstOutputAt
  }

  noteBody(body: string | Uint8Array): void {
    this.#bodyBytes = utf8Bytes(body)
  }

  noteFirstOutput(): void {
    this.#firstOutputAt ??= this.needs.clock()
  }

  /** The answer is whole, and something else is waited for: the node's own time ends here. */
  noteEnd(): void {
    this.#endedAt ??= this.needs.clock()
  }

  served(): AttemptRecord {
    return this.#end('served', 'none', null)
  }

  callerLeft(): AttemptRecord {
    return this.#end('cancelled', 'caller', null)
  }

  failed(failure: AttemptFailure): AttemptRecord {
    return this.#end(failure.code, failure.fault, failure)
  }

  #end(
    outcome: AttemptRecord['outcome'],
    fault: AttemptFailure['fault'],
    failure: AttemptFailure | null,
  ): AttemptRecord {
    const { order, candidate, attempt } = this.meter
    const { nodeId } = candidate.offer
    const modelId = candidate.model.id
    const firstTokenMs = this.#firstOutputAt === null ? null : this.#firstOutputAt - this.#startedAt
    const durationMs = (this.#endedAt ?? this.needs.clock()) - this.#startedAt
    const went = { attempt, outcome, firstTokenMs, durationMs }
    const report = {
      nodeId,
      modelId,
      callId: order.callId,
      ...went,
      fault,
      outputTokens: Number(this.meter.units().outputTokens),
      driftPpm: this.meter.driftPpm(),
      retryAfterMs: failure?.retryAfterMs ?? null,
      ...(failure?.options.said === 'bad_ticket' && { hasRefusedTicket: true }),
      shape: order.shape && { ...order.shape, bodyBytes: this.#bodyBytes },
    }
    this.background(this.needs.market.attemptEnded(report))
    return { nodeId, modelId, ...went, ...(failure && { reason: failure.reason }) }
  }
}
