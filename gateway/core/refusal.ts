// A guard's refusal as the answer a caller gets: code, detail, when to come back, and in headers which limit it was. Here, because every room
// that asks a guard says it alike; the shape is that of the ledger's `Refused`, which rooms below it may not import.
import type { ErrorCode } from '../../protocol/errors.ts'
import { GatewayError } from './errors.ts'

export interface RefusedReply {
  readonly code: ErrorCode
  readonly detail?: string
  readonly retryAfterMs?: number
  readonly limit?: { readonly name: string; readonly limit: string; readonly remaining: string }
  /** of an Idempotency-Key: the call it belongs to */
  readonly callId?: string
}

/** @example throw refusal(reply) // 429, retry-after: 2, x-souk-limit: key_requests, x-ratelimit-limit: 60 … */
export function refusal({ code, detail, retryAfterMs, limit, callId }: RefusedReply): GatewayError {
  const seconds = retryAfterMs === undefined ? null : Math.max(1, Math.ceil(retryAfterMs / 1000))
  return new GatewayError(code, {
    ...(detail === undefined ? (callId === undefined ? {} : { detail: `It is call ${callId}.` }) : { detail }),
    ...(seconds === null ? {} : { retryAfterSeconds: seconds }),
    headers: {
      ...(limit ? limitHeaders(limit, seconds) : {}),
      ...(callId === undefined ? {} : { 'x-souk-call-id': callId }),
    },
  })
}

/** Amounts of money are decimal dollars, as everywhere on the wire; what frees by nothing but a payment has no reset. */
function limitHeaders(limit: NonNullable<RefusedReply['limit']>, seconds: number | null): Record<string, string> {
  return {
    'x-souk-limit': limit.name,
    'x-ratelimit-limit': limit.limit,
    'x-ratelimit-remaining': limit.remaining,
    ...(seconds === null ? {} : { 'x-ratelimit-reset': String(seconds) }),
  }
}
