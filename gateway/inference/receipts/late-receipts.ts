// Receipts handed in after the answer, or without one. Nobody signs in for it: a ticket that this gateway signed and a receipt that the
// ticket's node signed are the authority, and the ticket's sealed ref says whose guard to ask. What the guard does with it, it alone decides;
// it never pays. Every item has its own answer, which says nothing of any call, and the same batch again changes nothing.
import { importPublicKey } from '../../../protocol/keys.ts'
import {
  isForTicket,
  verifyReceipt,
  type Receipt,
  type ReceiptAnswer,
  type ReceiptsBody,
} from '../../../protocol/receipt.ts'
import { verifyOldTicket, type Ticket } from '../../../protocol/ticket.ts'
import type { Units } from '../../../protocol/price.ts'
import { bytes, isCallId, tokens } from '../../../protocol/units.ts'
import type { Config } from '../../core/env.ts'
import { logError } from '../../core/errors.ts'
import type { GatewayKey } from '../../core/gateway-key.ts'
import type { Accounts, LateReceipt } from '../../ledger/account-port.ts'
import { openRef } from '../../market/admission/ticket-ref.ts'
import type { RefusedReceipt } from '../../market/nodes/refused-receipt-book.ts'

export interface LateReceiptNeeds {
  readonly accounts: Accounts
  /** also the keys before the last rotation, as long as they are published */
  readonly key: Pick<GatewayKey, 'jwks'>
  readonly config: Pick<Config, 'keySecret'>
  /** whose receipts were refused for good */
  readonly noteRefused: (refused: readonly RefusedReceipt[]) => Promise<void>
}

type Item = ReceiptsBody['receipts'][number]
type Refused = Extract<ReceiptAnswer, { outcome: 'refused' }>

/** guards asked at the same time for one batch: a Worker has six connections, and a batch is nobody's hurry */
const GUARDS_AT_ONCE = 6

/** One answer for each item, in their order. Never throws for what an item is. */
export async function takeReceipts(
  needs: LateReceiptNeeds,
  items: readonly Item[],
  requestId: string,
): Promise<ReceiptAnswer[]> {
  const looked: Looked[] = []
  for (let from = 0; from < items.length; from += GUARDS_AT_ONCE) {
    const page = items.slice(from, from + GUARDS_AT_ONCE)
    looked.push(...(await Promise.all(page.map((item) => takeReceipt(needs, item, requestId)))))
  }
  const ofNodes = looked.flatMap(({ ofNode }) => ofNode ?? [])
  // Only for its operator to read: an answer does not wait for a registry that is away.
  if (ofNodes.length > 0) await needs.noteRefused(ofNodes).catch((error: unknown) => logError(error, requestId))
  return looked.map(({ answer }) => answer)
}

interface Looked {
  readonly answer: ReceiptAnswer
  /** whose receipt was refused, where its ticket says so */
  readonly ofNode?: RefusedReceipt
}

/** The ticket first: without one of ours, nothing else of it is looked at. */
async function takeReceipt(needs: LateReceiptNeeds, item: Item, requestId: string): Promise<Looked> {
  const ticket = await ticketOf(needs, item)
  const ref = ticket && (await openRef(needs.config.keySecret, ticket.jti, ticket.ref ?? ''))
  if (!ticket || !ref || !isCallId(ticket.callId)) return { answer: refused('bad_ticket') }
  const { nodeId } = ref
  const receipt = await receiptOf(ticket, item)
  if (typeof receipt === 'string')
    return { answer: refused(receipt), ofNode: { nodeId, jti: ticket.jti, code: receipt } }
  // A probe is nobody's call, and is answered like one: a node that hands in a receipt before it serves must not learn which of both it is.
  if (ref.accountId === null) return { answer: TAKEN }
  const late: LateReceipt = {
    callId: ticket.callId,
    attempt: ticket.attempt,
    nodeId,
    ...unitsOf(receipt, ticket),
    receipt: item.receipt,
    ticket: item.ticket,
  }
  try {
    await needs.accounts(ref.accountId).lateReceipt(late)
    return { answer: TAKEN }
  } catch (error) {
    logError(error, requestId)
    return { answer: refused('unavailable') }
  }
}

async function ticketOf({ key }: LateReceiptNeeds, item: Item): Promise<Ticket | null> {
  const ticket = await verifyOldTicket(item.ticket, async (kid) => {
    const published = key.jwks.keys.find((one) => one.kid === kid)
    return published?.x === undefined ? null : importPublicKey(published.x)
  })
  return ticket.ok ? ticket.value : null
}

/** Or why it is none for this ticket. */
async function receiptOf(ticket: Ticket, item: Item): Promise<Receipt | RefusedReceipt['code']> {
  // The audience is a node's own word at its registration, and may be no key at all.
  const nodeKey = await importPublicKey(ticket.aud).catch(() => null)
  const receipt = nodeKey && (await verifyReceipt(item.receipt, nodeKey))
  if (!receipt?.ok) return 'bad_receipt'
  return isForTicket(receipt.value, ticket) ? receipt.value : 'not_for_ticket'
}

/**
 * What the node says it is owed for, up to what it was asked for: an absurd count must be no number that the guard cannot price. Of an attempt
 * that failed, as it says itself, nobody owes anything.
 */
function unitsOf(receipt: Receipt, ticket: Ticket): Units {
  if (receipt.outcome === 'failed') return { inputTokens: tokens(0), outputTokens: tokens(0) }
  const tensorBytes = Math.min(receipt.tensorBytes ?? 0, ticket.tensorBytesMax ?? 0)
  return {
    inputTokens: tokens(Math.min(receipt.inputTokens, ticket.inputTokensMax)),
    outputTokens: tokens(Math.min(receipt.outputTokens, ticket.outputTokensMax)),
    ...(tensorBytes > 0 && { tensorBytes: bytes(tensorBytes) }),
  }
}

const TAKEN: ReceiptAnswer = { outcome: 'taken' }
const refused = (code: Refused['code']): Refused => ({ outcome: 'refused', code })
