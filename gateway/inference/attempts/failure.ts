// Why an attempt ended without an answer, and whose fault it was. Only a node's own faults count against it; a caller's are not retried on the same
// model. What a node says is data of a stranger: it is read for its code, and never told on.
import { NodeErrorBody, type NodeErrorCode } from '../../../protocol/node.ts'
import type { ErrorCode } from '../../../protocol/errors.ts'

interface FailureOptions {
  readonly cause?: unknown
  /** told to the caller, so in the caller's own terms */
  readonly detail?: string
  /** the node's own word for it */
  readonly said?: NodeErrorCode | undefined
  /** ms for which it asked to be left alone; null: it did not say */
  readonly retryAfterMs?: number | null
  /** why, in a sentence of ours about the node */
  readonly reason?: string
}

export class AttemptFailure extends Error {
  override readonly name = 'AttemptFailure'
  constructor(
    readonly code: ErrorCode,
    readonly fault: 'none' | 'node' | 'caller' | 'gateway',
    readonly options: FailureOptions = {},
  ) {
    super(code, 'cause' in options ? { cause: options.cause } : undefined)
  }

  /** Another node may do better, unless the request itself is wrong or the time is up. */
  get isRetryable(): boolean {
    return this.fault === 'node' || this.fault === 'none'
  }

  /** Said of the request and the model together: the node itself is well, and another model may do. */
  get isOfModel(): boolean {
    const { code, options } = this
    const isOfRequest = code === 'context_length_exceeded' || code === 'content_filter'
    return isOfRequest || code === 'unsupported_parameter' || options.said === 'bad_request'
  }

  get retryAfterMs(): number | null {
    return this.options.retryAfterMs ?? null
  }

  /** What is told of the node at `GET /v1/generation`. */
  get reason(): string {
    return this.options.reason ?? REASONS[this.code] ?? 'It gave no answer.'
  }
}

const REASONS: Partial<Record<ErrorCode, string>> = {
  provider_failed: 'What it answered was no answer to this request.',
  provider_broke_off: 'It broke off before its answer was whole.',
  provider_busy: 'It had no place for another call.',
  no_provider: 'It takes no calls now.',
  context_length_exceeded: 'It said that the request is too long for this model.',
  content_filter: 'Its content filter refused the request.',
  unsupported_parameter: 'It cannot honour a parameter of the request.',
  call_expired: 'The hold of the call ran out.',
  internal_error: 'It was asked nothing: the gateway could not sign its ticket.',
}

/** The caller left, or takes no more bytes. */
export class CallerGone extends Error {
  override readonly name = 'CallerGone'
}

export type Stage = 'connect' | 'first output' | 'gap' | 'call'

const LATE: Readonly<Record<Stage, string>> = {
  connect: 'It did not take the call in time.',
  'first output': 'It took too long until its first output.',
  gap: 'It fell silent in the middle of its answer.',
  call: 'The time of the whole call was up.',
}

export const timedOut = (stage: Stage = 'call'): AttemptFailure =>
  new AttemptFailure('provider_timeout', 'node', { reason: LATE[stage] })

/** What a node answered instead of an answer. */
export interface RefusedBy {
  readonly status: number
  /** as far as it is JSON */
  readonly body: unknown
  /** ms, as far as it is believed; null: it did not say */
  readonly retryAfterMs: number | null
  /** whether the order's bounds pass the offer's context: otherwise the refusal of its length is a lie, and the node's own fault */
  readonly mayExceedContext: boolean
  /** what there is to be told of the length, in the caller's terms */
  readonly contextDetail?: string
}

/**
 * A node's refusal before any output -> our failure. A ticket that is refused marks the node, whatever is wrong with it: who takes no ticket serves
 * nobody; were our own key wrong, all nodes would say so at once, and that is held against none of them (market/health). A redirect marks it too.
 */
export function refusalOf({ status, body, retryAfterMs, mayExceedContext, contextDetail }: RefusedBy): AttemptFailure {
  const said = NodeErrorBody.safeParse(body).data?.error.code
  const told = { said, retryAfterMs }
  if (said === 'context_length_exceeded' && mayExceedContext)
    return new AttemptFailure(said, 'caller', {
      ...told,
      ...(contextDetail === undefined ? {} : { detail: contextDetail }),
    })
  if (said === 'content_filter') return new AttemptFailure(said, 'caller', told)
  // We checked and built that body ourselves, so the word of one node does not end the call; nor does it mark the node, for it may be right.
  if (said === 'bad_request')
    return new AttemptFailure('provider_failed', 'none', { ...told, reason: 'It called the request wrong.' })
  // Its engine cannot, another's may: no fault of anybody, and told to the caller only when nobody can.
  if (said === 'unsupported_parameter') return new AttemptFailure(said, 'none', told)
  if (said === 'busy' || status === 429) return new AttemptFailure('provider_busy', 'none', told)
  if (said === 'draining') return new AttemptFailure('no_provider', 'none', told)
  return new AttemptFailure('provider_failed', 'node', {
    ...told,
    cause: new Error(`the node answered ${status} ${said ?? ''}`),
    reason: refusedWords(status, said),
  })
}

function refusedWords(status: number, said: NodeErrorCode | undefined): string {
  if (said === 'bad_ticket') return 'It refused the ticket of this gateway.'
  if (said === 'model_not_loaded') return 'It has not loaded this model.'
  if (said === 'context_length_exceeded') return 'It called a request too long that fits.'
  if (status >= 300 && status < 400) return 'It sent the call elsewhere, which is not followed.'
  return `It answered with status ${status}.`
}

/** What the caller is told when every attempt failed: the most telling of the codes. */
export function verdict(failures: readonly AttemptFailure[]): AttemptFailure {
  const last = failures.at(-1) ?? new AttemptFailure('no_provider', 'none')
  if (last.fault === 'caller' || last.fault === 'gateway') return last
  const telling = [...failures].sort((a, b) => TELLING.indexOf(a.code) - TELLING.indexOf(b.code))[0] ?? last
  if (telling.code !== 'provider_busy') return telling
  const pauses = failures.filter(({ code }) => code === 'provider_busy').map(({ retryAfterMs }) => retryAfterMs)
  const soonest = pauses.flatMap((ms) => ms ?? []).reduce((low, ms) => Math.min(low, ms), Number.POSITIVE_INFINITY)
  return new AttemptFailure(telling.code, telling.fault, {
    ...telling.options,
    retryAfterMs: Number.isFinite(soonest) ? soonest : null,
  })
}

/** What says most comes first; a code that does not stand here comes before all of them. */
const TELLING: readonly ErrorCode[] = [
  'provider_failed',
  'provider_timeout',
  'provider_busy',
  'no_provider',
  'content_filter',
  'context_length_exceeded',
  'unsupported_parameter',
]
