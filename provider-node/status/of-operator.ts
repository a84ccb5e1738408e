// All nodes of an account, on whatever machines they run: asked with the operator's wallet, or with an API key that may manage. Page after page.
import type { z } from 'zod'
import { page } from '../../protocol/auth.ts'
import { createClient, type Client } from '../../protocol/client.ts'
import { NodeView } from '../../protocol/node.ts'
import { gatewaySentence } from '../gateway-api.ts'
import { NODE_LIMITS } from '../limits.ts'
import { reachedOf, type NodeLine } from './many-nodes.ts'
import type { Operator } from '../cli/wallet.ts'

export type Credential = { readonly apiKey: string } | { readonly wallet: Operator }

/** Pages of an account's nodes that are read: quotas end far below */
const PAGES_MAX = 100

/** @throws OperatorError when the gateway refuses or does not answer */
export async function nodesOf(gateway: string, credential: Credential): Promise<z.infer<typeof NodeView>[]> {
  try {
    const client = await signedIn(gateway, credential)
    const nodes: NodeView[] = []
    let cursor: string | null = null
    for (let pages = 0; pages < PAGES_MAX; pages++) {
      const query: string = cursor === null ? '' : `?cursor=${encodeURIComponent(cursor)}`
      const { data, nextCursor } = await client.send('GET', `/api/nodes${query}`, page(NodeView))
      nodes.push(...data)
      if (nextCursor === null) break
      cursor = nextCursor
    }
    return nodes
  } catch (cause) {
    throw gatewaySentence(cause, gateway)
  }
}

async function signedIn(url: string, credential: Credential): Promise<Client> {
  const timeoutMs = NODE_LIMITS.gatewayMs
  if ('apiKey' in credential) return createClient({ url, timeoutMs, token: credential.apiKey })
  return createClient({ url, timeoutMs }).signIn(credential.wallet)
}

export const operatorLine = (node: NodeView): NodeLine => ({
  name: node.name,
  state: node.state,
  reached: reachedOf(node),
  day: null,
  month: null,
  reason: node.reason,
})
