// A request that a node's own key signed (protocol/operator.ts). The signature is for this node, method, path, query and body, and for this minute, so
// that one that was overheard is good for nothing else. In this order: the node (one indexed read), the signature, what it says, and only then the body,
// bounded before it is hashed, so that a stranger's body is never read. What the path and the claims name is the same node, or nobody.
import type { DrizzleD1Database } from 'drizzle-orm/d1'
import { sha256Hex } from '../../protocol/canonical.ts'
import { importPublicKey } from '../../protocol/keys.ts'
import { NODE_REQUEST_TYP, NodeRequestClaims } from '../../protocol/operator.ts'
import { verifyClaims } from '../../protocol/ticket.ts'
import { isNodeId, type Instant } from '../../protocol/units.ts'
import { GatewayError } from '../core/errors.ts'
import { readBytes } from '../core/json-body.ts'
import { NODE_REQUEST } from '../core/limits.ts'
import type { NodePrincipal } from '../core/principal.ts'
import { findNode } from './node-book.ts'

interface Signed {
  readonly node: NodePrincipal
  /** with its body still to be read: the one that came has been */
  readonly request: Request
}

/** @param nodeId as the path names it @throws GatewayError not_found, authorization_refused, body_too_large */
export async function readNodeRequest(
  db: DrizzleD1Database,
  { jws, nodeId, request, now }: { jws: string; nodeId: string; request: Request; now: Instant },
): Promise<Signed> {
  const known = isNodeId(nodeId) ? await findNode(db, nodeId) : null
  if (!known || !isNodeId(nodeId)) throw new GatewayError('not_found', { detail: 'There is no such node.' })
  if (known.isRevoked)
    throw refused('Its operator took this node’s authorisation back: register it again with the wallet.')
  const claims = await claimsOf(jws, known.nodeKey)
  if (claims.nodeId !== nodeId) throw refused('It is signed for another node.')
  requireNow(claims.iat, Math.floor(now / 1_000))
  const { pathname, search } = new URL(request.url)
  if (claims.method !== request.method || claims.path !== pathname + search)
    throw refused('It is signed for another method or path.')
  const body = await readBytes(request, NODE_REQUEST.bodyBytes)
  if (claims.bodySha256 !== sha256Hex(body)) throw refused('It is signed for another body.')
  const { accountId, nodeKey } = known
  return { node: { kind: 'node', nodeId, accountId, nodeKey }, request: withBody(request, body) }
}

async function claimsOf(jws: string, nodeKey: string): Promise<NodeRequestClaims> {
  // Registration let in only keys that are points of the curve.
  const key = await importPublicKey(nodeKey)
  const verified = await verifyClaims(jws, NODE_REQUEST_TYP, NodeRequestClaims, () => Promise.resolve(key))
  if (verified.ok) return verified.value
  throw refused(
    verified.code === 'malformed' ? 'What it signs is no request.' : 'It is not signed by the key of this node.',
  )
}

/** @throws GatewayError that says how far the clocks are apart, which is what its operator has to mend */
function requireNow(iat: number, nowSeconds: number): void {
  const ahead = iat - nowSeconds
  if (Math.abs(ahead) <= NODE_REQUEST.clockSeconds) return
  const seconds = Math.abs(ahead).toLocaleString('en-US')
  throw refused(`Its time is ${seconds} s ${ahead < 0 ? 'behind' : 'ahead of'} ours: set the clock of its machine.`)
}

function withBody(request: Request, body: Uint8Array): Request {
  if (body.byteLength === 0) return request
  const { url, method, headers, signal } = request
  return new Request(url, { method, headers, signal, body: new Uint8Array(body) })
}

const refused = (detail: string) => new GatewayError('authorization_refused', { detail })
