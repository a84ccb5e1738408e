// What is told at an address that nobody answers (rule). Most who come there have a client of OpenAI with a base URL that is nearly right, or ask for a surface
// that is not here: the sentence says what to change.
import { GatewayError } from './errors.ts'

/** Under /v1, and asked by POST alone. */
const POSTED = ['/chat/completions', '/completions', '/embeddings', '/quote']
const SERVED = 'Served are POST /v1/chat/completions, /v1/completions, /v1/embeddings and GET /v1/models.'

/** @example unknownAddress('GET', '/v1/embeddings') // method_not_allowed, allow: POST */
export function unknownAddress(method: string, path: string): GatewayError {
  const surface = path.startsWith('/v1/') ? path.slice('/v1'.length) : null
  if (surface !== null && POSTED.includes(surface) && method !== 'POST')
    return new GatewayError('method_not_allowed', { detail: `POST ${path} is served.`, headers: { allow: 'POST' } })
  if (POSTED.includes(path)) return new GatewayError('not_found', { detail: 'The base URL ends with /v1.' })
  if (surface?.startsWith('/v1/')) return new GatewayError('not_found', { detail: 'The address has /v1 twice.' })
  return surface === null ? new GatewayError('not_found') : new GatewayError('not_found', { detail: SERVED })
}
