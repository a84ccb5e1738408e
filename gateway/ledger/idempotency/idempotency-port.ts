// What an account's guard remembers of Idempotency-Keys, for calls and for every POST that moves money: which request a key belongs to,
// whether it is under way, and the answer it had, sealed by a secret of the caller that the gateway does not keep.
import type { CallId, KeyId } from '../../../protocol/units.ts'
import type { Reply } from '../account-port.ts'

export interface IdempotentRequest {
  /** sha256 hex over who asks, the route and the Idempotency-Key */
  readonly id: string
  /** sha256 hex over the Idempotency-Key and the body as parsed: without the key, nobody can try prompts against it */
  readonly bodyHash: string
}

/** An answer that was given before. */
export interface Answered {
  /** of a call; null for a POST that is none */
  readonly callId: CallId | null
  /** 499: a call that was charged and never had its whole answer */
  readonly status: number
  /** sealed; null when it was too long to keep */
  readonly kept: ArrayBuffer | null
}

export interface Recall {
  readonly keyId: KeyId
  readonly secretHash: string
  readonly idempotency: IdempotentRequest
}

export interface IdempotencyPort {
  /** The earlier answer as `hold` would give it, without holding: when no order can be made any more. Refused as `hold` refuses. */
  recall(request: Recall): Promise<Reply<{ readonly earlier: Answered | null }>>
  /** For a POST that is no call. `earlier`: it was answered before, and must not be done again. */
  begin(request: IdempotentRequest): Promise<Reply<{ readonly earlier: Answered | null }>>
  /** What came of it; a refusal that changed nothing is forgotten with status null, and may be tried again. */
  answered(id: string, answer: { readonly status: number; readonly kept: ArrayBuffer | null } | null): Promise<void>
}
