// The one boundary between what went wrong and what a caller is told. Outside: code, fixed sentence, field, request id.
// Inside: the log gets the cause, with everything that looks like a secret taken out.
import { errorBody, ERRORS, type ErrorBody, type ErrorCode } from '../../protocol/errors.ts'

interface GatewayErrorOptions {
  /** the field of the request that is wrong */
  readonly param?: string
  /** a cause in the caller's own terms; it leaves the house */
  readonly detail?: string
  /** seconds, sent as Retry-After */
  readonly retryAfterSeconds?: number
  /** further headers of the answer */
  readonly headers?: Readonly<Record<string, string>>
  /** for the log only */
  readonly cause?: unknown
}

/** A refused request. Thrown by routes and flows; rules and guards return `Result` instead. */
export class GatewayError extends Error {
  override readonly name = 'GatewayError'
  readonly param: string | null
  readonly detail: string | undefined
  readonly retryAfterSeconds: number | null
  readonly headers: Readonly<Record<string, string>>

  constructor(
    readonly code: ErrorCode,
    options: GatewayErrorOptions = {},
  ) {
    super(code, { cause: options.cause })
    this.param = options.param ?? null
    this.detail = options.detail
    this.retryAfterSeconds = options.retryAfterSeconds ?? null
    this.headers = options.headers ?? {}
  }

  get status(): number {
    return ERRORS[this.code].status
  }

  body(requestId: string | null): ErrorBody {
    return errorBody(this.code, requestId, this.param, this.detail)
  }

  /** The protocol's `{ error }` is the sentence alone; what else we know stands beside it, as its schema allows. */
  openInferenceBody(requestId: string | null) {
    const { message, code, param } = this.body(requestId).error
    return { error: message, code, param, requestId }
  }
}

/**
 * Anything thrown -> the answer. A bug becomes `internal_error`, and its message stays inside.
 * @param path of the request: each surface has the shape its clients read, OpenAI's or the Open Inference Protocol's
 */
export function toResponse(error: unknown, requestId: string, path = ''): Response {
  const refusal = error instanceof GatewayError ? error : new GatewayError('internal_error', { cause: error })
  if (refusal.status >= 500) logError(refusal, requestId)
  const headers = new Headers({ 'content-type': 'application/json', ...refusal.headers })
  // OpenAI's clients would repeat a 409 otherwise, and it would be one again.
  if (refusal.status === 409) headers.set('x-should-retry', 'false')
  if (refusal.retryAfterSeconds !== null) headers.set('retry-after', String(refusal.retryAfterSeconds))
  const body = OPEN_INFERENCE.test(path) ? refusal.openInferenceBody(requestId) : refusal.body(requestId)
  return new Response(JSON.stringify(body), { status: refusal.status, headers })
}

const OPEN_INFERENCE = /^\/v2(\/|$)/

/** One structured line. Prompts and answers are never in an error; keys and tokens are cut out of what a library may have quoted. */
export function logError(error: unknown, requestId: string | null): void {
  const cause = error instanceof GatewayError ? error.cause : error
  console.error(
    JSON.stringify({
      level: 'error',
      requestId,
      code: error instanceof GatewayError ? error.code : 'internal_error',
      cause: redact(describe(cause)),
      stack: cause instanceof Error ? redact(cause.stack ?? '') : undefined,
    }),
  )
}

/** The error and what caused it, three deep: drizzle and jose keep the reason in their cause. */
function describe(error: unknown): string {
  const chain: string[] = []
  for (let at = error; at !== undefined && at !== null && chain.length < 3; at = at instanceof Error ? at.cause : null)
    chain.push(at instanceof Error ? `${at.name}: ${at.message}` : typeof at === 'string' ? at : typeof at)
  return chain.join(' <- ')
}

/**
 * Takes out of a text what a log must not have: API keys, bearer and ticket tokens, the parameters drizzle quotes of a failed
 * query, and every unbroken run of 40 characters (private keys, signatures, session tokens, JWS parts; digests go with them).
 */
export function redact(text: string): string {
  return text
    .replace(/sk-souk-[\w-]+/g, 'sk-souk-[redacted]')
    .replace(/\b(bearer|souk)\s+[\w.~+/-]{16,}=*/gi, '$1 [redacted]')
    .replace(/\nparams: [\s\S]*?(?=\n\s+at | <- |$)/g, '\nparams: [redacted]')
    .replace(/[\w+-]{40,}=*/g, '[redacted]')
}

/** An invariant. Its failure is a bug and becomes a 500. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`)
}
