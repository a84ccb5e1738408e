// The header `Idempotency-Key`, for calls and for every POST that moves money: read, checked, and made into what a guard remembers and what
// an answer is sealed under. Neither shows the key or the body: both hashes are salted by the key itself, which nobody stores.
import { jcs, sha256Hex } from '../../protocol/canonical.ts'
import type { Seal, Secret } from './sealed.ts'
import { GatewayError } from './errors.ts'
import { IDEMPOTENCY } from './limits.ts'

export const IDEMPOTENCY_KEY = 'Idempotency-Key'
/** says `true` on an answer that was given before */
export const REPLAYED = 'x-souk-replayed'

/** Who repeats what: enough to find the first request, and to open its answer. */
export interface Repeatable {
  /** what the guard remembers */
  readonly request: { readonly id: string; readonly bodyHash: string }
  readonly seal: Seal
}

/** Printable ASCII: what survives every client and proxy unchanged. */
const FORM = new RegExp(`^[\\x20-\\x7e]{1,${IDEMPOTENCY.keyChars}}$`)

/** Null without the header. @throws GatewayError invalid_request with `param` */
export function readIdempotencyKey(headers: Headers): string | null {
  const key = headers.get(IDEMPOTENCY_KEY)
  if (key === null) return null
  if (!FORM.test(key)) {
    const detail = `${IDEMPOTENCY_KEY}: 1 to ${IDEMPOTENCY.keyChars} printable ASCII characters`
    throw new GatewayError('invalid_request', { param: IDEMPOTENCY_KEY, detail })
  }
  return key
}

/**
 * @param subject who asks: an API key's id, or an account's
 * @param route method and path: the same key elsewhere is another request
 * @param body as parsed; null without one
 */
export function repeatable(subject: string, secret: Secret, route: string, key: string, body: unknown): Repeatable {
  const id = sha256Hex(`${subject}\n${route}\n${key}`)
  return { request: { id, bodyHash: sha256Hex(`${key}\n${bodyText(body)}`) }, seal: { secret, salt: key, place: id } }
}

/** RFC 8785. Half a surrogate pair has no canonical form; a body with one is compared in the order in which it was parsed. */
function bodyText(body: unknown): string {
  try {
    return jcs(body ?? null)
  } catch {
    return JSON.stringify(body)
  }
}
