// An ended call as a dispute asks of it: what it cost, whose model, which node, and when. The guard says it before the book does.
import type { AccountId, CallId, Instant, Nanos } from '../../../protocol/units.ts'
import type { Accounts } from '../account-port.ts'

/** Null: this account made no such call, or it has not ended. */
export const createCallOf =
  (accounts: Accounts) =>
  async (
    accountId: AccountId,
    callId: CallId,
  ): Promise<{ chargeNanos: Nanos; modelId: string; nodeId: string | null; endedAt: Instant } | null> => {
    const call = await accounts(accountId).call(callId)
    if (!call) return null
    const { chargeNanos, modelId, nodeId, endedAt } = call
    return { chargeNanos, modelId, nodeId, endedAt }
  }
