// The notify room with a real registry and a scripted receiver: what a story about one webhook needs. Time stands still until it is moved.
import { env } from 'cloudflare:workers'
import { Hono } from 'hono'
import { z } from 'zod'
import { systemRandom } from '../../../gateway/core/clock.ts'
import { toResponse } from '../../../gateway/core/errors.ts'
import type { AppEnv, Principal } from '../../../gateway/core/principal.ts'
import { Secret } from '../../../gateway/core/sealed.ts'
import { createEventBook } from '../../../gateway/ledger/events/event-book.ts'
import type { Resolve } from '../../../gateway/link/endpoint-guard.ts'
import { createNotifyCron } from '../../../gateway/notify/cron.ts'
import { createNotifyRoutes } from '../../../gateway/notify/routes.ts'
import { newAccountId, type AccountId, type RandomBytes } from '../../../protocol/units.ts'
import { DeliveryPage, verifyWebhook, WebhookWithSecret, type GuardEventKind } from '../../../protocol/webhook.ts'
import { accounts, aClock, START } from '../ledger/ledger-house.ts'

export interface Received {
  readonly url: string
  readonly headers: Headers
  readonly body: string
  readonly redirect: string | undefined
}
type Answer = (received: Received, signal: AbortSignal) => Response | Promise<Response>

export interface HouseOptions {
  readonly isLocal?: boolean
  readonly resolve?: Resolve
  readonly attemptMs?: number
  readonly random?: RandomBytes
  readonly keySecret?: string
}

export const fine: Answer = () => new Response('thanks')
export const status = (code: number, headers: Record<string, string> = {}): Answer => {
  return () => new Response(code === 204 ? null : 'no', { status: code, headers })
}
/** Says nothing until it is given up. */
export const silent: Answer = (_, signal) =>
  new Promise((__, reject) => signal.addEventListener('abort', () => reject(new Error('planned: aborted'))))

export const RECEIVER = 'https://receiver.example.org/hooks?token=a%20b'

export function aHouse({ isLocal = false, ...options }: HouseOptions = {}) {
  const clock = aClock()
  const received: Received[] = []
  let answer: Answer = fine
  const needs = {
    db: env.DB,
    accounts,
    clock,
    random: options.random ?? systemRandom,
    config: { isLocal, keySecret: options.keySecret ?? env.SOUK_KEY_SECRET },
    resolve: options.resolve ?? (() => Promise.resolve(['93.184.216.34'])),
    attemptMs: options.attemptMs ?? 5_000,
    fetch: (async (url: string, init: RequestInit) => {
      const one = { url, headers: new Headers(init.headers), body: String(init.body), redirect: init.redirect }
      received.push(one)
      return answer(one, init.signal ?? new AbortController().signal)
    }) as typeof fetch, // a receiver is called in this one way
  }
  const app = (who: Principal | null) => {
    const room = new Hono<AppEnv>()
      .use(async (c, next) => {
        c.set('principal', who)
        await next()
      })
      .route('/api', createNotifyRoutes(needs))
    room.onError((error) => toResponse(error, 'req_test'))
    return room
  }
  const send = async (who: Principal | null, method: string, path: string, body?: unknown): Promise<Response> => {
    const json = { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }
    return app(who).request(`/api${path}`, { method, ...(body === undefined ? {} : json) })
  }
  const tell = createEventBook(env.DB)
  let events = 0
  return {
    clock,
    received,
    needs,
    send,
    answers(next: Answer) {
      answer = next
    },
    /** What a guard would have left in the registry. */
    async tell(accountId: AccountId, kind: GuardEventKind = 'balance.low', data: Record<string, string> = {}) {
      events += 1
      const id = `test-event.${events}`
      await tell(accountId, { id, kind, at: clock(), data })
      return id
    },
    runCron: createNotifyCron(needs),
    async webhook(accountId: AccountId, body: object = {}) {
      const response = await send(signedIn(accountId), 'POST', '/webhooks', { url: RECEIVER, ...body })
      return WebhookWithSecret.parse(await response.json())
    },
    async log(accountId: AccountId, webhookId: string, query = '') {
      const response = await send(signedIn(accountId), 'GET', `/webhooks/${webhookId}/deliveries${query}`)
      return DeliveryPage.parse(await response.json())
    },
    verify: (one: Received | undefined, secret: string) =>
      one ? verifyWebhook(one.headers, one.body, secret, clock() / 1_000) : null,
  }
}

export const signedIn = (accountId: AccountId): Principal => ({
  kind: 'session',
  member: 'owner',
  accountId,
  address: '0x0000000000000000000000000000000000000001',
  roles: ['consumer'],
  signedInAt: START,
  viaCookie: false,
  secret: new Secret('token'),
})

export const anId = (): AccountId => newAccountId(systemRandom)

const ErrorReply = z.object({
  error: z.object({ code: z.string(), param: z.string().nullable(), message: z.string() }),
})

/** Status and code of a refusal. */
export async function refusal(response: Response): Promise<[number, string]> {
  return [response.status, ErrorReply.parse(await response.json()).error.code]
}

/** Each story begins with an empty room: a run sends what is due of everybody. */
export async function emptyRoom(): Promise<void> {
  await env.DB.batch(['events', 'webhooks', 'deliveries'].map((table) => env.DB.prepare(`DELETE FROM ${table}`)))
}

/** Every row of the room, as text: where a secret must not be found. */
export async function everyRow(): Promise<string> {
  const tables = await env.DB.batch(
    ['events', 'webhooks', 'deliveries'].map((t) => env.DB.prepare(`SELECT * FROM ${t}`)),
  )
  return JSON.stringify(tables.map(({ results }) => results))
}
