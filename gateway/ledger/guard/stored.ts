// What guard and book keep as JSON, as schemas: legs, progress, a call's detail. bigints are decimal dollars or whole numbers there,
// ids are checked by their own predicates, and what comes back is parsed like anything else from outside.
import { z } from 'zod'
import {
  AccountIdText,
  ByteCount,
  CallIdText,
  ErrorCodeText,
  InstantNumber,
  ModelIdText,
  NodeIdText,
  TokenCount,
} from '../../../protocol/fields.ts'
import type { Units } from '../../../protocol/price.ts'
import { nanos, toSqlInteger } from '../../../protocol/units.ts'
import type { CallDetail, LateReceipt, Progress } from '../account-port.ts'
import { LEDGER } from '../limits/limits.ts'

/** nanos as digits: prices are no amounts of dollars */
const Digits = z
  .string()
  .regex(/^\d{1,16}$/)
  .transform((text) => nanos(BigInt(text)))

const TermsJson = z.object({
  price: z.object({
    inputPerMillion: Digits,
    outputPerMillion: Digits,
    cachedInputPerMillion: Digits,
    bytesPerMillion: Digits,
    perCall: Digits,
  }),
  priceVersion: z.number().int().optional(),
  operator: AccountIdText,
  author: AccountIdText,
  royaltyBps: z.number().int(),
  feeBps: z.number().int(),
  vesting: z.object({ shareBps: z.number().int(), at: InstantNumber }).nullable(),
})

/** Bytes came after the first releases: what those stored has none. */
const UnitsJson = { inputTokens: TokenCount, outputTokens: TokenCount, tensorBytes: ByteCount.optional() }

const unitsToJson = ({ inputTokens, outputTokens, tensorBytes }: Units) => ({
  inputTokens: toSqlInteger(inputTokens),
  outputTokens: toSqlInteger(outputTokens),
  ...(tensorBytes && { tensorBytes: toSqlInteger(tensorBytes) }),
})

const PartJson = z.object({ nodeId: NodeIdText, units: z.object(UnitsJson), terms: TermsJson })

const ProgressJson = z.object({
  callId: CallIdText,
  attempt: z.number().int(),
  nodeId: NodeIdText,
  ...UnitsJson,
  terms: TermsJson,
  before: z.array(PartJson).optional(),
})

/** Prices as digits, counts as numbers. */
export function progressToText({ inputTokens, outputTokens, tensorBytes, before, ...rest }: Progress): string {
  const units = unitsToJson({ inputTokens, outputTokens, tensorBytes })
  const parts = before && { before: before.map((part) => ({ ...part, units: unitsToJson(part.units) })) }
  return JSON.stringify({ ...rest, ...units, ...parts }, (_, value: unknown) =>
    typeof value === 'bigint' ? String(value) : value,
  )
}

export const progressFromText = (text: string): Progress => ProgressJson.parse(JSON.parse(text))

const LateReceiptJson = z.object({
  callId: CallIdText,
  attempt: z.number().int(),
  nodeId: NodeIdText,
  ...UnitsJson,
  receipt: z.string(),
  ticket: z.string(),
})

export const lateReceiptToText = ({ inputTokens, outputTokens, tensorBytes, ...rest }: LateReceipt): string =>
  JSON.stringify({ ...rest, ...unitsToJson({ inputTokens, outputTokens, tensorBytes }) })

export const lateReceiptFromText = (text: string): LateReceipt => LateReceiptJson.parse(JSON.parse(text))

const DetailJson = z.object({
  stream: z.boolean(),
  attempts: z.array(
    z.object({
      attempt: z.number().int(),
      nodeId: NodeIdText,
      modelId: ModelIdText.optional(),
      outcome: z.union([z.literal('served'), ErrorCodeText]),
      reason: z.string().optional(),
      firstTokenMs: z.number().nullable(),
      durationMs: z.number(),
    }),
  ),
  choice: z.unknown(),
  receipt: z.string().nullable(),
  salt: z.string().nullable(),
  ticket: z.string().nullable().default(null),
  claimed: z
    .object({ inputTokens: z.number(), outputTokens: z.number(), tensorBytes: z.number().optional() })
    .nullable()
    .default(null),
  parts: z
    .array(
      z.object({
        attempt: z.number().int(),
        nodeId: NodeIdText,
        inputTokens: z.number(),
        outputTokens: z.number(),
        characters: z.number(),
        charge: z.string(),
      }),
    )
    .optional(),
})

/** A call whose detail was purged: it had one. */
export const PURGED_DETAIL = 'null'

/** Bounded: an explanation too long to keep is left out, what proves the call is kept. Null is a purged one. */
export function detailToText(detail: CallDetail | null): string {
  if (!detail) return PURGED_DETAIL
  const text = JSON.stringify(detail)
  return text.length <= LEDGER.detailChars ? text : JSON.stringify({ ...detail, choice: null })
}

export const detailFromText = (text: string): CallDetail => DetailJson.parse(JSON.parse(text))
