// What a request brings to say who it is: a rule over its headers and path. An Authorization header always wins over a cookie.
// A cookie counts where the dashboard asks and nowhere else, and a state-changing request with one must come from our own origin. A node's own key
// counts where BY_NODE says, and is nothing anywhere else.
import { NODE_REQUEST_SCHEME } from '../../protocol/operator.ts'
import { NODE_REQUEST } from '../core/limits.ts'
import { KEY_PREFIX } from './api-key.ts'
import type { Site } from './site.ts'

export type Credential =
  | { readonly kind: 'none' }
  | { readonly kind: 'key'; readonly text: string }
  | { readonly kind: 'bearer'; readonly token: string }
  | { readonly kind: 'cookie'; readonly token: string }
  /** signed by a node's key, it says; null: too long for that */
  | { readonly kind: 'node'; readonly jws: string | null; readonly nodeId: string }
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
/** Where a cookie counts. A page and its files are the same for everybody: looking up who asks for each of them would only make who is signed in wait. */
const BY_COOKIE = /^\/(api|auth)\//
/** Signing in is how one gets past a stale credential, so it looks at none. */
const SIGNING_IN = new Set(['/auth/nonce', '/auth/verify', '/auth/join'])

/** What a node may ask about itself, `/api/nodes/{id}/…`: what concerns its operator needs the wallet. */
export const BY_NODE: Readonly<Record<string, readonly string[]>> = {
  GET: ['status', 'earnings', 'sanctions'],
  PUT: ['offers'],
  POST: ['selftest', 'drain', 'resume'],
}
const OF_A_NODE = /^\/api\/nodes\/([^/]+)\/([a-z]+)$/
const SIGNED_BY_NODE = new RegExp(`^${NODE_REQUEST_SCHEME} +(\\S+) *$`, 'i')

export function credentialOf(request: CredentialSource, site: Site): Credential {
  if (SIGNING_IN.has(request.path)) return { kind: 'none' }
  const isInference = INFERENCE.test(request.path)
  if (request.authorization !== undefined)
    return fromNode(request, request.authorization) ?? fromHeader(request.authorization, isInference)
  if (!BY_COOKIE.test(request.path) || !TOKEN.test(request.sessionCookie ?? '')) return { kind: 'none' }
  if (!SAFE_METHODS.has(request.method) && request.origin !== site.origin) return { kind: 'foreign_origin' }
  return { kind: 'cookie', token: request.sessionCookie ?? '' }
}

function fromNode({ method, path }: CredentialSource, authorization: string): Credential | null {
  const jws = SIGNED_BY_NODE.exec(authorization)?.[1]
  const [, nodeId = '', what = ''] = OF_A_NODE.exec(path) ?? []
  if (jws === undefined || !BY_NODE[method]?.includes(what)) return null
  return { kind: 'node', jws: jws.length <= NODE_REQUEST.jwsCharacters ? jws : null, nodeId }
}

function fromHeader(authorization: string, isInference: boolean): Credential {
  const match = /^Bearer +(\S+) *$/i.exec(authorization)
  if (!match) return { kind: 'none' }
  const text = match[1] ?? ''
  if (text.startsWith(KEY_PREFIX)) return { kind: 'key', text }
  if (TOKEN.test(text)) return { kind: 'bearer', token: text }
  return { kind: 'nonsense', expected: isInference || text.startsWith('sk-') ? 'key' : 'session' }
}
