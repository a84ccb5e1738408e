// The market's routes as a test calls them: signed in by a header, with real D1 and real guards, a clock that is moved by hand and a link to
// whatever node the test has.
import { createExecutionContext, env, waitOnExecutionContext } from 'cloudflare:test'
import { Hono } from 'hono'
import { privateKeyToAccount, type PrivateKeyAccount } from 'viem/accounts'
import { createAuthenticate } from '../../../gateway/auth/authenticate.ts'
import { systemRandom } from '../../../gateway/core/clock.ts'
import { toResponse } from '../../../gateway/core/errors.ts'
import { loadGatewayKey } from '../../../gateway/core/gateway-key.ts'
import type { NodeQuotas } from '../../../gateway/core/limits.ts'
import type { AppEnv } from '../../../gateway/core/principal.ts'
import { Secret } from '../../../gateway/core/sealed.ts'
import { createAccounts } from '../../../gateway/ledger/accounts.ts'
import type { NodeLink } from '../../../gateway/link/node-link.ts'
import type { Resolve } from '../../../gateway/link/endpoint-guard.ts'
import { createMarketCron } from '../../../gateway/market/cron.ts'
import { createMarket } from '../../../gateway/market/market.ts'
import { createNodeGuards } from '../../../gateway/market/guard/node-guard.ts'
import { createOperatorRoutes } from '../../../gateway/market/nodes/operator-routes.ts'
import { createSanctionRoutes } from '../../../gateway/market/nodes/sanction-routes.ts'
import { createSanctions } from '../../../gateway/market/nodes/sanctions.ts'
import { createMarketRoutes } from '../../../gateway/market/routes.ts'
import type { TrafficOf } from '../../../gateway/market/nodes/status-view.ts'
import { bytesToHex, fromBase64url, sha256Hex } from '../../../protocol/canonical.ts'
import { ModelManifest } from '../../../protocol/model.ts'
import {
  helloClaims,
  nodeAuthorizationDomain,
  nodeAuthorizationTypes,
  PROOF_TYP,
  registrationClaims,
  type NodeView,
  type RegisterNodeRequest,
} from '../../../protocol/node.ts'
import { publicationOf, type PublishRequest } from '../../../protocol/publish.ts'
import { signClaims } from '../../../protocol/ticket.ts'
import { instant, type AccountId } from '../../../protocol/units.ts'
import { aManifest, anOfferRequest, OPERATOR } from './builders.ts'
import type { FakeNode } from './fake-node.ts'

export const TEST_KEY = JSON.parse(env.SOUK_SIGNING_KEY) as { x: string } // the test configuration's own key
export const OPERATOR_WALLET = privateKeyToAccount(`0x${'11'.repeat(32)}`)
export const SETTLEMENT_KEY = privateKeyToAccount(`0x${'22'.repeat(32)}`).address
const CHAIN = 8453
/** What a node has that nobody asked. */
export const SILENCE = { calls: 0, errors: 0, inputTokens: 0, outputTokens: 0, tensorBytes: 0, earned: '0.000000000' }

export type MarketApp = Awaited<ReturnType<typeof createMarketApp>>

