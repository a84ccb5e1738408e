// `/webhooks/payments/{processor}`: where a payment processor tells of money. There is no session here; the adapter checks the signature over the
// raw bytes, which are read bounded and never parsed before. A processor that is not configured has no route.
import { Hono } from 'hono'
import { GatewayError } from '../../core/errors.ts'
import type { AppEnv } from '../../core/principal.ts'
import { refusal } from '../../core/refusal.ts'
import { LEDGER } from '../limits/limits.ts'
import { createPaymentDesk, type PaymentNeeds } from './payment-flow.ts'
import type { PaymentAdapter } from './payment-port.ts'

export interface PaymentRouteNeeds extends PaymentNeeds {
  readonly payments: readonly PaymentAdapter[]
}

export function createPaymentRoutes({ payments, ...needs }: PaymentRouteNeeds) {
  const book = createPaymentDesk(needs)
  return new Hono<AppEnv>().post('/payments/:processor', async (c) => {
    const adapter = payments.find(({ name }) => name === c.req.param('processor'))
    if (!adapter) throw new GatewayError('not_found')
    const body = await readBounded(c.req.raw)
    const read = await adapter.read(c.req.raw.headers, body, needs.clock())
    if (!read.ok) throw refusal(read)
    for (const event of read.value) await book(adapter.name, event)
    return c.json({ received: true })
  })
}

async function readBounded(request: Request): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let size = 0
  for await (const part of (request.body ?? []) as AsyncIterable<Uint8Array>) {
    size += part.byteLength
    // Leaving the loop cancels the body: what is too large is not read to its end.
    if (size > LEDGER.paymentEventBytes) throw new GatewayError('body_too_large')
    parts.push(part)
  }
  const body = new Uint8Array(size)
  let at = 0
  for (const part of parts) {
    body.set(part, at)
    at += part.byteLength
  }
  return body
}
