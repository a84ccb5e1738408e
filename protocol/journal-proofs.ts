// What proves a call, beside its line: the ticket that the gateway signed before it, the receipt that the node signed after it. Both are held
// against the hashes in the line, against each other, and the charge against the ticket's frozen prices. A fault is one sentence.
import { calculateJwkThumbprint, decodeJwt, type CryptoKey } from 'jose'
import { sha256Hex } from './canonical.ts'
import { importPublicKey } from './keys.ts'
import type { ExportLine, Jwks } from './journal-export.ts'
import type { JournalLine } from './journal.ts'
import { chargeNanosOf } from './journal-shapes.ts'
import { costOf, isNoUnits } from './price.ts'
import { verifyReceipt, type Receipt } from './receipt.ts'
import { Ticket, verifyClaims } from './ticket.ts'
import { nanos } from './units.ts'

export interface Keys {
  /** of the gateway, by kid */
  gateway(kid: string): Promise<CryptoKey | null>
  /** of a node, by its public key */
  node(x: string): Promise<CryptoKey | null>
}

/** node keys kept imported; a journal that names more imports them again */
const NODE_KEYS_MAX = 1_000

/** @throws Error when a key's name is not its thumbprint */
export async function openKeys(sets: readonly Jwks[]): Promise<Keys> {
  const known = new Map<string, CryptoKey>()
  for (const { kid, kty, crv, x } of sets.flatMap(({ keys }) => keys)) {
    if ((await calculateJwkThumbprint({ kty, crv, x })) !== kid)
      throw new Error(`key ${kid} is not named by its thumbprint`)
    known.set(kid, await importPublicKey(x))
  }
  const nodes = new Map<string, Promise<CryptoKey | null>>()
  return {
    gateway: (kid) => Promise.resolve(known.get(kid) ?? null),
    node: (x) => {
      const before = nodes.get(x)
      if (before) return before
      if (nodes.size >= NODE_KEYS_MAX) nodes.clear()
      const key = importPublicKey(x).catch(() => null) // no key: its signature is then no signature
      nodes.set(x, key)
      return key
    },
  }
}

export interface Proven {
  readonly line: JournalLine
  readonly kept: Pick<ExportLine, 'receipt' | 'ticket' | 'salt'>
  /** of the call that a receipt's own line completes; null when its line names none, or is not known */
  readonly ticketHash: string | null
}

/** What is kept of a line is right. What is not kept was purged, and is no fault. Null: right. */
export async function proofFault({ line, kept, ticketHash }: Proven, keys: Keys): Promise<string | null> {
  const { receipt, ticket, salt } = kept
  if (receipt === undefined && ticket === undefined && salt === undefined) return null
  const subject = line.call ? line.transferId : line.receipt?.callId
  if (subject === undefined) return 'a line of this kind has neither ticket nor receipt'
  const receiptHash = line.call ? line.call.receiptHash : (line.receipt?.receiptHash ?? null)
  if (receipt !== undefined && sha256Hex(receipt) !== receiptHash) return 'the receipt is not the one its line names'
  const orderedHash = line.call ? line.call.ticketHash : ticketHash
  if (ticket !== undefined && (line.call !== undefined || orderedHash !== null) && sha256Hex(ticket) !== orderedHash)
    return 'the ticket is not the one its line names'
  const order = ticket === undefined ? null : await verifyClaims(ticket, 'souk-ticket', Ticket, keys.gateway)
  if (order && !order.ok) return 'the ticket is not signed by a key of the gateway'
  const ordered = order?.value ?? null
  if (salt !== undefined && ordered && salt !== ordered.salt) return 'the salt is not the ticket’s'
  const orderFault = ordered && ticketFault(line, ordered, subject)
  if (orderFault) return orderFault
  return receipt === undefined ? null : receiptFault(receipt, ordered, subject, keys)
}

function ticketFault({ call, legs }: JournalLine, ticket: Ticket, callId: string): string | null {
  if (ticket.callId !== callId) return 'the ticket is for another call'
  if (!call) return null
  if (ticket.model !== call.modelId) return 'the ticket is for another model'
  // The ticket kept is that of the call's own node: of several it proves that one's part.
  const own = call.parts ? call.parts.find(({ nodeId }) => nodeId === call.nodeId) : call
  if (!own) return null
  const isOverOrder =
    own.inputTokens > BigInt(ticket.inputTokensMax) ||
    own.outputTokens > BigInt(ticket.outputTokensMax) ||
    (own.tensorBytes ?? 0n) > BigInt(ticket.tensorBytesMax ?? 0)
  if (isOverOrder) return 'more units are charged than the ticket ordered'
  if ('chargeNanos' in own)
    return own.chargeNanos <= costOf(own, pricesOf(ticket))
      ? null
      : 'a part’s charge is above what its units cost at the ticket’s prices'
  const charge = chargeNanosOf({ legs })
  const isNothing = charge === 0n && call.outcome !== 'complete' && isNoUnits(call)
  return isNothing || charge === costOf(call, pricesOf(ticket))
    ? null
    : 'the charge is not what its units cost at the ticket’s prices'
}

const pricesOf = ({ prices }: Ticket) => ({
  inputPerMillion: nanos(BigInt(prices.input)),
  outputPerMillion: nanos(BigInt(prices.output)),
  cachedInputPerMillion: nanos(BigInt(prices.cachedInput)),
  bytesPerMillion: nanos(BigInt(prices.bytes)),
  perCall: nanos(BigInt(prices.perCall)),
})

/** Without its ticket a receipt is held against the key it names itself. */
async function receiptFault(jws: string, ticket: Ticket | null, callId: string, keys: Keys): Promise<string | null> {
  const key = await keys.node(ticket?.aud ?? claimedKey(jws))
  const verified = key && (await verifyReceipt(jws, key))
  if (!verified?.ok) return 'the receipt is not signed by the node that was asked'
  const receipt: Receipt = verified.value
  if (receipt.callId !== callId) return 'the receipt is for another call'
  if (!ticket) return null
  const isOfTicket =
    receipt.jti === ticket.jti &&
    receipt.attempt === ticket.attempt &&
    receipt.nodeKey === ticket.aud &&
    receipt.model === ticket.model &&
    receipt.modelDigest === ticket.modelDigest
  return isOfTicket ? null : 'the receipt does not belong to the ticket'
}

function claimedKey(jws: string): string {
  try {
    return String(decodeJwt(jws)['nodeKey'])
  } catch {
    return ''
  }
}
