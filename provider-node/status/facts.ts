// Everything one look at a node is made of: what the gateway says when it is asked by the node's key, and what this machine knows without it. What cannot
// be had is said, and the rest is shown all the same.
import { z } from 'zod'
import type { NodeStatusView } from '../../protocol/operator.ts'
import { readClaim, type Claim } from '../claim.ts'
import { loadConfig, type NodeConfig } from '../config.ts'
import { createGatewayApi, gatewaySentence } from '../gateway-api.ts'
import { loadIdentity } from '../identity.ts'
import { OperatorError } from '../operator-error.ts'
import { readBacklog } from '../receipts/store.ts'
import type { Environment } from '../state-folder.ts'

export interface NodeFacts {
  readonly home: string
  /** null: it cannot be read, and `problem` says why */
  readonly config: NodeConfig | null
  /** null: not registered, or nobody answered */
  readonly status: NodeStatusView | null
  /** one sentence why there is no status; null when there is one */
  readonly problem: string | null
  /** the process that serves from this folder, if one does */
  readonly running: Claim | null
  /** receipts not acknowledged yet; null when the store cannot be read */
  readonly backlog: { readonly waiting: number; readonly oldestAt: number | null; readonly rejected: number } | null
}

export interface FactsNeeds {
  readonly env: Environment
  /** ms */
  readonly now: () => number
}

/** Never rejects for what an operator can mend: that is `problem`. */
export async function readFacts(home: string, { env, now }: FactsNeeds): Promise<NodeFacts> {
  const [asked, running, backlog] = await Promise.all([
    ask(home, env, now),
    readClaim(home, now).catch(() => null),
    readBacklog(home).catch(() => null),
  ])
  return { home, ...asked, running, backlog }
}

async function ask(
  home: string,
  env: Environment,
  now: () => number,
): Promise<Pick<NodeFacts, 'config' | 'status' | 'problem'>> {
  let config: NodeConfig | null = null
  try {
    config = await loadConfig(home, env)
    const identity = await loadIdentity(home)
    const { gateway, nodeId } = config
    if (nodeId === null) return { config, status: null, problem: 'it is not registered yet: run souk-node register' }
    const status = await createGatewayApi({ gateway, identity, nodeId, now })
      .status()
      .catch((cause: unknown) => {
        throw gatewaySentence(cause, gateway)
      })
    return { config, status, problem: null }
  } catch (cause) {
    if (!(cause instanceof OperatorError)) throw cause
    return { config, status: null, problem: cause.message }
  }
}

const Health = z.object({
  models: z
    .array(z.object({ model: z.string().max(200), digest: z.string().nullable(), state: z.string().max(32) }).loose())
    .max(200),
})
export type LocalModel = z.infer<typeof Health>['models'][number]

/** ms for a program on this machine to answer */
const LOCAL_MS = 3_000

/** What the running node says of its models where it listens; null: it does not listen, or not answer. */
export async function localModels(running: Claim | null): Promise<readonly LocalModel[] | null> {
  if (running === null || running.url === null) return null
  const signal = AbortSignal.timeout(LOCAL_MS)
  const reply: unknown = await fetch(`${running.url}/healthz`, { signal, redirect: 'error' })
    .then((response) => response.json())
    .catch(() => null)
  return Health.safeParse(reply).data?.models ?? null
}
