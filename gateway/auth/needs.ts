// What the auth room is given, and how it turns a guard's refusal into an answer.
import type { Config } from '../core/env.ts'
import type { Clock } from '../core/clock.ts'
import { refusal } from '../core/refusal.ts'
import type { Accounts, Reply } from '../ledger/account-port.ts'
import type { PayoutAddressView } from '../../protocol/auth.ts'
import type { ContractWallets } from './contract-wallets.ts'
import type { AccountId, RandomBytes } from '../../protocol/units.ts'

export interface AuthNeeds {
  /** the registry */
  readonly db: D1Database
  readonly accounts: Accounts
  /** the databases the book is split into: a new account is given one of them */
  readonly books: readonly D1Database[]
  readonly config: Pick<Config, 'domain' | 'chainId' | 'admins' | 'keySecret' | 'isLocal'>
  /** where the account's withdrawals go */
  readonly payoutAddress: (accountId: AccountId) => Promise<PayoutAddressView>
  /** absent: no chain is asked, and only wallets with a key pair sign in */
  readonly contractWallets?: ContractWallets
  readonly clock: Clock
  readonly random: RandomBytes
}

/** @throws GatewayError with the guard's own code */
export function granted<T>(reply: Reply<T>): T {
  if (reply.ok) return reply
  throw refusal(reply)
}
