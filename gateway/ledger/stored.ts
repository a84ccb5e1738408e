// What guard and book keep as JSON, as schemas: legs, progress, a call's detail. bigints are decimal dollars or whole numbers there,
// ids are checked by their own predicates, and what comes back is parsed like anything else from outside.
import { z } from 'zod'
import { isErrorCode, type ErrorCode } from '../../protocol/errors.ts'
import {
  fromUsd,
  instant,
  isAccountId,
  isCallId,
  isKeyId,
  isModelId,
  isNodeId,
  toSqlInteger,
  tokens,
  toUsd,
  type AccountId,
  type CallId,
  type KeyId,
  type ModelId,
  type NodeId,
} from '../../protocol/units.ts'
import type { CallDetail, Leg, Progress } from './account-port.ts'
import { LEDGER } from './limits.ts'

const idOf = <T extends string>(is: (text: string) => text is T & string) =>
  z.custom<T>((value) => typeof value === 'string' && is(value))

export const AccountIdText = idOf<AccountId>(isAccountId)
export const KeyIdText = idOf<KeyId>(isKeyId)
export const CallIdText = idOf<CallId>(isCallId)
export const NodeIdText = idOf<NodeId>(isNodeId)
export const ModelIdText = idOf<ModelId>(isModelId)
export const ErrorCodeText = z.custom<ErrorCode>((value) => typeof value === 'string' && isErrorCode(value))
export const InstantNumber = z.number().int().transform(instant)
export const UsdNanos = z.string().transform((text) => fromUsd(text))
export const TokenCount = z
  .number()
  .int()
  .transform((count) => tokens(count))
export const LegRoleText = z.enum(['payer', 'receiver', 'operator', 'author', 'house'])

/** A leg as it stands in hashed lines: `{ party, role, amount }`, the amount in decimal dollars. */
export const LegJson = z
  .object({ party: AccountIdText, role: LegRoleText, amount: UsdNanos })
  .transform(({ party, role, amount }): Leg => ({ party, role, amountNanos: amount }))

export const legToJson = ({ party, role, amountNanos }: Leg) => ({ party, role, amount: toUsd(amountNanos) })

const ProgressJson = z.object({
  callId: CallIdText,
  attempt: z.number().int(),
  nodeId: NodeIdText,
  inputTokens: TokenCount,
  outputTokens: TokenCount,
  legs: z.array(LegJson),
})

export function progressToText(progress: Progress): string {
  const { callId, attempt, nodeId, inputTokens, outputTokens, legs } = progress
  return JSON.stringify({
    callId,
    attempt,
    nodeId,
    inputTokens: toSqlInteger(inputTokens),
    outputTokens: toSqlInteger(outputTokens),
    legs: legs.map(legToJson),
  })
}

export const progressFromText = (text: string): Progress => ProgressJson.parse(JSON.parse(text))

const DetailJson = z.object({
  stream: z.boolean(),
  attempts: z.array(
    z.object({
      attempt: z.number().int(),
      nodeId: NodeIdText,
      outcome: z.union([z.literal('served'), ErrorCodeText]),
      firstTokenMs: z.number().nullable(),
      durationMs: z.number(),
    }),
  ),
  choice: z.unknown(),
  receipt: z.string().nullable(),
  salt: z.string().nullable(),
})

/** Bounded: an explanation too long to keep is left out, what proves the call is kept. */
export function detailToText(detail: CallDetail): string {
  const text = JSON.stringify(detail)
  return text.length <= LEDGER.detailChars ? text : JSON.stringify({ ...detail, choice: null })
}

export const detailFromText = (text: string): CallDetail => DetailJson.parse(JSON.parse(text))
