// What the load and its node, which is a process of its own, say to each other: one JSON object per line.
import { z } from 'zod'

export const NodeOptions = z.object({ gateway: z.string(), home: z.string(), nodeId: z.string() })
export type NodeOptions = z.infer<typeof NodeOptions>

/** What the node still holds. */
export const NodeState = z.object({ open: z.number(), asked: z.number(), streams: z.number(), isUp: z.boolean() })
export type NodeState = z.infer<typeof NodeState>

/** Its link came or went. */
export const LinkEvent = z.object({ event: z.string(), why: z.string(), isUp: z.boolean() })
export type LinkEvent = z.infer<typeof LinkEvent>

export type NodeLine = NodeState | LinkEvent
