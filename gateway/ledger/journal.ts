// An account's journal: lines without gaps, each one hashed together with the hash before it, so that nobody, we included, can change
// the past unseen. `hash = sha256(prevHash ‖ JCS(line))`, both as text, so `printf %s%s "$prev" "$body" | sha256sum` checks a line.
import { z } from 'zod'
import { jcs, sha256Hex } from '../../protocol/canonical.ts'
import { assert } from '../core/errors.ts'
import { nanos, toSqlInteger, toUsd, type AccountId, type Instant, type Nanos } from '../../protocol/units.ts'
import type { Leg, RecordedCall } from './account-port.ts'
import { sumLegs } from './split.ts'
import {
  AccountIdText,
  ErrorCodeText,
  InstantNumber,
  KeyIdText,
  LegJson,
  legToJson,
  ModelIdText,
  NodeIdText,
  TokenCount,
  UsdNanos,
} from './stored.ts'

export type LineKind = 'call' | 'grant' | 'code' | 'faucet' | 'credit'

/** The part of a call that is hashed. Detail is not: it may be purged. */
export type CallFacts = Pick<
  RecordedCall,
  | 'keyId'
  | 'modelId'
  | 'nodeId'
  | 'inputTokens'
  | 'outputTokens'
  | 'holdNanos'
  | 'outcome'
  | 'errorCode'
  | 'receiptHash'
>

export interface LineDraft {
  readonly at: Instant
  readonly kind: LineKind
  readonly transferId: string
  /** of a transfer this account pays or receives from the house; empty for a credit, whose legs stand in the payer's journal */
  readonly legs: readonly Leg[]
  /** exactly one of these says what the line is about */
  readonly call?: CallFacts
  readonly grant?: { readonly reason: string; readonly by: AccountId | null }
  readonly credit?: { readonly payer: AccountId; readonly fromSeq: number; readonly toSeq: number; readonly sum: Nanos }
}

export interface JournalLine extends LineDraft {
  readonly account: AccountId
  readonly seq: number
  /** by how much the account's own balance changed */
  readonly deltaNanos: Nanos
}

/** A line as it is kept: its canonical text and its place in the chain. */
export interface ChainedLine {
  readonly seq: number
  readonly prevHash: string
  readonly hash: string
  readonly body: string
}

export const GENESIS_HASH = '0'.repeat(64)

/** What a line does to the account's own balance: its own legs, or the credit. */
export function deltaOf(draft: LineDraft, account: AccountId): Nanos {
  assert(sumLegs(draft.legs) === 0n, 'the legs of a line sum to zero')
  return nanos(sumLegs(draft.legs, account) + (draft.credit?.sum ?? 0n))
}

export function chainLine(draft: LineDraft, account: AccountId, seq: number, prevHash: string) {
  const line: JournalLine = { ...draft, account, seq, deltaNanos: deltaOf(draft, account) }
  const body = bodyOf(line)
  return { line, chained: { seq, prevHash, hash: hashLine(prevHash, body), body } satisfies ChainedLine }
}

export const hashLine = (prevHash: string, body: string): string => sha256Hex(prevHash, body)

/** The first line that does not fit: a gap, a broken link, or a body that is not what was hashed. Null when all do. */
export function findBreak(lines: readonly ChainedLine[], startHash = GENESIS_HASH, startSeq = 1): number | null {
  let prevHash = startHash
  for (const [index, line] of lines.entries()) {
    const isWhole = line.seq === startSeq + index && line.prevHash === prevHash
    if (!isWhole || line.hash !== hashLine(prevHash, line.body)) return startSeq + index
    prevHash = line.hash
  }
  return null
}

/** Canonical JSON: amounts are decimal dollars, counts whole numbers, times ms. What a line is not about is absent. */
function bodyOf({ account, seq, at, kind, transferId, deltaNanos, legs, call, grant, credit }: JournalLine): string {
  return jcs({
    account,
    seq,
    at,
    kind,
    transferId,
    delta: toUsd(deltaNanos),
    legs: legs.map(legToJson),
    ...(call && { call: factsToJson(call) }),
    ...(grant && { grant: { reason: grant.reason, by: grant.by } }),
    ...(credit && { credit: { ...credit, sum: toUsd(credit.sum) } }),
  })
}

function factsToJson(call: CallFacts) {
  const { keyId, modelId, nodeId, outcome, errorCode, receiptHash } = call
  const units = { inputTokens: toSqlInteger(call.inputTokens), outputTokens: toSqlInteger(call.outputTokens) }
  return { keyId, modelId, nodeId, ...units, hold: toUsd(call.holdNanos), outcome, errorCode, receiptHash }
}

const FactsJson = z
  .object({
    keyId: KeyIdText,
    modelId: ModelIdText,
    nodeId: NodeIdText.nullable(),
    inputTokens: TokenCount,
    outputTokens: TokenCount,
    hold: UsdNanos,
    outcome: z.enum(['complete', 'cancelled', 'failed', 'expired']),
    errorCode: ErrorCodeText.nullable(),
    receiptHash: z.string().nullable(),
  })
  .transform(({ hold, ...facts }): CallFacts => ({ ...facts, holdNanos: hold }))

const LineJson = z.object({
  account: AccountIdText,
  seq: z.number().int(),
  at: InstantNumber,
  kind: z.enum(['call', 'grant', 'code', 'faucet', 'credit']),
  transferId: z.string(),
  delta: UsdNanos,
  legs: z.array(LegJson),
  call: FactsJson.optional(),
  grant: z.object({ reason: z.string(), by: AccountIdText.nullable() }).optional(),
  credit: z.object({ payer: AccountIdText, fromSeq: z.number(), toSeq: z.number(), sum: UsdNanos }).optional(),
})

/** Reads a kept line back. @throws ZodError for what `chainLine` did not write */
export function parseLine(body: string): JournalLine {
  const { delta, call, grant, credit, ...line } = LineJson.parse(JSON.parse(body))
  return { ...line, deltaNanos: delta, ...(call && { call }), ...(grant && { grant }), ...(credit && { credit }) }
}
