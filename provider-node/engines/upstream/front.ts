// What every engine before another server has in common: who may be there now, whether that server is there, and an end that ends everything.
import { setMaxListeners } from 'node:events'
import type { ServedManifest } from '../../../protocol/model.ts'
import type { EngineOptions } from '../create.ts'
import { EngineRefusal, type Engine, type JobOwner } from '../engine.ts'
import type { Honours } from '../honours.ts'
import { Gate } from './gate.ts'
import { Health } from './health.ts'
import type { Upstream } from './http.ts'
import type { UpstreamLimits } from './limits.ts'

export type UpstreamOptions = Pick<EngineOptions, 'concurrencyMax' | 'queueMax' | 'upstream' | 'now' | 'observe'>

/** What a call needs to know of the server. */
export interface CallNeeds {
  readonly upstream: Upstream
  readonly manifest: ServedManifest
  readonly health: Health
  readonly limits: UpstreamLimits
  /** ms since the Unix epoch */
  readonly now: () => number
}

export interface Place {
  /** the caller's, until this engine closes */
  readonly signal: AbortSignal
  /** call it when the server is done with this call */
  readonly done: () => void
}

export interface Front {
  readonly needs: CallNeeds
  /** @param cost of the call in tokens or bytes @throws EngineRefusal `busy`, `internal` */
  admit(job: JobOwner, cost: number, signal: AbortSignal): Promise<Place>
  readonly engine: Pick<Engine, 'load' | 'isRunning' | 'describe' | 'honours' | 'died' | 'close'>
}

interface FrontNeeds extends Omit<CallNeeds, 'health' | 'now'> {
  readonly options: UpstreamOptions
  /** for the operator: which server, and what it is */
  readonly description: Readonly<Record<string, string | number>> & { readonly upstream: string }
  readonly honours: Honours | null
  readonly look: (signal: AbortSignal) => Promise<string | null>
}

export function createFront({ upstream, manifest, limits, options, description, honours, look }: FrontNeeds): Front {
  const { concurrencyMax, queueMax, now, observe } = options
  const gate = new Gate({ concurrencyMax, queueMax, now, waited: (seconds, call) => observe.waited(seconds, call) })
  const about = { model: manifest.id, upstream: description.upstream }
  const health = new Health({ look, isIdle: () => gate.load.inFlight === 0, observe, about, now, limits })
  const closing = new AbortController()
  // One listener per call, and the gate bounds calls.
  setMaxListeners(0, closing.signal)
  return {
    needs: { upstream, manifest, health, limits, now },
    async admit(job, cost, caller) {
      if (closing.signal.aborted) throw new EngineRefusal('internal', 'The model is not running.')
      if (health.isDown)
        throw new EngineRefusal('busy', 'The server behind this model is not there now.', {
          retryAfterSeconds: health.retryAfterSeconds,
        })
      const leave = await gate.enter(job, cost, caller)
      observe.batch(1)
      // By hand: a signal of AbortSignal.any lives as long as its sources, and one of them lives as long as the engine.
      const call = new AbortController()
      const stop = () => call.abort()
      const sources = [caller, closing.signal]
      for (const source of sources) source.addEventListener('abort', stop, { once: true })
      if (sources.some(({ aborted }) => aborted)) stop()
      const done = () => {
        for (const source of sources) source.removeEventListener('abort', stop)
        leave()
      }
      return { signal: call.signal, done }
    },
    engine: {
      load: () => gate.load,
      isRunning: () => !closing.signal.aborted,
      describe: () => description,
      honours: () => honours,
      // A server that goes is waited for: the engine never dies of it.
      died: new Promise<string>(() => {}),
      close: () => {
        closing.abort()
        health.close()
        gate.close()
        upstream.close()
        return Promise.resolve()
      },
    },
  }
}
