// Every middleware and every mount, on one screen. Routes throw GatewayError; the one boundary below turns whatever was thrown into the answer.
import { Hono } from 'hono'
import { cors } from 'hono/cors'
import { secureHeaders } from 'hono/secure-headers'
import { HEADER_LENGTH } from '../protocol/oip-framing.ts'
import { createAdminLog } from './admin/log.ts'
import { createAdminRoutes } from './admin/routes.ts'
import { createAuthenticate } from './auth/authenticate.ts'
import { createAuthRoutes } from './auth/routes.ts'
import { toResponse } from './core/errors.ts'
import type { AppEnv } from './core/principal.ts'
import { unknownAddress } from './core/unknown-address.ts'
import { discardUnread } from './core/unread-body.ts'
import { createDashboardPage } from './dashboard-page.ts'
import { newRequestId } from './core/request-id.ts'
import { createOipRoutes } from './inference/oip/oip-routes.ts'
import { createQuoteRoutes } from './inference/order/quote-routes.ts'
import { createReceiptRoutes } from './inference/receipts/receipt-routes.ts'
import { createCallRecordRoutes } from './inference/views/call-record-routes.ts'
import { createInferenceRoutes } from './inference/routes.ts'
import { DEPRECATION_HEADERS } from './inference/order/standing.ts'
import { createFreezeRoutes } from './ledger/policy/freeze-routes.ts'
import { createJournalRoutes } from './ledger/journal/journal-routes.ts'
import { createHouseMeteringRoutes } from './ledger/metering/house-metering-routes.ts'
import { createOperatorEarningsRoutes } from './ledger/metering/operator-earnings-routes.ts'
import { createOwnMeteringRoutes } from './ledger/metering/own-metering-routes.ts'
import { createNodeEarningsRoutes } from './ledger/earnings/node-earnings-routes.ts'
import { createPaymentRoutes } from './ledger/payments/payment-routes.ts'
import { createPayoutAddressRoutes } from './ledger/payouts/payout-address-routes.ts'
import { createPolicyRoutes } from './ledger/policy/policy-routes.ts'
import { createRefundRoutes } from './ledger/refunds/refund-routes.ts'
import { createLedgerRoutes } from './ledger/routes.ts'
import { createStatementRoutes } from './ledger/journal/statement-routes.ts'
import { createAuditRoutes } from './market/audits/audit-routes.ts'
import { createLinkRoutes } from './market/guard/link-routes.ts'
import { createOperatorSummaryRoutes } from './market/nodes/operator-summary-routes.ts'
import { createModelRuleRoutes } from './market/offers/model-rule-routes.ts'
import { createOperatorRoutes } from './market/nodes/operator-routes.ts'
import { createSanctionRoutes } from './market/nodes/sanction-routes.ts'
import { createMarketRoutes } from './market/routes.ts'
import { createWithdrawalRoutes } from './ledger/payouts/withdrawal-routes.ts'
import { createNotifyRoutes } from './notify/routes.ts'
import { createVerificationRoutes } from './ledger/verification/verification-routes.ts'
import type { Services } from './services.ts'

export type AppType = ReturnType<typeof createApp>

export function createApp(services: Services) {
  const { config } = services
  const auth = createAuthRoutes(services)
  const app = new Hono<AppEnv>()
  app.onError((error, c) => withId(toResponse(error, c.var.requestId, c.req.path), c.var.requestId))
  app.notFound((c) => {
    const { method, path } = c.req
    return withId(toResponse(unknownAddress(method, path), c.var.requestId, path), c.var.requestId)
  })
  app.use(async (c, next) => {
    c.set('requestId', newRequestId(services.random))
    await next()
    await discardUnread(c.req.raw)
    c.header('x-request-id', c.var.requestId)
  })
  app.use(secureHeaders())
  // Keys travel in a header and never in a cookie there, so any page may call with its user's own key.
  for (const surface of ['/v1/*', '/v2/*'])
    app.use(surface, cors({ origin: '*', exposeHeaders: EXPOSED_HEADERS, maxAge: 86_400 }))
  app.use(createAuthenticate(services))
  app.use('/api/*', createAdminLog(services))
  const inference = { ...services, holdDeadlineMs: config.holdDeadlineMs }
  return app
    .get('/healthz', (c) => c.json({ ok: true }))
    .get('/.well-known/jwks.json', (c) => c.json(services.key.jwks, 200, { 'cache-control': 'public, max-age=300' }))
    .route('/auth', auth.auth)
    .route('/api', auth.api)
    .route('/api', createLedgerRoutes(services))
    .route('/api', createVerificationRoutes(services))
    .route('/api', createRefundRoutes(services))
    .route('/api', createPolicyRoutes(services))
    .route('/api', createWithdrawalRoutes(services))
    .route('/api', createPayoutAddressRoutes(services))
    .route('/api', createNodeEarningsRoutes(services))
    .route('/api', createOwnMeteringRoutes(services))
    .route('/api', createHouseMeteringRoutes(services))
    .route('/api', createOperatorSummaryRoutes(services))
    .route('/api', createOperatorEarningsRoutes(services))
    .route('/webhooks', createPaymentRoutes(services))
    .route('/api', createJournalRoutes(services))
    .route('/api', createStatementRoutes(services))
    .route('/api', createFreezeRoutes(services))
    .route('/api', createOperatorRoutes(services))
    .route('/api', createModelRuleRoutes(services))
    .route('/api', createAuditRoutes(services))
    .route('/api', createSanctionRoutes(services))
    .route('/api', createMarketRoutes(services))
    .route('/api', createReceiptRoutes(services))
    .route('/api', createCallRecordRoutes(services))
    .route('/api', createNotifyRoutes(services))
    .route('/api', createAdminRoutes(services))
    .route('/v1', createInferenceRoutes(inference))
    .route('/v1', createQuoteRoutes(inference))
    .route('/', createOipRoutes(inference))
    .route('/', createLinkRoutes(services))
    .route('/', createDashboardPage(services))
}

const EXPOSED_HEADERS = [
  HEADER_LENGTH,
  'x-souk-call-id',
  'x-souk-node',
  'x-souk-hold',
  'x-souk-cost',
  'x-souk-limit',
  ...DEPRECATION_HEADERS,
  'x-souk-replayed',
  'x-request-id',
  'x-should-retry',
  'server-timing',
  'retry-after',
  ...['limit', 'remaining', 'reset'].flatMap((what) =>
    ['', '-requests', '-tokens'].map((unit) => `x-ratelimit-${what}${unit}`),
  ),
]

function withId(response: Response, requestId: string): Response {
  response.headers.set('x-request-id', requestId)
  return response
}
