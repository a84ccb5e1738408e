// What callers may ask before a call: the offers of a model with their health, and the highest cost of a call with a price lock.
import { z } from 'zod'
import { Assurance, NodeState, PricesView } from './node.ts'
import { Continent, Parameter, ProviderPreferences } from './routing.ts'

/** Of one window. Null: nothing was measured. ms, or units a second: there the 99th percentile is the slow end too */
export const Percentiles = z.object({
  p50: z.number(),
  p75: z.number(),
  p90: z.number(),
  p99: z.number(),
})
export type Percentiles = z.infer<typeof Percentiles>

export const HealthWindow = z.object({
  /** attempts that say something of the node */
  attempts: z.number().int(),
  served: z.number().int(),
  /** refused because all places were taken */
  busy: z.number().int(),
  firstTokenMs: Percentiles.nullable(),
  unitsPerSecond: Percentiles.nullable(),
})
export type HealthWindow = z.infer<typeof HealthWindow>

/** Five minutes, thirty, and a day, up to now. */
export const HealthWindows = z.object({ m5: HealthWindow, m30: HealthWindow, d1: HealthWindow })
export type HealthWindows = z.infer<typeof HealthWindows>

export const EndpointView = z.object({
  node: z.string(),
  name: z.string(),
  operator: z.string(),
  region: Continent.nullable(),
  state: NodeState,
  /** closed: it is asked; open: it failed and is left alone for a while; half_open: it is tried again */
  breaker: z.enum(['closed', 'open', 'half_open']),
  prices: PricesView,
  contextTokens: z.number(),
  outputTokensMax: z.number(),
  concurrencyMax: z.number(),
  inFlight: z.number(),
  assurance: Assurance,
  /** null: not said */
  parameters: z.array(Parameter).nullable(),
  /** goes on from what another node has delivered */
  continues: z.boolean(),
  /** keeps prompts or answers, or does not say that it keeps none */
  collectsData: z.boolean(),
  /** decayed shares, 0…1; null while unknown */
  success: z.number().nullable(),
  busyShare: z.number().nullable(),
  /** what audits thought of it when the day began (UTC), 0…1 */
  trust: z.number(),
  windows: HealthWindows.nullable(),
})
export type EndpointView = z.infer<typeof EndpointView>

/** `GET /v1/models/{id}/endpoints` */
export const EndpointsReply = z.object({
  data: z.object({ id: z.string(), digest: z.string(), task: z.string(), endpoints: z.array(EndpointView) }),
})
export type EndpointsReply = z.infer<typeof EndpointsReply>

/** `POST /v1/quote`: the request as it would be sent, and where to. Tensors are not sent for it: their bytes are enough. */
export const QuoteRequest = z.discriminatedUnion('endpoint', [
  z.strictObject({ endpoint: z.literal('/v1/chat/completions'), request: z.unknown() }),
  z.strictObject({ endpoint: z.literal('/v1/completions'), request: z.unknown() }),
  z.strictObject({ endpoint: z.literal('/v1/embeddings'), request: z.unknown() }),
  z.strictObject({
    endpoint: z.literal('/v2/models/infer'),
    request: z.strictObject({
      model: z.string().max(160),
      inputBytes: z
        .number()
        .int()
        .min(0)
        .max(64 * 1024 * 1024),
      provider: ProviderPreferences.optional(),
    }),
  }),
])
export type QuoteRequest = z.infer<typeof QuoteRequest>

export const QuoteReply = z.object({
  model: z.string(),
  /** decimal dollars: the call never costs more, and as much is set aside for it */
  highest: z.string(),
  /** units it was made for: those of the longest answer that was asked for */
  units: z.object({ inputTokens: z.number(), outputTokens: z.number(), tensorBytes: z.number().optional() }),
  candidates: z.array(z.object({ node: z.string(), model: z.string(), cost: z.string() })),
  /** `provider.price_lock` of the call: it goes to these candidates and to nobody else */
  lock: z.string(),
  expiresAt: z.string(),
})
export type QuoteReply = z.infer<typeof QuoteReply>
