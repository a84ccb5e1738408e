// Journals made of drafts, with keys of their own: what tests of verifiers and statements read. A journal can be tampered with before it is
// chained and signed, which is what a gateway that cheats would do; what is changed afterwards is a stranger's work.
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type CryptoKey } from 'jose'
import { jcs, sha256Hex } from '../../protocol/canonical.ts'
import { chainLine, GENESIS_HASH, hashLine, type Leg, type LineDraft } from '../../protocol/journal.ts'
import {
  exportText,
  HEAD_TYP,
  JOURNAL_FORMAT,
  type ExportLine,
  type HeadClaims,
  type Jwks,
} from '../../protocol/journal-export.ts'
import { chargeNanosOf } from '../../protocol/journal-shapes.ts'
import { costOf } from '../../protocol/price.ts'
import { signReceipt, type Receipt } from '../../protocol/receipt.ts'
import { signClaims, signTicket, type Ticket } from '../../protocol/ticket.ts'
import {
  bytes,
  HOUSE,
  instant,
  nanos,
  tokens,
  toUsd,
  type AccountId,
  type CallId,
  type Instant,
  type KeyId,
  type ModelId,
  type NodeId,
} from '../../protocol/units.ts'

export const ACCOUNT = 'aaaaaaaaaaaaaaaa' as AccountId
export const OPERATOR = 'bbbbbbbbbbbbbbbb' as AccountId
export const AUTHOR = 'cccccccccccccccc' as AccountId
export const MODEL = 'test/echo' as ModelId
const DIGEST = 'd1'.repeat(32)
const PRICES = { input: '1500000', output: '7000001', cachedInput: '0', bytes: '250001', perCall: '2' }
const PRICE = {
  inputPerMillion: nanos(1_500_000n),
  outputPerMillion: nanos(7_000_001n),
  cachedInputPerMillion: nanos(0n),
  bytesPerMillion: nanos(250_001n),
  perCall: nanos(2n),
}
/** A Saturday, 10:00 UTC. */
export const START = instant(Date.UTC(2040, 5, 16, 10))

export interface SigningKey {
  readonly privateKey: CryptoKey
  readonly x: string
  readonly kid: string
  readonly jwks: Jwks
}

export async function aSigningKey(): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair('EdDSA', { extractable: true })
  const { x = '' } = await exportJWK(publicKey)
  const jwk = { kty: 'OKP', crv: 'Ed25519', x } as const
  const kid = await calculateJwkThumbprint(jwk)
  return { privateKey, x, kid, jwks: { keys: [{ ...jwk, kid, alg: 'EdDSA', use: 'sig' }] } }
}

export type Proofs = Pick<ExportLine, 'receipt' | 'ticket' | 'salt'>

/** A line as its body says it. */
export type BodyJson = Record<string, unknown> & { legs: Record<string, unknown>[] }

export interface Entry {
  readonly draft: LineDraft
  readonly proofs?: Proofs
  /** changes the body before it is hashed */
  readonly tamper?: (body: BodyJson) => void
  /** writes the body another way than JCS */
  readonly write?: (body: BodyJson) => string
}

export const callIdOf = (n: number) => `call_${String(n).padStart(26, '0')}` as CallId

export const transfer = (house: AccountId, party: AccountId, amount: bigint): Leg[] =>
  amount >= 0n
    ? [
        { party: house, role: 'house', amountNanos: nanos(-amount) },
        { party, role: 'receiver', amountNanos: nanos(amount) },
      ]
    : [
        { party, role: 'payer', amountNanos: nanos(amount) },
        { party: house, role: 'house', amountNanos: nanos(-amount) },
      ]

export const grant = (
  at: number,
  id: string,
  amount: bigint,
  kind: 'grant' | 'topup' | 'audit' = 'grant',
): LineDraft => ({
  at: instant(at),
  kind,
  transferId: id,
  legs: transfer({ grant: HOUSE.grants, topup: HOUSE.payments, audit: HOUSE.audits }[kind], ACCOUNT, amount),
  grant: { reason: 'a reason, “quoted”', by: null },
})

type CorrectionKind = 'refund' | 'clawback' | 'chargeback' | 'withdrawal_return' | 'topup'
const CORRECTS: Record<CorrectionKind, AccountId> = {
  refund: HOUSE.refunds,
  clawback: HOUSE.refunds,
  chargeback: HOUSE.payments,
  topup: HOUSE.payments,
  withdrawal_return: HOUSE.payouts,
}

export const correction = (
  at: number,
  id: string,
  kind: CorrectionKind,
  of: string,
  amount: bigint,
  ofAccount = ACCOUNT,
): LineDraft => ({
  at: instant(at),
  kind,
  transferId: id,
  legs: amount === 0n ? [] : transfer(CORRECTS[kind], ACCOUNT, amount),
  correction: { of, ofAccount, reason: 'r', by: null, owedNanos: nanos(0n) },
})

export const withdrawal = (at: number, id: string, amount: bigint): LineDraft => ({
  at: instant(at),
  kind: 'withdrawal',
  transferId: id,
  legs: transfer(HOUSE.payouts, ACCOUNT, -amount),
  withdrawal: { address: `0x${'1'.repeat(40)}` },
})

