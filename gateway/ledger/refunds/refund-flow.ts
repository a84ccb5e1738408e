// A refund and the shares that come back for it: several guards, so not one transaction. The payer's is first, and every later step has an id
// made of the refund's, so that whoever was cut off between them finishes by asking again.
import { toUsd, isCallId, nanos, type AccountId } from '../../../protocol/units.ts'
import type { RefundReply } from '../../../protocol/money.ts'
import { assert, logError } from '../../core/errors.ts'
import { refusal } from '../../core/refusal.ts'
import type { Accounts } from '../account-port.ts'
import { sharesOf, type Share } from './refund-shares.ts'
import type { RefundRequest } from '../transfer-port.ts'

export interface RefundOrder extends Omit<RefundRequest, 'transferId'> {
  readonly accountId: AccountId
  /** the admin's own; unique within the account */
  readonly id: string
  readonly from: 'house' | 'earners'
}

/** @throws GatewayError what the payer's guard refuses; what an earner does not have is in the reply */
export async function refundCall(accounts: Accounts, order: RefundOrder): Promise<RefundReply> {
  const { accountId, id, from, ...request } = order
  const payer = accounts(accountId)
  const refunded = await payer.refund({ ...request, transferId: `refund:${id}` })
  if (!refunded.ok) throw refusal(refunded)
  const { movedNanos, balance, seq } = refunded
  const shares = from === 'earners' ? await sharesOfCall(accounts, order, movedNanos) : []
  const takings = await Promise.all(shares.map((share) => takeShare(accounts, order, share)))
  const taken = takings.reduce((sum, { takenNanos }) => sum + takenNanos, 0n)
  return {
    usd: toUsd(movedNanos),
    balance: toUsd(balance.availableNanos),
    held: toUsd(balance.heldNanos),
    seq,
    takenBack: takings.map(({ accountId, amountNanos, takenNanos, owedNanos, error }) => ({
      accountId,
      usd: toUsd(amountNanos),
      taken: toUsd(takenNanos),
      owed: toUsd(owedNanos),
      error,
    })),
    house: toUsd(nanos(movedNanos - taken)),
  }
}

async function sharesOfCall(accounts: Accounts, { accountId, callId }: RefundOrder, refunded: Share['amountNanos']) {
  assert(isCallId(callId), 'what was refunded is a call')
  const call = await accounts(accountId).call(callId)
  assert(call, 'what was refunded has ended')
  return sharesOf(call.legs, accountId, refunded)
}

async function takeShare(accounts: Accounts, order: RefundOrder, share: Share) {
  const nothing = { takenNanos: nanos(0n), owedNanos: share.amountNanos }
  try {
    const taken = await accounts(share.accountId).takeBack({
      transferId: `clawback:${order.accountId}:${order.id}`,
      kind: 'clawback',
      of: order.callId,
      ofAccount: order.accountId,
      amountNanos: share.amountNanos,
      reason: order.reason,
      by: order.by,
    })
    if (!taken.ok) return { ...share, ...nothing, error: taken.code }
    return { ...share, takenNanos: taken.takenNanos, owedNanos: taken.owedNanos, error: null }
  } catch (error) {
    // The refund stands; this share is taken by the same request again.
    logError(error, null)
    return { ...share, ...nothing, error: 'unavailable' }
  }
}
