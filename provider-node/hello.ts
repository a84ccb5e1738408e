// Tells the gateway that the node is up, until it may serve. A node that is not registered yet waits for `register`, which may run in
// another process: the id is looked up again each time.
import { setTimeout as wait } from 'node:timers/promises'
import { createClient, SoukError } from '../protocol/client.ts'
import { helloClaims, PROOF_TYP, type NodeView } from '../protocol/node.ts'
import { signClaims } from '../protocol/ticket.ts'
import { gatewaySentence } from './gateway-api.ts'
import type { Identity } from './identity.ts'
import { NODE_LIMITS } from './limits.ts'
import type { Log } from './log.ts'
import { OperatorError } from './operator-error.ts'

export interface HelloNeeds {
  readonly gateway: string
  readonly identity: Pick<Identity, 'signingKey'>
  /** null until the node is registered */
  readonly nodeId: () => Promise<string | null>
  readonly now: () => number
  readonly log: Log
  /** told once, when it may serve: the node as the gateway sees it */
  readonly welcomed?: (node: NodeView) => Promise<void>
  /** ends the greeting when the node stops */
  readonly signal: AbortSignal
  readonly fetch?: typeof fetch
}

/** Resolves when the node is in probation or active, or when it is told to stop; never rejects. */
export async function keepGreeting(needs: HelloNeeds): Promise<void> {
  const { first, last } = NODE_LIMITS.helloMs
  let pauseMs: number = first
  let seen = ''
  while (!needs.signal.aborted) {
    const nodeId = await needs.nodeId().catch(() => null)
    const node = nodeId === null ? null : await greet(needs, nodeId)
    if (node && `${node.state}${node.reason}` !== seen) {
      seen = `${node.state}${node.reason}`
      needs.log('info', 'node_state', { nodeId, state: node.state, reason: node.reason })
    }
    if (node?.state === 'probation' || node?.state === 'active') return needs.welcomed?.(node)
    // Waiting for `register` is free; asking the gateway again is not.
    pauseMs = nodeId === null ? first : Math.min(pauseMs * 2, last)
    await wait(pauseMs, undefined, { signal: needs.signal }).catch(() => undefined)
  }
}

async function greet(needs: HelloNeeds, nodeId: string): Promise<NodeView | null> {
  try {
    const claims = helloClaims(nodeId, Math.floor(needs.now() / 1_000))
    const proof = await signClaims(claims, needs.identity.signingKey, { typ: PROOF_TYP.hello })
    const send = needs.fetch ?? fetch
    // A node that stops does not wait for the gateway's answer.
    const untilStopped: typeof fetch = (input, init) => {
      const signals = init?.signal ? [init.signal, needs.signal] : [needs.signal]
      return send(input, { ...init, signal: AbortSignal.any(signals) })
    }
    const client = createClient({ url: needs.gateway, timeoutMs: NODE_LIMITS.gatewayMs, fetch: untilStopped })
    return await client.hello(nodeId, proof)
  } catch (cause) {
    if (needs.signal.aborted) return null
    const code = cause instanceof SoukError ? cause.code : 'unreachable'
    const sentence = gatewaySentence(cause, needs.gateway)
    const message = sentence instanceof OperatorError ? sentence.message : 'something went wrong here'
    needs.log('warn', 'hello_failed', { nodeId, code, message, do: 'souk-node doctor' })
    return null
  }
}
