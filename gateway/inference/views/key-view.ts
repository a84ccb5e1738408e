// `GET /v1/key`: what a key may ask about itself. Its own limits and what counts against them, and those of its account beside it.
import type { AccountLimitsView, KeyView } from '../../../protocol/auth.ts'
import { toUsd } from '../../../protocol/units.ts'
import type { Balance } from '../../ledger/account-port.ts'

interface Inspected {
  readonly key: KeyView
  readonly account: AccountLimitsView
  readonly balance: Balance
}

/** `balance`, `held` and `vesting` are the account's, for they bound every key of it; what the key itself holds is `heldByKey`. */
export function keyView({ key, account, balance }: Inspected) {
  return {
    ...key,
    heldByKey: key.held,
    balance: toUsd(balance.availableNanos),
    held: toUsd(balance.heldNanos),
    vesting: toUsd(balance.vestingNanos),
    account,
  }
}