export const credit = (
  at: number,
  payer: AccountId,
  fromSeq: number,
  toSeq: number,
  operator: bigint,
  author = 0n,
  vesting: { until: Instant; amountNanos: ReturnType<typeof nanos> }[] = [],
): LineDraft => ({
  at: instant(at),
  kind: 'credit',
  transferId: `credit:${payer}:${fromSeq}-${toSeq}`,
  legs: [],
  credit: {
    payer,
    fromSeq,
    toSeq,
    sumNanos: nanos(operator + author),
    operatorNanos: nanos(operator),
    authorNanos: nanos(author),
    feesNanos: nanos(operator / 10n),
    vesting,
  },
})

export const note = (at: number, id: string, kind: 'freeze' | 'unfreeze'): LineDraft => ({
  at: instant(at),
  kind,
  transferId: id,
  legs: [],
  note: { reason: 'r', by: null },
})

export interface CallOptions {
  readonly inputTokens?: bigint
  readonly outputTokens?: bigint
  /** absent: a call of words */
  readonly tensorBytes?: bigint
  readonly operator?: AccountId
  readonly model?: ModelId
  readonly ticket?: Partial<Ticket>
  readonly receipt?: Partial<Receipt>
  /** its receipt comes later, at a line of its own */
  readonly late?: boolean
  /** signs the ticket, or the receipt, instead of who should */
  readonly ticketKey?: SigningKey
  readonly receiptKey?: SigningKey
}

export interface Signers {
  readonly gateway: SigningKey
  readonly node: SigningKey
}

/** A charged call with its proofs. */
export async function aCall(signers: Signers, at: number, n: number, options: CallOptions = {}): Promise<Entry> {
  const { inputTokens = 12n, outputTokens = 100n, operator = OPERATOR, model = MODEL } = options
  const { tensorBytes } = options
  const units = {
    inputTokens: tokens(inputTokens),
    outputTokens: tokens(outputTokens),
    ...(tensorBytes !== undefined && { tensorBytes: bytes(tensorBytes) }),
  }
  const charge = costOf(units, PRICE)
  const { ticket, receipt, salt } = await proofsOf(signers, at, n, { ...options, inputTokens, outputTokens, model })
  const fee = charge / 20n
  const royalty = charge / 30n
  const legs: Leg[] = [
    { party: ACCOUNT, role: 'payer', amountNanos: nanos(-charge) },
    { party: operator, role: 'operator', amountNanos: nanos(charge - fee - royalty) },
    { party: AUTHOR, role: 'author', amountNanos: nanos(royalty) },
    { party: HOUSE.fees, role: 'house', amountNanos: nanos(fee) },
  ]
  return {
    draft: {
      at: instant(at),
      kind: 'call',
      transferId: callIdOf(n),
      legs: legs.filter(({ amountNanos }) => amountNanos !== 0n),
      call: {
        keyId: 'kkkkkkkkkk' as KeyId,
        modelId: model,
        nodeId: 'node_nnnnnnnnnnnnnnnn' as NodeId,
        ...units,
        outcome: 'complete',
        errorCode: null,
        receiptHash: options.late ? null : sha256Hex(receipt),
        ticketHash: sha256Hex(ticket),
        priceVersion: 1,
        holdNanos: nanos(charge + 10n),
      },
    },
    proofs: options.late ? { ticket, salt } : { receipt, ticket, salt },
  }
}

/** The line of a receipt that came late. */
export async function aLateReceipt(signers: Signers, at: number, n: number, options: CallOptions = {}): Promise<Entry> {
  const proofs = await proofsOf(signers, at, n, options)
  const callId = callIdOf(n)
  return {
    draft: {
      at: instant(at),
      kind: 'receipt',
      transferId: `receipt:${callId}`,
      legs: [],
      receipt: { callId, receiptHash: sha256Hex(proofs.receipt) },
    },
    proofs,
  }
}

async function proofsOf({ gateway, node }: Signers, at: number, n: number, options: CallOptions) {
  const { inputTokens = 12n, outputTokens = 100n, tensorBytes, model = MODEL } = options
  const salt = Buffer.from(String(n).padStart(16, '0')).toString('base64url')
  const ids = { jti: `jti-${n}`, callId: callIdOf(n), attempt: 0 }
  // Deterministic, so that a late receipt has the very ticket of its call.
  const ticket: Ticket = {
    iss: 'test',
    aud: node.x,
    ...ids,
    iat: 0,
    exp: 60,
    path: '/v1/chat/completions',
    model,
    modelDigest: DIGEST,
    inputTokensMax: 1_000,
    outputTokensMax: 1_000,
    ...(tensorBytes !== undefined && { tensorBytesMax: 1_000_000 }),
    prices: PRICES,
    bodySha256: 'ab'.repeat(32),
    salt,
    pseudonym: 'p',
    ...options.ticket,
  }
  const time = new Date(at).toISOString()
  const receipt: Receipt = {
    ...ids,
    nodeKey: node.x,
    model,
    modelDigest: DIGEST,
    request: 'ab'.repeat(32),
    outputs: ['cd'.repeat(32)],
    inputTokens: Number(inputTokens),
    outputTokens: Number(outputTokens),
    ...(tensorBytes !== undefined && { tensorBytes: Number(tensorBytes) }),
    startedAt: time,
    firstOutputAt: time,
    endedAt: time,
    outcome: 'complete',
    continuedCharacters: 0,
    ...options.receipt,
  }
  const ticketKey = options.ticketKey ?? gateway
  return {
    ticket: await signTicket(ticket, ticketKey.privateKey, ticketKey.kid),
    receipt: await signReceipt(receipt, (options.receiptKey ?? node).privateKey),
    salt,
  }
}

