// The link of a node that listens nowhere: the request goes to the node's guard, which holds the node's WebSocket. Fails at once when there is none. An
// abort is told to the guard in so many words, because an aborted request alone does not surely reach it.
import { base64url } from '../../protocol/canonical.ts'
import type { NodeId, RandomBytes } from '../../protocol/units.ts'
import { failureOf, toGuardRequest, type LinkGuard } from './link-request.ts'
import { LinkGone, type NodeLink } from './node-link.ts'

export function createSocketLink(needs: {
  readonly guards: (nodeId: NodeId) => LinkGuard
  readonly random: RandomBytes
}): NodeLink {
  return {
    async send(request) {
      const { nodeId, signal } = request
      signal.throwIfAborted()
      const key = base64url(needs.random(16))
      const guard = needs.guards(nodeId)
      // Also while the answer is read; a guard that is gone has nothing left to cancel.
      const cancel = () => void guard.cancelStream(key).catch(() => undefined)
      signal.addEventListener('abort', cancel, { once: true })
      const { url, init } = toGuardRequest(request, key)
      const response = await guard.fetch(url, init)
      const failure = failureOf(response)
      if (failure === null) return response
      signal.removeEventListener('abort', cancel)
      if (failure === 'broken') throw new TypeError('the link broke before the answer')
      throw new LinkGone(failure === 'silent')
    },
  }
}
