// The book as a function of the guards: whatever failed while it was written, and whatever retention cleared since, writing it again from the
// journals gives the same rows, byte for byte.
import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, it } from 'vitest'
import { createBook } from '../../../../gateway/ledger/book/book.ts'
import { LEDGER } from '../../../../gateway/ledger/limits/limits.ts'
import { purgeDatabases } from '../../../../gateway/ledger/book/purge-book.ts'
import { rebuildAccount, rebuildNext } from '../../../../gateway/ledger/book/rebuild.ts'
import { accounts, aPayer, callFor, plannedFailures } from '../ledger-house.ts'
import { aStory, BOOKS, type Person, type Story } from '../story.ts'

plannedFailures()

/** All that append writes, each row as text, in the order of its key. */
async function dump(database: D1Database, ids: readonly string[]): Promise<Record<string, string[]>> {
  const whose = `account_id IN (SELECT value FROM json_each(?1))`
  const tables = { lines: '1, 2', legs: '1, 2, 3', calls: '1', rollups_hour: '1, 2, 3, 4, 5', cursors: '1' }
  const all: Record<string, string[]> = {}
  for (const [table, order] of Object.entries(tables)) {
    const { results } = await database
      .prepare(`SELECT * FROM ${table} WHERE ${whose} ORDER BY ${order}`)
      .bind(JSON.stringify(ids))
      .all()
    all[table] = results.map((row) => JSON.stringify(row))
  }
  return all
}

const empty = (database: D1Database) =>
  database.batch(
    ['lines', 'legs', 'calls', 'rollups_hour', 'cursors'].map((table) => database.prepare(`DELETE FROM ${table}`)),
  )

async function writeAgain(person: Person, database: D1Database): Promise<void> {
  await person.use({ books: () => createBook(database) })
  await person.port.reproject()
  for (let round = 0; round < 3; round++) await person.port.tick()
}

async function aFaultyStory(seed: number): Promise<Story> {
  const story = await aStory(seed)
  await story.fail()
  for (let i = 0; i < 120; i++) await story.step()
  await story.settle()
  return story
}

beforeEach(async () => {
  for (const database of BOOKS) await empty(database)
})

describe('a book written again', () => {
  it.each([11, 12, 13])(
    'is the same byte for byte, in another database (seed %i)',
    { timeout: 60_000 },
    async (seed) => {
      const { people } = await aFaultyStory(seed)
      for (const person of people) {
        const own = BOOKS[person.book] ?? env.BOOK_0
        const other = BOOKS[1 - person.book] ?? env.BOOK_0
        const before = await dump(own, [person.id])
        expect(before.lines?.length).toBeGreaterThan(5)
        expect((await dump(other, [person.id])).lines).toEqual([])
        await writeAgain(person, other)
        expect(await dump(other, [person.id])).toEqual(before)
      }
    },
  )

  it('changes nothing in the database it stands in', { timeout: 60_000 }, async () => {
    const { people } = await aFaultyStory(14)
    const ids = people.map(({ id }) => id)
    const before = await Promise.all(BOOKS.map((book) => dump(book, ids)))
    for (const person of people) await writeAgain(person, BOOKS[person.book] ?? env.BOOK_0)
    expect(await Promise.all(BOOKS.map((book) => dump(book, ids)))).toEqual(before)
  })

  it('is the same after retention has cleared guards and books', { timeout: 60_000 }, async () => {
    const { people, clock } = await aFaultyStory(15)
    clock.advance(LEDGER.detailKeptMs)
    for (const person of people) await person.port.tick()
    expect(await purgeDatabases({ db: env.DB, books: BOOKS, clock })).toBeGreaterThan(0)
    for (const person of people) {
      const own = BOOKS[person.book] ?? env.BOOK_0
      const before = await dump(own, [person.id])
      for (const call of before.calls ?? []) expect(JSON.parse(call)).toMatchObject({ detail: 'null' })
      await writeAgain(person, BOOKS[1 - person.book] ?? env.BOOK_0)
      expect(await dump(BOOKS[1 - person.book] ?? env.BOOK_0, [person.id])).toEqual(before)
    }
  })

  it(
    'has late receipts, also of calls whose lines were written with the answer lost',
    { timeout: 60_000 },
    async () => {
      const { people } = await aFaultyStory(16)
      const receipts: string[] = []
      for (const { lines } of people)
        receipts.push(...(await lines()).flatMap(({ body }) => (body.includes('"kind":"receipt"') ? [body] : [])))
      expect(receipts.length).toBeGreaterThan(0)
      for (const body of receipts) {
        const { receipt } = JSON.parse(body) as { receipt: { callId: string } } // a line we just wrote
        const inBook = await Promise.all(
          BOOKS.map((book) =>
            book.prepare('SELECT detail FROM calls WHERE id = ?').bind(receipt.callId).first<string>('detail'),
          ),
        )
        expect(inBook.find((detail) => detail !== null)).toContain(`r${receipt.callId}.b.c`)
      }
    },
  )
})

