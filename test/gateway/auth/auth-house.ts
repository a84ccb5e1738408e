// A small house with only the auth room in it: a real D1 in real workerd, fake guards, a clock and a counter of D1 statements.
import { env } from 'cloudflare:workers'
import { Hono } from 'hono'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { createAuthenticate } from '../../../gateway/auth/authenticate.ts'
import { createAuthRoutes } from '../../../gateway/auth/routes.ts'
import { systemRandom } from '../../../gateway/core/clock.ts'
import { parseConfig, type Config } from '../../../gateway/core/env.ts'
import { toResponse } from '../../../gateway/core/errors.ts'
import type { AppEnv } from '../../../gateway/core/principal.ts'
import { createPayoutAddressBook } from '../../../gateway/ledger/payouts/payout-address-book.ts'
import { NonceReply, VerifyReply } from '../../../protocol/auth.ts'
import { signInMessage } from '../../../protocol/client.ts'
import { instant, type Instant } from '../../../protocol/units.ts'
import { fakeAccounts, type FakeAccounts } from '../../support/workers/fake-accounts.ts'

export const ORIGIN = 'https://souk.example'

export interface House {
  send(method: string, path: string, options?: SendOptions): Promise<Response>
  nonce(): Promise<{ nonce: NonceReply; cookie: string }>
  signIn(wallet: Wallet): Promise<VerifyReply & { headers: Headers }>
  readonly guards: FakeAccounts
  readonly config: Config
  readonly statements: () => number
  /** replies of the probe route: what `authenticate` made of the request */
  whoami(options: SendOptions & { path?: string; method?: string }): Promise<Response>
  now: Instant
}

export interface SendOptions {
  body?: unknown
  token?: string
  cookie?: string
  origin?: string
  headers?: Record<string, string>
}

export interface Wallet {
  readonly address: string
  signMessage(input: { message: string }): Promise<string>
}

export const aWallet = (): Wallet => privateKeyToAccount(generatePrivateKey())

export function aHouse(overrides: Partial<Config> = {}, base = ORIGIN): House {
  const config: Config = { ...parseConfig(env), chainId: 8453, isLocal: false, ...overrides }
  const guards = fakeAccounts()
  const counted = countStatements(env.DB)
  const clock = () => house.now
  // Read at each call, so that a test may put the real guards in the fakes' place.
  const accounts: FakeAccounts['accounts'] = (accountId) => guards.accounts(accountId)
  const payoutAddress = createPayoutAddressBook(env.DB, clock).view
  const needs = { db: counted.db, books: [env.BOOK_0], accounts, config, payoutAddress, clock, random: systemRandom }
  const { auth, api } = createAuthRoutes(needs)
  const app = new Hono<AppEnv>()
    .use(async (c, next) => {
      c.set('requestId', 'req_test')
      await next()
    })
    .use(createAuthenticate(needs))
    .route('/auth', auth)
    .route('/api', api)
    .all('*', (c) => c.json(c.var.principal))
  app.onError((error) => toResponse(error, 'req_test'))

  const send: House['send'] = async (method, path, { body, token, cookie, origin, headers = {} } = {}) =>
    app.request(new URL(path, base).href, {
      method,
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(token ? { authorization: `Bearer ${token}` } : {}),
        ...(cookie ? { cookie } : {}),
        ...(origin ? { origin } : {}),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })

  const house: House = {
    now: instant(Date.parse('2026-11-21T12:00:00Z')),
    config,
    guards,
    send,
    statements: counted.statements,
    whoami: ({ path = '/api/probe', method = 'GET', ...options }) => send(method, path, options),
    async nonce() {
      const response = await send('POST', '/auth/nonce', { body: {} })
      return { nonce: NonceReply.parse(await response.json()), cookie: cookieOf(response) }
    },
    async signIn(wallet) {
      const response = await send('POST', '/auth/verify', { body: await signed(wallet, (await house.nonce()).nonce) })
      return { ...VerifyReply.parse(await response.json()), headers: response.headers }
    },
  }
  return house
}

/** @param change edits the message before it is signed */
export async function signed(wallet: Wallet, nonce: NonceReply, change = (message: string) => message) {
  const message = change(signInMessage(wallet.address, nonce))
  return { message, signature: await wallet.signMessage({ message }) }
}

/** `name=value` of the first cookie that a response sets. */
export const cookieOf = (response: Response, index = 0): string =>
  response.headers.getSetCookie()[index]?.split(';')[0] ?? ''

export async function codeOf(response: Response): Promise<string> {
  const body: { error: { code: string } } = await response.json()
  return body.error.code
}

/** D1 that counts what it is asked. */
function countStatements(db: D1Database): { db: D1Database; statements: () => number } {
  let count = 0
  const proxy = new Proxy(db, {
    get: (target, name: keyof D1Database) => {
      if (name === 'prepare') count += 1
      return (target[name] as (...args: never[]) => unknown).bind(target)
    },
  })
  return { db: proxy, statements: () => count }
}
