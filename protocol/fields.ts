// Units and ids as schemas: how they are read back from JSON, wherever it was kept. Amounts are decimal dollars there, counts and times whole
// numbers; what does not fit its own predicate is refused like anything else from outside.
import { z } from 'zod'
import { isErrorCode, type ErrorCode } from './errors.ts'
import {
  bytes,
  fromUsd,
  instant,
  isAccountId,
  isCallId,
  isKeyId,
  isModelId,
  isNodeId,
  tokens,
  type AccountId,
  type CallId,
  type KeyId,
  type ModelId,
  type NodeId,
} from './units.ts'

const idOf = <T extends string>(is: (text: string) => text is T & string) =>
  z.custom<T>((value) => typeof value === 'string' && is(value))

export const AccountIdText = idOf<AccountId>(isAccountId)
export const KeyIdText = idOf<KeyId>(isKeyId)
export const CallIdText = idOf<CallId>(isCallId)
export const NodeIdText = idOf<NodeId>(isNodeId)
export const ModelIdText = idOf<ModelId>(isModelId)
export const ErrorCodeText = z.custom<ErrorCode>((value) => typeof value === 'string' && isErrorCode(value))
export const InstantNumber = z.number().int().transform(instant)
/** Refused, not thrown, when it is no amount: a stranger's journal is read with this too. */
export const UsdNanos = z
  .string()
  .regex(/^-?\d{1,9}(\.\d{1,9})?$/, 'decimal dollars')
  .transform((text, context) => {
    try {
      return fromUsd(text)
    } catch {
      context.addIssue('an amount beyond 2^53 nanos')
      return z.NEVER
    }
  })
export const TokenCount = z
  .number()
  .int()
  .min(0)
  .transform((count) => tokens(count))
export const ByteCount = z
  .number()
  .int()
  .min(0)
  .transform((count) => bytes(count))
