// An operator's node in the market's real routes, asked by its own key, by sessions and by API keys; the clock of the guards is moved with the app's.
import { vi } from 'vitest'
import { mintApiKey } from '../../../../gateway/auth/api-key.ts'
import { systemRandom } from '../../../../gateway/core/clock.ts'
import type { NodeView, RegisterNodeRequest } from '../../../../protocol/node.ts'
import { newAccountId, newKeyId, type AccountId, type NodeId } from '../../../../protocol/units.ts'
import { nodeAuthorization } from '../../auth/node-house.ts'
import { OPERATOR } from '../builders.ts'
import { createFakeNode, type FakeNode } from '../fake-node.ts'
import { addWallet, aRegistration, authorWallet, createMarketApp } from '../market-app.ts'

export type OperatorHouse = Awaited<ReturnType<typeof createOperatorHouse>>
export type Refusal = {
  readonly error?: { readonly code: string; readonly message: string; readonly param: string | null }
}

/** Fakes Date: call `vi.useRealTimers` at the end. */
export async function createOperatorHouse() {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.UTC(2030, 0, 1) })
  const app = await createMarketApp()
  let calls: FakeNode['link'] | null = null
  app.connect({ link: { send: (request) => calls?.send(request) ?? Promise.reject(new TypeError('no node yet')) } })

  return {
    ...app,
    later(ms: number): void {
      app.advance(ms)
      vi.setSystemTime(Date.now() + ms)
    },
    /** Registered, proved and probed, unless it misbehaves. Later requests of the gateway go to the node made last. */
    async aNode(
      over: Partial<RegisterNodeRequest> = {},
      operator: AccountId = OPERATOR,
      prepare?: (node: FakeNode) => void,
    ) {
      const node = await createFakeNode(app.now)
      prepare?.(node)
      calls = node.link
      const wallet = authorWallet(`${operator}-operator`)
      await addWallet(operator, wallet.address)
      const body = await aRegistration(node, app.now(), { operator: wallet.address, ...over }, { wallet })
      const made = await app.send<NodeView>('POST', '/api/nodes', { account: operator, body })
      if (made.status !== 201) throw new Error(JSON.stringify(made.body))
      node.calls.length = 0
      return Object.assign(node, { id: made.body.id as NodeId }) // the gateway's own word
    },
    /** As the node itself asks. */
    async byNode<T>(node: FakeNode & { id: NodeId }, method: string, what: string, body?: unknown) {
      const path = `/api/nodes/${node.id}/${what}`
      const signing = { method, path, nowMs: app.now(), body: body === undefined ? undefined : JSON.stringify(body) }
      const authorization = await nodeAuthorization(node, signing)
      return app.send<T & Refusal>(method, path, { authorization, ...(body === undefined ? {} : { body }) })
    },
    /** An API key of the account. */
    async aKey(accountId: AccountId, scopes: readonly ('manage' | 'inference')[]): Promise<string> {
      const minted = mintApiKey(accountId, newKeyId(systemRandom), systemRandom(20), app.needs.config.keySecret)
      const account = app.needs.accounts(accountId)
      await account.open(accountId)
      const { keyId, secretHash, hint } = minted
      const none = { models: null, nodes: null, limit: null, rpm: null, tpm: null, concurrency: null, expiresAt: null }
      await account.createKey({
        id: keyId,
        secretHash,
        hint,
        name: 'test',
        scopes: [...scopes],
        ratesShadow: false,
        ...none,
      })
      return `Bearer ${minted.key}`
    },
    someoneElse: () => newAccountId(systemRandom),
  }
}
