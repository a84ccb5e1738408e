// What an operator's money consists of beside what its nodes earn: what may be withdrawn, what waits, what is on its way out.
import type { OperatorMoney } from '../../../protocol/operator.ts'
import { nanos, toUsd, type AccountId } from '../../../protocol/units.ts'
import type { Accounts } from '../account-port.ts'
import { createWithdrawalBook } from './withdrawal-book.ts'

export function createOperatorMoney({ db, accounts }: { readonly db: D1Database; readonly accounts: Accounts }) {
  const withdrawals = createWithdrawalBook(db)
  return async (accountId: AccountId): Promise<OperatorMoney> => {
    const [money, waiting] = await Promise.all([accounts(accountId).money(), withdrawals.onTheirWay(accountId)])
    return {
      withdrawable: toUsd(money?.withdrawableNanos ?? nanos(0n)),
      vesting: toUsd(money?.vestingNanos ?? nanos(0n)),
      vestingParts: (money?.vesting ?? []).map(({ amountNanos, until }) => ({
        usd: toUsd(amountNanos),
        until: new Date(until).toISOString(),
      })),
      withdrawals: { count: waiting.count, usd: toUsd(waiting.amountNanos) },
    }
  }
}
