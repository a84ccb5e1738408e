// What the route that checked a node tells the node's guard about the link it asks for, and the guard's one refusal. Between parts of one gateway.
import { z } from 'zod'
import { LINK } from '../../../protocol/link.ts'

export const LinkOffer = z.object({
  nodeId: z.string(),
  /** random per process of the node */
  instance: z.string(),
  streamsMax: z.number().int().min(1).max(LINK.streamsMax),
  wireVersion: z.number().int(),
  /** the registry shows this node's link as up */
  isShown: z.boolean(),
})
export type LinkOffer = z.infer<typeof LinkOffer>

/** Another process of this node is linked. */
export const LinkRefusal = z.object({ retryAfterSeconds: z.number().int() })
export type LinkRefusal = z.infer<typeof LinkRefusal>

/** Guards are asked by name; the host is never looked up. */
export const LINK_URL = 'https://guard/link'
export const OFFER_HEADER = 'souk-link'
