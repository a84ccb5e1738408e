// The receipts of a running node, put together: signed, kept on the disk, handed in, noted in the history. `close` is their end: what is being
// signed is kept first, then the rest is handed in as far as the time goes.
import { createClient } from '../../protocol/client.ts'
import { ReceiptsReply } from '../../protocol/receipt.ts'
import type { Identity } from '../identity.ts'
import { NODE_LIMITS } from '../limits.ts'
import type { Log } from '../log.ts'
import { openDisk } from './disk.ts'
import { createHandIn } from './hand-in.ts'
import { createHistory, historyFolder } from './history.ts'
import { createReceipts, type Receipts, type Work } from './issue.ts'
import type { ReceiptMetrics } from './receipt-metrics.ts'
import { createReceiptStore, receiptsFolder } from './store.ts'
import type { Kept } from './stored.ts'

export interface NodeReceiptsNeeds {
  readonly home: string
  readonly gateway: string
  readonly identity: Pick<Identity, 'nodeKey' | 'signingKey'>
  /** ms */
  readonly now: () => number
  readonly log: Log
  readonly metrics: ReceiptMetrics
  readonly fetch?: typeof fetch
}

export interface NodeReceipts extends Receipts {
  /** The gateway is there again: what waits is handed in at once. */
  retryNow(): void
  close(): Promise<void>
}

/** Goes on with what the last run left. Never throws: a disk that cannot be used is told in the log. */
export async function openReceipts(needs: NodeReceiptsNeeds): Promise<NodeReceipts> {
  const { home, identity, now, log, metrics } = needs
  const told = { log, error: metrics.storeError }
  const store = await createReceiptStore({ disk: openDisk(receiptsFolder(home)), now, told })
  metrics.watch(() => store.backlog(), now)
  const history = createHistory(openDisk(historyFolder(home)), metrics.storeError)
  const send = (receipts: readonly Kept[], signal: AbortSignal) => handTo(needs, receipts, signal)
  const handIn = createHandIn({ store, history, send, now, random: Math.random, log, metrics })
  const receipts = createReceipts({ identity, store })
  const signing = new Set<Promise<string>>()
  return {
    ...receipts,
    async issue(work: Work) {
      const signed = receipts.issue(work)
      signing.add(signed)
      try {
        return await signed
      } finally {
        signing.delete(signed)
        handIn.wake()
      }
    },
    retryNow: () => handIn.retryNow(),
    async close() {
      await Promise.allSettled(signing)
      await handIn.close()
      await store.close()
    },
  }
}

/** @throws when there is not an answer for each */
async function handTo(needs: NodeReceiptsNeeds, kept: readonly Kept[], signal: AbortSignal) {
  const send = needs.fetch ?? fetch
  const untilStopped: typeof fetch = (input, init) => {
    const signals = init?.signal ? [init.signal, signal] : [signal]
    return send(input, { ...init, signal: AbortSignal.any(signals) })
  }
  const client = createClient({ url: needs.gateway, timeoutMs: NODE_LIMITS.gatewayMs, fetch: untilStopped })
  const receipts = kept.map(({ ticket, receipt }) => ({ ticket, receipt }))
  const { data } = await client.send('POST', '/api/receipts', ReceiptsReply, { receipts })
  if (data.length !== kept.length) throw new RangeError('the gateway did not answer for each receipt')
  return data
}
