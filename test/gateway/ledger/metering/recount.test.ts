// Totals as a function of the hourly sums and the calls: what append adds up line by line, a recount of the day writes from nothing, to the last byte; and a
// wiped account takes its share with it and brings it back.
import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { createBook } from '../../../../gateway/ledger/book/book.ts'
import { LEDGER } from '../../../../gateway/ledger/limits/limits.ts'
import { recountDay, recountDays } from '../../../../gateway/ledger/metering/recount-book.ts'
import { rebuildAccount } from '../../../../gateway/ledger/book/rebuild.ts'
import { instant, type ModelId } from '../../../../protocol/units.ts'
import { accounts, aPayer, plannedFailures, START } from '../ledger-house.ts'
import { aMeteredMarket, BOOKS, emptyBooks } from './metering-house.ts'

plannedFailures()
// Many guards in turns: on a busy machine a story takes longer than the usual five seconds.
vi.setConfig({ testTimeout: 60_000 })

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const DAY = Math.floor(START / DAY_MS) * DAY_MS
const SUMMED = { totals: '1, 2, 3, 4, 5', account_totals: '1, 2, 3, 4, 5, 6, 7', latencies: '1, 2, 3, 4, 5' }

async function dump(book: D1Database = env.BOOK_0): Promise<Record<string, string[]>> {
  const all: Record<string, string[]> = {}
  for (const [table, order] of Object.entries(SUMMED)) {
    const { results } = await book.prepare(`SELECT * FROM ${table} ORDER BY ${order}`).all()
    all[table] = results.map((row) => JSON.stringify(row))
  }
  return all
}
const emptyTotals = (book: D1Database = env.BOOK_0) =>
  book.batch(Object.keys(SUMMED).map((table) => book.prepare(`DELETE FROM ${table}`)))
const queued = async () => (await env.BOOK_0.prepare('SELECT day FROM recounts ORDER BY 1').all()).results

/** Three days over the end of a month, two accounts in one book, one in another. */
async function aBusyTime() {
  const market = await aMeteredMarket()
  const second = await aPayer(1_000_000n, {}, market.clock, 0)
  const [payer, elsewhere] = market.payers
  for (let round = 0; round < 12; round++) {
    await market.call(payer, 10n + BigInt(round), { firstMs: 7 * round, ms: 11 * round ** 3 })
    await market.call(second, 5n, {
      nodeId: market.nodes[round % 2] ?? null,
      modelId: `souk/m${round % 3}` as ModelId,
      ms: 90,
    })
    if (round % 4 === 0)
      await market.call(payer, 0n, { outcome: 'failed', errorCode: 'provider_failed', legs: [], nodeId: null })
    await market.call(elsewhere, 3n)
    market.clock.advance(31 * HOUR_MS)
    await market.project()
    await second.port.tick()
  }
  return { market, payer, second }
}

beforeEach(emptyBooks)

describe('a day summed anew', () => {
  it('is what append had added up, byte for byte, from nothing and over what is there', async () => {
    await aBusyTime()
    const before = await dump()
    expect(before.totals?.length).toBeGreaterThan(100)
    const days = (
      await env.BOOK_0.prepare(`SELECT DISTINCT hour - hour % ${DAY_MS} AS day FROM rollups_hour`).all<{
        day: number
      }>()
    ).results
    for (const { day } of days) await recountDay(env.BOOK_0, day)
    expect(await dump()).toEqual(before)
    await emptyTotals()
    for (const { day } of days) await recountDay(env.BOOK_0, day)
    expect(await dump()).toEqual(before)
  })

  it('is done by the cron, of days that are named, a bounded number at a time', async () => {
    const { market } = await aBusyTime()
    const before = await dump()
    await emptyTotals()
    await env.BOOK_0.prepare(`INSERT INTO recounts SELECT DISTINCT hour - hour % ${DAY_MS} FROM rollups_hour`).run()
    const waiting = (await queued()).length
    expect(waiting).toBeLessThanOrEqual(LEDGER.recountDays)
    expect(await recountDays({ books: BOOKS, clock: market.clock })).toBe(waiting)
    expect(await dump()).toEqual(before)
    expect(await queued()).toEqual([])
    const many = JSON.stringify(Array.from({ length: LEDGER.recountDays + 1 }, (_, n) => n * DAY_MS))
    await env.BOOK_0.prepare('INSERT INTO recounts SELECT value FROM json_each(?)').bind(many).run()
    expect(await recountDays({ books: BOOKS, clock: market.clock })).toBe(LEDGER.recountDays)
    expect(await queued()).toEqual([{ day: 0 }])
  })
})