describe('rebuilding an account', () => {
  const needs = { db: env.DB, books: BOOKS, accounts }

  it(
    'mends rows that are wrong, when they are deleted first, and keeps its hands off other accounts',
    { timeout: 60_000 },
    async () => {
      const { people, clock } = await aFaultyStory(17)
      const [person, , neighbour] = people
      if (!person || !neighbour) throw new Error('a story has three people')
      const before = await dump(env.BOOK_0, [person.id])
      const beside = await dump(env.BOOK_0, [neighbour.id])
      await env.BOOK_0.batch([
        env.BOOK_0.prepare('UPDATE calls SET charge_nanos = charge_nanos + 1 WHERE account_id = ?').bind(person.id),
        env.BOOK_0.prepare('DELETE FROM legs WHERE account_id = ? AND seq > 3').bind(person.id),
        env.BOOK_0.prepare('UPDATE rollups_hour SET calls = 0 WHERE account_id = ?').bind(person.id),
      ])
      await rebuildAccount(needs, { id: person.id, book: 0 }, true)
      clock.advance(1_000)
      for (let round = 0; round < 2; round++) await person.port.tick()
      expect(await dump(env.BOOK_0, [person.id])).toEqual(before)
      expect(await dump(env.BOOK_0, [neighbour.id])).toEqual(beside)
    },
  )

  it('goes on after an append that failed midway, and never skips what it has not written', async () => {
    const payer = await aPayer(1_000_000n)
    for (let i = 0; i < 120; i++) await callFor(payer, 10n, payer.id)
    payer.clock.advance(1_000)
    await payer.port.tick()
    const before = await dump(env.BOOK_0, [payer.id])
    // Rows are gone, the cursor still says that they are there.
    await env.BOOK_0.prepare('DELETE FROM lines WHERE account_id = ?').bind(payer.id).run()
    let asked = 0
    const book = createBook(env.BOOK_0)
    const failsOnce: typeof book.append = async (...append) => {
      asked += 1
      if (asked === 1) throw new Error('planned: not done')
      return book.append(...append)
    }
    await payer.use({ books: () => ({ ...book, append: failsOnce }) })
    await payer.port.reproject()
    for (let i = 0; i < 3; i++) {
      await payer.port.tick()
      payer.clock.advance(2_000)
    }
    expect(await dump(env.BOOK_0, [payer.id])).toEqual(before)
  })

  it('goes through all accounts page by page', async () => {
    await env.DB.prepare('DELETE FROM accounts').run()
    const ids = Array.from({ length: LEDGER.rebuildMax + 1 }, (_, n) => `${String(n).padStart(4, '0')}00000000000a`)
    const rows = JSON.stringify(ids)
    await env.DB.prepare(`INSERT INTO accounts (id, created_at, book) SELECT value, 0, 0 FROM json_each(?)`)
      .bind(rows)
      .run()
    const asked: string[] = []
    const counted = (id: Parameters<typeof accounts>[0]) => ({
      ...accounts(id),
      reproject: async () => void asked.push(id),
    })
    const first = await rebuildNext({ ...needs, accounts: counted }, null, false)
    expect(first).toEqual({ accounts: LEDGER.rebuildMax, nextCursor: ids[LEDGER.rebuildMax - 1] })
    const second = await rebuildNext({ ...needs, accounts: counted }, first.nextCursor, false)
    expect(second).toEqual({ accounts: 1, nextCursor: null })
    expect(asked).toEqual(ids)
  })
})
