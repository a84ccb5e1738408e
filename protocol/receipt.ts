// A receipt is a node's signed statement of what it did for one ticket. It lets both sides prove, offline, what was asked, answered and counted.
// Compact JWS, EdDSA, by the node's key. The hashes are salted with the ticket's salt: without it a receipt tells nothing of the text.
import { z } from 'zod'
import type { CryptoKey } from 'jose'
import { fromBase64url, jcs, sha256Hex } from './canonical.ts'
import type { Result } from './errors.ts'
import { signClaims, verifyClaims, type Ticket } from './ticket.ts'

export const Outcome = z.enum(['complete', 'cancelled', 'failed'])
export type Outcome = z.infer<typeof Outcome>

/** receipts in one {@link ReceiptsBody}: at their longest they just fit a request */
export const RECEIPTS_MAX = 100

const Sha256Hex = z.string().regex(/^[0-9a-f]{64}$/)
const Count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER)
/** Strict: a receipt is kept and shown, so it must have no room for a prompt or an answer. */
export const Receipt = z.strictObject({
  /** the ticket's `jti`: one ticket, one receipt */
  jti: z.string().max(64),
  callId: z.string().max(64),
  attempt: z.number().int().min(0),
  nodeKey: z.string().max(64),
  model: z.string().max(160),
  modelDigest: Sha256Hex,
  /** {@link requestHash} of the body received */
  request: Sha256Hex,
  /** {@link outputHash} per choice, of all output produced */
  outputs: z.array(Sha256Hex).max(256),
  inputTokens: Count,
  outputTokens: Count,
  /** bytes of tensors, in and out; absent: none */
  tensorBytes: Count.optional(),
  /** ISO 8601: ticket accepted, first output, last output */
  startedAt: z.iso.datetime(),
  firstOutputAt: z.iso.datetime().nullable(),
  endedAt: z.iso.datetime(),
  outcome: Outcome,
  /** characters of a delivered prefix that this node continued; 0 when it began the answer */
  continuedCharacters: Count,
})
export type Receipt = z.infer<typeof Receipt>

/** Hex sha256 of salt ‖ JCS(request body). @param salt base64url, from the ticket */
export const requestHash = (salt: string, body: unknown): string => sha256Hex(fromBase64url(salt), jcs(body))

/** Hex sha256 of salt ‖ output: text as UTF-8; a vector as its little-endian float32 bytes; a tensor as its bytes (protocol/oip.ts), in the order of the answer. */
export const outputHash = (salt: string, output: string | Uint8Array): string => sha256Hex(fromBase64url(salt), output)

/** Hex sha256 of salt ‖ the canonical bytes of a tensor request (protocol/oip.ts), which are the body a node gets. */
export const tensorRequestHash = (salt: string, body: Uint8Array): string => sha256Hex(fromBase64url(salt), body)

/** Little-endian float32 bytes of a vector: the canonical form that is hashed, and OpenAI's base64 form. */
export function vectorBytes(vector: readonly number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(vector.length * 4))
  vector.forEach((value, index) => view.setFloat32(index * 4, value, true))
  return new Uint8Array(view.buffer)
}

/** @throws ZodError for anything beside a receipt's own fields */
export async function signReceipt(receipt: Receipt, key: CryptoKey): Promise<string> {
  return signClaims(Receipt.parse(receipt), key, { typ: 'souk-receipt' })
}

/** Checks that this node's key signed it. Whether it fits the ticket and the relayed bytes is the reader's comparison. */
export function verifyReceipt(
  jws: string,
  nodeKey: CryptoKey,
): Promise<Result<Receipt, 'malformed' | 'bad_signature'>> {
  return verifyClaims(jws, 'souk-receipt', Receipt, () => Promise.resolve(nodeKey))
}

/** Whether a receipt is for exactly this order, by the node it was given to. Both signatures are the reader's to check. */
export function isForTicket(receipt: Receipt, ticket: Ticket): boolean {
  const isSameOrder =
    receipt.jti === ticket.jti && receipt.callId === ticket.callId && receipt.attempt === ticket.attempt
  const isSameModel = receipt.model === ticket.model && receipt.modelDigest === ticket.modelDigest
  return isSameOrder && isSameModel && receipt.nodeKey === ticket.aud
}

/** `POST /api/receipts`: receipts that did not reach the gateway with their answer. No sign-in: the two signatures say all. */
export const ReceiptsBody = z.strictObject({
  receipts: z
    .array(z.strictObject({ ticket: z.string().max(4_096), receipt: z.string().max(32_768) }))
    .min(1)
    .max(RECEIPTS_MAX),
})
export type ReceiptsBody = z.infer<typeof ReceiptsBody>

/**
 * What became of one of them, in the order they were sent. Whether it completes a call's record, came twice or is nobody's is not said: a
 * probe has no record, and a node that could tell its receipt from a call's would serve probes well and nobody else.
 */
export const ReceiptAnswer = z.discriminatedUnion('outcome', [
  z.object({ outcome: z.literal('taken') }),
  z.object({
    outcome: z.literal('refused'),
    code: z.enum(['bad_ticket', 'bad_receipt', 'not_for_ticket', 'unavailable']),
  }),
])
export type ReceiptAnswer = z.infer<typeof ReceiptAnswer>

/** Only `refused` with `unavailable` is worth sending again. */
export const ReceiptsReply = z.object({ data: z.array(ReceiptAnswer) })
export type ReceiptsReply = z.infer<typeof ReceiptsReply>
