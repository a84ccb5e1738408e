// How a call's nodes were chosen, as it is kept with the call and told to its payer. The same choice again from it: replay.ts.
import { z } from 'zod'

export const Candidate = z.object({
  nodeId: z.string(),
  /** of the estimate, decimal dollars */
  price: z.string(),
  /** 0 for those that could not be asked */
  weight: z.number(),
  /** its chance to be asked first, 0…1, exploration included */
  share: z.number(),
  /** 1: asked first; null: not at all */
  turn: z.number().int().nullable(),
  /** what left it out, or put another one first; null: it was chosen */
  lost: z.string().nullable(),
  /** where its weight begins among those the first one was taken from; null: it is not one of them */
  from: z.number().nullable(),
  /** its place among those exploration reaches */
  explored: z.number().int().nullable(),
  /** what it was sorted by, lowest first: millionths of nanos, or ms */
  value: z.number().nullable(),
})
export type Candidate = z.infer<typeof Candidate>

/** Of one model that was to serve the call. */
export const Choice = z.object({
  /** absent: kept before calls had fallback models */
  model: z.string().optional(),
  seed: z.string(),
  chosen: z.string().nullable(),
  by: z.enum(['draw', 'exploration', 'order', 'sort']).nullable(),
  sort: z.enum(['price', 'throughput', 'latency']).nullable(),
  /** more than half of those that fit were broken, so that no breaker was heeded */
  panic: z.boolean(),
  offers: z.number().int(),
  /** decimal dollars: a lower price counts as this one */
  cheapest: z.string(),
  /** the weights of those the first one was taken from, together */
  total: z.number(),
  explore: z.object({ offers: z.number().int(), share: z.number() }),
  candidates: z.array(Candidate),
  /** those that are only counted */
  others: z.object({ offers: z.number().int(), weight: z.number(), lost: z.record(z.string(), z.number().int()) }),
})
export type Choice = z.infer<typeof Choice>
