// A receipt that came with an answer: worth keeping only when the node's own key signed it, for exactly the ticket it was given, and when it says
// truly from where the node went on: its hash of the output is of what comes behind that.
import { importPublicKey } from '../../../protocol/keys.ts'
import { isForTicket, verifyReceipt, type Receipt } from '../../../protocol/receipt.ts'
import type { Ticket } from '../../../protocol/ticket.ts'

/** What every task's answer has beside its own. */
export interface Answered {
  readonly receipt: string | null
  /** UTF-16 units of another node's text that it went on from; absent: none */
  readonly continued?: number
}

export interface CheckedReceipt {
  readonly jws: string
  readonly said: Receipt
}

/**
 * Null for anything else. Never throws: nothing may stand between an answer and its capture.
 * @param continued UTF-16 units of another node's text that this one went on from; 0 when it said all of the answer itself
 */
export async function checkedReceipt(
  jws: string | null,
  ticket: Ticket,
  continued = 0,
): Promise<CheckedReceipt | null> {
  if (jws === null) return null
  const nodeKey = await importPublicKey(ticket.aud).catch(() => null) // a node's key is its own word
  const verified = nodeKey && (await verifyReceipt(jws, nodeKey))
  if (!verified?.ok || !isForTicket(verified.value, ticket)) return null
  return verified.value.continuedCharacters === continued ? { jws, said: verified.value } : null
}
