import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { createBook, type Book, type BookLine } from '../../../../gateway/ledger/book/book.ts'
import { parseLine } from '../../../../protocol/journal.ts'
import { sliceOf, sweepAccounts } from '../../../../gateway/ledger/book/sweep.ts'
import { instant, isCallId, type AccountId } from '../../../../protocol/units.ts'
import {
  accounts,
  aCredit,
  aHold,
  anAccount,
  anEnd,
  aPayer,
  callFor,
  START,
  type TestAccount,
  plannedFailures,
} from '../ledger-house.ts'

plannedFailures()

const book = createBook(env.BOOK_0)
const afterAlarm = 300

const rowsOf = async (table: string, account: AccountId, where = 'account_id = ?') =>
  (await env.BOOK_0.prepare(`SELECT * FROM ${table} WHERE ${where}`).bind(account).all<Record<string, unknown>>())
    .results

async function bookLines(account: TestAccount): Promise<BookLine[]> {
  const lines = await account.lines()
  return Promise.all(
    lines.map(async (chained) => {
      const line = parseLine(chained.body)
      return { ...chained, line, call: isCallId(line.transferId) ? await account.port.call(line.transferId) : null }
    }),
  )
}

/** What the book says of an account, in an order that does not depend on when it was written. */
const standOf = async (account: AccountId) => ({
  lines: await rowsOf('lines', account, 'account_id = ? ORDER BY seq'),
  legs: await rowsOf('legs', account, 'account_id = ? ORDER BY seq, leg'),
  calls: await rowsOf('calls', account, 'account_id = ? ORDER BY id'),
  rollups: await rowsOf('rollups_hour', account, 'account_id = ? ORDER BY hour, key_id, model_id, node_id'),
})

describe('credits', () => {
  it('reach operator and author by the alarm, in one batch each, and are spendable then', async () => {
    const payer = await aPayer(10_000n)
    const [operator, author] = [await anAccount(payer.clock), await anAccount(payer.clock)]
    for (let i = 0; i < 3; i++) await callFor(payer, 1_000n, operator.id, author.id)
    expect((await operator.port.balance()).availableNanos).toBe(0n)
    payer.clock.advance(afterAlarm)
    await payer.alarm()
    expect((await operator.port.balance()).availableNanos).toBe(2_760n)
    expect((await author.port.balance()).availableNanos).toBe(90n)
    const [line] = await operator.lines()
    expect(parseLine(line?.body ?? '')).toMatchObject({
      kind: 'credit',
      legs: [],
      deltaNanos: 2_760n,
      credit: {
        payer: payer.id,
        fromSeq: 2,
        toSeq: 4,
        sumNanos: 2_760n,
        operatorNanos: 2_760n,
        authorNanos: 0n,
        feesNanos: 150n,
      },
    })
    expect(await payer.sql('SELECT * FROM credits_out')).toEqual([])
  })

  it('arrive once when the acknowledgement is lost; what gathers meanwhile waits and follows', async () => {
    const payer = await aPayer(10_000n)
    const operator = await anAccount(payer.clock)
    await callFor(payer, 1_000n, operator.id)
    const deaf = (id: AccountId) => ({
      ...accounts(id),
      credit: async (credit: Parameters<TestAccount['port']['credit']>[0]) => {
        await accounts(id).credit(credit)
        throw new Error('planned: the acknowledgement is lost')
      },
    })
    await payer.use({ accounts: deaf })
    payer.clock.advance(afterAlarm)
    await payer.alarm()
    expect((await operator.port.balance()).availableNanos).toBe(950n)
    await callFor(payer, 2_000n, operator.id)
    await payer.use({ accounts })
    for (let i = 0; i < 4; i++) {
      payer.clock.advance(2_000)
      await payer.port.tick()
    }
    expect((await operator.port.balance()).availableNanos).toBe(2_850n)
    expect(await operator.lines()).toHaveLength(2)
    expect(await payer.sql('SELECT * FROM credits_out')).toEqual([])
  })

  it('are tried again later when the payee does not answer, ever more rarely', async () => {
    const payer = await aPayer(10_000n)
    const operator = await anAccount(payer.clock)
    await callFor(payer, 1_000n, operator.id)
    let asked = 0
    const fail = () => {
      asked += 1
      return Promise.reject(new Error('planned failure'))
    }
    await payer.use({ accounts: (id) => ({ ...accounts(id), credit: fail }) })
    const triesAfter = async (ms: number) => {
      payer.clock.advance(ms)
      await payer.port.tick()
      return asked
    }
    expect([await triesAfter(300), await triesAfter(999), await triesAfter(1)]).toEqual([1, 1, 2])
    expect([await triesAfter(1_999), await triesAfter(1)]).toEqual([2, 3])
    await payer.use({ accounts })
    await triesAfter(4_000)
    expect((await operator.port.balance()).availableNanos).toBe(950n)
  })

  it('count once however often a batch is sent, and overlapping ones not at all', async () => {
    const { port, id } = await anAccount()
    const batch = aCredit(id, 3, 5, 10n)
    expect(await port.credit(batch)).toEqual({ ok: true })
    expect(await port.credit(batch)).toEqual({ ok: true })
    expect(await port.credit({ ...batch, fromSeq: 5, toSeq: 7 })).toMatchObject({ ok: false, code: 'conflict' })
    expect(await port.credit({ ...batch, fromSeq: 6, toSeq: 7 })).toEqual({ ok: true })
    expect((await port.balance()).availableNanos).toBe(20n)
  })
})

