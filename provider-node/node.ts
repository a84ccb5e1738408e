// Puts a node together and runs it: models are loaded and checked, then it can be reached (reach.ts). Stopping is graceful: no new work, running
// calls get `drainMs`, then everything is released.
import { setMaxListeners } from 'node:events'
import type { OfferRequest } from '../protocol/node.ts'
import type { NodeConfig } from './config.ts'
import { createGatewayKeys } from './gateway-keys.ts'
import type { Identity } from './identity.ts'
import { NODE_LIMITS } from './limits.ts'
import { silentLog, type Log } from './log.ts'
import { createModelHost, type ModelHost, type ModelStatus } from './model-store/host.ts'
import { watchModels } from './model-watch.ts'
import { createNodeMetrics } from './node-metrics.ts'
import { OperatorError } from './operator-error.ts'
import { createOwnAccess } from './own-access.ts'
import { endpointOf, openReach } from './reach.ts'
import { openReceipts } from './receipts/node-receipts.ts'
import { createServer } from './server.ts'
import { tellOffers } from './tell-offers.ts'
import { staleOffers } from './told-offers.ts'
import { createTicketCheck } from './ticket-check.ts'

export interface NodeOptions {
  readonly config: NodeConfig
  readonly identity: Identity
  /** the state folder: where relative model folders begin */
  readonly home: string
  /** absent: that of this process; engines and downloads read it */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** looks up the id after a registration by another process; without it `config.nodeId` holds, and without both nobody is greeted */
  readonly nodeId?: () => Promise<string | null>
  readonly log?: Log
  /** ms since the Unix epoch */
  readonly now?: () => number
  /** ms a request may take to arrive; absent: {@link NODE_LIMITS} */
  readonly requestMs?: number
  /** ms between two looks at what became of its models; absent: {@link NODE_LIMITS} */
  readonly modelsEveryMs?: number
}

export interface RunningNode {
  /** where it listens, without a trailing slash; null: nowhere */
  readonly url: string | null
  /** where its link goes, for a node that is reached by it; else null */
  readonly link: string | null
  /** Resolves when the link stands for the first time; null without one. */
  readonly linked: Promise<void> | null
  /** Resolves with a sentence when a model's engine died: the node cannot keep what it offers, and should end. */
  readonly died: Promise<string>
  /** newest receipts, oldest first: compact JWS */
  receipts(): readonly string[]
  /** Brings the models in line with a changed configuration; resolves when they are. Whatever else has changed waits for the next start. */
  apply(config: NodeConfig): Promise<void>
  /** Drains and ends; may be called twice. */
  stop(): Promise<void>
}

/** @throws OperatorError for a model that is missing, changed or unreadable, or a port in use */
export async function startNode(options: NodeOptions): Promise<RunningNode> {
  const { config, identity, log = silentLog, now = Date.now } = options
  if (config.endpoint !== null && config.port === null)
    throw new OperatorError('a node with an "endpoint" needs a "port" where it listens: set one in config.json')
  let isDraining = false
  let host: ModelHost | null = null
  const metrics = createNodeMetrics(
    () => host,
    () => isDraining,
  )
  const { home, env = process.env } = options
  const nodeId = options.nodeId ?? (config.nodeId === null ? null : () => Promise.resolve(config.nodeId))
  const teller = { gateway: config.gateway, identity, nodeId: nodeId ?? (() => Promise.resolve(null)), now, log }
  const offersChanged = (offers: readonly OfferRequest[]) => tellOffers(teller, offers)
  const models = await createModelHost(config, { home, env, log, now, metrics: metrics.models, offersChanged })
  host = models
  const stopNow = new AbortController()
  // One listener per call, and calls are bounded elsewhere.
  setMaxListeners(0, stopNow.signal)
  const { gateway } = config
  const receipts = await openReceipts({ home, gateway, identity, now, log, metrics: metrics.receipts })
  const keys = createGatewayKeys({ gateway: config.gateway, now })
  const app = createServer({
    identity,
    endpoint: endpointOf(config),
    models: () => models.models(),
    health: () => models.status().map(healthOf),
    isOwner: createOwnAccess(config.ownKey),
    tickets: createTicketCheck({ nodeKey: identity.nodeKey, keys, now }),
    receipts,
    metrics,
    isDraining: () => isDraining,
    stopNow: stopNow.signal,
    now,
    log,
  })
  const requestMs = options.requestMs ?? NODE_LIMITS.requestMs
  const watch = options.modelsEveryMs === undefined ? {} : { everyMs: options.modelsEveryMs }
  const reach = await openReach({
    ...{ config, app, identity, nodeId, log, now, requestMs },
    metrics: metrics.link,
    linkUp: () => receipts.retryNow(),
    welcomed: async (node) => {
      const stale = staleOffers(node, models.offers())
      if (stale) await offersChanged(stale)
    },
  }).catch(async (cause: unknown) => {
    await models.close()
    await receipts.close()
    throw cause
  })

  const stopWatching = new AbortController()
  const watching = watchModels({ gateway, models, log, signal: stopWatching.signal, ...watch })

  async function drain(): Promise<void> {
    isDraining = true
    log('info', 'draining')
    stopWatching.abort()
    await watching
    await reach.drain()
    const late = setTimeout(() => stopNow.abort(), config.drainMs)
    await idle(models, stopNow.signal)
    clearTimeout(late)
    await reach.close()
    await models.close()
    // Every call has ended now, and with it every receipt.
    await receipts.close()
    log('info', 'stopped')
  }
  let stopping: Promise<void> | null = null
  let applied = config
  async function apply(changed: NodeConfig): Promise<void> {
    if (isDraining) return
    const fields = AT_START.filter((field) => changed[field] !== applied[field])
    if (fields.length > 0) log('warn', 'config_needs_restart', { fields: fields.join(', ') })
    applied = changed
    await models.apply(changed)
  }
  const stop = () => (stopping ??= drain())
  const { url, link, linked } = reach
  return { url, link, linked, died: models.died, receipts: () => receipts.recent(), apply, stop }
}

/** Fields of the configuration that are read once. */
const AT_START = ['name', 'gateway', 'endpoint', 'host', 'port', 'ownKey', 'drainMs'] as const

/** Why a model failed is in the log: a reason can name folders, and this page is open. */
const healthOf = ({ model, digest, state, bytes, engine }: ModelStatus) => ({
  model,
  digest,
  state,
  running: engine?.isRunning() ?? false,
  ...(engine?.load() ?? { inFlight: 0, waiting: 0 }),
  memoryBytes: bytes,
  ...engine?.describe(),
})

/** ms between two looks while draining */
const DRAIN_LOOK_MS = 20

/** Resolves when no engine has work, or at once when the time is up. */
async function idle(models: ModelHost, signal: AbortSignal): Promise<void> {
  const isBusy = () =>
    models.status().some(({ engine }) => engine !== null && engine.load().inFlight + engine.load().waiting > 0)
  while (isBusy() && !signal.aborted) await new Promise((resolve) => setTimeout(resolve, DRAIN_LOOK_MS))
}
