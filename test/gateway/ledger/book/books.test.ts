// Two book databases at once: an account is written in the one it was given when it was made, read from that one, and never moves.
import { env } from 'cloudflare:workers'
import { drizzle } from 'drizzle-orm/d1'
import { describe, expect, it } from 'vitest'
import { accountOf } from '../../../../gateway/auth/wallet-book.ts'
import { bookIndexOf } from '../../../../gateway/core/book-index.ts'
import { systemRandom } from '../../../../gateway/core/clock.ts'
import { bookDatabases } from '../../../../gateway/core/env.ts'
import { createBookOf } from '../../../../gateway/ledger/book/account-book.ts'
import { createBookPages } from '../../../../gateway/ledger/book/book-pages.ts'
import { newAccountId, type AccountId } from '../../../../protocol/units.ts'
import { aClock, aPayer, callFor, plannedFailures, START } from '../ledger-house.ts'

plannedFailures()

const BOOKS = bookDatabases(env)
const registered = (id: AccountId, book: number) =>
  env.DB.prepare('INSERT INTO accounts (id, created_at, book) VALUES (?, ?, ?)').bind(id, START, book).run()
const linesIn = async (database: D1Database, account: AccountId) =>
  database.prepare('SELECT count(*) AS n FROM lines WHERE account_id = ?').bind(account).first('n')
const aWallet = () => `0x${newAccountId(systemRandom)}${newAccountId(systemRandom)}`

it('finds every book that is bound, in order, and stops at the first that is missing', () => {
  expect(BOOKS).toEqual([env.BOOK_0, env.BOOK_1])
  expect(bookDatabases({ ...env, BOOK_3: env.BOOK_1 } as typeof env)).toHaveLength(2)
})

describe('two books', () => {
  it('each have the accounts they were given, with all that belongs to them, and nothing of the others', async () => {
    const clock = aClock()
    const [first, second] = [await aPayer(10_000n, {}, clock, 0), await aPayer(10_000n, {}, clock, 1)]
    // Each earns from the other: the credits cross the books.
    for (let i = 0; i < 3; i++) {
      await callFor(first, 100n, second.id)
      await callFor(second, 300n, first.id)
    }
    for (let round = 0; round < 2; round++) {
      clock.advance(1_000)
      for (const account of [first, second]) await account.port.tick()
    }
    for (const [account, own, other] of [
      [first, env.BOOK_0, env.BOOK_1],
      [second, env.BOOK_1, env.BOOK_0],
    ] as const) {
      expect(await linesIn(own, account.id)).toBe(5)
      for (const table of ['lines', 'legs', 'calls', 'rollups_hour', 'cursors'])
        expect(await other.prepare(`SELECT * FROM ${table} WHERE account_id = ?`).bind(account.id).first()).toBeNull()
    }
  })

  it('are read where the registry says the account is written', async () => {
    const payer = await aPayer(1_000n, {}, undefined, 1)
    await registered(payer.id, 1)
    await callFor(payer, 100n, payer.id)
    payer.clock.advance(1_000)
    await payer.port.tick()
    const pages = createBookPages(createBookOf(env.DB, BOOKS))
    expect((await pages.usage(payer.id, null, 10))?.data).toHaveLength(1)
    expect((await pages.journal(payer.id, null, 10))?.data).toHaveLength(2)
  })

  it('fail loudly for an account whose database is not there, and lose no line of it', async () => {
    const payer = await aPayer(1_000n, {}, undefined, 2)
    await registered(payer.id, 2)
    payer.clock.advance(1_000)
    await payer.port.tick()
    expect(await payer.sql('SELECT projected_seq, project_tries FROM account')).toEqual([
      { projected_seq: 0, project_tries: 1 },
    ])
    expect(await linesIn(env.BOOK_0, payer.id)).toBe(0)
    const pages = createBookPages(createBookOf(env.DB, BOOKS))
    await expect(pages.usage(payer.id, null, 10)).rejects.toThrow('BOOK_2')
  })
})

describe('the book of an account', () => {
  const db = drizzle(env.DB)

  it('is chosen by its id among the books there are when it is made', async () => {
    const chosen = new Set<number>()
    for (let i = 0; i < 12; i++) {
      const id = newAccountId(systemRandom)
      const { accountId, book } = await accountOf(db, { address: aWallet(), chainId: null }, id, START, 2)
      expect([accountId, book]).toEqual([id, bookIndexOf(id, 2)])
      chosen.add(book)
    }
    expect([...chosen].sort()).toEqual([0, 1])
  })

  it('stays when a database is added, and for whoever loses the race of two first sign-ins', async () => {
    for (let i = 0; i < 6; i++) {
      const wallet = { address: aWallet(), chainId: null }
      const made = await accountOf(db, wallet, newAccountId(systemRandom), START, 1)
      expect(made.book).toBe(0)
      expect(await accountOf(db, wallet, newAccountId(systemRandom), START, 5)).toEqual(made)
    }
    const wallet = { address: aWallet(), chainId: null }
    const both = await Promise.all([1, 2].map(() => accountOf(db, wallet, newAccountId(systemRandom), START, 7)))
    expect(both[0]).toEqual(both[1])
    expect(both[0]?.book).toBe(bookIndexOf(both[0]?.accountId ?? ('' as AccountId), 7))
  })
})
