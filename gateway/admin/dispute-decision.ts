// An admin decides a dispute (flow). A rejection is one write. A refund is three steps, since money moves in guards: it is claimed in the registry, moved
// under the dispute's own id, and written down; whoever was cut off between them finishes by deciding again, and nothing moves twice.
import type { z } from 'zod'
import type { DisputeDecision } from '../../protocol/disputes.ts'
import { fromUsd, isAccountId, nanos, toUsd, type AccountId, type Instant, type Nanos } from '../../protocol/units.ts'
import { assert, GatewayError } from '../core/errors.ts'
import { Refunding, type DisputeBook, type DisputeRow } from './dispute-book.ts'

/** The ledger's refund, handed in. @throws GatewayError what the ledger refuses */
export type RefundOf = (order: {
  readonly accountId: AccountId
  readonly callId: string
  /** null: all that is left of what the call cost */
  readonly amountNanos: Nanos | null
  readonly reason: string
  readonly id: string
  readonly from: 'house' | 'earners'
  readonly by: AccountId
}) => Promise<{ readonly usd: string }>

export interface Decider {
  readonly address: string
  readonly accountId: AccountId
  readonly now: Instant
}

/** @throws GatewayError changed_meanwhile; conflict for another decision while a refund is on its way; what the ledger refuses */
export async function decide(
  { book, refund }: { book: DisputeBook; refund: RefundOf },
  dispute: DisputeRow,
  decision: z.output<typeof DisputeDecision>,
  by: Decider,
): Promise<void> {
  if (dispute.state !== 'open' || dispute.version !== decision.version) throw new GatewayError('changed_meanwhile')
  const begun = dispute.refunding === null ? null : Refunding.parse(JSON.parse(dispute.refunding))
  if (decision.decision === 'reject') {
    if (begun) throw refundBegun()
    const said = { answer: decision.answer, by: by.address, at: by.now }
    if (!(await book.reject(dispute, decision.version, said))) throw new GatewayError('changed_meanwhile')
    return
  }
  const asked = refundingOf(dispute, decision, by)
  if (begun && (begun.usd !== asked.usd || begun.from !== asked.from)) throw refundBegun()
  if (!begun && !(await book.beginRefund(dispute.id, decision.version, asked)))
    throw new GatewayError('changed_meanwhile')
  await moveAndWrite({ book, refund }, dispute, begun ?? asked)
}

async function moveAndWrite(
  { book, refund }: { book: DisputeBook; refund: RefundOf },
  { id, accountId, callId }: DisputeRow,
  refunding: Refunding,
): Promise<void> {
  assert(isAccountId(accountId) && isAccountId(refunding.byAccount), 'accounts stand in disputes')
  const amountNanos = refunding.usd === null ? null : fromUsd(refunding.usd)
  const order = { accountId, callId, amountNanos, from: refunding.from, by: refunding.byAccount }
  const reason = `Dispute: ${refunding.answer}`.slice(0, 200)
  try {
    const { usd } = await refund({ ...order, id: `dispute.${id}`, reason })
    await book.refunded(id, fromUsd(usd), refunding)
  } catch (error) {
    // A refusal moved nothing. Of anything else nobody knows: it stays claimed, and the same decision goes on with it.
    if (error instanceof GatewayError && error.status < 500) await book.dropRefund(id)
    throw error
  }
}

function refundingOf(
  { costNanos }: DisputeRow,
  { usd, from, answer }: z.output<typeof DisputeDecision>,
  by: Decider,
): Refunding {
  const amount = usd === undefined ? null : fromUsd(usd)
  if (amount !== null && amount <= 0n)
    throw new GatewayError('invalid_request', { param: 'usd', detail: 'usd: more than nothing' })
  if (amount !== null && amount > nanos(BigInt(costNanos)))
    throw new GatewayError('refund_exceeds_charge', { param: 'usd' })
  const written = amount === null ? null : toUsd(amount)
  return { usd: written, from, answer, by: by.address, byAccount: by.accountId, at: by.now }
}

const refundBegun = () =>
  new GatewayError('conflict', { detail: 'A refund of it was begun and is not finished: decide the same again.' })
