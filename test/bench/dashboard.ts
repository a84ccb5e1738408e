// `npm run bench -- dashboard`: what the dashboard's questions cost when a book has ten million calls of 400 days. The book is generated; the questions go
// through the gateway in workerd as a page sends them, signed in, one after the other. Goal: 95 of 100 answers within 100 ms. Every kind of question is asked
// by the account, the node and the author with the most calls, so that others fare better.
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { z } from 'zod'
import { systemRandom } from '../../gateway/core/clock.ts'
import { startGateway, type Gateway } from '../../gateway/local/gateway.ts'
import { createClient } from '../../protocol/client.ts'
import { newNodeId } from '../../protocol/units.ts'
import { DAYS, fileWith, keyName, modelName, seedBook, seedRegistry, type Cast } from './dashboard-seed.ts'
import { percentile } from './load.ts'

const isQuick = process.argv.includes('--quick')
const CALLS = isQuick ? 100_000 : 10_000_000
const ROUNDS = isQuick ? 5 : 30
const GOAL_MS = 100
const DAY_MS = 86_400_000
const AUTHORS_MODELS = 8

const stateDir = await mkdtemp(join(tmpdir(), 'souk-bench-dashboard-'))
const wallets = {
  consumer: privateKeyToAccount(generatePrivateKey()),
  operator: privateKeyToAccount(generatePrivateKey()),
  author: privateKeyToAccount(generatePrivateKey()),
  admin: privateKeyToAccount(generatePrivateKey()),
}
type Who = keyof typeof wallets
/** A question that finds nothing would cost nothing. */
const Filled = z.object({ data: z.array(z.unknown()).min(1) })
const Known = z.object({ accountId: z.string() })
/** The day after the last call. */
const until = Math.floor(Date.now() / DAY_MS) * DAY_MS

const range = (step: 'hour' | 'day', days: number) =>
  `from=${new Date(until - days * DAY_MS).toISOString()}&to=${new Date(until).toISOString()}&step=${step}`
/** Begins and ends in the middle of days and months. */
const ragged = (step: 'hour' | 'day', days: number) =>
  `from=${new Date(until - days * DAY_MS + DAY_MS / 2).toISOString()}&to=${new Date(until - DAY_MS / 2).toISOString()}&step=${step}`

try {
  const cast = await withGateway(async (tokens, gateway) => {
    const idOf = async (who: Who) => Known.parse((await ask(gateway, tokens[who], '/api/account')).body).accountId
    return {
      account: await idOf('consumer'),
      operator: await idOf('operator'),
      author: await idOf('author'),
      node: newNodeId(systemRandom),
    }
  })
  const began = Date.now()
  seedRegistry(stateDir, cast, AUTHORS_MODELS)
  const calls = seedBook(stateDir, cast, CALLS, until)
  const { size } = await stat(fileWith(stateDir, 'rollups_hour'))
  console.log(
    `${calls.toLocaleString('en')} calls of ${DAYS} days, ${(size / 1e9).toFixed(1)} GB, written in ${Math.round((Date.now() - began) / 1000)} s`,
  )
  await withGateway(async (tokens, gateway) => {
    await checkSeed(gateway, tokens.admin, calls)
    await measureAll(gateway, tokens, cast)
  })
} finally {
  await rm(stateDir, { recursive: true, force: true })
}

async function withGateway<T>(work: (tokens: Record<Who, string>, gateway: Gateway) => Promise<T>): Promise<T> {
  const gateway = await startGateway({ stateDir, port: 0, vars: { SOUK_ADMINS: wallets.admin.address } })
  try {
    const tokens: Partial<Record<Who, string>> = {}
    for (const who of Object.keys(wallets) as Who[])
      // the keys it was written with
      tokens[who] = (await createClient({ url: gateway.url }).signIn(wallets[who])).token ?? ''
    return await work(tokens as Record<Who, string>, gateway) // one for each, just above
  } finally {
    await gateway.stop()
  }
}

async function ask(
  gateway: Gateway,
  token: string,
  path: string,
): Promise<{ ms: number; body: unknown; bytes: number }> {
  const began = performance.now()
  const response = await fetch(gateway.directUrl + path, { headers: { authorization: `Bearer ${token}` } })
  const text = await response.text()
  const ms = performance.now() - began
  if (!response.ok) throw new Error(`${path}: ${response.status} ${text.slice(0, 200)}`)
  return { ms, body: JSON.parse(text), bytes: text.length }
}

async function checkSeed(gateway: Gateway, token: string, calls: number): Promise<void> {
  const Reply = z.object({ total: z.object({ calls: z.number() }) })
  const said = Reply.parse((await ask(gateway, token, `/api/admin/metering?${range('day', DAYS)}`)).body)
  if (said.total.calls !== calls) throw new Error(`the totals have ${said.total.calls} calls, the book ${calls}`)
}

