// `POST /api/receipts`: where nodes, and consumers who hold one, hand in receipts that did not reach the gateway with their answer.
import { Hono } from 'hono'
import { ReceiptsBody, type ReceiptsReply } from '../../../protocol/receipt.ts'
import type { AppEnv } from '../../core/principal.ts'
import { jsonBody } from '../../core/validate.ts'
import { takeReceipts, type LateReceiptNeeds } from './late-receipts.ts'

/** Mounted at /api. Always 200 for a body of the wire: each receipt has its own answer, in their order. */
export function createReceiptRoutes(needs: LateReceiptNeeds) {
  return new Hono<AppEnv>().post('/receipts', jsonBody(ReceiptsBody), async (c) => {
    const data = await takeReceipts(needs, c.req.valid('json').receipts, c.var.requestId)
    return c.json({ data } satisfies ReceiptsReply)
  })
}
