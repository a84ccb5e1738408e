// Who may serve a call, as its caller says it: OpenRouter's preference fields under `provider`, their meanings kept, and what this market adds.
import { z } from 'zod'

/** Two letters, as Cloudflare names continents. */
export const Continent = z.enum(['AF', 'AN', 'AS', 'EU', 'NA', 'OC', 'SA'])
export type Continent = z.infer<typeof Continent>

/** Request fields that not every engine honours: offers say which they do. Everything else every node does. */
export const PARAMETERS = [
  'temperature',
  'top_p',
  'top_k',
  'seed',
  'stop',
  'n',
  'logprobs',
  'top_logprobs',
  'response_format',
  'dimensions',
] as const
export const Parameter = z.enum(PARAMETERS)
export type Parameter = z.infer<typeof Parameter>

/** A node, or an operator's account: all its nodes. */
const ProviderId = z.string().min(1).max(64)
const ProviderIds = z.array(ProviderId).max(32)

/** Decimal dollars, below 100,000; a number is read as it is written. @example 0.15 // "0.15", 1e-7 // "0.0000001" */
const Usd = z.union([
  z.string().regex(/^\d{1,5}(\.\d{1,9})?$/, 'decimal dollars below 100000 with at most nine places'),
  z
    .number()
    .min(0)
    .lt(100_000)
    .transform((usd) => usd.toFixed(9).replace(/\.?0+$/, '')),
])

export const QUORUM = { nodesMax: 5 } as const

/**
 * `n` different nodes are asked at the same time, of different operators where there are any, and the answer is what the first `agree` of them say
 * alike: each of those is paid, and nobody else. An absent `agree` is the majority; with fewer, two answers may each find enough, and the first does.
 * Texts are alike to the character: honest nodes agree where temperature is 0, or all of them honour a `seed` (with `require_parameters`).
 */
export const Quorum = z
  .strictObject({
    n: z.number().int().min(2).max(QUORUM.nodesMax),
    agree: z.number().int().min(2).max(QUORUM.nodesMax).optional(),
  })
  .refine(({ n, agree }) => agree === undefined || agree <= n, { path: ['agree'], message: 'agree is at most n' })
export type Quorum = z.infer<typeof Quorum>

export const ProviderPreferences = z.strictObject({
  /** asked first, in this order, whatever the draw says; others follow */
  order: ProviderIds.min(1).optional(),
  only: ProviderIds.min(1).optional(),
  ignore: ProviderIds.optional(),
  /** false: one node is asked, the best one, or those of `order` */
  allow_fallbacks: z.boolean().optional(),
  /** no draw: the cheapest, the fastest, or the one that begins first is asked first */
  sort: z.enum(['price', 'throughput', 'latency']).optional(),
  /** dollars per million tokens or bytes, and per request; it also lifts the market's own ceiling of twice the cheapest */
  max_price: z
    .strictObject({
      prompt: Usd.optional(),
      completion: Usd.optional(),
      request: Usd.optional(),
      bytes: Usd.optional(),
    })
    .optional(),
  /** seconds to the first token: who is slower, or not yet known, is left out */
  max_latency: z.number().gt(0).max(600).optional(),
  /** units a second: the same */
  min_throughput: z.number().gt(0).max(1_000_000).optional(),
  /** only offers that are known to honour every parameter of the request */
  require_parameters: z.boolean().optional(),
  /** only nodes that load the model's own files */
  require_pinned: z.boolean().optional(),
  /** deny: only nodes that keep nothing of prompts and answers */
  data_collection: z.enum(['allow', 'deny']).optional(),
  /** only nodes that stand there */
  regions: z.array(Continent).min(1).max(7).optional(),
  quorum: Quorum.optional(),
  /**
   * Of QuoteReply (endpoints.ts): this call is charged by the prices it names, or by those of today where none of them is higher. Only offers that it
   * names are asked, so that the quoted cost holds. It serves its account for as many calls as it likes until it runs out.
   */
  price_lock: z.string().max(16_384).optional(),
})
export type ProviderPreferences = z.infer<typeof ProviderPreferences>

/** Asked in turn when the model asked for cannot serve the call, or is too small for it. */
export const FallbackModels = z.array(z.string().max(160)).max(4)
