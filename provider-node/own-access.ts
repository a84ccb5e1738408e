// The operator's own programs: with the bearer token of the configuration they may use this node directly, without a gateway, a ticket or a
// payment. It is how another engine stands before this node, and how an operator tries a model. Nobody has it by default.
import { createHash, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto'
import type { Ticket } from '../protocol/ticket.ts'
import { NODE_LIMITS } from './limits.ts'
import type { ServedModel } from './node-metrics.ts'

/** @param ownKey null: nobody is the owner */
export function createOwnAccess(ownKey: string | null): (authorization: string | undefined) => boolean {
  if (ownKey === null) return () => false
  const expected = digest(`bearer ${ownKey}`)
  return (authorization) => {
    const [scheme = '', ...token] = (authorization ?? '').split(' ')
    return timingSafeEqual(digest(`${scheme.toLowerCase()} ${token.join(' ')}`), expected)
  }
}

/** What the gateway would have ordered, written by the node itself: everything the model can, for nothing. */
export function ownOrder({ manifest, digest: modelDigest }: ServedModel, path: string, now: number): Ticket {
  const seconds = Math.floor(now / 1_000)
  return {
    iss: 'own',
    aud: 'own',
    jti: randomUUID(),
    iat: seconds,
    exp: seconds + NODE_LIMITS.ownCallSeconds,
    callId: 'own',
    attempt: 0,
    path,
    model: manifest.id,
    modelDigest,
    inputTokensMax: Number.MAX_SAFE_INTEGER,
    outputTokensMax: Number.MAX_SAFE_INTEGER,
    tensorBytesMax: Number.MAX_SAFE_INTEGER,
    prices: { input: '0', output: '0', cachedInput: '0', bytes: '0', perCall: '0' },
    bodySha256: '',
    salt: randomBytes(16).toString('base64url'),
    pseudonym: 'own',
  }
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
