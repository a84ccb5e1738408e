// `/api/webhooks` and `/api/account/alerts`: what an owner wants to be told, where, and how it went. Only a signed-in wallet manages them; a
// stranger's webhook is not there. A secret is in the answer that makes it, and in no other.
import { Hono, type MiddlewareHandler } from 'hono'
import { base32, fromUsd, instant, toUsd, type AccountId } from '../../protocol/units.ts'
import {
  AlertsRequest,
  CreateWebhookRequest,
  RotateRequest,
  type AlertsView,
  type WebhookWithSecret,
} from '../../protocol/webhook.ts'
import { GatewayError } from '../core/errors.ts'
import { readJson } from '../core/json-body.ts'
import { LIMITS } from '../core/limits.ts'
import { PageQuery } from '../core/page.ts'
import { requireSession, type AppEnv } from '../core/principal.ts'
import { jsonBody, queryString, takes } from '../core/validate.ts'
import type { Accounts, AlertsNow } from '../ledger/account-port.ts'
import { refuseUrl } from './attempt.ts'
import type { NotifyCronNeeds } from './cron.ts'
import { createDeliveryBook } from './delivery-book.ts'
import { createDeliveryLogBook, cursorOf, readCursor } from './delivery-log-book.ts'
import { NOTIFY } from './limits.ts'
import { newDeliveryId } from './message.ts'
import { send, tryOnce } from './send.ts'
import { newSecret } from './signing-secret.ts'
import { createWebhookBook, webhookView, type WebhookRow } from './webhook-book.ts'

export interface NotifyRouteNeeds extends NotifyCronNeeds {
  readonly accounts: Accounts
}

