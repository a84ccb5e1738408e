// The composition root: bindings -> what the rooms need, once per isolate. The only place that builds things from bindings.
import { createContractWallets } from './auth/contract-wallets.ts'
import { issueTicket, newTicketIds, pseudonymOf } from './market/admission/ticket-order.ts'
import { sealRef } from './market/admission/ticket-ref.ts'
import { createBookOf } from './ledger/book/account-book.ts'
import { createAccounts } from './ledger/accounts.ts'
import { createCallOf } from './ledger/calls/disputable-call.ts'
import { refundCall, type RefundOrder } from './ledger/refunds/refund-flow.ts'
import { createAuditTraffic } from './ledger/earnings/audit-traffic-book.ts'
import type { AuditPay } from './ledger/transfer-port.ts'
import { createTraffic, createTrafficOf, sumTraffic } from './ledger/earnings/node-traffic-book.ts'
import { createNodeReceipts } from './ledger/earnings/node-receipts-book.ts'
import { createOperatorMoney } from './ledger/payouts/operator-money.ts'
import { createPayoutAddressBook } from './ledger/payouts/payout-address-book.ts'
import { createStripeAdapter } from './ledger/payments/stripe-events.ts'
import { createAuditEarnings } from './market/audits/audit-earnings-book.ts'
import { createHealthProbes } from './market/health/health-probe.ts'
import { createMarket } from './market/market.ts'
import { createMarketSize } from './market/market-size-book.ts'
import { createNodeGuards } from './market/guard/node-guard.ts'
import { createNodeOwners } from './market/nodes/node-owner-book.ts'
import { createRefusedReceipts, type RefusedReceipt } from './market/nodes/refused-receipt-book.ts'
import { createSanctions } from './market/nodes/sanctions.ts'
import type { ReceiptsOf } from './market/nodes/status-view.ts'
import type { Resolve } from './link/endpoint-guard.ts'
import { createDirectLink } from './link/direct.ts'
import { createNameWatch } from './link/name-watch.ts'
import { createNodeLink } from './link/node-link.ts'
import { createDohResolver } from './link/resolver.ts'
import { createSocketLink } from './link/socket-link.ts'
import { systemClock, systemRandom } from './core/clock.ts'
import { bookDatabases, parseConfig, type Bindings, type Config } from './core/env.ts'
import { loadGatewayKey, type GatewayKey } from './core/gateway-key.ts'
import { createParameters, defaultsOf, unawaited } from './core/parameters.ts'
import { CALL_TIMEOUTS, type CallTimeouts } from './core/limits.ts'
import type { AccountId } from '../protocol/units.ts'
import type { Candidate, Order } from './inference/order/order.ts'
import { createDeniers } from './inference/order/deniers.ts'
import { createPriceLocks } from './inference/order/price-lock.ts'
import { createRetries } from './inference/attempts/retry-budget.ts'

export type Services = Awaited<ReturnType<typeof createServices>>

