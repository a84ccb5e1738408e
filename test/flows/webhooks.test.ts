// An owner is told: on a real market, a call takes the balance below its threshold, and a receiver of one's own gets the message, signed, and
// once more after it was away.
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { verifyWebhook } from '../../protocol/client.ts'
import { AlertsView, DeliveryPage, DeliveryView, WebhookWithSecret } from '../../protocol/webhook.ts'
import { eventually } from '../support/eventually.ts'
import { startMarket, type Market } from '../support/market.ts'

let market: Market
let server: Server
const received: { headers: IncomingHttpHeaders; body: string }[] = []
/** what the receiver answers, one after the other; then 200 */
const answers: number[] = []

beforeAll(async () => {
  server = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => {
      received.push({ headers: request.headers, body: Buffer.concat(parts).toString() })
      response.writeHead(answers.shift() ?? 200).end('x'.repeat(100_000))
    })
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  market = await startMarket()
})
afterAll(async () => {
  server?.close()
  await market?.stop()
})

it('gets a signed message when a call takes the balance below the threshold, again after a failure, and never twice unasked', async () => {
  const { client, key, accountId } = await market.consumer()
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook?from=souk` // it listens on TCP
  const webhook = await client.send('POST', '/api/webhooks', WebhookWithSecret, { url })
  const tested = await client.send('POST', `/api/webhooks/${webhook.id}/test`, DeliveryView, {})
  expect(tested).toMatchObject({ state: 'delivered', status: 200, error: null })
  expect(received).toHaveLength(1)

  const balance = (await client.account()).balance
  await client.send('PUT', '/api/account/alerts', AlertsView, { balanceLowUsd: balance })
  answers.push(503)
  for (let calls = 0; calls < 2; calls++) {
    const answer = await fetch(`${market.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'souk/tiny-chat', messages: [{ role: 'user', content: 'hello' }] }),
    })
    expect(answer.status).toBe(200)
    await answer.text()
  }
  const log = () => client.send('GET', `/api/webhooks/${webhook.id}/deliveries`, DeliveryPage)
  await eventually(30_000, async () => {
    await market.runCrons()
    const [told] = (await log()).data
    expect(told).toMatchObject({ type: 'balance.low', state: 'delivered', tries: 2, status: 200 })
  })
  await market.runCrons()
  expect(received).toHaveLength(3)
  const [, failed, delivered] = received
  expect(failed?.body).toBe(delivered?.body)
  for (const message of [failed, delivered]) {
    const checked = verifyWebhook(message?.headers ?? {}, message?.body ?? '', webhook.secret, Date.now() / 1_000)
    expect(checked).toMatchObject({
      ok: true,
      value: { message: { type: 'balance.low', data: { accountId, threshold: balance } } },
    })
  }
  expect(verifyWebhook(delivered?.headers ?? {}, `${delivered?.body} `, webhook.secret, Date.now() / 1_000).ok).toBe(
    false,
  )
  const rows = await market.query('DB', 'SELECT * FROM webhooks')
  expect(JSON.stringify(rows)).not.toContain(webhook.secret.slice(6, -1))
})