async function measureAll(gateway: Gateway, tokens: Record<Who, string>, { node }: Cast): Promise<void> {
  const model = `model=${modelName(0)}`
  const questions: [name: string, who: Who, path: string][] = [
    // What a request costs that asks no book: on a busy machine, the rest is to be read beside it.
    ['nothing', 'consumer', '/healthz'],
    ['calls', 'consumer', '/api/usage?limit=100'],
    ['calls of one key', 'consumer', `/api/usage?limit=100&key=${keyName(1)}`],
    ['calls that failed', 'consumer', '/api/usage?limit=100&outcome=failed'],
    ['journal', 'consumer', '/api/journal?limit=100'],
    ['statements', 'consumer', '/api/statements'],
    ['spend, a day of hours', 'consumer', `/api/spend?${range('hour', 1)}`],
    ['spend, a week of hours', 'consumer', `/api/spend?${ragged('hour', 7)}`],
    ['spend, 31 days of hours', 'consumer', `/api/spend?${ragged('hour', 31)}`],
    ['spend, 30 days by node', 'consumer', `/api/spend?${range('day', 30)}&by=node`],
    ['spend, 400 days by key', 'consumer', `/api/spend?${range('day', DAYS)}&by=key`],
    ['spend, 400 days by node', 'consumer', `/api/spend?${range('day', DAYS)}&by=node`],
    ['spend, 30 days of a model by key', 'consumer', `/api/spend?${range('day', 30)}&by=key&${model}`],
    ['spend, 31 days of hours of a model', 'consumer', `/api/spend?${range('hour', 31)}&${model}`],
    ['node, a day of hours', 'operator', `/api/nodes/${node}/history?${range('hour', 1)}`],
    ['node, 31 days of hours', 'operator', `/api/nodes/${node}/history?${range('hour', 31)}`],
    ['node, 400 days', 'operator', `/api/nodes/${node}/history?${range('day', DAYS)}`],
    ['node, earnings', 'operator', `/api/nodes/${node}/earnings?limit=100`],
    ['royalties, 31 days of hours', 'author', `/api/author/royalties?${ragged('hour', 31)}`],
    ['royalties, 400 days', 'author', `/api/author/royalties?${range('day', DAYS)}`],
    ['house, a day of hours', 'admin', `/api/admin/metering?${range('hour', 1)}`],
    ['house, 31 days of hours', 'admin', `/api/admin/metering?${range('hour', 31)}`],
    ['house, 400 days', 'admin', `/api/admin/metering?${range('day', DAYS)}`],
    ['house, a model at a node', 'admin', `/api/admin/metering?${range('hour', 31)}&${model}&node=${node}`],
    ['top accounts, a day', 'admin', `/api/admin/top?${range('hour', 1)}&by=account`],
    ['top accounts, 30 days', 'admin', `/api/admin/top?${ragged('day', 30)}&by=account`],
    ['top accounts, 400 days', 'admin', `/api/admin/top?${ragged('day', DAYS)}&by=account&limit=100`],
    ['top models, 400 days', 'admin', `/api/admin/top?${ragged('day', DAYS)}&by=model`],
    ['top nodes, 30 days', 'admin', `/api/admin/top?${ragged('day', 30)}&by=node`],
    ['top nodes, 400 days', 'admin', `/api/admin/top?${ragged('day', DAYS)}&by=node&limit=100`],
    ['status', 'consumer', '/api/status'],
  ]
  // In turns, so that a busy moment of the machine falls on all alike.
  const taken = questions.map(() => ({ ms: [] as number[], bytes: 0 }))
  for (let round = 0; round <= ROUNDS; round++)
    for (const [index, [name, who, path]] of questions.entries()) {
      const { ms, bytes, body } = await ask(gateway, tokens[who], path)
      if (/calls of|that failed|earnings/.test(name) && round === 0) Filled.parse(body)
      const own = taken[index]
      if (!own) continue
      own.bytes = bytes
      // The first one opens what is not open yet.
      if (round > 0) own.ms.push(ms)
    }
  console.log(`\n${'question'.padEnd(36)}${'p50'.padStart(10)}${'p95'.padStart(10)}${'answer'.padStart(12)}`)
  for (const [index, [name]] of questions.entries()) {
    const { ms, bytes } = taken[index] ?? { ms: [], bytes: 0 }
    const p95 = percentile(ms, 0.95)
    const cells = [
      `${percentile(ms, 0.5).toFixed(1)} ms`.padStart(10),
      `${p95.toFixed(1)} ms`.padStart(10),
      `${(bytes / 1000).toFixed(1)} kB`.padStart(12),
    ]
    console.log(`${name.padEnd(36)}${cells.join('')}${p95 > GOAL_MS ? '  over the goal' : ''}`)
  }
  const all = taken.flatMap(({ ms }) => ms)
  const over = taken.filter(({ ms }) => percentile(ms, 0.95) > GOAL_MS).length
  console.log(
    `\nall together: p50 ${percentile(all, 0.5).toFixed(1)} ms, p95 ${percentile(all, 0.95).toFixed(1)} ms; ${over} of ${questions.length} kinds over ${GOAL_MS} ms at the 95th percentile`,
  )
}
