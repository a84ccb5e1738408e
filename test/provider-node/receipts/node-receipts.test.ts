// The receipts of a whole node on the real models, and a gateway that takes them or does not: on the disk before the answer ends, handed in at the
// end, tried at the next start; and calls that could not be proved are not taken.
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ReceiptsBody, type ReceiptAnswer } from '../../../protocol/receipt.ts'
import { createIdentity, type Identity } from '../../../provider-node/identity.ts'
import { loadModel } from '../../../provider-node/model-store/check.ts'
import type { LoadedModel } from '../../../provider-node/model-store/manifest.ts'
import { startNode, type NodeOptions, type RunningNode } from '../../../provider-node/node.ts'
import { readOwnWork } from '../../../provider-node/receipts/own-work.ts'
import { RECEIPT_LIMITS } from '../../../provider-node/receipts/receipt-limits.ts'
import { openReceipts } from '../../../provider-node/receipts/node-receipts.ts'
import { createReceiptMetrics } from '../../../provider-node/receipts/receipt-metrics.ts'
import { createMetrics } from '../../../provider-node/metrics.ts'
import { readBacklog, receiptsFolder } from '../../../provider-node/receipts/store.ts'
import {
  aConfig,
  aGateway,
  aTemporaryFolder,
  aTicket,
  EMBEDDINGS_PATH,
  eventually,
  shippedFolder,
  type FakeGateway,
} from '../builders.ts'
import { aListener } from './builders.ts'

const ALL_DAYS = { from: '2000-01-01', to: '9999-12-31' }
const BODY = JSON.stringify({ model: 'souk/word-vectors', input: 'a cat' })

let gateway: FakeGateway
let home: Awaited<ReturnType<typeof aTemporaryFolder>>
let identity: Identity
let embeddings: LoadedModel
let node: RunningNode | null = null
/** what the gateway says to receipts; null: it is down */
let answer: ((count: number) => ReceiptAnswer[]) | null
let handedIn: string[] = []

beforeEach(async () => {
  gateway = await aGateway()
  home = await aTemporaryFolder()
  identity = await createIdentity(home.path)
  embeddings = await loadModel(shippedFolder('word-vectors'))
  handedIn = []
  answer = (count) => Array.from({ length: count }, () => ({ outcome: 'taken' }))
  gateway.app.post('/api/receipts', async (c) => {
    const { receipts } = ReceiptsBody.parse(await c.req.json())
    if (answer === null) return c.text('away', 502)
    handedIn.push(...receipts.map(({ receipt }) => receipt))
    return c.json({ data: answer(receipts.length) })
  })
})
afterEach(async () => {
  await node?.stop()
  node = null
  await gateway.close()
  await home.remove()
})

async function start(options: Partial<NodeOptions> = {}): Promise<RunningNode> {
  const models = [{ folder: 'word-vectors', prices: { inputPerMillion: '1', outputPerMillion: '1', perCall: '0' } }]
  const config = aConfig(gateway.url, { models: models as never })
  node = await startNode({ config, identity, home: home.path, ...options })
  return node
}

async function call({ url }: RunningNode): Promise<Response> {
  const chat = embeddings
  const ticket = aTicket({ gateway, identity, chat, embeddings }, EMBEDDINGS_PATH, BODY)
  const headers = { authorization: `Souk ${await gateway.sign(ticket)}`, 'content-type': 'application/json' }
  return fetch(`${url ?? ''}${EMBEDDINGS_PATH}`, { method: 'POST', headers, body: BODY })
}