export const chargeOf = ({ draft }: Entry) => chargeNanosOf(draft)

/** Drafts, chained; what a tampered body says is hashed as it is. */
export function chain(entries: readonly Entry[]): ExportLine[] {
  let prevHash = GENESIS_HASH
  return entries.map(({ draft, proofs, tamper, write = jcs }, index) => {
    const { chained } = chainLine(draft, ACCOUNT, index + 1, prevHash)
    let { body, hash } = chained
    if (tamper ?? write !== jcs) {
      const json = JSON.parse(body) as BodyJson // chainLine wrote it
      tamper?.(json)
      body = write(json)
      hash = hashLine(prevHash, body)
    }
    const line: ExportLine = { seq: index + 1, prevHash, hash, body, ...proofs }
    prevHash = hash
    return line
  })
}

export interface FileOptions {
  readonly after?: number
  readonly head?: Partial<HeadClaims>
  readonly headKey?: SigningKey
  readonly jwks?: Jwks
}

/** The file of a journal: one text per line. */
export async function fileOf(
  gateway: SigningKey,
  lines: readonly ExportLine[],
  options: FileOptions = {},
): Promise<string[]> {
  const { after = 0, headKey = gateway } = options
  const sum = lines.reduce((total, { body }) => total + deltaIn(body), 0n)
  const head: HeadClaims = {
    accountId: ACCOUNT,
    seq: lines.at(-1)?.seq ?? 0,
    hash: lines.at(-1)?.hash ?? GENESIS_HASH,
    balance: toUsd(nanos(sum)),
    at: new Date(START + 90 * 86_400_000).toISOString(),
    ...options.head,
  }
  const jws = await signClaims(head, headKey.privateKey, { typ: HEAD_TYP, kid: headKey.kid })
  return [
    exportText({ format: JOURNAL_FORMAT, accountId: ACCOUNT, after, jwks: options.jwks ?? gateway.jwks }),
    ...lines.filter(({ seq }) => seq > after).map(exportText),
    exportText({ head: jws }),
  ]
}

function deltaIn(body: string): bigint {
  const match = /"delta":"(-?)(\d+)\.(\d{9})"/.exec(body)
  return match ? BigInt(`${match[1]}${match[2]}${match[3]}`) : 0n
}

/** As a file is read: in pieces of a few lines. */
export async function* piecesOf(texts: readonly string[], size = 3): AsyncGenerator<string[]> {
  for (let at = 0; at < texts.length; at += size) yield texts.slice(at, at + size)
}

/** A line of every kind, over three months with an empty one between. */
export async function aLife(signers: Signers): Promise<Entry[]> {
  const later = Date.UTC(2040, 7, 2)
  const call = await aCall(signers, START + 20, 1)
  return [
    { draft: grant(START, 'grant:1', 10_000_000n) },
    { draft: grant(START + 10, 'topup:1', 50_000n, 'topup') },
    call,
    await aCall(signers, START + 30, 2, { operator: ACCOUNT }),
    await aCall(signers, START + 40, 3, { late: true }),
    await aLateReceipt(signers, START + 40, 3),
    { draft: correction(START + 50, 'refund:1', 'refund', callIdOf(1), 700n) },
    {
      draft: credit(START + 60, OPERATOR, 1, 4, 3_000n, 20n, [
        { until: instant(later + 5), amountNanos: nanos(1_000n) },
      ]),
    },
    { draft: correction(START + 70, 'refund:2', 'refund', callIdOf(1), chargeOf(call) - 700n) },
    { draft: withdrawal(START + 80, 'withdrawal:1', 2_000n) },
    { draft: correction(later, 'return:1', 'withdrawal_return', 'withdrawal:1', 2_000n) },
    { draft: credit(later + 1, OPERATOR, 5, 5, 9n) },
    { draft: correction(later + 2, 'chargeback:1', 'chargeback', 'topup:1', -50_000n) },
    { draft: correction(later + 3, 'reinstated:1', 'topup', 'chargeback:1', 50_000n) },
    { draft: correction(later + 4, 'claw:1', 'clawback', callIdOf(77), -5n, OPERATOR) },
    { draft: note(later + 5, 'freeze:16', 'freeze') },
    { draft: note(later + 6, 'unfreeze:17', 'unfreeze') },
    { draft: grant(later + 7, 'audit:1', 3n, 'audit') },
    await aCall(signers, later + 8, 4, { model: 'test/other' as ModelId }),
  ]
}
