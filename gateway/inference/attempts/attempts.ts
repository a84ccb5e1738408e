// Attempts one after another, until one serves. While nothing has reached the caller anybody may be asked; afterwards only who provably goes on with
// what was delivered (resume/resume.ts). Every node that delivered a part is paid for it when the answer becomes whole, or when its caller leaves; when
// nobody can go on, nobody is.
import { GatewayError } from '../../core/errors.ts'
import type { AttemptRecord } from '../../ledger/account-port.ts'
import type { CallNeeds } from '../call.ts'
import type { Caller, Candidate, Order } from '../order/order.ts'
import type { Answered } from '../receipts/receipt-check.ts'
import { Delivered } from '../resume/delivered.ts'
import { deliveredBytes, waysToResume, type How, type Resumed } from '../resume/resume.ts'
import { jointTokens } from '../settle/joint-count.ts'
import { Meter } from '../settle/meter.ts'
import type { CallRun } from '../settle/settle.ts'
import { runAttempt, type Serve } from './attempt.ts'
import { CallerGone, verdict, type AttemptFailure } from './failure.ts'
import { hasAnother, nextAttempt, type Failed } from './next-attempt.ts'
import { pause } from './watch.ts'

interface Ask {
  /** among the candidates */
  readonly position: number
  /** how it goes on with what was delivered; null: it begins */
  readonly how: How | null
}

/** @param call aborts when the caller leaves, or its time is up */
export async function attemptInTurn<Answer extends Answered>(
  needs: CallNeeds,
  order: Order,
  serve: Serve<Answer>,
  call: AbortController,
  caller: Caller,
): Promise<CallRun<Answer>> {
  const { candidates } = order
  const joint = new JointAnswer(order)
  const attempts: AttemptRecord[] = []
  const failed: Failed[] = []
  let ask: Ask = { position: 0, how: null }
  const retries = needs.retries(order.principal.accountId)
  retries.noteCall()
  for (;;) {
    const { position, how } = ask
    const candidate = candidates[position]
    if (!candidate) throw new GatewayError('no_provider')
    const meter = joint.meterFor(needs, candidate, attempts.length, how)
    const isShort = hasAnother({ candidates, failed, ...joint.mayGoOn, mayRetry: retries.mayRetry() }, position)
    const end = await runAttempt(needs, order, meter, serve, call, caller, isShort)
    attempts.push(end.record)
    const run = { end, meter, attempts, firstOutputAt: joint.firstOutputAt ?? end.firstOutputAt }
    if (end.served) return { ...run, paid: joint.partsTo(meter), failure: null }
    if (end.failure instanceof CallerGone) return { ...run, paid: joint.partsWith(meter), failure: end.failure }
    joint.noteBreak(meter, how, end.failure, end.firstOutputAt)
    const mayRetry = retries.mayRetry()
    if (how === 'continue' && isRefusal(end.failure) && joint.ways(candidate).includes('restart') && mayRetry) {
      // Its engine does not do what its offer said: the other way is still open.
      ask = { position, how: 'restart' }
    } else {
      failed.push({ position, failure: end.failure })
      const random = order.seed / 2 ** 31
      const next = nextAttempt({ candidates, failed, ...joint.mayGoOn, mayRetry, random })
      if (next.do === 'ask' && !call.signal.aborted) await pause(next.waitMs, call.signal)
      if (next.do === 'stop' || call.signal.aborted) return { ...run, ...joint.ended(failed, call.signal) }
      ask = { position: next.position, how: joint.wayOf(candidates[next.position]) }
    }
    if (call.signal.aborted) return { ...run, ...joint.ended(failed, call.signal) }
    retries.noteRetry()
  }
}

/** It was asked to go on, and said that it cannot. */
const isRefusal = ({ code, options }: AttemptFailure): boolean =>
  code === 'unsupported_parameter' || options.said === 'bad_request'

/** What has reached the caller, and of whom. Of a caller who does not stream nothing has before the end: a broken attempt is thrown away whole. */
class JointAnswer {
  /** null: nobody could go on with it */
  readonly #delivered: Delivered | null
  readonly #deliverers: { readonly meter: Meter; readonly candidate: Candidate; readonly how: How | null }[] = []
  #lastBreak: AttemptFailure | null = null
  firstOutputAt: number | null = null

  constructor(private readonly order: Order) {
    const { stream, text, candidates } = order
    this.#delivered = stream && text && candidates.length > 1 ? new Delivered(text.choices) : null
  }

  get parts(): Meter[] {
    return shared(this.#deliverers.map(({ meter }) => meter))
  }

  /** Of who finished also where nothing was left to say: the input is paid to it. */
  partsTo(last: Meter): Meter[] {
    return shared([...this.#deliverers.map(({ meter }) => meter), last])
  }

  /** Of a caller who left: all that had arrived. */
  partsWith(meter: Meter): Meter[] {
    return meter.hasOutput ? this.partsTo(meter) : this.parts
  }

  meterFor(needs: CallNeeds, candidate: Candidate, attempt: number, how: How | null): Meter {
    const account = needs.accounts(this.order.principal.accountId)
    const bounds = { account, ...this.order.house, progressMs: needs.timeouts.progressMs }
    const before = (own: Meter) => this.partsTo(own).flatMap((meter) => (meter === own ? [] : meter.part()))
    const joined = { delivered: this.#delivered, resumed: how && this.#resumed(how), before }
    return new Meter(this.order, candidate, attempt, { ...bounds, ...joined }, needs.clock())
  }

  noteBreak(meter: Meter, how: How | null, failure: AttemptFailure, firstOutputAt: number | null): void {
    if (!this.order.stream || !meter.hasOutput) return
    meter.breakOff()
    this.#deliverers.push({ meter, candidate: meter.candidate, how })
    this.#lastBreak = failure
    this.firstOutputAt ??= firstOutputAt
  }

  /** Who may be asked now: null while nothing has reached the caller. */
  get mayGoOn(): { readonly mayResume: ((candidate: Candidate) => boolean) | null } {
    return { mayResume: this.#deliverers.length === 0 ? null : (candidate) => this.ways(candidate).length > 0 }
  }

  ways(candidate: Candidate): How[] {
    const { text } = this.order
    if (!text || !this.#delivered) return []
    const choices = this.#delivered.choices()
    return waysToResume({ traits: text, choices, tokens: this.#tokens, deliverers: this.#deliverers, candidate })
  }

  wayOf(candidate: Candidate | undefined): How | null {
    return candidate && this.#deliverers.length > 0 ? (this.ways(candidate)[0] ?? null) : null
  }

  /** Nobody goes on. The caller who has a part is told what broke it, and not why nobody else could help. */
  ended(failed: readonly Failed[], signal: AbortSignal): Pick<CallRun<never>, 'paid' | 'failure'> {
    if (signal.reason instanceof CallerGone) return { paid: this.parts, failure: signal.reason }
    return { paid: [], failure: this.#lastBreak ?? verdict(failed.map(({ failure }) => failure)) }
  }

  get #tokens(): number {
    return this.parts.reduce((sum, meter) => sum + Number(meter.units().outputTokens), 0)
  }

  #resumed(how: How): Resumed | null {
    const choices = this.#delivered?.choices()
    return choices ? { how, choices, tokens: this.#tokens, bytes: deliveredBytes(choices) } : null
  }
}

/** The same meters, each with what those behind it leave to it of the count of the whole. */
function shared(meters: Meter[]): Meter[] {
  const counts = jointTokens(meters.map(({ told }) => told))
  for (const [index, meter] of meters.entries())
    meter.leave(index === meters.length - 1 ? null : (counts[index] ?? null))
  return meters
}
