// What a node counts about itself, with its names. Descriptions are the operator's documentation.
import type { Engine } from './engines/engine.ts'
import { createMetrics } from './metrics.ts'
import type { LoadedModel } from './models.ts'

export interface ServedModel extends LoadedModel {
  readonly engine: Engine
}

export type NodeMetrics = ReturnType<typeof createNodeMetrics>

export function createNodeMetrics(models: () => readonly ServedModel[], isDraining: () => boolean) {
  const metrics = createMetrics()
  const perModel = (read: (model: ServedModel) => number) => () =>
    models().map((model) => ({ labels: { model: model.manifest.id }, value: read(model) }))
  metrics.gauge('souk_node_model_loaded', '1 while the model runs, 0 when its engine has died, by digest', () =>
    models().map(({ manifest, digest, engine }) => ({
      labels: { model: manifest.id, digest },
      value: engine.isRunning() ? 1 : 0,
    })),
  )
  metrics.gauge(
    'souk_node_in_flight',
    'calls being computed',
    perModel(({ engine }) => engine.load().inFlight),
  )
  metrics.gauge(
    'souk_node_queue_depth',
    'calls waiting for their turn',
    perModel(({ engine }) => engine.load().waiting),
  )
  metrics.gauge('souk_node_draining', '1 while the node is stopping', () => [{ value: isDraining() ? 1 : 0 }])
  return {
    text: () => metrics.text(),
    /** {task, outcome} */
    calls: metrics.counter('souk_node_calls_total', 'calls that were worked on, by task and outcome'),
    cancelled: metrics.counter('souk_node_calls_cancelled_total', 'calls whose caller left before the end'),
    /** {code} */
    refused: metrics.counter('souk_node_calls_refused_total', 'requests that were refused, by code'),
    /** {direction: in | out} */
    tokens: metrics.counter('souk_node_tokens_total', 'tokens read and produced'),
    tokensAfterCancel: metrics.counter('souk_node_tokens_after_cancel_total', 'tokens produced after the caller left'),
    firstTokenSeconds: metrics.histogram(
      'souk_node_first_token_seconds',
      'seconds from the accepted ticket to the first output',
      [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20],
    ),
  }
}
