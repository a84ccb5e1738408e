// What a request brings to say who it is: a rule over its headers and path. An Authorization header always wins over a cookie.
// Cookies count nowhere on the inference surfaces, and a state-changing request with one must come from our own origin.
import { KEY_PREFIX } from './api-key.ts'
import type { Site } from './site.ts'

export type Credential =
  | { readonly kind: 'none' }
  | { readonly kind: 'key'; readonly text: string }
  | { readonly kind: 'bearer'; readonly token: string }
  | { readonly kind: 'cookie'; readonly token: string }
  /** a bearer that can be neither a key nor a session */
  | { readonly kind: 'nonsense'; readonly expected: 'key' | 'session' }
  /** a cookie sent along by a page that is not ours */
  | { readonly kind: 'foreign_origin' }

export interface CredentialSource {
  readonly method: string
  readonly path: string
  readonly authorization: string | undefined
  /** the Origin header */
  readonly origin: string | undefined
  readonly sessionCookie: string | undefined
}

/** 256 bits as base64url */
const TOKEN = /^[A-Za-z0-9_-]{43}$/
const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS'])
const INFERENCE = /^\/v[12]\//
/** Signing in is how one gets past a stale credential, so it looks at none. */
const SIGNING_IN = new Set(['/auth/nonce', '/auth/verify'])

export function credentialOf(request: CredentialSource, site: Site): Credential {
  if (SIGNING_IN.has(request.path)) return { kind: 'none' }
  const isInference = INFERENCE.test(request.path)
  if (request.authorization !== undefined) return fromHeader(request.authorization, isInference)
  if (isInference || !TOKEN.test(request.sessionCookie ?? '')) return { kind: 'none' }
  if (!SAFE_METHODS.has(request.method) && request.origin !== site.origin) return { kind: 'foreign_origin' }
  return { kind: 'cookie', token: request.sessionCookie ?? '' }
}

function fromHeader(authorization: string, isInference: boolean): Credential {
  const match = /^Bearer +(\S+) *$/i.exec(authorization)
  if (!match) return { kind: 'none' }
  const text = match[1] ?? ''
  if (text.startsWith(KEY_PREFIX)) return { kind: 'key', text }
  if (TOKEN.test(text)) return { kind: 'bearer', token: text }
  return { kind: 'nonsense', expected: isInference || text.startsWith('sk-') ? 'key' : 'session' }
}
