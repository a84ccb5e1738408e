// Keys and limits, as the account's guard keeps them. One shape of limits for a key and for the whole account; each may be a shadow, which
// counts what it would have refused and refuses nothing.
import type { AccountLimitsView, BudgetPeriod, KeyView, Scope } from '../../../protocol/auth.ts'
import type { Instant, KeyId, Nanos, NodeId } from '../../../protocol/units.ts'
import type { Balance, Reply } from '../account-port.ts'

export interface Limits {
  readonly limit: { readonly nanos: Nanos; readonly period: BudgetPeriod; readonly shadow: boolean } | null
  /** calls a minute */
  readonly rpm: number | null
  /** tokens a minute, counted at the highest a call can use */
  readonly tpm: number | null
  /** calls at the same time */
  readonly concurrency: number | null
  /** of rpm, tpm and concurrency */
  readonly ratesShadow: boolean
}

export interface CreateKey extends Limits {
  readonly id: KeyId
  readonly secretHash: string
  readonly hint: string
  readonly name: string
  readonly scopes: readonly Scope[]
  readonly models: readonly string[] | null
  readonly nodes: readonly NodeId[] | null
  readonly expiresAt: Instant | null
}

export type LimitName =
  | 'balance'
  | 'key_budget'
  | 'key_requests'
  | 'key_tokens'
  | 'key_concurrency'
  | 'account_budget'
  | 'account_requests'
  | 'account_tokens'
  | 'account_concurrency'
  | 'aborts'

/** Which limit refused. Amounts as decimal dollars, counts as whole numbers. */
export interface LimitRefusal {
  readonly name: LimitName
  readonly limit: string
  readonly remaining: string
  /** when it frees; null: not by itself */
  readonly resetsAt: Instant | null
}

/** What the tighter of key and account leaves of a rate after this call. */
export interface Headroom {
  readonly requests: Rate | null
  readonly tokens: Rate | null
}
export interface Rate {
  readonly limit: number
  readonly remaining: number
  /** ms until it is whole again */
  readonly resetMs: number
}

export interface Reroll {
  readonly keyId: KeyId
  readonly secretHash: string
  readonly hint: string
  /** ms, by the guard's clock, for which the secret before it stays good; 0: no secret before it is good any more */
  readonly graceMs: number
  /** hint of the secret that is to be replaced; absent: whichever the key has */
  readonly of?: string | undefined
}

export interface LimitPort {
  createKey(key: CreateKey): Promise<Reply<{ readonly key: KeyView }>>
  listKeys(
    cursor: string | null,
    rows: number,
  ): Promise<{ readonly data: KeyView[]; readonly nextCursor: string | null }>
  revokeKey(keyId: KeyId): Promise<Reply<{ readonly key: KeyView }>>
  showKey(keyId: KeyId): Promise<Reply<{ readonly key: KeyView }>>
  /** All of them. @returns how many were active */
  revokeAllKeys(): Promise<{ readonly revoked: number }>
  /** A new secret for the same key: counters, budget and id stay. */
  rerollKey(reroll: Reroll): Promise<Reply<{ readonly key: KeyView }>>
  /** Checks a key as `hold` does, without holding: for `/v1/key` and other routes a key may ask. */
  inspectKey(
    keyId: KeyId,
    secretHash: string,
  ): Promise<
    Reply<{
      readonly key: KeyView
      readonly account: AccountLimitsView
      readonly balance: Balance
      /** its account wants nobody who keeps what it sends; absent: no */
      readonly deniesCollection?: boolean
    }>
  >
  /** The whole account's limits; null budget and rates: none. Refused with `changed_meanwhile` when `version` is not the present one; absent: whatever it is. */
  setLimits(limits: Limits, version?: number): Promise<Reply<{ readonly limits: AccountLimitsView }>>
  limits(): Promise<AccountLimitsView>
}