describe('an account that is wiped and written again', () => {
  it('leaves everybody’s totals as they were, once its days are summed anew', async () => {
    const { market, payer } = await aBusyTime()
    const before = await dump()
    // Its hourly sums were wrong, and so the totals that somebody might have taken off by them.
    await env.BOOK_0.prepare('UPDATE rollups_hour SET charge_nanos = charge_nanos * 7 WHERE account_id = ?')
      .bind(payer.id)
      .run()
    await rebuildAccount({ db: env.DB, books: BOOKS, accounts }, { id: payer.id, book: 0 }, true)
    // In the middle of it, with nothing of the account written yet.
    await recountDays({ books: BOOKS, clock: market.clock })
    expect(await dump()).not.toEqual(before)
    market.clock.advance(1_000)
    for (let round = 0; round < 3; round++) await payer.port.tick()
    expect(await dump()).toEqual(before)
  })

  it('is the same when the cron comes after its lines', async () => {
    const { market, payer } = await aBusyTime()
    const before = await dump()
    await rebuildAccount({ db: env.DB, books: BOOKS, accounts }, { id: payer.id, book: 0 }, true)
    market.clock.advance(1_000)
    for (let round = 0; round < 3; round++) await payer.port.tick()
    expect(await dump()).not.toEqual(before)
    await recountDays({ books: BOOKS, clock: market.clock })
    expect(await dump()).toEqual(before)
  })

  it('without a wipe changes nothing', async () => {
    const { market, payer } = await aBusyTime()
    const before = await dump()
    await rebuildAccount({ db: env.DB, books: BOOKS, accounts }, { id: payer.id, book: 0 }, false)
    market.clock.advance(1_000)
    for (let round = 0; round < 3; round++) await payer.port.tick()
    expect(await dump()).toEqual(before)
  })
})

describe('append', () => {
  it('adds a line once, however often it is sent', async () => {
    const { payer } = await aBusyTime()
    const before = await dump()
    const [line] = await payer.lines()
    if (!line) throw new Error('no lines')
    const sent = vi.fn()
    await payer.use({
      books: () => ({
        ...createBook(env.BOOK_0),
        append: async (...append) => (sent(), createBook(env.BOOK_0).append(...append)),
      }),
    })
    await payer.port.reproject()
    for (let round = 0; round < 3; round++) await payer.port.tick()
    expect(sent).toHaveBeenCalled()
    expect(await dump()).toEqual(before)
  })
})

describe('the check', () => {
  /** The minute of the day that looks at the day itself. */
  const minute = Array.from({ length: LEDGER.totalsCheckedDays }, (_, n) => DAY + n * 60_000).find(
    (at) => (at / 60_000) % LEDGER.totalsCheckedDays === 0,
  )
  const check = () => recountDays({ books: [env.BOOK_0], clock: () => instant(minute ?? 0) })

  it.each([
    ['a total of a day', `UPDATE totals SET calls = calls + 1 WHERE step = 'day' AND cut = 0 AND at = ${DAY}`],
    ['a total of an hour', `DELETE FROM totals WHERE step = 'hour' AND cut = 0 AND at = ${START}`],
    [
      'a total of an account',
      `UPDATE account_totals SET charge_nanos = 1 WHERE step = 'day' AND cut = 0 AND at = ${DAY}`,
    ],
  ])('finds %s that is off, and mends it', async (_, tamper) => {
    const market = await aMeteredMarket()
    await market.call(market.payers[0], 10n)
    await market.project()
    const before = await dump()
    const logged: string[] = []
    vi.spyOn(console, 'error').mockImplementation((line: string) => void logged.push(line))
    await check()
    expect(logged).toEqual([])
    await env.BOOK_0.prepare(tamper).run()
    await check()
    expect(await dump()).toEqual(before)
    expect(logged.join()).toContain('summed anew')
  })
})