export function createNotifyRoutes(needs: NotifyRouteNeeds) {
  const { db, accounts, clock, random, config } = needs
  const webhooks = createWebhookBook(db)
  const deliveries = createDeliveryBook(db)
  const log = createDeliveryLogBook(db)

  const own = async (accountId: AccountId, id: string): Promise<WebhookRow> => found(await webhooks.find(accountId, id))

  return (
    new Hono<AppEnv>()
      .get('/account/alerts', async (c) => {
        return c.json(alertsView(await accounts(requireSession(c).accountId).alerts()))
      })
      .put('/account/alerts', signedIn, jsonBody(AlertsRequest), async (c) => {
        const { balanceLowUsd, version } = c.req.valid('json')
        const set = await accounts(requireSession(c).accountId).setAlerts({
          balanceLowNanos: fromUsd(balanceLowUsd),
          version,
        })
        if (!set.ok) throw new GatewayError(set.code)
        return c.json(alertsView(set))
      })

      .post('/webhooks', signedIn, jsonBody(CreateWebhookRequest), async (c) => {
        const { accountId } = requireSession(c)
        const { url, kinds } = c.req.valid('json')
        const refusal = await refuseUrl(url, needs)
        if (refusal !== null) throw new GatewayError('endpoint_refused', { param: 'url', detail: refusal })
        const id = `wh_${base32(random(10))}`
        const { secret, sealed } = await newSecret(id, config.keySecret, random)
        const row = { id, accountId, url, kinds: kinds ? JSON.stringify([...new Set(kinds)]) : null }
        if (!(await webhooks.add({ ...row, sealedSecret: sealed, createdAt: clock() })))
          throw new GatewayError('conflict', { detail: `An account has at most ${NOTIFY.webhooksMax} webhooks.` })
        return c.json(shown(await own(accountId, id), secret), 201, NO_STORE)
      })
      .get('/webhooks', async (c) => {
        const rows = await webhooks.list(requireSession(c).accountId)
        return c.json({ data: rows.map((row) => webhookView(row, clock())), nextCursor: null })
      })
      .delete('/webhooks/:id', async (c) => {
        if (!(await webhooks.remove(requireSession(c).accountId, c.req.param('id')))) throw notThere()
        return c.body(null, 204)
      })
      .post('/webhooks/:id/rotate', takes(RotateRequest), async (c) => {
        const { accountId } = requireSession(c)
        const webhook = await own(accountId, c.req.param('id'))
        const { id } = webhook
        const hasBody = c.req.header('content-type') !== undefined
        const { oldSecretUntil } = hasBody ? await readJson(c.req.raw, RotateRequest) : {}
        const isSeen = oldSecretUntil === undefined || oldSecretUntil === webhookView(webhook, clock()).oldSecretUntil
        const { secret, sealed } = await newSecret(id, config.keySecret, random)
        const oldUntil = instant(clock() + NOTIFY.oldSecretMs)
        const rotated = isSeen ? await webhooks.rotate(webhook, sealed, oldUntil) : null
        if (!rotated) throw new GatewayError('changed_meanwhile')
        return c.json(shown(rotated, secret), 200, NO_STORE)
      })
      .post('/webhooks/:id/enable', async (c) => {
        const enabled = await webhooks.enable(requireSession(c).accountId, c.req.param('id'))
        return c.json(webhookView(found(enabled), clock()))
      })

      /** Also to a webhook that is disabled: how else would its owner see that it works again. */
      .post('/webhooks/:id/test', async (c) => {
        const { accountId } = requireSession(c)
        const webhook = await own(accountId, c.req.param('id'))
        const now = clock()
        if ((await log.testsSince(webhook.id, instant(now - NOTIFY.testWindowMs))) >= NOTIFY.testsMax)
          throw new GatewayError('rate_limited', { retryAfterSeconds: NOTIFY.testWindowMs / 1_000 })
        const event = { id: `${accountId}:test:${base32(random(10))}`, accountId, kind: 'test', data: {} }
        const claimed = await deliveries.addTest(newDeliveryId(random), event, webhook, now)
        await deliveries.settleTest(claimed, await tryOnce(claimed, needs))
        return c.json(found(await log.find(webhook.id, claimed.id)))
      })
      .get('/webhooks/:id/deliveries', signedIn, queryString(PageQuery), async (c) => {
        const { cursor, limit = LIMITS.pageRows } = c.req.valid('query')
        const after = cursor === undefined ? null : readCursor(cursor)
        if (cursor !== undefined && after === null)
          throw new GatewayError('invalid_request', { param: 'cursor', detail: 'cursor: what a list gave' })
        const webhook = await own(requireSession(c).accountId, c.req.param('id'))
        const rows = await log.page(webhook.id, after, limit + 1)
        const data = rows.slice(0, limit)
        const last = data.at(-1)
        return c.json({ data, nextCursor: rows.length > limit && last ? cursorOf(last) : null })
      })
      /** Sent now; when that fails, as often again as the first time. */
      .post('/webhooks/:id/deliveries/:deliveryId/replay', async (c) => {
        const webhook = await own(requireSession(c).accountId, c.req.param('id'))
        if (webhook.disabledAt !== null)
          throw new GatewayError('conflict', { detail: 'This webhook is disabled; enable it first.' })
        const { id, type } = found(await log.find(webhook.id, c.req.param('deliveryId')))
        if (type === 'purged')
          throw new GatewayError('not_found', { detail: 'What this told of is not kept any more.' })
        const claimed = await deliveries.claimAgain(webhook.id, id, clock())
        if (!claimed) throw new GatewayError('conflict', { detail: 'It is being sent at this moment.' })
        await send(claimed, deliveries, needs)
        return c.json(found(await log.find(webhook.id, id)))
      })
  )

  function shown(row: WebhookRow, secret: string): WebhookWithSecret {
    return { ...webhookView(row, clock()), secret }
  }
}

const alertsView = ({ balanceLowNanos, version }: AlertsNow): AlertsView => ({
  balanceLowUsd: toUsd(balanceLowNanos),
  version,
})

const NO_STORE = { 'cache-control': 'no-store' }

const notThere = () => new GatewayError('not_found', { detail: 'There is no such webhook or delivery.' })

function found<T>(row: T | null): T {
  if (row === null) throw notThere()
  return row
}

const signedIn: MiddlewareHandler<AppEnv> = async (c, next) => {
  requireSession(c)
  await next()
}
