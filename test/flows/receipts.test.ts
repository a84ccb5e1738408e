// `kill -9` of a node that has answered and not yet handed in its receipts, and a start on the same state: every receipt reaches the gateway, and
// nobody is charged or paid again, however often they are handed in.
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { signIn } from '../../gateway/local/accounts.ts'
import { startNodeProcess, type NodeProcess } from '../../gateway/local/node-process.ts'
import { loadWallets } from '../../gateway/local/secrets.ts'
import { ReceiptsReply } from '../../protocol/receipt.ts'
import { openDisk } from '../../provider-node/receipts/disk.ts'
import { readOwnWork } from '../../provider-node/receipts/own-work.ts'
import { createReceiptStore, readBacklog, receiptsFolder } from '../../provider-node/receipts/store.ts'
import { runCommand } from '../support/command.ts'
import { eventually } from '../support/eventually.ts'
import { startMarket, type Consumer, type Market } from '../support/market.ts'

const CALLS = 30
const ALL_DAYS = { from: '2000-01-01', to: '9999-12-31' }

const Shown = z.object({
  total: z.object({ paid: z.number(), served: z.number() }),
  differences: z.array(z.object({ kind: z.string(), calls: z.array(z.object({ callId: z.string() })) })),
})

let market: Market
let consumer: Consumer
let home: string
let restarted: NodeProcess | null = null

beforeAll(async () => {
  market = await startMarket({ nodes: 1 })
  consumer = await market.consumer()
  home = join(market.stateDir, 'node')
})
afterAll(async () => {
  await restarted?.stop()
  await market?.stop()
})

/** @returns the call's id, when its answer came whole */
async function call(index: number): Promise<string> {
  const [path, body] =
    index % 3 === 0
      ? ['chat/completions', { model: 'souk/tiny-chat', max_tokens: 8, messages: [{ role: 'user', content: 'Hello' }] }]
      : ['embeddings', { model: 'souk/word-vectors', input: `text ${index}` }]
  const response = await fetch(`${market.directUrl}/v1/${String(path)}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${consumer.key}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  const text = await response.text()
  expect([response.status, response.ok ? '' : text]).toEqual([200, ''])
  return response.headers.get('x-souk-call-id') ?? ''
}

/** What everybody has, and what was written about it. */
async function accounts() {
  const operator = await signIn(market.url, (await loadWallets(market.stateDir)).operator)
  const calls = await market.query(
    'BOOK_0',
    "SELECT transfer_id, count(*) AS n FROM lines WHERE kind = 'call' GROUP BY transfer_id ORDER BY transfer_id",
  )
  const [legs] = await market.query('BOOK_0', 'SELECT count(*) AS n, sum(abs(amount_nanos)) AS moved FROM legs')
  return {
    consumer: (await consumer.client.account()).balance,
    operator: (await operator.account()).balance,
    calls,
    legs,
  }
}

it('hands in what it had signed, and nothing is paid twice', async () => {
  const answered: string[] = []
  for (let index = 0; index < CALLS; index += 6)
    answered.push(...(await Promise.all([0, 1, 2, 3, 4, 5].map((offset) => call(index + offset)))))
  await market.nodes[0]?.kill()

  const signed = await readOwnWork(home, ALL_DAYS)
  // The story is only one if the gateway had acknowledged none of them.
  const unacknowledged = new Set(signed.filter(({ state }) => state === 'waiting').map(({ callId }) => callId))
  for (const callId of answered) expect(unacknowledged).toContain(callId)
  const store = await createReceiptStore({
    disk: openDisk(receiptsFolder(home)),
    now: Date.now,
    told: { log: () => undefined, error: () => undefined },
  })
  const receipts = (await store.next(100, () => true)).map(({ ticket, receipt }) => ({ ticket, receipt }))
  await store.close()
  expect(receipts.length).toBeGreaterThanOrEqual(CALLS)

  let before = await accounts()
  await eventually(20_000, async () => {
    const now = await accounts()
    const isSettled = JSON.stringify(now) === JSON.stringify(before) && now.calls.length >= CALLS
    before = now
    expect(isSettled && now.operator !== '0.000000000').toBe(true)
  })
  expect(before.calls.every(({ n }) => n === 1)).toBe(true)

  const operator = (await loadWallets(market.stateDir)).operator
  restarted = await startNodeProcess({ home, gatewayUrl: market.url, operator, name: 'node 1' })
  await eventually(20_000, async () => expect((await readBacklog(home)).waiting).toBe(0))
  expect((await readBacklog(home)).rejected).toBe(0)
  const known = new Map((await readOwnWork(home, ALL_DAYS)).map((own) => [own.callId, own.state]))
  for (const callId of answered) expect(known.get(callId)).toBe('taken')

  // A node that lost the answers would hand the same in again.
  const reply = await fetch(`${market.directUrl}/api/receipts`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ receipts }),
  })
  const { data } = ReceiptsReply.parse(z.unknown().parse(await reply.json()))
  expect(data.every(({ outcome }) => outcome === 'taken')).toBe(true)

  // What the operator is shown: every answered call paid as its receipt says. What is left are probes, which nobody pays.
  const { code, stdout } = await runCommand(
    ['--import', 'tsx', 'provider-node/cli.ts', 'earnings', '--home', home, '--json'],
    { SOUK_NODE_GATEWAY: market.url },
  )
  expect(code).toBe(0)
  const shown = Shown.parse(JSON.parse(stdout))
  expect(shown.total.paid).toBe(CALLS)
  expect(shown.total.served).toBeGreaterThan(CALLS)
  expect(shown.differences.map(({ kind }) => kind)).toEqual(['pending'])
  const explained = new Set(shown.differences.flatMap(({ calls }) => calls.map(({ callId }) => callId)))
  expect(answered.filter((callId) => explained.has(callId))).toEqual([])

  await market.runCrons()
  expect(await accounts()).toEqual(before)
  const unbalanced = await market.query(
    'BOOK_0',
    'SELECT account_id, seq FROM legs GROUP BY account_id, seq HAVING sum(amount_nanos) <> 0',
  )
  expect(unbalanced).toEqual([])
})

it('hands in the rest when it is told to stop', async () => {
  await market.routable(['souk/word-vectors'])
  const callId = await call(1)
  await restarted?.stop()
  expect(await readBacklog(home)).toMatchObject({ waiting: 0, oldestAt: null, rejected: 0 })
  const known = new Map((await readOwnWork(home, ALL_DAYS)).map((own) => [own.callId, own.state]))
  expect(known.get(callId)).toBe('taken')
})
