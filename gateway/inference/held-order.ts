// From a request to a held order: prepared, held, and prepared once more when the key may use only some of the nodes. Which nodes those are
// the guard alone knows, so it says so when it refuses; nothing is held then, and the second order is made for these nodes only, under the
// same call id. Never more than one second hold.
import type { KeyPrincipal } from '../core/principal.ts'
import { refusal } from '../core/refusal.ts'
import type { CallId } from '../../protocol/units.ts'
import type { Held, Reply } from '../ledger/account-port.ts'
import type { Answered } from '../ledger/idempotency-port.ts'
import { askHold, type CallNeeds } from './call.ts'
import { earlierOr } from './idempotent.ts'
import { prepareOrder, type Background, type Order, type OrderDraft, type OrderNeeds } from './order.ts'

export interface HeldOrder {
  readonly order: Order
  readonly held: Held
}
/** Nothing is held: this Idempotency-Key had its answer before. */
export interface EarlierCall {
  readonly earlier: Answered
}

/**
 * @param note told the call's id before it is held, so that refusals can name it, or the id of the earlier call
 * @throws GatewayError as prepareOrder does, or the guard's refusal
 */
export async function holdOrder(
  needs: CallNeeds & OrderNeeds,
  principal: KeyPrincipal,
  modelId: string,
  draft: OrderDraft,
  background: Background,
  note: (callId: CallId) => void,
): Promise<HeldOrder | EarlierCall> {
  const first = await prepareOrder(needs, principal, modelId, draft, background).catch((error: unknown) =>
    earlierOr(error, needs.accounts, principal, draft.once ?? null),
  )
  if ('earlier' in first) return first
  note(first.callId)
  const reply = await askHold(needs, first, background)
  if (reply.ok || reply.code !== 'node_not_allowed' || !reply.nodes) return begun(first, reply, note)
  const only = { callId: first.callId, nodes: new Set(reply.nodes) }
  const second = await prepareOrder(needs, principal, modelId, draft, background, only)
  return begun(second, await askHold(needs, second, background), note)
}

function begun(order: Order, reply: Reply<Held>, note: (callId: CallId) => void): HeldOrder | EarlierCall {
  if (reply.ok) return reply.earlier ? { earlier: reply.earlier } : { order, held: reply }
  if (reply.callId) note(reply.callId)
  throw refusal(reply)
}
