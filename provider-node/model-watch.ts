// What became of this node's models at the gateway: asked every few minutes, said once in the log, and a model that the house has blocked is unloaded
// until the block is lifted. Each model is asked for by its public page, which costs the gateway one row; the node's status, with its sums, costs many.
import { setTimeout as wait } from 'node:timers/promises'
import { createClient } from '../protocol/client.ts'
import type { ModelView } from '../protocol/publish.ts'
import { NODE_LIMITS } from './limits.ts'
import type { Log } from './log.ts'
import type { ModelHost } from './model-store/host.ts'

export interface ModelWatchNeeds {
  readonly gateway: string
  readonly models: Pick<ModelHost, 'models' | 'block'>
  readonly log: Log
  /** ends the watch when the node stops */
  readonly signal: AbortSignal
  /** ms between two looks; absent: {@link NODE_LIMITS} */
  readonly everyMs?: number
}

type Known = Pick<ModelView, 'state' | 'reason' | 'replacedBy'>

/** Resolves when the node stops; never rejects. */
export async function watchModels(needs: ModelWatchNeeds): Promise<void> {
  const { models, signal, everyMs = NODE_LIMITS.modelsEveryMs } = needs
  const known = new Map<string, Known>()
  const pause = (ms: number) => wait(ms * (0.75 + Math.random() / 2), undefined, { signal }).catch(() => undefined)
  // A thousand nodes that one outage has brought back do not come together, neither now nor later.
  await pause(Math.min(everyMs, NODE_LIMITS.modelsFirstMs))
  while (!signal.aborted) {
    await look(needs, known)
    const blocked = [...known].flatMap(([id, { state, reason }]) =>
      state === 'blocked' ? [[id, reason ?? ''] as const] : [],
    )
    await models.block(new Map(blocked))
    await pause(everyMs)
  }
}

/** A gateway that does not answer changes nothing: what was known goes on. */
async function look({ gateway, models, log, signal }: ModelWatchNeeds, known: Map<string, Known>): Promise<void> {
  const untilStopped: typeof fetch = (input, init) => {
    const signals = init?.signal ? [init.signal, signal] : [signal]
    return fetch(input, { ...init, signal: AbortSignal.any(signals) })
  }
  const client = createClient({ url: gateway, timeoutMs: NODE_LIMITS.gatewayMs, fetch: untilStopped })
  // What is unloaded is served no more, and is asked for until its block is lifted.
  for (const id of new Set([...models.models().map(({ manifest }) => manifest.id), ...known.keys()])) {
    const view = await client.model(id).catch(() => null)
    if (view === null || signal.aborted) continue
    const before = known.get(id)
    const { state, reason, replacedBy } = view
    known.set(id, { state, reason, replacedBy })
    if ((before?.state ?? 'active') !== state || (before?.reason ?? null) !== reason)
      tell(log, id, { state, reason, replacedBy })
  }
}

function tell(log: Log, model: string, { state, reason, replacedBy }: Known): void {
  if (state === 'active') return log('info', 'model_active', { model })
  log('warn', `model_${state}`, { model, reason, replacedBy, do: TO_DO[state] })
}

const TO_DO = {
  deprecated: 'it is served as before: look for another one in time',
  withdrawn: 'nobody is sent to it any more: souk-node models remove',
  blocked: 'nobody may be served with it, and it is unloaded: souk-node models remove',
} as const
