// An account's journal: lines without gaps, each one hashed together with the hash before it, so that nobody, we included, can change the
// past unseen. `hash = sha256(prevHash ‖ JCS(line))` (RFC 8785), both as text, so `printf %s%s "$prev" "$body" | sha256sum` checks a line.
// Every line is one transfer with all its legs, which sum to zero. Corrections are lines of their own that name what they correct.
import { z } from 'zod'
import { jcs, sha256Hex } from './canonical.ts'
import { CallPartsJson, partToJson } from './journal-parts.ts'
import {
  AccountIdText,
  ByteCount,
  CallIdText,
  ErrorCodeText,
  InstantNumber,
  KeyIdText,
  ModelIdText,
  NodeIdText,
  TokenCount,
  UsdNanos,
} from './fields.ts'
import { nanos, toSqlInteger, toUsd, type AccountId, type Instant, type Nanos, type NodeId } from './units.ts'

export const LineKind = z.enum([
  // what is charged for a call; without legs when nothing is
  'call',
  // money from the house or from outside
  'grant',
  'code',
  'faucet',
  'topup',
  'audit',
  // what other accounts' lines owe to this one
  'credit',
  // corrections
  'refund',
  'clawback',
  'chargeback',
  // money out
  'withdrawal',
  'withdrawal_return',
  // nothing moves; what happened is on record
  'freeze',
  'unfreeze',
  'receipt',
])
export type LineKind = z.infer<typeof LineKind>

export const LegRole = z.enum(['payer', 'receiver', 'operator', 'author', 'house'])
export type LegRole = z.infer<typeof LegRole>

/** One party's part of a transfer. Negative pays. All legs of a transfer sum to zero. */
export interface Leg {
  readonly party: AccountId
  readonly role: LegRole
  readonly amountNanos: Nanos
  /** the money arrives with its credit but can be spent only from then on; absent: at once */
  readonly vestsAt?: Instant
  /** of an operator's leg, where several nodes are paid for one call: which of them earned it; absent: the call's own */
  readonly node?: NodeId
}

export const CallOutcome = z.enum(['complete', 'cancelled', 'failed', 'expired'])
export type CallOutcome = z.infer<typeof CallOutcome>

/** The part of a call that is hashed. Detail is not: it may be purged. */
const CallFactsJson = z
  .object({
    keyId: KeyIdText,
    modelId: ModelIdText,
    nodeId: NodeIdText.nullable(),
    inputTokens: TokenCount,
    outputTokens: TokenCount,
    /** absent without any, so that lines without tensors read as they always did */
    tensorBytes: ByteCount.optional(),
    hold: UsdNanos,
    outcome: CallOutcome,
    errorCode: ErrorCodeText.nullable(),
    /** sha256 hex of the receipt's and of the ticket's JWS: neither can be exchanged later */
    receiptHash: z.string().nullable(),
    ticketHash: z.string().nullable().default(null),
    /** of the offer, from 1; null when no node was tried */
    priceVersion: z.number().int().nullable().default(null),
    parts: CallPartsJson.optional(),
  })
  .transform(({ hold, ...facts }) => ({ ...facts, holdNanos: hold }))
export type CallFacts = Readonly<z.output<typeof CallFactsJson>>

/** Money from the house or from outside: why, and by which admin. */
const GrantJson = z.object({ reason: z.string(), by: AccountIdText.nullable() })

/** A new transfer that puts an earlier one right. */
const CorrectionJson = z
  .object({
    /** transfer id of what is corrected, and in whose journal it stands */
    of: z.string(),
    ofAccount: AccountIdText,
    reason: z.string(),
    by: AccountIdText.nullable(),
    /** what could not be taken, because an account never goes below zero */
    owed: UsdNanos,
  })
  .transform(({ owed, ...rest }) => ({ ...rest, owedNanos: owed }))

/** Shares of a payer's lines fromSeq…toSeq that arrived here. `operator + author = sum`. The first journals said the sum alone. */
const CreditJson = z
  .object({
    payer: AccountIdText,
    fromSeq: z.number().int(),
    toSeq: z.number().int(),
    sum: UsdNanos,
    operator: UsdNanos.optional(),
    author: UsdNanos.prefault('0'),
    /** house fees of the lines in which this account was the operator: what audits of it may cost */
    fees: UsdNanos.prefault('0'),
    vesting: z
      .array(z.object({ until: InstantNumber, amount: UsdNanos }))
      .transform((parts) => parts.map(({ until, amount }) => ({ until, amountNanos: amount })))
      .prefault([]),
  })
  .transform(({ sum, operator, author, fees, ...rest }) => ({
    ...rest,
    sumNanos: sum,
    operatorNanos: operator ?? sum,
    authorNanos: author,
    feesNanos: fees,
  }))

const WithdrawalJson = z.object({ address: z.string() })
const ReceiptJson = z.object({ callId: CallIdText, receiptHash: z.string() })

/** About exactly one of these. */
const AboutJson = {
  call: CallFactsJson.optional(),
  grant: GrantJson.optional(),
  correction: CorrectionJson.optional(),
  credit: CreditJson.optional(),
  withdrawal: WithdrawalJson.optional(),
  /** of freeze and unfreeze */
  note: GrantJson.optional(),
  receipt: ReceiptJson.optional(),
}

