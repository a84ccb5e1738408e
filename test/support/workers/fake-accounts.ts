// Account guards in memory, for tests of rooms that only talk to the port: keys, balances and whether a guard was opened.
// Everything else refuses to be called. `calls` counts every touch, so that a test can say "no guard was touched".
import type { KeyView } from '../../../protocol/auth.ts'
import { nanos, toUsd, type AccountId, type Nanos } from '../../../protocol/units.ts'
import type { AccountPort, Accounts } from '../../../gateway/ledger/account-port.ts'
import type { CreateKey, Limits } from '../../../gateway/ledger/limits/limit-port.ts'
import type { LimitsView } from '../../../protocol/auth.ts'

interface FakeAccount {
  isOpen: boolean
  availableNanos: Nanos
  heldNanos: Nanos
  /** newest first */
  keys: { view: KeyView; secretHash: string }[]
}

export interface FakeAccounts {
  accounts: Accounts
  /** how often any method of any guard was called */
  readonly calls: () => number
  readonly of: (accountId: AccountId) => FakeAccount
  /** everything given to any guard, as text: where a canary must not be found */
  readonly heard: string[]
}

export function fakeAccounts(): FakeAccounts {
  const known = new Map<AccountId, FakeAccount>()
  const heard: string[] = []
  const of = (accountId: AccountId): FakeAccount => {
    const account = known.get(accountId) ?? { isOpen: false, availableNanos: nanos(0n), heldNanos: nanos(0n), keys: [] }
    known.set(accountId, account)
    return account
  }
  const accounts: Accounts = (accountId) =>
    new Proxy(portOf(of(accountId)), {
      get: (port, name: keyof AccountPort) => {
        if (!(name in port)) throw new Error(`the fake guard does not know ${String(name)}`)
        return (...args: never[]) => {
          heard.push(
            JSON.stringify([name, args], (_, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value)),
          )
          return (port[name] as (...args: never[]) => unknown)(...args)
        }
      },
    })
  return { accounts, calls: () => heard.length, of, heard }
}

function portOf(account: FakeAccount): AccountPort {
  const port: Partial<AccountPort> = {
    open: async () => {
      account.isOpen = true
      return { ok: true }
    },
    balance: async () => ({
      availableNanos: account.availableNanos,
      heldNanos: account.heldNanos,
      vestingNanos: nanos(0n),
    }),
    limits: async () => ({ ...limitsView(NO_LIMITS), version: 0 }),
    frozen: async () => null,
    createKey: async (key) => {
      const view = viewOf(key)
      account.keys.unshift({ view, secretHash: key.secretHash })
      return { ok: true, key: view }
    },
    listKeys: async (cursor, rows) => {
      const from = cursor === null ? 0 : account.keys.findIndex(({ view }) => view.id === cursor) + 1
      const data = account.keys.slice(from, from + rows).map(({ view }) => view)
      return { data, nextCursor: from + rows < account.keys.length ? (data.at(-1)?.id ?? null) : null }
    },
    inspectKey: async (keyId, secretHash) => {
      const found = account.keys.find(({ view }) => view.id === keyId)
      if (found?.secretHash !== secretHash) return { ok: false, code: 'invalid_api_key' }
      const balance = { availableNanos: account.availableNanos, heldNanos: account.heldNanos, vestingNanos: nanos(0n) }
      return { ok: true, key: found.view, account: { ...limitsView(NO_LIMITS), version: 0 }, balance }
    },
    revokeKey: async (keyId) => {
      const found = account.keys.find(({ view }) => view.id === keyId)
      if (!found) return { ok: false, code: 'not_found' }
      found.view.revokedAt ??= new Date(0).toISOString()
      return { ok: true, key: found.view }
    },
  }
  // The methods that are missing are refused by the proxy above.
  return port as AccountPort
}

const NO_LIMITS: Limits = { limit: null, rpm: null, tpm: null, concurrency: null, ratesShadow: false }

function viewOf({ id, name, hint, scopes, models, nodes, expiresAt, ...limits }: CreateKey): KeyView {
  return {
    id,
    name,
    hint,
    scopes: [...scopes],
    models: models && [...models],
    nodes: nodes && [...nodes],
    ...limitsView(limits),
    createdAt: new Date(0).toISOString(),
    expiresAt: expiresAt === null ? null : new Date(expiresAt).toISOString(),
    revokedAt: null,
    oldKeyUntil: null,
  }
}

function limitsView({ limit, rpm, tpm, concurrency, ratesShadow }: Limits): LimitsView {
  const nothing = toUsd(nanos(0n))
  return {
    limit: limit && {
      usd: toUsd(limit.nanos),
      period: limit.period,
      shadow: limit.shadow,
      spent: nothing,
      held: nothing,
      resetsAt: null,
    },
    rateLimit: { rpm, tpm, concurrency, shadow: ratesShadow },
    held: nothing,
    openCalls: 0,
    shadowRefused: 0,
    shadowRefusedAt: null,
  }
}
