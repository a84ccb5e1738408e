// No question of the dashboard reads a large table from end to end: every statement that its reads send to a book is caught here, and SQLite is asked how
// it would answer it. Without ANALYZE a plan depends on the tables alone, so an empty book says what a full one would do.
import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, it } from 'vitest'
import { createAuditTraffic } from '../../../../gateway/ledger/earnings/audit-traffic-book.ts'
import { createBookPages } from '../../../../gateway/ledger/book/book-pages.ts'
import { spendGroups, spendPoints, topAccounts } from '../../../../gateway/ledger/metering/account-sums-book.ts'
import { createHouseSums } from '../../../../gateway/ledger/metering/house-sums-book.ts'
import { recountDays } from '../../../../gateway/ledger/metering/recount-book.ts'
import { createOperatorSums } from '../../../../gateway/ledger/metering/operator-sums-book.ts'
import type { Range } from '../../../../gateway/ledger/metering/ranges.ts'
import { createNodeEarnings } from '../../../../gateway/ledger/earnings/node-earnings-book.ts'
import { createNodeReceipts } from '../../../../gateway/ledger/earnings/node-receipts-book.ts'
import { createTraffic, createTrafficOf } from '../../../../gateway/ledger/earnings/node-traffic-book.ts'
import { createStatementBook } from '../../../../gateway/ledger/journal/statement-book.ts'
import { wipeAccount } from '../../../../gateway/ledger/book/wipe-book.ts'
import { newCallId, type AccountId, type NodeId } from '../../../../protocol/units.ts'
import { systemRandom } from '../../../../gateway/core/clock.ts'
import { START } from '../ledger-house.ts'
import { distinct, planOf, recording, type Asked } from '../../../support/workers/query-plans.ts'
import { emptyBooks } from './metering-house.ts'

const LARGE = ['calls', 'lines', 'legs', 'rollups_hour', 'totals', 'account_totals', 'latencies', 'statements']
const DAY_MS = 86_400_000
const ME = 'me' as AccountId
const NODE = 'node' as NodeId

/** What of a plan reads a large table whole, or a table of sums by less than step and cut. */
async function scans(one: Asked): Promise<string[]> {
  const { sql } = one
  const plan = await planOf(env.BOOK_0, one)
  if (!/^\s*INSERT/.test(sql)) expect(plan.length).toBeGreaterThan(0)
  const names = new Set(LARGE)
  for (const [, alias = ''] of sql.matchAll(new RegExp(`\\b(?:${LARGE.join('|')})"?\\s+AS\\s+"?(\\w+)`, 'gi')))
    names.add(alias)
  const sums = new Set(['totals', 'account_totals', 'latencies'].filter((table) => sql.includes(table)))
  return plan.flatMap((detail) => {
    const [, verb, name = ''] = /^(SCAN|SEARCH) (\w+)/.exec(detail) ?? []
    const isWhole = verb === 'SCAN' && names.has(name)
    // Who is wiped goes whole.
    const isNarrow = /cut=\?|account_totals_charge/.test(detail) || sql.startsWith('DELETE')
    const isWide = verb === 'SEARCH' && sums.has(name) && !isNarrow
    return isWhole || isWide ? [`${detail} <- ${sql.replace(/\s+/g, ' ').trim().slice(0, 200)}`] : []
  })
}

const range = (step: Range['step'], days: number): Range => ({ step, from: START - days * DAY_MS, to: START })
const RANGES = [range('hour', 1), range('hour', 31), range('day', 400)]

/** Every read of the book that a page may lead to. */
async function askAll(book: D1Database): Promise<void> {
  const pages = createBookPages(async () => book)
  const callId = newCallId(START, systemRandom)
  for (const filter of [{}, { key: 'k' }, { model: 'm' }, { outcome: 'failed' as const }])
    for (const cursor of [null, `${START}.${callId}`]) await pages.usage(ME, cursor, 100, filter)
  for (const cursor of [null, '7']) await pages.journal(ME, cursor, 100)
  await pages.linesOfCall(ME, callId)
  const earnings = { nodeId: NODE, owner: { accountId: ME, nodeIds: [NODE] }, from: 0, to: START, rows: 100 }
  for (const after of [null, { at: START, id: callId }]) await createNodeEarnings([book])({ ...earnings, after })
  await createTraffic([book])(NODE, START)
  await createTrafficOf([book])([NODE], START)
  await createNodeReceipts([book])(NODE, START)
  const statements = createStatementBook(book)
  for (const before of [null, 7]) await statements.list(ME, before, 100)
  await statements.find(ME, 1)
  const traffic = createAuditTraffic([book])
  await traffic.called(START)
  await traffic.lastStarts({ nodeId: NODE, modelId: 'm' as never }, 5)

  const house = createHouseSums([book])
  for (const asked of RANGES) {
    for (const narrowed of [{}, { model: 'm' }, { node: NODE }, { model: 'm', node: NODE }]) {
      await house.points(asked, narrowed)
      await house.latencies(asked, narrowed)
    }
    await house.pointsOfModels(asked, ['a', 'b'])
    await house.eachModel(asked, ['a', 'b'])
    await house.top(asked, 'model', 10)
    await house.top(asked, 'node', 10)
    await topAccounts([book], asked, 10)
    const offers = [['m', NODE]] as const
    await createOperatorSums([book]).points(asked, offers)
    for (const by of ['node', 'model'] as const) await createOperatorSums([book]).groups(asked, offers, by, 50)
    for (const key of [undefined, 'k'])
      for (const model of [undefined, 'm'])
        for (const node of [undefined, 'n'])
          for (const by of ['model', 'key', 'node'] as const) {
            await spendPoints(book, ME, asked, { key, model, node })
            await spendGroups(book, ME, asked, { key, model, node }, by, 50)
          }
  }
}

beforeEach(emptyBooks)

describe('the dashboard', { timeout: 60_000 }, () => {
  it('reads no large table from end to end', async () => {
    const { database: book, asked } = recording(env.BOOK_0)
    await askAll(book)
    const queries = distinct(asked)
    expect(queries.length).toBeGreaterThan(40)
    const found = []
    for (const query of queries) found.push(...(await scans(query)))
    expect(found).toEqual([])
  })

  it('is kept up to date without one either', async () => {
    const { database: book, asked } = recording(env.BOOK_0)
    await book.prepare('INSERT INTO recounts (day) VALUES (?)').bind(0).run()
    await recountDays({ books: [book], clock: () => START })
    await wipeAccount(book, ME)
    const found = []
    for (const query of asked) found.push(...(await scans(query)))
    expect(found).toEqual([])
  })
})

describe('a planted scan', () => {
  it.each([
    ['SELECT * FROM calls WHERE outcome = ?', ['failed']],
    ['SELECT count(*) FROM legs AS g JOIN lines AS n ON n.seq = g.leg WHERE g.role = ?', ['operator']],
    ['SELECT sum(charge_nanos) FROM rollups_hour WHERE key_id = ?', ['k']],
    ['SELECT sum(calls) FROM totals AS t WHERE t.node_id = ? AND t.at > 5', ['n']],
    ["SELECT sum(calls) FROM totals WHERE step = 'day' AND at > ?", [5]],
    ["SELECT * FROM account_totals WHERE step = 'day' AND cut = 1 AND at > ?", [5]],
    ['SELECT "calls"."id" FROM "calls" ORDER BY "calls"."charge_nanos" LIMIT ?', [1]],
  ])('is found: %s', async (sql, values) => {
    expect(await scans({ sql, values })).not.toEqual([])
  })
})