/** @param options.quotas those of the gateway only where a test is about them: the others register as many nodes as they like */
export async function createMarketApp(options: { resolve?: Resolve; isLocal?: boolean; quotas?: NodeQuotas } = {}) {
  let time = Date.now()
  let traffic: Awaited<ReturnType<TrafficOf>> = { hour: SILENCE, day: SILENCE, month: SILENCE, lastCallAt: null }
  let link: NodeLink = { send: () => Promise.reject(new TypeError('no node yet')) }
  const clock = () => instant(time)
  const nodeGuards = createNodeGuards(env.NODE)
  const needs = {
    db: env.DB,
    nodeGuards,
    accounts: createAccounts(env.ACCOUNT),
    market: createMarket({ db: env.DB, nodeGuards, clock }),
    traffic: () => Promise.resolve(traffic),
    receipts: () => Promise.resolve({ calls: 0, owed: 0, late: 0, refused: [] }),
    link: { send: (request) => link.send(request) } satisfies NodeLink,
    key: await loadGatewayKey(env.SOUK_SIGNING_KEY),
    config: {
      domain: 'souk.example.com',
      chainId: CHAIN,
      keySecret: env.SOUK_KEY_SECRET,
      isLocal: options.isLocal ?? false,
    },
    ...(options.resolve ? { resolve: options.resolve } : {}),
    clock,
    random: systemRandom,
    ...(options.isLocal
      ? {}
      : { quotas: options.quotas ?? { perHour: 1_000, pending: 1_000, perHost: 1_000, apartMs: 0 } }),
    proofMs: 300,
    probeMs: 300,
  }
  const authConfig = { ...needs.config, admins: new Set<string>() }
  const authenticate = createAuthenticate({ db: env.DB, config: authConfig, clock })
  const app = new Hono<AppEnv>()
    .use(async (c, next) => {
      c.set('requestId', 'req_test')
      // Who brings a credential is asked for it as everywhere; the others are whom the test names.
      if (c.req.header('authorization')) return authenticate(c, next)
      const accountId = c.req.header('x-account') as AccountId | undefined // the test names it
      const roles = c.req.header('x-admin') ? (['consumer', 'admin'] as const) : (['consumer'] as const)
      const signedInAt = instant(time - Number(c.req.header('x-signed-in-ago') ?? 0))
      const session = { kind: 'session', member: 'owner', address: '', roles, signedInAt, viaCookie: false } as const
      c.set('principal', accountId ? { ...session, accountId, secret: new Secret('token') } : null)
      await next()
    })
    .route('/api', createOperatorRoutes(needs))
    .route('/api', createSanctionRoutes({ ...needs, sanctions: createSanctions(needs) }))
    .route('/api', createMarketRoutes(needs))
    .onError((error, c) => toResponse(error, c.var.requestId))

  /** Answers and waits for what the request left in the background. */
  const send = async <T = unknown>(
    method: string,
    path: string,
    as: { account?: string; admin?: boolean; signedInAgo?: number; authorization?: string; body?: unknown } = {},
  ) => {
    const headers = new Headers({ 'content-type': 'application/json' })
    if (as.account) headers.set('x-account', as.account)
    if (as.admin) headers.set('x-admin', '1')
    if (as.authorization) headers.set('authorization', as.authorization)
    if (as.signedInAgo !== undefined) headers.set('x-signed-in-ago', String(as.signedInAgo))
    const body = as.body === undefined ? {} : { body: JSON.stringify(as.body) }
    const context = createExecutionContext()
    const response = await app.request(`http://souk${path}`, { method, headers, ...body }, env, context)
    await waitOnExecutionContext(context)
    return { status: response.status, headers: response.headers, body: await response.json<T>() }
  }

  return {
    needs,
    send,
    cron: createMarketCron(needs),
    connect: (node: { link: NodeLink }) => void (link = node.link),
    now: () => time,
    hasTraffic: (seen: Partial<typeof traffic>) => void (traffic = { ...traffic, ...seen }),
    advance: (ms: number) => void (time += ms),
    publish: async (manifest: ModelManifest = aManifest(), account: string = OPERATOR) =>
      send('POST', '/api/models', { account, body: await aPublication(manifest, time, account) }),
    node: async (id: string) => (await send<NodeView>('GET', `/api/nodes/${id}`, { account: OPERATOR })).body,
    hello: async (id: string, node: FakeNode, over: { iat?: number; nodeId?: string } = {}) => {
      const claims = helloClaims(over.nodeId ?? id, over.iat ?? Math.floor(time / 1_000))
      const proof = await signClaims(claims, node.privateKey, { typ: PROOF_TYP.hello })
      return send<NodeView & { error?: { code: string } }>('POST', `/api/nodes/${id}/hello`, { body: { proof } })
    },
  }
}

/** Every account of a test has a wallet to publish with, its own for ever. */
export const authorWallet = (account: string): PrivateKeyAccount => privateKeyToAccount(`0x${sha256Hex(account)}`)

/** A publication that is right in every part; the account is given its wallet. `manifest` may be one that no schema takes. */
export async function aPublication(
  manifest: unknown,
  nowMs: number,
  account: string = OPERATOR,
  over: { wallet?: PrivateKeyAccount; chainId?: number; deadline?: number } = {},
): Promise<PublishRequest> {
  const wallet = over.wallet ?? authorWallet(account)
  await addWallet(account as AccountId, authorWallet(account).address) // the test names it
  const deadline = over.deadline ?? Math.floor(nowMs / 1_000) + 3_600
  const parsed = ModelManifest.safeParse(manifest)
  const signed = publicationOf(parsed.data ?? aManifest(), wallet.address, deadline, over.chainId ?? CHAIN)
  const signature = await wallet.signTypedData(signed)
  return { manifest: manifest as ModelManifest, author: wallet.address, deadline, signature } // refusals are tested too
}

/** A registration that is right in every part, signed by both keys after `over` was applied. */
export async function aRegistration(
  node: FakeNode,
  nowMs: number,
  over: Partial<RegisterNodeRequest> = {},
  signers: { wallet?: PrivateKeyAccount; chainId?: number } = {},
): Promise<RegisterNodeRequest> {
  const wallet = signers.wallet ?? OPERATOR_WALLET
  const request = {
    name: 'a machine',
    endpoint: 'https://node.example.com',
    nodeKey: node.nodeKey,
    settlementKey: SETTLEMENT_KEY,
    operator: OPERATOR_WALLET.address,
    deadline: Math.floor(nowMs / 1_000) + 3_600,
    offers: [anOfferRequest()],
    ...over,
  }
  const signature = await wallet.signTypedData({
    domain: nodeAuthorizationDomain(signers.chainId ?? CHAIN),
    types: nodeAuthorizationTypes,
    primaryType: 'NodeAuthorization',
    message: {
      operator: request.operator as `0x${string}`,
      nodeKey: `0x${bytesToHex(fromBase64url(request.nodeKey))}`,
      settlementKey: request.settlementKey as `0x${string}`,
      deadline: BigInt(request.deadline),
    },
  })
  const nodeProof = await signClaims(registrationClaims(request), node.privateKey, { typ: PROOF_TYP.registration })
  return { signature, nodeProof, ...request, ...over }
}

export async function addWallet(
  account: AccountId = OPERATOR,
  address: string = OPERATOR_WALLET.address,
): Promise<void> {
  const insert = 'INSERT INTO wallets (address, account_id, added_at) VALUES (?, ?, 0) ON CONFLICT DO NOTHING'
  await env.DB.prepare(insert).bind(address, account).run()
}
