// Everybody who can ask, on the real app: an account with one wallet of each role, with one of everything that has an address, and strangers of every kind.
import { createExecutionContext, env, waitOnExecutionContext } from 'cloudflare:test'
import { mintApiKey } from '../../../gateway/auth/api-key.ts'
import { createApp } from '../../../gateway/app.ts'
import { systemClock, systemRandom } from '../../../gateway/core/clock.ts'
import type { NodeLink } from '../../../gateway/link/node-link.ts'
import { createServices, type Services } from '../../../gateway/services.ts'
import { base64url, bytesToHex, sha256Hex } from '../../../protocol/canonical.ts'
import type { MemberRole, Scope } from '../../../protocol/auth.ts'
import { newAccountId, newCallId, newKeyId, newNodeId, type AccountId } from '../../../protocol/units.ts'
import { getAddress } from 'viem'
import { aNodeRow } from './node-house.ts'

export const HOUSE_ADMIN = '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266'
export type App = Pick<ReturnType<typeof createApp>, 'fetch'> & {
  readonly routes: readonly { method: string; path: string }[]
}
export interface Route {
  readonly method: string
  readonly path: string
}
export interface Answer {
  readonly status: number
  readonly code: string
  /** the body, without what is different in every answer */
  readonly text: string
}
/** What a person or program sends to say who it is; null: nothing */
export type Token = string | null

const anAddress = () => getAddress(`0x${bytesToHex(systemRandom(20))}`)

/** A wallet that signed in just now. @returns its token */
export async function aSession(accountId: AccountId, address: string): Promise<string> {
  const [token, now] = [base64url(systemRandom(32)), Date.now()]
  const insert = 'INSERT INTO sessions (token_hash, account_id, address, created_at, expires_at) VALUES (?, ?, ?, ?, ?)'
  await env.DB.prepare(insert)
    .bind(sha256Hex(token), accountId, address, now, now + 3_600_000)
    .run()
  return token
}

export async function aWalletOf(accountId: AccountId, role: MemberRole, address = anAddress()) {
  await env.DB.batch([
    env.DB.prepare('INSERT OR IGNORE INTO accounts (id, created_at, book) VALUES (?, ?, 0)').bind(accountId, 0),
    env.DB.prepare('INSERT INTO wallets (address, account_id, role, added_at) VALUES (?, ?, ?, 0)').bind(
      address,
      accountId,
      role,
    ),
  ])
  return { address, token: await aSession(accountId, address) }
}

async function aKey(services: Services, accountId: AccountId, scope: Scope) {
  const { keyId, secretHash, hint, key } = mintApiKey(
    accountId,
    newKeyId(systemRandom),
    systemRandom(20),
    env.SOUK_KEY_SECRET,
  )
  const none = { models: null, nodes: null, limit: null, rpm: null, tpm: null, concurrency: null, expiresAt: null }
  const made = { id: keyId, secretHash, hint, name: 'test', scopes: [scope], ratesShadow: false, ...none }
  await services.accounts(accountId).createKey(made)
  return { id: keyId, key }
}

const NO_NODE: NodeLink = { send: () => Promise.reject(new TypeError('no node is there')) }

export async function anAccount(services: Services): Promise<AccountId> {
  const id = newAccountId(systemRandom)
  await services.accounts(id).open(id)
  return id
}