describe('a receipt', () => {
  it('is on the disk before its answer is, with the ticket it is for', async () => {
    const { receipt } = (await (await call(await start())).json()) as { receipt: string }
    const [own] = await readOwnWork(home.path, ALL_DAYS)
    expect(own).toMatchObject({
      model: 'souk/word-vectors',
      outcome: 'complete',
      state: 'waiting',
      callId: expect.any(String),
    })
    expect(Number(own?.expected)).toBeGreaterThan(0)
    expect(node?.receipts()).toEqual([receipt])
    expect(handedIn).toEqual([])
  })

  it('is handed in when the node stops, and noted in the history', async () => {
    const running = await start()
    const receipts = await Promise.all(
      [1, 2, 3].map(async () => ((await (await call(running)).json()) as { receipt: string }).receipt),
    )
    await running.stop()
    expect(handedIn.sort()).toEqual(receipts.sort())
    expect(await readBacklog(home.path)).toEqual({ waiting: 0, oldestAt: null, rejected: 0 })
    expect((await readOwnWork(home.path, ALL_DAYS)).map(({ state }) => state)).toEqual(['taken', 'taken', 'taken'])
  })

  it('that a gateway which is away does not get is handed in after the next start, by itself', async () => {
    answer = null
    const running = await start()
    await call(running)
    const began = Date.now()
    await running.stop()
    expect(Date.now() - began).toBeLessThan(RECEIPT_LIMITS.drainMs + 2_000)
    expect((await readBacklog(home.path)).waiting).toBe(1)
    answer = (count) => Array.from({ length: count }, () => ({ outcome: 'taken' }))
    await start()
    await eventually(async () => (await readBacklog(home.path)).waiting === 0)
    expect(handedIn).toHaveLength(1)
  })

  it('that the gateway refuses for good is kept for the operator, and counted', async () => {
    answer = (count) => Array.from({ length: count }, () => ({ outcome: 'refused', code: 'bad_ticket' }))
    const running = await start()
    await call(running)
    await running.stop()
    expect(await readBacklog(home.path)).toMatchObject({ waiting: 0, rejected: 1 })
    expect((await readOwnWork(home.path, ALL_DAYS)).map(({ state }) => state)).toEqual(['bad_ticket'])
  })

  it('is asked for again when the gateway answers for fewer than it was sent', async () => {
    answer = () => []
    const running = await start()
    await call(running)
    await running.stop()
    expect(await readBacklog(home.path)).toMatchObject({ waiting: 1, rejected: 0 })
  })

  it('is counted on the page of numbers', async () => {
    const running = await start()
    await call(running)
    const page = await (await fetch(`${running.url ?? ''}/metrics`)).text()
    expect(page).toContain('souk_node_receipts_waiting 1')
    expect(page).toMatch(/souk_node_receipts_oldest_seconds \d/)
    expect(page).toContain('souk_node_receipts_handed_in_total 0')
  })
})

describe('a folder that cannot be written', () => {
  it('stops no call: receipts are handed in from memory, and the operator reads one sentence', async () => {
    await writeFile(receiptsFolder(home.path), 'a file stands where the folder should')
    const told = aListener()
    const running = await start({ log: told.log })
    expect((await call(running)).status).toBe(200)
    expect((await call(running)).status).toBe(200)
    await running.stop()
    expect(handedIn).toHaveLength(2)
    expect(told.events.filter(({ event }) => event === 'receipts_not_written')).toHaveLength(1)
    await rm(receiptsFolder(home.path))
  })
})

describe('a node that can keep no more receipts', () => {
  it('refuses the call as busy before it works, and not those of its operator', async () => {
    await writeFile(receiptsFolder(home.path), '')
    const running = await start()
    const { memoryBytes } = RECEIPT_LIMITS
    // The bound is real; only here it is small.
    Object.assign(RECEIPT_LIMITS, { memoryBytes: 1 })
    try {
      expect((await call(running)).status).toBe(200)
      const refused = await call(running)
      expect([refused.status, await refused.json()]).toMatchObject([429, { error: { code: 'busy' } }])
    } finally {
      Object.assign(RECEIPT_LIMITS, { memoryBytes })
    }
    expect((await call(running)).status).toBe(200)
    await rm(receiptsFolder(home.path))
  })
})

it('asks nobody while nothing waits', async () => {
  const asked: string[] = []
  const receipts = await openReceipts({
    home: join(home.path, 'other'),
    gateway: gateway.url,
    identity,
    now: Date.now,
    log: aListener().log,
    metrics: createReceiptMetrics(createMetrics()),
    fetch: (input) => {
      asked.push(String(input))
      return Promise.reject(new Error('nobody'))
    },
  })
  receipts.retryNow()
  await receipts.close()
  expect(asked).toEqual([])
})
