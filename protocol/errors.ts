// The closed list of everything a caller can be refused for. A code is a promise: its status, its type and its meaning never change.
// Outside sees code, sentence, field and request id; causes stay in the log. The envelope is OpenAI's, so its clients read it.
import { z } from 'zod'

export type ErrorType =
  | 'invalid_request_error'
  | 'authentication_error'
  | 'permission_error'
  | 'insufficient_quota'
  | 'not_found_error'
  | 'conflict_error'
  | 'rate_limit_error'
  | 'provider_error'
  | 'server_error'

interface ErrorDefinition {
  readonly status: number
  readonly type: ErrorType
  readonly message: string
}

const define = <T extends Record<string, ErrorDefinition>>(table: T): T => table
const e = (status: number, type: ErrorType, message: string): ErrorDefinition => ({ status, type, message })

/** code -> HTTP status, OpenAI error type, public sentence. */
export const ERRORS = define({
  invalid_json: e(400, 'invalid_request_error', 'The body is not valid JSON.'),
  invalid_request: e(400, 'invalid_request_error', 'The request is not valid.'),
  unsupported_parameter: e(400, 'invalid_request_error', 'This parameter is not supported.'),
  unsupported_model_task: e(400, 'invalid_request_error', 'This model does not serve this kind of request.'),
  context_length_exceeded: e(
    400,
    'invalid_request_error',
    'The input and output together exceed the context of the model.',
  ),
  content_filter: e(400, 'invalid_request_error', 'The content filter of the provider refused this request.'),
  missing_api_key: e(
    401,
    'authentication_error',
    'No API key was given. Send it as "Authorization: Bearer sk-souk-…".',
  ),
  invalid_api_key: e(401, 'authentication_error', 'The API key is not valid.'),
  api_key_revoked: e(401, 'authentication_error', 'The API key was revoked.'),
  api_key_expired: e(401, 'authentication_error', 'The API key has expired.'),
  not_signed_in: e(401, 'authentication_error', 'This needs a signed-in wallet.'),
  sign_in_refused: e(401, 'authentication_error', 'The sign-in message or its signature was refused.'),
  fresh_sign_in_required: e(401, 'authentication_error', 'This needs a fresh sign-in.'),
  insufficient_funds: e(
    402,
    'insufficient_quota',
    'The balance does not cover the highest possible cost of this call.',
  ),
  key_budget_exceeded: e(
    402,
    'insufficient_quota',
    'The budget of this API key does not cover the highest possible cost of this call.',
  ),
  account_budget_exceeded: e(
    402,
    'insufficient_quota',
    'The budget of this account does not cover the highest possible cost of this call.',
  ),
  account_frozen: e(403, 'permission_error', 'This account is frozen: it can spend nothing and withdraw nothing.'),
  forbidden: e(403, 'permission_error', 'This account may not do that.'),
  scope_missing: e(403, 'permission_error', 'The API key lacks the scope for this.'),
  model_not_allowed: e(403, 'permission_error', 'The API key may not call this model.'),
  node_not_allowed: e(403, 'permission_error', 'The API key may not use a node that serves this model now.'),
  signature_refused: e(401, 'authentication_error', 'The signature was refused.'),
  not_found: e(404, 'not_found_error', 'There is nothing here.'),
  model_not_found: e(404, 'not_found_error', 'There is no such model.'),
  call_not_found: e(404, 'not_found_error', 'There is no such call.'),
  method_not_allowed: e(405, 'invalid_request_error', 'This method is not allowed here.'),
  conflict: e(409, 'conflict_error', 'This contradicts what is already there.'),
  changed_meanwhile: e(409, 'conflict_error', 'Somebody changed this meanwhile. Look at it again, then decide.'),
  dispute_closed: e(409, 'conflict_error', 'This call can be disputed no more.'),
  price_lock_expired: e(409, 'conflict_error', 'The price lock has run out. Ask for a new quote.'),
  idempotency_in_progress: e(409, 'conflict_error', 'A request with this Idempotency-Key is under way.'),
  idempotency_completed: e(
    409,
    'conflict_error',
    'A request with this Idempotency-Key was completed, and its answer was not kept.',
  ),
  refund_exceeds_charge: e(409, 'conflict_error', 'Refunds of a call never exceed its charge.'),
  not_withdrawable: e(409, 'conflict_error', 'Only what was earned, and can be spent now, can be withdrawn.'),
  withdrawal_paid: e(409, 'conflict_error', 'This withdrawal was paid out.'),
  code_used: e(409, 'conflict_error', 'This code was already redeemed.'),
  last_wallet: e(409, 'conflict_error', 'An account keeps at least one wallet.'),
  wallet_taken: e(409, 'conflict_error', 'This wallet belongs to another account.'),
  model_withdrawn: e(410, 'not_found_error', 'Its author has withdrawn this model.'),
  body_too_large: e(413, 'invalid_request_error', 'The body is too large.'),
  unsupported_media_type: e(415, 'invalid_request_error', 'The body must be application/json.'),
  idempotency_mismatch: e(422, 'invalid_request_error', 'This Idempotency-Key was used with another body.'),
  endpoint_refused: e(422, 'invalid_request_error', 'The endpoint URL is not acceptable.'),
  endpoint_unproved: e(422, 'invalid_request_error', 'The endpoint did not prove that it belongs to this node.'),
  authorization_refused: e(422, 'invalid_request_error', 'The node authorization was refused.'),
  aborts_limited: e(
    429,
    'rate_limit_error',
    'Too many calls of this account were left before their first token; it is slowed for a while.',
  ),
  wire_version_unsupported: e(426, 'invalid_request_error', 'This version of the wire is not spoken here.'),
  rate_limited: e(429, 'rate_limit_error', 'Too many requests.'),
  concurrency_limited: e(429, 'rate_limit_error', 'Too many calls at the same time.'),
  provider_busy: e(429, 'rate_limit_error', 'Every provider of this model is busy.'),
  model_blocked: e(451, 'permission_error', 'This model is blocked: nobody may be served with it.'),
  cancelled: e(499, 'invalid_request_error', 'The caller left.'),
  internal_error: e(500, 'server_error', 'Something went wrong on our side.'),
  provider_failed: e(502, 'provider_error', 'No provider could complete this call. Nothing was charged.'),
  provider_broke_off: e(502, 'provider_error', 'The provider broke off. Nothing was charged.'),
  quorum_not_reached: e(502, 'provider_error', 'Too few providers gave the same answer. Nothing was charged.'),
  /** how an attempt ends among several, never a call */
  outvoted: e(502, 'provider_error', 'The other providers agreed on another answer.'),
  no_provider: e(503, 'provider_error', 'No healthy provider serves this model now.'),
  unavailable: e(503, 'server_error', 'This is not available now.'),
  provider_timeout: e(504, 'provider_error', 'The provider took too long. Nothing was charged.'),
  call_expired: e(504, 'server_error', 'The call outlived its hold and was ended.'),
})

export type ErrorCode = keyof typeof ERRORS
export const isErrorCode = (text: string): text is ErrorCode => Object.hasOwn(ERRORS, text)

/** `{ error: { code, message, type, param, requestId } }`: OpenAI's envelope and our request id. */
export const ErrorBody = z.object({
  error: z.object({
    code: z.string(),
    message: z.string(),
    type: z.string(),
    param: z.string().nullable(),
    requestId: z.string().nullable(),
  }),
})
export type ErrorBody = z.infer<typeof ErrorBody>

/** @param detail names the cause in the caller's own terms (a field, a limit); never an internal message */
export function errorBody(
  code: ErrorCode,
  requestId: string | null,
  param: string | null = null,
  detail?: string,
): ErrorBody {
  const { message, type } = ERRORS[code]
  return { error: { code, message: detail ? `${message} ${detail}` : message, type, param, requestId } }
}

/** A refusal or an answer, for rules and guards. Nothing expected is thrown there. */
export type Result<T, Refusal = ErrorCode> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly code: Refusal; readonly detail?: string }