describe('the projection', () => {
  it('writes lines, legs, calls and hourly sums that agree with each other', async () => {
    const payer = await aPayer(100_000n)
    const operator = await anAccount(payer.clock)
    for (let i = 1n; i <= 5n; i++) await callFor(payer, i * 100n, operator.id)
    payer.clock.advance(3_600_000)
    await callFor(payer, 700n, operator.id)
    payer.clock.advance(afterAlarm)
    await payer.alarm()
    const { lines, legs, calls, rollups } = await standOf(payer.id)
    expect(lines.map(({ seq, hash, body }) => ({ seq, hash, body }))).toEqual(
      (await payer.lines()).map(({ seq, hash, body }) => ({ seq, hash, body })),
    )
    expect(legs.reduce((sum, leg) => sum + Number(leg.amount_nanos), 0)).toBe(0)
    expect(calls).toHaveLength(6)
    expect(rollups.map(({ calls, charge_nanos }) => [calls, charge_nanos])).toEqual([
      [5, 1_500],
      [1, 700],
    ])
    const total = (column: string) => rollups.reduce((sum, row) => sum + Number(row[column]), 0)
    expect(total('operator_nanos') + total('author_nanos') + total('house_nanos')).toBe(total('charge_nanos'))
    expect(total('output_tokens')).toBe(calls.reduce((sum, call) => sum + Number(call.output_tokens), 0))
    expect(await book.cursor(payer.id)).toBe(7)
  })

  it('changes nothing when the same or overlapping lines are appended again', async () => {
    const payer = await aPayer(100_000n)
    const operator = await anAccount(payer.clock)
    for (let i = 0; i < 5; i++) await callFor(payer, 100n, operator.id)
    const lines = await bookLines(payer)
    await book.append(payer.id, lines.slice(0, 4))
    await book.append(payer.id, lines.slice(0, 4))
    await book.append(payer.id, lines.slice(1))
    await book.append(payer.id, lines.slice(0, 2))
    const stand = await standOf(payer.id)
    expect(stand.lines).toHaveLength(6)
    expect(stand.calls).toHaveLength(5)
    expect(stand.rollups.map(({ calls, charge_nanos }) => [calls, charge_nanos])).toEqual([[5, 500]])
    expect(await book.cursor(payer.id)).toBe(6)
  })

  it('refuses lines that leave a gap, as a whole', async () => {
    const payer = await aPayer(1_000n)
    await callFor(payer, 100n, payer.id)
    const lines = await bookLines(payer)
    await expect(book.append(payer.id, lines.slice(1))).rejects.toThrow()
    expect(await standOf(payer.id)).toEqual({ lines: [], legs: [], calls: [], rollups: [] })
  })

  it('counts once when an append succeeded but its answer was lost, and when the book was set back', async () => {
    const payer = await aPayer(100_000n)
    for (let i = 0; i < 3; i++) await callFor(payer, 100n, payer.id)
    await payer.use({
      books: () => ({
        ...book,
        append: async (...append: Parameters<Book['append']>) => {
          await book.append(...append)
          throw new Error('planned: the answer is lost')
        },
      }),
    })
    payer.clock.advance(afterAlarm)
    await payer.alarm()
    await callFor(payer, 100n, payer.id)
    await payer.use({ books: () => book })
    payer.clock.advance(1_000)
    await payer.port.tick()
    const stand = await standOf(payer.id)
    expect(stand.rollups.map(({ calls, charge_nanos }) => [calls, charge_nanos])).toEqual([[4, 400]])
    await env.BOOK_0.batch(
      ['lines', 'legs', 'calls', 'rollups_hour', 'cursors'].map((table) =>
        env.BOOK_0.prepare(`DELETE FROM ${table} WHERE account_id = ?`).bind(payer.id),
      ),
    )
    await callFor(payer, 100n, payer.id)
    for (let i = 0; i < 2; i++) {
      payer.clock.advance(2_000)
      await payer.port.tick()
    }
    expect((await standOf(payer.id)).lines).toHaveLength(6)
  })

  it.each([
    ['of three bytes a character', '語'.repeat(63_500)],
    ['that are escaped twice', '"'.repeat(31_500)],
  ])('carries the largest details that are kept, %s', async (_, choice) => {
    const payer = await aPayer(1_000n)
    const detail = { stream: true, attempts: [], choice, receipt: null, salt: null, ticket: null, claimed: null }
    for (let i = 0; i < 12; i++) {
      const request = aHold(payer, 10n)
      await payer.port.hold(request)
      await payer.port.capture(anEnd(payer, request.callId, { detail }))
    }
    payer.clock.advance(afterAlarm)
    await payer.alarm()
    expect(await book.cursor(payer.id)).toBe(13)
    const { calls } = await standOf(payer.id)
    expect(calls.map((call) => call.detail)).toEqual(Array(12).fill(JSON.stringify(detail)))
  })

  it('carries more lines than fit one append', async () => {
    const payer = await aPayer(1_000_000n)
    for (let i = 0; i < 120; i++) await callFor(payer, 10n, payer.id)
    let appends = 0
    await payer.use({
      books: () => ({
        ...book,
        append: (...append: Parameters<Book['append']>) => {
          appends += 1
          return book.append(...append)
        },
      }),
    })
    payer.clock.advance(afterAlarm)
    await payer.alarm()
    expect(appends).toBe(2)
    expect(await book.cursor(payer.id)).toBe(121)
    expect(await payer.sql('SELECT project_at FROM account')).toEqual([{ project_at: null }])
  })
})

it('ticks an account in its minute of the day, and in no other', async () => {
  const all = await Promise.all([anAccount(), anAccount(), anAccount()])
  for (const { id } of all)
    await env.DB.prepare('INSERT INTO accounts (id, created_at, book) VALUES (?, ?, 0)').bind(id, START).run()
  const ticked: string[] = []
  const count = (id: AccountId) => ({ ...accounts(id), tick: async () => void ticked.push(id) })
  const minutes = Array.from({ length: 1_440 }, (_, minute) => ({ minute, ...sliceOf(minute) }))
  const isIn = (id: string, minute: number) =>
    minutes.some((slice) => slice.minute === minute && id >= slice.from && (slice.before === null || id < slice.before))
  const near = minutes.filter(({ minute }) => all.some(({ id }) => [-1, 0, 1].some((by) => isIn(id, minute + by))))
  for (const { minute } of near)
    await sweepAccounts({
      db: env.DB,
      books: [env.BOOK_0, env.BOOK_1],
      accounts: count,
      clock: () => instant(minute * 60_000),
    })
  expect(near.length).toBeGreaterThan(all.length)
  expect(ticked.sort()).toEqual(all.map(({ id }) => id).sort())
})
