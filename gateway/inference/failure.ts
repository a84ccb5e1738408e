// Why an attempt ended without an answer, and whose fault it was. Only a node's own faults count against it; a caller's are not retried.
import { NodeErrorBody } from '../../protocol/node.ts'
import type { ErrorCode } from '../../protocol/errors.ts'

export class AttemptFailure extends Error {
  override readonly name = 'AttemptFailure'
  constructor(
    readonly code: ErrorCode,
    readonly fault: 'none' | 'node' | 'caller' | 'gateway',
    /** `detail`: told to the caller, so in the caller's own terms */
    readonly options: { readonly cause?: unknown; readonly detail?: string } = {},
  ) {
    super(code, 'cause' in options ? { cause: options.cause } : undefined)
  }

  /** Another node may do better, unless the request itself is wrong or the time is up. */
  get isRetryable(): boolean {
    return this.fault === 'node' || this.fault === 'none'
  }
}

/** The caller left, or takes no more bytes. */
export class CallerGone extends Error {
  override readonly name = 'CallerGone'
}

export const timedOut = (): AttemptFailure => new AttemptFailure('provider_timeout', 'node')

/**
 * A node's refusal before any output -> our failure. The body is data of a stranger: bounded and parsed, never shown.
 * @param mayExceedContext whether the order's bounds pass the offer's context: otherwise that refusal is a lie, and the node's own fault
 */
export function refusalOf(status: number, body: unknown, mayExceedContext: boolean): AttemptFailure {
  const code = NodeErrorBody.safeParse(body).data?.error.code
  if (code === 'context_length_exceeded' && mayExceedContext) return new AttemptFailure(code, 'caller')
  // We checked and built that body ourselves, so the word of one node does not end the call; nor does it mark the node, for it may be right.
  if (code === 'bad_request') return new AttemptFailure('provider_failed', 'none')
  // Its engine cannot, another's may: no fault of anybody, and told to the caller only when nobody can.
  if (code === 'unsupported_parameter') return new AttemptFailure(code, 'none')
  if (code === 'busy' || status === 429) return new AttemptFailure('provider_busy', 'none')
  if (code === 'draining') return new AttemptFailure('no_provider', 'none')
  return new AttemptFailure('provider_failed', 'node', {
    cause: new Error(`the node answered ${status} ${code ?? ''}`),
  })
}

/** What the caller is told when every attempt failed: the most telling of the codes. */
export function verdict(failures: readonly AttemptFailure[]): AttemptFailure {
  const last = failures.at(-1) ?? new AttemptFailure('no_provider', 'none')
  if (last.fault === 'caller' || last.fault === 'gateway') return last
  const rank: ErrorCode[] = [
    'provider_failed',
    'provider_timeout',
    'provider_busy',
    'no_provider',
    'unsupported_parameter',
  ]
  return [...failures].sort((a, b) => rank.indexOf(a.code) - rank.indexOf(b.code))[0] ?? last
}