/** @throws Error with one sentence that names what is not configured */
export async function createServices(bindings: Bindings) {
  const config = parseConfig(bindings)
  const key = await loadGatewayKey(config.signingKey)
  const nodeGuards = createNodeGuards(bindings.NODE)
  const books = bookDatabases(bindings)
  const resolve = resolverOf(config)
  const judgeName = resolve && createNameWatch({ resolve, policy: { allowLocal: config.isLocal }, clock: systemClock })
  const link = createNodeLink({
    direct: createDirectLink({ allowLocal: config.isLocal, ...(judgeName ? { judgeName } : {}) }),
    socket: createSocketLink({ guards: nodeGuards, random: systemRandom }),
  })
  const parameters = createParameters({ db: bindings.DB, clock: systemClock, defaults: defaultsOf(config) })
  const probationShare = async () => (await parameters.now(unawaited)).probationShareBps / 10_000
  const clocked = { clock: systemClock, random: systemRandom }
  const probes = createHealthProbes({ db: bindings.DB, nodeGuards, link, key, config, ...clocked })
  const refusedReceipts = createRefusedReceipts(bindings.DB)
  return {
    config,
    key,
    db: bindings.DB,
    books,
    ...(bindings.ASSETS ? { assets: bindings.ASSETS } : {}),
    bookOf: createBookOf(bindings.DB, books),
    ...(config.rpcUrl === null
      ? {}
      : { contractWallets: createContractWallets({ url: config.rpcUrl, chainId: config.chainId }) }),
    clock: systemClock,
    random: systemRandom,
    parameters,
    accounts: createAccounts(bindings.ACCOUNT),
    parameterDefaults: defaultsOf(config),
    callOf: createCallOf(createAccounts(bindings.ACCOUNT)),
    refundOf: (order: RefundOrder) => refundCall(createAccounts(bindings.ACCOUNT), order),
    payoutAddress: createPayoutAddressBook(bindings.DB, systemClock).view,
    traffic: createTraffic(books),
    receipts: createReceiptsOf(books, refusedReceipts),
    noteRefused: (refused: readonly RefusedReceipt[]) => refusedReceipts.note(refused, systemClock()),
    auditTraffic: createAuditTraffic(books),
    payAudit: (operator: AccountId, pay: AuditPay) => createAccounts(bindings.ACCOUNT)(operator).payAudit(pay),
    trafficOf: createTrafficOf(books),
    sumTraffic,
    nodeOwner: createNodeOwners(bindings.DB).ownerOf,
    auditEarnings: createAuditEarnings(bindings.DB),
    offersOf: createNodeOwners(bindings.DB).offersOf,
    marketSize: createMarketSize(bindings.DB).size,
    modelsOf: createMarketSize(bindings.DB).modelsOf,
    operatorMoney: createOperatorMoney({ db: bindings.DB, accounts: createAccounts(bindings.ACCOUNT) }),
    payments: config.stripe ? [createStripeAdapter(config.stripe)] : [],
    nodeGuards,
    sanctions: createSanctions({ db: bindings.DB, nodeGuards, clock: systemClock, random: systemRandom }),
    deniers: createDeniers(),
    retries: createRetries(systemClock),
    market: createMarket({ db: bindings.DB, nodeGuards, clock: systemClock, probe: probes.run, probationShare }),
    link,
    ...(resolve ? { resolve } : {}),
    timeouts: { ...CALL_TIMEOUTS, ...config.timeouts } satisfies CallTimeouts,
    issueTicket: ticketIssuer(config, key),
    priceLocks: createPriceLocks(key),
  }
}

/** What has come of a node's calls is the ledger's to say, what was refused the market's. */
function createReceiptsOf(books: readonly D1Database[], refused: ReturnType<typeof createRefusedReceipts>): ReceiptsOf {
  const ofCalls = createNodeReceipts(books)
  return async (nodeId, now) => {
    const [counted, codes] = await Promise.all([ofCalls(nodeId, now), refused.of(nodeId, now)])
    return { ...counted, refused: codes }
  }
}

/** A machine of one's own has no resolver to ask unless it names one, and may name its own addresses. */
function resolverOf({ isLocal, resolverUrl }: Config): Resolve | null {
  if (resolverUrl !== null) return createDohResolver({ url: resolverUrl })
  return isLocal ? null : createDohResolver()
}

/** The gateway's name in a ticket: what nodes log. */
const issuerOf = (config: Config): string => config.domain || 'souk'

function ticketIssuer(config: Config, key: GatewayKey) {
  return async (order: Order, { model, offer, most }: Candidate, attempt: number, body: string | Uint8Array) => {
    const ids = newTicketIds(systemRandom)
    const { accountId } = order.principal
    return issueTicket({
      key,
      issuer: issuerOf(config),
      offer,
      model,
      callId: order.callId,
      attempt,
      path: order.path,
      body,
      inputTokensMax: Number(most.inputTokens),
      outputTokensMax: Number(most.outputTokens),
      tensorBytesMax: most.tensorBytes === undefined ? undefined : Number(most.tensorBytes),
      pseudonym: pseudonymOf(config.keySecret, offer.nodeId, accountId),
      ...ids,
      ref: await sealRef(config.keySecret, ids.jti, { accountId, nodeId: offer.nodeId }, systemRandom),
      nowSeconds: systemClock() / 1000,
    })
  }
}