/** @param bindings what the app is made of; everything that is put there before goes around it. @param link absent: no node is there */
export async function aMatrix(bindings: typeof env = env, link: NodeLink = NO_NODE) {
  const real = await createServices(bindings)
  const services: Services = { ...real, link }
  const app: App = createApp(services)

  const ours = await anAccount(real)
  const team: Record<MemberRole, { address: string; token: string }> = {
    owner: await aWalletOf(ours, 'owner'),
    admin: await aWalletOf(ours, 'admin'),
    member: await aWalletOf(ours, 'member'),
    billing: await aWalletOf(ours, 'billing'),
  }
  const ownKey = { inference: await aKey(real, ours, 'inference'), manage: await aKey(real, ours, 'manage') }
  const [theirs, operator, house] = [await anAccount(real), await anAccount(real), await anAccount(real)]
  const otherKey = { inference: await aKey(real, theirs, 'inference'), manage: await aKey(real, theirs, 'manage') }
  await aNodeRow({ operator })
  const strangers: Record<string, Token> = {
    nobody: null,
    'another consumer': (await aWalletOf(theirs, 'owner')).token,
    'the operator of another node': (await aWalletOf(operator, 'owner')).token,
    'another consumer’s key for inference': otherKey.inference.key,
    'another consumer’s key that manages': otherKey.manage.key,
  }
  const admin = (await aWalletOf(house, 'member', HOUSE_ADMIN)).token

  const send = async (who: Token, { method, path }: Route, over: RequestInit = {}): Promise<Response> => {
    const context = createExecutionContext()
    const headers = {
      'content-type': 'application/json',
      ...(who === null ? {} : { authorization: `Bearer ${who}` }),
    }
    const response = await app.fetch(
      new Request(`https://gateway.test${path}`, { method, headers, ...over }),
      env,
      context,
    )
    await waitOnExecutionContext(context)
    return response
  }
  const ask = async (who: Token, route: Route, params: Params = {}, query?: string): Promise<Answer> => {
    const response = await send(
      who,
      { method: route.method, path: filled(route.path, params) + (query ?? QUERIES[spelt(route)] ?? '') },
      bodyOf(route),
    )
    const text = (await response.text()).replace(/"requestId":"[^"]*"/, '')
    const isJson = response.headers.get('content-type')?.includes('json')
    const { error } = isJson ? (JSON.parse(text.replace(/,\s*}/g, '}')) as { error?: { code?: string } }) : {} // an error body, or something else
    return { status: response.status, code: error?.code ?? '', text }
  }
  return {
    app,
    services,
    ours,
    team,
    ownKey,
    otherKey,
    strangers,
    admin,
    send,
    ask,
    things: await aThingOfEachKind(ours, team, ownKey.inference.id),
  }
}

const RANGE = '?from=2026-11-01T00:00:00Z&to=2026-11-02T00:00:00Z&step=hour&by=model'
/** Where a body must be right for the route to look at what it is about. */
const BODIES: Readonly<Record<string, object>> = {
  'PUT /api/account/members/:address': { role: 'member', version: 0 },
  'POST /api/account/invitations': { role: 'member' },
  'POST /api/keys': { name: 'k' },
  'PUT /api/account/policy': { dataCollection: 'allow', auditsAllowed: false, version: 0 },
  'PUT /api/operator/models': { model: 'a/b', rule: 'accepted' },
  'POST /api/disputes': { callId: 'call_x', kind: 'other', words: 'w' },
  'POST /api/disputes/:id/withdraw': { version: 1 },
  'PUT /api/nodes/:id/offers': { offers: [] },
}
/** What a question must say to be one. */
const QUERIES: Readonly<Record<string, string>> = {
  'GET /api/spend': RANGE,
  'GET /api/nodes/:id/history': RANGE,
  'GET /api/author/royalties': RANGE,
  'GET /api/operator/earnings': RANGE,
  'GET /api/admin/metering': RANGE,
  'GET /api/admin/top': RANGE,
}
const bodyOf = ({ method, path }: Route): RequestInit =>
  method === 'GET' ? {} : { body: JSON.stringify(BODIES[`${method} ${path}`] ?? {}) }

export type Params = Readonly<Record<string, string>>
export const filled = (path: string, params: Params): string =>
  path.replace(/:(\w+)(\{[^}]*\})?/g, (_, name: string) => encodeURIComponent(params[name] ?? 'x'))

export interface Thing {
  /** as the router spells the beginning */
  readonly under: string
  readonly ours: Params
  /** of the same form, and nobody's */
  readonly nobodys: Params
}

