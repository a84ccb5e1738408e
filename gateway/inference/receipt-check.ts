// A receipt that came with an answer: worth keeping only when the node's own key signed it, for exactly the ticket it was given.
import { importPublicKey } from '../../protocol/keys.ts'
import { isForTicket, verifyReceipt, type Receipt } from '../../protocol/receipt.ts'
import type { Ticket } from '../../protocol/ticket.ts'

/** What every task's answer has beside its own. */
export interface Answered {
  readonly receipt: string | null
}

export interface CheckedReceipt {
  readonly jws: string
  readonly said: Receipt
}

/** Null for anything else. Never throws: nothing may stand between an answer and its capture. */
export async function checkedReceipt(jws: string | null, ticket: Ticket): Promise<CheckedReceipt | null> {
  if (jws === null) return null
  const nodeKey = await importPublicKey(ticket.aud).catch(() => null) // a node's key is its own word
  const verified = nodeKey && (await verifyReceipt(jws, nodeKey))
  return verified?.ok && isForTicket(verified.value, ticket) ? { jws, said: verified.value } : null
}
