// What a node counts about itself, with its names. Where OpenTelemetry's conventions for generative AI have a name it is used, as Prometheus spells it
// (dots become underscores, the unit stands at the end), with their buckets; the rest begins with souk_node_. Descriptions are the operator's
// documentation.
import { createLinkMetrics } from './link/link-metrics.ts'
import { createMetrics } from './metrics.ts'
import { createModelMetrics, type ModelGauges } from './model-metrics.ts'
import { createReceiptMetrics } from './receipts/receipt-metrics.ts'

export type { ServedModel } from './model-store/hosted.ts'

export type NodeMetrics = ReturnType<typeof createNodeMetrics>

/** What a call came to. */
export interface CallNumbers {
  readonly model: string
  readonly task: string
  readonly operation: Operation
  readonly outcome: 'complete' | 'cancelled' | 'failed'
  readonly inputTokens: number
  readonly outputTokens: number
  readonly inputBytes: number
  readonly outputBytes: number
  /** ms from the accepted order */
  readonly totalMs: number
  /** ms until the first output; null when there was none, or it was the last too */
  readonly firstMs: number | null
}

/** gen_ai.operation.name: those of the conventions, and our tasks that they do not know. */
export type Operation = 'chat' | 'text_completion' | 'embeddings' | 'classification' | 'ocr' | 'tensors'

const FIRST_TOKEN_SECONDS = [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]
/** those of the conventions, and below them the milliseconds that small models take */
const PER_TOKEN_SECONDS = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5,
]
const DURATION_SECONDS = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92]

/** @param host null until there is one */
export function createNodeMetrics(host: () => ModelGauges | null, isDraining: () => boolean) {
  const metrics = createMetrics()
  const models = createModelMetrics(metrics, host)
  metrics.gauge('souk_node_draining', '1 while the node is stopping', () => [{ value: isDraining() ? 1 : 0 }])
  metrics.gauge('process_resident_memory_bytes', 'memory of the whole program, as the system counts it', () => [
    { value: process.memoryUsage.rss() },
  ])
  const duration = metrics.histogram(
    'gen_ai_server_request_duration_seconds',
    'seconds from the accepted ticket to the end of the call, with error_type when it did not complete',
    DURATION_SECONDS,
  )
  const firstToken = metrics.histogram(
    'gen_ai_server_time_to_first_token_seconds',
    'seconds from the accepted ticket to the first text',
    FIRST_TOKEN_SECONDS,
  )
  const perToken = metrics.histogram(
    'gen_ai_server_time_per_output_token_seconds',
    'seconds per output token after the first, of complete answers; tokens of all choices together',
    PER_TOKEN_SECONDS,
  )
  const calls = metrics.counter('souk_node_calls_total', 'calls that were worked on, by model, task and outcome')
  const cancelled = metrics.counter('souk_node_calls_cancelled_total', 'calls whose caller left before the end')
  const tokens = metrics.counter('souk_node_tokens_total', 'tokens read (in) and produced (out)')
  const bytes = metrics.counter('souk_node_tensor_bytes_total', 'bytes of tensors read (in) and produced (out)')
  return {
    text: () => metrics.text(),
    models,
    link: createLinkMetrics(metrics),
    receipts: createReceiptMetrics(metrics),
    ended(call: CallNumbers) {
      const { model, task, operation, outcome, outputTokens, totalMs, firstMs } = call
      const labels = { gen_ai_operation_name: operation, gen_ai_request_model: model }
      calls.add({ model, task, outcome })
      if (outcome === 'cancelled') cancelled.add()
      duration.observe(totalMs / 1_000, outcome === 'complete' ? labels : { ...labels, error_type: outcome })
      if (firstMs !== null) firstToken.observe(firstMs / 1_000, labels)
      if (firstMs !== null && outcome === 'complete' && outputTokens > 1)
        perToken.observe((totalMs - firstMs) / 1_000 / (outputTokens - 1), labels)
      for (const [direction, count] of [
        ['in', call.inputTokens],
        ['out', outputTokens],
      ] as const)
        if (count > 0) tokens.add({ model, direction }, count)
      for (const [direction, count] of [
        ['in', call.inputBytes],
        ['out', call.outputBytes],
      ] as const)
        if (count > 0) bytes.add({ model, direction }, count)
    },
    /** {code} */
    refused: metrics.counter('souk_node_calls_refused_total', 'requests that were refused, by code'),
    tokensAfterCancel: metrics.counter('souk_node_tokens_after_cancel_total', 'tokens produced after the caller left'),
  }
}
