// Of a node what it takes to hear its own key: one indexed read of the registry.
import { eq } from 'drizzle-orm'
import type { DrizzleD1Database } from 'drizzle-orm/d1'
import { nodes } from '../../db/schema.ts'
import { isAccountId, type AccountId, type NodeId } from '../../protocol/units.ts'
import { assert } from '../core/errors.ts'

export interface KnownNode {
  /** Ed25519 public key, base64url */
  readonly nodeKey: string
  /** its operator's */
  readonly accountId: AccountId
  readonly isRevoked: boolean
}

/** Null when there is no such node. */
export async function findNode(db: DrizzleD1Database, nodeId: NodeId): Promise<KnownNode | null> {
  const { nodeKey, operatorAccountId, state } = nodes
  const row = await db.select({ nodeKey, operatorAccountId, state }).from(nodes).where(eq(nodes.id, nodeId)).get()
  if (!row) return null
  assert(isAccountId(row.operatorAccountId), 'a node belongs to an account')
  return { nodeKey: row.nodeKey, accountId: row.operatorAccountId, isRevoked: row.state === 'revoked' }
}
