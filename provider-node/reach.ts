// How a node is reached: at its own port, where the gateway comes by HTTPS; or by its own link, behind any router, with a port only if its operator wants
// one for their own programs. The gateway is greeted when there is a way to come: at once, or when the link stands.
import { LINK_ENDPOINT } from '../protocol/link.ts'
import type { NodeView } from '../protocol/node.ts'
import type { NodeConfig } from './config.ts'
import { keepGreeting } from './hello.ts'
import type { Identity } from './identity.ts'
import { NODE_LIMITS } from './limits.ts'
import { createLink, systemClock } from './link/link-client.ts'
import type { LinkMetrics } from './link/link-metrics.ts'
import { listen } from './listening.ts'
import type { Log } from './log.ts'
import type { NodeApp } from './server.ts'

export interface ReachNeeds {
  readonly config: NodeConfig
  readonly app: NodeApp
  readonly identity: Identity
  /** null: there is nobody to ask, and nobody is greeted */
  readonly nodeId: (() => Promise<string | null>) | null
  readonly metrics: LinkMetrics
  /** told once, when the gateway lets it serve */
  readonly welcomed: (node: NodeView) => Promise<void>
  /** told each time the link stands */
  readonly linkUp: () => void
  readonly log: Log
  /** ms since the Unix epoch */
  readonly now: () => number
  /** ms a request may take to arrive */
  readonly requestMs: number
}

export interface Reach {
  /** where it listens, without a trailing slash; null: nowhere */
  readonly url: string | null
  /** where its link goes; null: it is reached by HTTPS */
  readonly link: string | null
  /** Resolves when the link stands for the first time; null without one. */
  readonly linked: Promise<void> | null
  /** No greeting and no new calls over the link; a port goes on listening, so that whoever asks is told `draining` and not left with a closed port. */
  drain(): Promise<void>
  /** The last answers get a moment to go out. */
  close(): Promise<void>
}

/** What stands where the gateway registers an address. */
export const endpointOf = ({ endpoint }: Pick<NodeConfig, 'endpoint'>): string => endpoint ?? LINK_ENDPOINT

/** @throws OperatorError when the port is in use */
export async function openReach(needs: ReachNeeds): Promise<Reach> {
  const { config, app, identity, nodeId, log, now } = needs
  const { gateway, host, port } = config
  const listening = port === null ? null : await listen(app, host, port, needs.requestMs)
  const link =
    config.endpoint === null
      ? createLink({
          gateway,
          identity,
          nodeId: nodeId ?? (() => Promise.resolve(null)),
          serve: (request, caller) => app.fetch(request, { caller }),
          metrics: needs.metrics,
          up: needs.linkUp,
          log,
          clock: systemClock(now),
        })
      : null
  const stop = new AbortController()
  const stopped = new Promise<void>((resolve) => stop.signal.addEventListener('abort', () => resolve(), { once: true }))
  const { welcomed } = needs
  const greet = () =>
    nodeId ? keepGreeting({ gateway, identity, nodeId, now, log, welcomed, signal: stop.signal }) : undefined
  const greeting = Promise.race([link?.stood, stopped]).then(greet)
  return {
    url: listening?.url ?? null,
    link: link?.url ?? null,
    linked: link?.stood ?? null,
    async drain() {
      stop.abort()
      link?.drain()
      await greeting
    },
    async close() {
      await Promise.all([link?.close(NODE_LIMITS.lastBytesMs), listening?.close()])
    },
  }
}
