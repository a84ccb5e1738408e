// What is counted of models as such: their coming and going, their memory, their queues and batches. Descriptions are the operator's documentation.
import type { EngineObserver } from './engines/engine.ts'
import type { Counter, Metrics } from './metrics.ts'
import type { ModelHost, ModelStatus } from './model-store/host.ts'

export interface ModelMetrics {
  /** @param warn told what an engine warns of */
  observer(model: string, warn: EngineObserver['warn']): EngineObserver
  /** seconds a call waited until its model was loaded; {@link waitOf} has it too */
  readonly waitedForLoad: (seconds: number, call: AbortSignal) => void
  /** seconds this call has waited, by its signal; null when nobody said */
  waitOf(call: AbortSignal): number | null
  /** @param ms a load took */
  resident(model: string, event: 'loading' | 'loaded' | 'unloaded' | 'failed', ms?: number): void
  /** {model}, bytes */
  readonly downloaded: Counter
}

export type ModelGauges = Pick<ModelHost, 'status' | 'memory'>

const STATES: readonly ModelStatus['state'][] = ['loading', 'loaded', 'unloaded', 'failed', 'draining']

/** @param host null until there is one */
export function createModelMetrics(metrics: Metrics, host: () => ModelGauges | null): ModelMetrics {
  const models = () => host()?.status() ?? []
  const perModel = (read: (model: ModelStatus) => number) => () =>
    unique(models()).map((model) => ({ labels: { model: model.model }, value: read(model) }))
  metrics.gauge('souk_node_model_loaded', '1 while the model is in memory and runs, 0 otherwise, by digest', () =>
    unique(models()).map(({ model, digest, state, engine }) => ({
      labels: { model, digest: digest ?? '' },
      value: engine?.isRunning() && (state === 'loaded' || state === 'draining') ? 1 : 0,
    })),
  )
  metrics.gauge('souk_node_model_state', '1 for the state the model is in, 0 for the others', () =>
    unique(models()).flatMap(({ model, state }) =>
      STATES.map((name) => ({ labels: { model, state: name }, value: name === state ? 1 : 0 })),
    ),
  )
  metrics.gauge(
    'souk_node_in_flight',
    'calls being computed',
    perModel(({ engine }) => engine?.load().inFlight ?? 0),
  )
  metrics.gauge(
    'souk_node_queue_depth',
    'calls waiting for their turn, or for their model to be loaded',
    perModel(({ engine }) => engine?.load().waiting ?? 0),
  )
  metrics.gauge(
    'souk_node_model_memory_bytes',
    'memory the model takes while loaded, as counted against memoryMaxBytes',
    perModel(({ bytes }) => bytes),
  )
  metrics.gauge('souk_node_memory_used_bytes', 'memory of all loaded models, as counted', () => [
    { value: host()?.memory.usedBytes() ?? 0 },
  ])
  metrics.gauge('souk_node_memory_max_bytes', 'memoryMaxBytes; +Inf without a ceiling', () => [
    { value: host()?.memory.maxBytes() ?? Infinity },
  ])
  const loads = metrics.counter('souk_node_model_loads_total', 'loads of a model, by result: loaded or failed')
  const loadSeconds = metrics.histogram(
    'souk_node_model_load_seconds',
    'seconds from the check of its files until a model could be called',
    [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300],
  )
  const unloads = metrics.counter('souk_node_model_unloads_total', 'models unloaded, to make room or because they went')
  const batch = metrics.histogram(
    'souk_node_batch_size',
    'calls, or sequences of text, computed in one run of the graph',
    [1, 2, 4, 8, 16, 32, 64, 128],
  )
  const waited = metrics.histogram(
    'souk_node_queue_wait_seconds',
    'seconds a call waited before it was first computed',
    [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
  )
  // By the call's signal, which engine and route both have: a wait lives as long as its call.
  const waits = new WeakMap<AbortSignal, number>()
  const note = (seconds: number, call: AbortSignal) => void waits.set(call, (waits.get(call) ?? 0) + seconds)
  return {
    observer: (model, warn) => ({
      batch: (calls) => batch.observe(calls, { model }),
      waited(seconds, call) {
        waited.observe(seconds, { model })
        if (call) note(seconds, call)
      },
      warn,
    }),
    waitedForLoad: note,
    waitOf: (call) => waits.get(call) ?? null,
    resident(model, event, ms) {
      if (event === 'loaded' || event === 'failed') loads.add({ model, result: event })
      if (event === 'loaded' && ms !== undefined) loadSeconds.observe(ms / 1_000, { model })
      if (event === 'unloaded') unloads.add({ model })
    },
    downloaded: metrics.counter('souk_node_download_bytes_total', 'bytes of model files that were fetched'),
  }
}

/** A model that is replaced is there twice for a while, and a series may stand only once: the one that takes new calls comes first. */
function unique(models: readonly ModelStatus[]): readonly ModelStatus[] {
  return models.filter(({ model }, index) => models.findIndex((other) => other.model === model) === index)
}
