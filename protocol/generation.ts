// One ended call, for the account that made it: units, charge, attempts, how its nodes were chosen, and the proof. `GET /api/calls/{id}` for who is
// signed in or holds a managing key, `GET /v1/generation?id=` for its API keys: the same answer. Amounts are decimal dollars, times ISO 8601 in UTC.
import { z } from 'zod'
import { Timestamp } from './auth.ts'
import { Choice } from './choice.ts'
import { LegRole } from './journal.ts'

const Count = z.number().int().min(0)

export const AttemptView = z.object({
  attempt: Count,
  nodeId: z.string(),
  modelId: z.string().optional(),
  /** served, or the code of why not */
  outcome: z.string(),
  /** why it did not serve, in words */
  reason: z.string().optional(),
  /** ms from sending to the first output; null without output */
  firstTokenMs: z.number().nullable(),
  durationMs: z.number(),
})
export type AttemptView = z.infer<typeof AttemptView>

/** What of an answer came from one of several nodes that are paid. */
export const PartView = z.object({
  attempt: Count,
  nodeId: z.string(),
  inputTokens: Count,
  outputTokens: Count,
  characters: Count,
  charge: z.string(),
})

export const Generation = z.object({
  id: z.string(),
  model: z.string(),
  keyId: z.string(),
  provider: z.string().nullable(),
  outcome: z.string(),
  errorCode: z.string().nullable(),
  stream: z.boolean().nullable(),
  usage: z.object({
    prompt_tokens: Count,
    completion_tokens: Count,
    total_tokens: Count,
    tensor_bytes: Count.optional(),
    cost: z.string(),
  }),
  hold: z.string(),
  /** sum to zero; the payer's is negative */
  legs: z.array(
    z.object({
      party: z.string(),
      role: LegRole,
      amount: z.string(),
      /** of an operator's, where several nodes are paid */
      node: z.string().optional(),
      /** it can be spent from then on; absent: at once */
      vestsAt: Timestamp.optional(),
    }),
  ),
  startedAt: Timestamp,
  firstTokenAt: Timestamp.nullable(),
  endedAt: Timestamp,
  /** what explains and proves it is not kept any more */
  purged: z.boolean(),
  attempts: z.array(AttemptView).nullable(),
  parts: z.array(PartView).nullable(),
  /** of the model that answered, or was tried last. Null: not kept, or kept in a form of before */
  choice: Choice.nullable().catch(null),
  choices: z.array(Choice).nullable().catch(null),
  receipt: z.string().nullable(),
  /** the gateway's order that the receipt is for: a JWS; it has run out long ago */
  ticket: z.string().nullable(),
  salt: z.string().nullable(),
  /** the node's own count; null: it gave none, or it is not kept */
  claimed: z
    .object({ inputTokens: z.number(), outputTokens: z.number(), tensorBytes: z.number().optional() })
    .nullable(),
})
export type Generation = z.infer<typeof Generation>
export const GenerationReply = z.object({ data: Generation })