/** A leg as it stands in hashed lines: `{ party, role, amount }`, the amount in decimal dollars; `vestsAt` and `node` where they are said. */
export const LegJson = z
  .object({
    party: AccountIdText,
    role: LegRole,
    amount: UsdNanos,
    vestsAt: InstantNumber.optional(),
    node: NodeIdText.optional(),
  })
  .transform(({ party, role, amount, vestsAt, node }): Leg => ({
    party,
    role,
    amountNanos: amount,
    ...(vestsAt === undefined ? {} : { vestsAt }),
    ...(node === undefined ? {} : { node }),
  }))

export const legToJson = ({ party, role, amountNanos, vestsAt, node }: Leg) => ({
  party,
  role,
  amount: toUsd(amountNanos),
  ...(vestsAt === undefined ? {} : { vestsAt }),
  ...(node === undefined ? {} : { node }),
})

const LineJson = z
  .object({
    account: AccountIdText,
    seq: z.number().int(),
    at: InstantNumber,
    kind: LineKind,
    transferId: z.string(),
    delta: UsdNanos,
    legs: z.array(LegJson),
    ...AboutJson,
  })
  .transform(({ delta, ...line }) => ({ ...line, deltaNanos: delta }))

/** `legs` are empty for a credit, whose legs stand in the payer's journal, and for what moves nothing. */
export type JournalLine = Readonly<z.output<typeof LineJson>>
export type LineDraft = Omit<JournalLine, 'account' | 'seq' | 'deltaNanos'>
export type Correction = NonNullable<JournalLine['correction']>

/** A line as it is kept: its canonical text and its place in the chain. */
export interface ChainedLine {
  readonly seq: number
  readonly prevHash: string
  readonly hash: string
  readonly body: string
}

export const GENESIS_HASH = '0'.repeat(64)

/** Zero for every whole transfer. With a party: what it gains by it. */
export function sumLegs(legs: readonly Leg[], party?: AccountId): Nanos {
  const counted = party === undefined ? legs : legs.filter((leg) => leg.party === party)
  return nanos(counted.reduce((sum, { amountNanos }) => sum + amountNanos, 0n))
}

/** What a line does to the account's own balance: its own legs, or the credit. */
export function deltaOf(line: Pick<LineDraft, 'legs' | 'credit'>, account: AccountId): Nanos {
  return nanos(sumLegs(line.legs, account) + (line.credit?.sumNanos ?? 0n))
}

/** @throws RangeError for legs that do not sum to zero */
export function chainLine(draft: LineDraft, account: AccountId, seq: number, prevHash: string) {
  if (sumLegs(draft.legs) !== 0n) throw new RangeError('the legs of a line sum to zero')
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

/** Reads a kept line back. @throws ZodError or SyntaxError for what `chainLine` did not write */
export const parseLine = (body: string): JournalLine => LineJson.parse(JSON.parse(body))

export type ParsedLine = { readonly ok: true; readonly line: JournalLine } | { readonly ok: false }

/** The same for the text of a stranger. */
export function readLine(body: string): ParsedLine {
  try {
    return { ok: true, line: parseLine(body) }
  } catch {
    return { ok: false }
  }
}

const bodyOf = (line: JournalLine): string => jcs(jsonOf(line))

/** Whether a body is written as {@link chainLine} writes it: canonical, and nothing beside a line's own fields. */
export function isCanonical(body: string, line: JournalLine): boolean {
  const json = jsonOf(line)
  if (jcs(json) === body) return true
  // Lines from before these fields existed.
  const { ticketHash, priceVersion, ...call } = json.call ?? { ticketHash: null, priceVersion: null }
  if (json.call) return ticketHash === null && priceVersion === null && jcs({ ...json, call }) === body
  if (!json.credit) return false
  const { payer, fromSeq, toSeq, sum } = json.credit
  return jcs({ ...json, credit: { payer, fromSeq, toSeq, sum } }) === body
}

/** As it is hashed: amounts are decimal dollars, counts whole numbers, times ms. What a line is not about is absent. */
function jsonOf(line: JournalLine) {
  const { account, seq, at, kind, transferId, deltaNanos, legs, grant, withdrawal, note, receipt } = line
  return {
    account,
    seq,
    at,
    kind,
    transferId,
    delta: toUsd(deltaNanos),
    legs: legs.map(legToJson),
    ...(line.call && { call: factsToJson(line.call) }),
    ...(grant && { grant }),
    ...(line.correction && { correction: correctionToJson(line.correction) }),
    ...(line.credit && { credit: creditToJson(line.credit) }),
    ...(withdrawal && { withdrawal }),
    ...(note && { note }),
    ...(receipt && { receipt }),
  }
}

function factsToJson({ holdNanos, inputTokens, outputTokens, tensorBytes, parts, ...rest }: CallFacts) {
  const facts = { ...rest, ...(parts && { parts: parts.map(partToJson) }) }
  const units = { inputTokens: toSqlInteger(inputTokens), outputTokens: toSqlInteger(outputTokens) }
  return { ...facts, ...units, ...(tensorBytes && { tensorBytes: toSqlInteger(tensorBytes) }), hold: toUsd(holdNanos) }
}

const correctionToJson = ({ owedNanos, ...rest }: Correction) => ({ ...rest, owed: toUsd(owedNanos) })

function creditToJson(credit: NonNullable<JournalLine['credit']>) {
  const { sumNanos, operatorNanos, authorNanos, feesNanos, vesting, ...rest } = credit
  return {
    ...rest,
    sum: toUsd(sumNanos),
    operator: toUsd(operatorNanos),
    author: toUsd(authorNanos),
    fees: toUsd(feesNanos),
    vesting: vesting.map(({ until, amountNanos }) => ({ until, amount: toUsd(amountNanos) })),
  }
}
