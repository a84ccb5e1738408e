// One call that several nodes answer at the same time: the flow between its hold and its settlement. Each answer is read whole, none reaches the
// caller before enough are alike. Paid are those that agree and nobody else: what another node said is not what the caller bought, and of one
// that was still at work nobody could say whether it was right. A caller who leaves pays what had arrived, as of every call.
import { assert } from '../../core/errors.ts'
import { runAttempt, type AttemptContext, type AttemptEnd, type Serve } from '../attempts/attempt.ts'
import { AttemptFailure, CallerGone, verdict } from '../attempts/failure.ts'
import type { CallNeeds } from '../call.ts'
import type { Caller, Order } from '../order/order.ts'
import type { Answered } from '../receipts/receipt-check.ts'
import { Meter } from '../settle/meter.ts'
import type { CallRun } from '../settle/settle.ts'
import type { IsAlike } from './agreement.ts'
import type { Bench } from './jurors.ts'
import { Jury } from './jury.ts'

interface Asked<Answer> {
  readonly meter: Meter
  readonly end: AttemptEnd<Answer>
}

/** @param call aborts when the caller leaves, or its time is up */
export async function askTogether<Answer extends Answered>(
  needs: CallNeeds,
  order: Order,
  bench: Bench,
  serve: Serve<Answer>,
  isAlike: IsAlike<Answer>,
  call: AbortController,
  caller: Caller,
): Promise<CallRun<Answer>> {
  const account = needs.accounts(order.principal.accountId)
  const bounds = { account, ...order.house, progressMs: needs.timeouts.progressMs }
  const atWork = new Set<Place>()
  const jury = new Jury<Answer>(bench, isAlike, () => atWork.forEach((place) => place.dismiss()))
  const asked: Asked<Answer>[] = []
  let next = 0
  const retries = needs.retries(order.principal.accountId)
  retries.noteCall()
  const ask = async (): Promise<void> => {
    for (;;) {
      const candidate = order.candidates[next]
      if (!candidate || call.signal.aborted || jury.verdict !== null) return jury.leaveEmpty()
      const meter = new Meter(order, candidate, next++, bounds, needs.clock())
      const place = new Place(call.signal)
      atWork.add(place)
      const judged: Serve<Answer> = async (response, context) => {
        const answer = await serve(response, unreported(context))
        atWork.delete(place)
        place.hasAnswered = true
        return stand(jury, answer, context)
      }
      const hasAnother = next < order.candidates.length
      const end = await runAttempt(needs, order, meter, judged, place.call, caller, hasAnother)
      atWork.delete(place)
      asked.push({ meter, end })
      if (end.served || jury.verdict !== null) return
      if (end.failure instanceof CallerGone || !end.failure.isRetryable) return jury.leaveEmpty()
      if (next === order.candidates.length || !retries.mayRetry()) return jury.leaveEmpty()
      retries.noteRetry()
    }
  }
  await Promise.all(Array.from({ length: bench.n }, ask))
  return outcomeOf(jury, asked, bench)
}

/** Waits for the verdict on an answer that is whole. Its node's time is over: others decide how long this takes. */
async function stand<Answer>(jury: Jury<Answer>, answer: Answer, context: AttemptContext): Promise<Answer> {
  const { watch, meter, noteEnd } = context
  watch.disarm()
  noteEnd()
  // Nothing is alike to nothing, so it is no vote: runAttempt says what it is.
  if (meter.hasOutput) await watch.race(jury.vote(meter.attempt, answer))
  return answer
}

/** Nothing was delivered before the verdict, so a gateway that vanishes must cost nothing. */
const unreported = (context: AttemptContext): AttemptContext => ({ ...context, reportProgress: () => undefined })

/** One node's part of the call: it ends with the call, or alone. */
class Place {
  readonly call = new AbortController()
  hasAnswered = false

  constructor(whole: AbortSignal) {
    const follow = () => this.call.abort(this.#reasonOf(whole.reason))
    if (whole.aborted) follow()
    else whole.addEventListener('abort', follow, { once: true, signal: this.call.signal })
  }

  /** Others agreed while it was at work. */
  dismiss(): void {
    this.call.abort(new AttemptFailure('cancelled', 'none', { reason: 'Its answer was not waited for any more.' }))
  }

  /** When the time is up it is not the fault of who has answered. */
  #reasonOf(reason: unknown): unknown {
    if (!this.hasAnswered || !(reason instanceof AttemptFailure)) return reason
    return new AttemptFailure(reason.code, 'none', { reason: 'The others took too long to agree with it.' })
  }
}

function outcomeOf<Answer>(jury: Jury<Answer>, asked: readonly Asked<Answer>[], bench: Bench): CallRun<Answer> {
  const byAttempt = [...asked].sort((a, b) => a.meter.attempt - b.meter.attempt)
  const attempts = byAttempt.map(({ end }) => end.record)
  const agreed = jury.verdict === null || jury.verdict === 'none' ? [] : jury.verdict.attempts
  const agreeing = agreed.flatMap((attempt) => byAttempt.find(({ meter }) => meter.attempt === attempt) ?? [])
  const [given] = agreeing
  if (given?.end.served) {
    const paid = byAttempt.filter((each) => agreeing.includes(each)).map(({ meter }) => meter)
    return { ...given, attempts, failure: null, paid }
  }
  const failed = byAttempt.flatMap(({ meter, end }) => (end.served ? [] : [{ meter, end, failure: end.failure }]))
  const left = failed.filter(({ failure }) => failure instanceof CallerGone)
  const last = left.find(({ meter }) => meter.hasOutput) ?? left[0]
  if (last) {
    const paid = left.map(({ meter }) => meter).filter((meter) => meter.hasOutput)
    return { ...last, attempts, paid }
  }
  const failures = failed.flatMap(({ failure }) => (failure instanceof CallerGone ? [] : [failure]))
  const tried = failed.at(-1)
  assert(tried, 'a quorum has candidates')
  return { ...tried, attempts, failure: told(failures, jury.answers, bench), paid: [] }
}

/** Of who answered nothing the failures say why; answers that are not alike are a thing of their own. */
function told(failures: readonly AttemptFailure[], answers: number, { agree, n }: Bench): AttemptFailure {
  const own = failures.filter(({ code }) => code !== 'cancelled')
  if (answers === 0) return verdict(own)
  const detail = `${answers} of ${n} answered, and ${agree} had to say the same.`
  return new AttemptFailure('quorum_not_reached', 'none', { detail })
}
