// From a request to a held order: prepared, held, and prepared once more when the key may use only some of the nodes, or the account wants nobody who
// keeps what it sends. Both the guard alone knows, so it says so when it refuses; nothing is held then, and the second order is made as it says, under
// the same call id. Never more than one second hold; and of an account that denies data collection an isolate remembers it for a while.
import type { CallId } from '../../../protocol/units.ts'
import type { KeyPrincipal } from '../../core/principal.ts'
import { refusal } from '../../core/refusal.ts'
import type { Held, Reply } from '../../ledger/account-port.ts'
import type { Answered } from '../../ledger/idempotency/idempotency-port.ts'
import { askHold, type CallNeeds } from '../call.ts'
import { earlierOr } from '../idempotency/idempotent.ts'
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
  const isDenier = needs.deniers?.has(principal.accountId, needs.clock()) ?? false
  const asked = isDenier ? denying(draft) : draft
  const first = await prepareOrder(needs, principal, modelId, asked, background).catch((error: unknown) =>
    earlierOr(error, needs.accounts, principal, draft.once ?? null),
  )
  if ('earlier' in first) return first
  note(first.callId)
  const reply = await askHold(needs, first, background)
  if (reply.ok || reply.code !== 'node_not_allowed') return begun(first, reply, note)
  const { nodes, deniesCollection } = reply
  if (!nodes && !deniesCollection) return begun(first, reply, note)
  if (deniesCollection) needs.deniers?.note(principal.accountId, needs.clock())
  const only = { callId: first.callId, nodes: nodes ? new Set(nodes) : null }
  const again = deniesCollection ? denying(asked) : asked
  const second = await prepareOrder(needs, principal, modelId, again, background, only)
  return begun(second, await askHold(needs, second, background), note)
}

function begun(order: Order, reply: Reply<Held>, note: (callId: CallId) => void): HeldOrder | EarlierCall {
  if (reply.ok) return reply.earlier ? { earlier: reply.earlier } : { order, held: reply }
  if (reply.callId) note(reply.callId)
  throw refusal(reply)
}

/** As if the call itself had asked for it. */
export const denying = (draft: OrderDraft): OrderDraft => ({
  ...draft,
  preferences: { ...draft.preferences, data_collection: 'deny' },
})