/** One of everything of ours that has an address. A route with another parameter needs its line here. */
async function aThingOfEachKind(
  ours: AccountId,
  team: Record<MemberRole, { address: string }>,
  keyId: string,
): Promise<Thing[]> {
  const node = await aNodeRow({ operator: ours })
  const [webhook, delivery, invitation, dispute] = ['wh_ours', 'dl_ours', 'inv_ours', 'dispute_ours']
  const callId = newCallId(systemClock(), systemRandom)
  const sessionId = sha256Hex(await aSession(ours, team.member.address)).slice(0, 24)
  const now = Date.now()
  await env.DB.batch([
    env.DB.prepare(
      "INSERT INTO webhooks (id, account_id, url, sealed_secret, created_at) VALUES (?, ?, 'https://a.example/', '', ?)",
    ).bind(webhook, ours, now),
    env.DB.prepare(
      "INSERT INTO deliveries (id, webhook_id, event_id, state, tries, created_at) VALUES (?, ?, 'none', 'failed', 1, ?)",
    ).bind(delivery, webhook, now),
    env.DB.prepare(
      "INSERT INTO invitations (id, code_hash, account_id, role, note, created_by, created_at, expires_at) VALUES (?, 'h', ?, 'member', '', ?, ?, ?)",
    ).bind(invitation, ours, team.owner.address, now, now + 3_600_000),
    env.DB.prepare(
      "INSERT INTO disputes (id, call_id, account_id, kind, words, state, cost_nanos, model_id, created_at) VALUES (?, ?, ?, 'other', 'w', 'open', 1, 'a/b', ?)",
    ).bind(dispute, callId, ours, now),
  ])
  const nobodysNode = { id: newNodeId(systemRandom) }
  const model = { author: 'test', name: 'chat', model: 'test%2Fchat' }
  return [
    { under: '/api/keys/:id', ours: { id: keyId }, nobodys: { id: newKeyId(systemRandom) } },
    { under: '/api/nodes/:id', ours: { id: node.id, ...model }, nobodys: { ...nobodysNode, ...model } },
    {
      under: '/api/webhooks/:id',
      ours: { id: webhook, deliveryId: delivery },
      nobodys: { id: 'wh_nobodys', deliveryId: delivery },
    },
    {
      under: '/api/account/members/:address',
      ours: { address: team.member.address },
      nobodys: { address: anAddress() },
    },
    {
      under: '/api/account/wallets/:address',
      ours: { address: team.member.address },
      nobodys: { address: anAddress() },
    },
    { under: '/api/account/sessions/:id', ours: { id: sessionId }, nobodys: { id: '0'.repeat(24) } },
    { under: '/api/account/invitations/:id', ours: { id: invitation }, nobodys: { id: 'inv_nobodys' } },
    { under: '/api/disputes/:id', ours: { id: dispute }, nobodys: { id: 'dispute_nobodys' } },
    { under: '/api/calls/:id', ours: { id: callId }, nobodys: { id: newCallId(systemClock(), systemRandom) } },
    // Numbers count within an account: another's has no address.
    { under: '/api/statements/:number', ours: { number: '1' }, nobodys: { number: '2' } },
    // Everybody of the house sees all; everybody else nothing.
    {
      under: '/api/admin/',
      ours: { id: ours, account: ours, batch: 'b', name: 'feeBps', author: 'test' },
      nobodys: { id: newAccountId(systemRandom), account: newAccountId(systemRandom), batch: 'c', name: 'none' },
    },
  ]
}

/** Every route of the real app where a session counts, as the router has it. */
export function gatedRoutes(app: App): Route[] {
  const seen = new Map<string, Route>()
  for (const { method, path } of app.routes)
    if (method !== 'ALL' && !path.includes('*') && /^\/(api|auth)(\/|$)/.test(path))
      seen.set(`${method} ${path}`, { method, path })
  return [...seen.values()]
}
export const spelt = ({ method, path }: Route): string => `${method} ${path}`
