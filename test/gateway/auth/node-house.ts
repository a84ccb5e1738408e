// A node as the registry knows it, with a real Ed25519 key, and the requests it signs: right in every part unless a test says otherwise.
import { env } from 'cloudflare:workers'
import { exportJWK, generateKeyPair, type CryptoKey } from 'jose'
import { systemRandom } from '../../../gateway/core/clock.ts'
import { sha256Hex } from '../../../protocol/canonical.ts'
import { NODE_REQUEST_SCHEME, NODE_REQUEST_TYP, type NodeRequestClaims } from '../../../protocol/operator.ts'
import { signClaims } from '../../../protocol/ticket.ts'
import { newAccountId, newNodeId, type AccountId, type NodeId } from '../../../protocol/units.ts'

export interface RowNode {
  readonly id: NodeId
  readonly operator: AccountId
  readonly nodeKey: string
  readonly privateKey: CryptoKey
}

export async function aNodeRow(over: { state?: string; operator?: AccountId } = {}): Promise<RowNode> {
  const { privateKey, publicKey } = await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true })
  const nodeKey = (await exportJWK(publicKey)).x ?? ''
  const id = newNodeId(systemRandom)
  const operator = over.operator ?? newAccountId(systemRandom)
  const insert = `INSERT INTO nodes (id, name, operator_account_id, operator_address, node_key, settlement_key, endpoint, state, created_at)
    VALUES (?, 'a machine', ?, '', ?, '', 'https://node.example.com', ?, 0)`
  await env.DB.prepare(insert)
    .bind(id, operator, nodeKey, over.state ?? 'active')
    .run()
  return { id, operator, nodeKey, privateKey }
}

export interface Signing {
  readonly method: string
  /** with its query */
  readonly path: string
  readonly body?: string | undefined
  readonly nowMs: number
  readonly claims?: Partial<NodeRequestClaims>
  readonly typ?: string
}

/** The header of a request that is signed for exactly this. */
export async function nodeAuthorization(
  node: Pick<RowNode, 'privateKey'> & { id: string },
  { method, path, body = '', nowMs, claims = {}, typ = NODE_REQUEST_TYP }: Signing,
): Promise<string> {
  const right = {
    use: 'souk-node-request',
    nodeId: node.id,
    method,
    path,
    bodySha256: sha256Hex(body),
    iat: Math.floor(nowMs / 1_000),
  }
  return `${NODE_REQUEST_SCHEME} ${await signClaims({ ...right, ...claims }, node.privateKey, { typ })}`
}
