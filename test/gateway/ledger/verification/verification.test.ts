// Online verification: never an alarm without a cause, whatever fails and whenever it looks; and every planted corruption found, with exactly
// the accounts frozen that it is about.
import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, it } from 'vitest'
import { bookAt } from '../../../../gateway/core/book-index.ts'
import { LEDGER } from '../../../../gateway/ledger/limits/limits.ts'
import { rebuildAccount } from '../../../../gateway/ledger/book/rebuild.ts'
import { verifyAccounts, verifyConservation } from '../../../../gateway/ledger/verification/verification.ts'
import { jcs } from '../../../../protocol/canonical.ts'
import { hashLine } from '../../../../protocol/journal.ts'
import { instant } from '../../../../protocol/units.ts'
import { accounts, aCredit, aHold, anEnd, callFor, plannedFailures, START } from '../ledger-house.ts'
import { aStory, BOOKS, type Person, type Story } from '../story.ts'

plannedFailures()

const DAY_MS = 86_400_000
const openAlerts = async (): Promise<string[]> =>
  (await env.DB.prepare('SELECT id FROM alerts WHERE resolved_at IS NULL').all<{ id: string }>()).results.map(
    ({ id }) => id,
  )

const verify = ({ people, clock }: Pick<Story, 'people' | 'clock'>, some = people) =>
  verifyAccounts(
    { db: env.DB, books: BOOKS, accounts, clock },
    some.map(({ id, book }) => ({ id, book })),
  )

beforeEach(async () => {
  await env.DB.batch(['alerts', 'account_checks', 'accounts'].map((table) => env.DB.prepare(`DELETE FROM ${table}`)))
})

describe('verification raises no alarm', () => {
  it.each([1, 2, 3, 4])(
    'in a random story that it interrupts at every point (seed %i)',
    { timeout: 120_000 },
    async (seed) => {
      const story = await aStory(seed)
      await story.fail()
      for (let i = 0; i < 70; i++) {
        await story.step()
        const one = story.people[story.random(3)]
        await verify(story, i % 5 === 0 ? story.people : one ? [one] : [])
        if (i % 7 === 0) await verifyConservation({ db: env.DB, books: BOOKS, accounts, clock: story.clock })
        expect(await openAlerts()).toEqual([])
      }
      await story.settle()
      // And in the days after, when everything old enough to be judged has to have arrived.
      for (let day = 0; day < 3; day++) {
        story.clock.advance(DAY_MS)
        for (const person of story.people) await person.port.tick()
        await verify(story)
      }
      expect(await openAlerts()).toEqual([])
      for (const { port } of story.people) expect(await port.frozen()).toBeNull()
    },
  )

  it('when a book or a guard does not answer', async () => {
    const story = await aCalmStory()
    const deaf = (id: Person['id']) => ({
      ...accounts(id),
      selfCheck: () => Promise.reject(new Error('planned: away')),
    })
    const needs = { db: env.DB, books: BOOKS, accounts: deaf, clock: story.clock }
    expect(
      await verifyAccounts(
        needs,
        story.people.map(({ id, book }) => ({ id, book })),
      ),
    ).toEqual([])
    expect(
      await verifyAccounts({ ...needs, accounts }, [{ id: story.people[0]?.id ?? ('' as Person['id']), book: 7 }]),
    ).toEqual([])
    expect(await openAlerts()).toEqual([])
  })

  it('when a payee’s clock is an hour behind its payer’s', async () => {
    const story = await aStory(5)
    const [payer, , payee] = story.people
    if (!payer || !payee) throw new Error('a story has three people')
    const late = () => instant(story.clock() - 3_600_000)
    await payee.use({ clock: Object.assign(late, { advance: story.clock.advance }) })
    await callFor(payer, 100n, payee.id)
    for (let round = 0; round < 3; round++) {
      story.clock.advance(700_000)
      for (const { port } of story.people) await port.tick()
    }
    story.clock.advance(LEDGER.underWayMaxMs + DAY_MS)
    for (const { port } of story.people) await port.tick()
    await verify(story)
    expect(await openAlerts()).toEqual([])
    expect(await payer.port.frozen()).toBeNull()
  })

  it('for a book that somebody writes again while it looks, and that takes its time', async () => {
    const story = await aCalmStory()
    const [one] = story.people
    await verify(story)
    await one.use({ books: () => ({ cursor: planned, append: planned }) })
    let rebuilt: Promise<void> | null = null
    // Between what the last run saw and what the book says now.
    const rebuild = () => (rebuilt ??= rebuildAccount({ db: env.DB, books: BOOKS, accounts }, one, true))
    await verifyAccounts(
      { db: env.DB, books: BOOKS.map((book) => before(book, rebuild)), accounts, clock: story.clock },
      [one],
    )
    expect(rebuilt).not.toBeNull()
    expect(await openAlerts()).toEqual([])
    // Nor does the next run, which finds the book still empty.
    await verify(story, [one])
    expect(await openAlerts()).toEqual([`lag:${one.id}:book`])
    expect(await one.port.frozen()).toBeNull()
  })

  it('for a breach that is gone at the second look', async () => {
    const story = await aCalmStory()
    const [person] = story.people
    let looks = 0
    const shaky = (id: Person['id']) => ({
      ...accounts(id),
      selfCheck: async (...args: Parameters<Person['port']['selfCheck']>) => {
        const check = await accounts(id).selfCheck(...args)
        looks += 1
        if (id !== person?.id || looks > 2) return check
        return { ...check, breaches: [{ kind: 'overdue' as const, at: 'call_1', detail: 'a hold' }] }
      },
    })
    await verifyAccounts(
      { db: env.DB, books: BOOKS, accounts: shaky, clock: story.clock },
      story.people.map(({ id, book }) => ({ id, book })),
    )
    expect(looks).toBe(4)
    expect(await openAlerts()).toEqual([])
  })
})

const planned = () => Promise.reject(new Error('planned: away'))

/** A database of which something is awaited before each read. */
const before = (database: D1Database, first: () => Promise<void>): D1Database =>
  new Proxy(database, {
    get: (_, name) =>
      name === 'prepare'
        ? (query: string) => ({
            bind: (...values: unknown[]) => ({
              all: () =>
                first().then(() =>
                  database
                    .prepare(query)
                    .bind(...values)
                    .all(),
                ),
            }),
          })
        : undefined,
  })

/** Calls in every direction, all of it arrived and written, and old enough to be judged. */
async function aCalmStory(): Promise<Story & { readonly people: readonly [Person, Person, Person] }> {
  const story = await aStory(5)
  const [one, two, three] = story.people
  if (!one || !two || !three) throw new Error('a story has three people')
  for (const charge of [100n, 200n, 300n]) {
    await callFor(one, charge, two.id, three.id)
    await callFor(two, charge, one.id, one.id)
    await callFor(one, charge, one.id, one.id)
  }
  await one.port.hold(aHold(one, 500n, { deadline: instant(START + 30 * DAY_MS) }))
  await story.settle()
  story.clock.advance(2 * DAY_MS)
  for (const { port } of story.people) await port.tick()
  return { ...story, people: [one, two, three] }
}

type Calm = Awaited<ReturnType<typeof aCalmStory>>
const inBook = (book: number, query: string, ...values: (string | number)[]) =>
  bookAt(BOOKS, book)
    .prepare(query)
    .bind(...values)
    .run()

/** The last line rewritten in the book with a hash of its own. */
async function rewriteLast(book: D1Database, account: string): Promise<void> {
  const row = await book
    .prepare('SELECT seq, prev_hash AS prevHash, body FROM lines WHERE account_id = ? ORDER BY seq DESC LIMIT 1')
    .bind(account)
    .first<{ seq: number; prevHash: string; body: string }>()
  if (!row) throw new Error('there is a line')
  const old: Record<string, unknown> = JSON.parse(row.body)
  const body = jcs({ ...old, at: Number(old.at) + 1 })
  await book
    .prepare('UPDATE lines SET body = ?, hash = ?, at = at + 1 WHERE account_id = ? AND seq = ?')
    .bind(body, hashLine(row.prevHash, body), account, row.seq)
    .run()
  await book.prepare('UPDATE legs SET at = at + 1 WHERE account_id = ? AND seq = ?').bind(account, row.seq).run()
}

/** What is done, whom it is about, and the kind of the finding. */
const PLANTED: [string, (story: Calm) => Promise<unknown>, readonly number[], string][] = [
  [
    'a body changed in a guard',
    ({ people: [one] }) => one.sql(`UPDATE lines SET body = replace(body, 'test', 'rest') WHERE seq = 1`),
    [0],
    'chain',
  ],
  ['a line dropped in a guard', ({ people: [, two] }) => two.sql('DELETE FROM lines WHERE seq = 2'), [1], 'chain'],
  [
    'a balance',
    ({ people: [, , three] }) => three.sql('UPDATE account SET balance_nanos = balance_nanos + 1'),
    [2],
    'balance',
  ],
  ['a held counter', ({ people: [one] }) => one.sql('UPDATE account SET held_nanos = held_nanos - 1'), [0], 'holds'],
  [
    'a row of limits',
    ({ people: [one] }) => one.sql(`UPDATE limits SET open_holds = 0 WHERE subject = 'account'`),
    [0],
    'holds',
  ],
  ['a hold that cannot be ended', (story) => leaveOverdue(story), [0], 'overdue'],
  [
    'a delta in the book',
    ({ people: [one] }) =>
      inBook(0, 'UPDATE lines SET delta_nanos = delta_nanos + 1 WHERE account_id = ? AND seq = 2', one.id),
    [0],
    'book',
  ],
  [
    'a body in the book',
    ({ people: [, two] }) =>
      inBook(1, `UPDATE lines SET body = replace(body, 'test', 'rest') WHERE account_id = ? AND seq = 1`, two.id),
    [1],
    'book',
  ],
  ['a line rewritten in the book, hash and all', ({ people: [, two] }) => rewriteLast(env.BOOK_1, two.id), [1], 'book'],
  [
    'a line dropped in the book',
    ({ people: [one] }) => inBook(0, 'DELETE FROM lines WHERE account_id = ? AND seq = 3', one.id),
    [0],
    'book',
  ],
  [
    'a leg dropped',
    ({ people: [one] }) => inBook(0, `DELETE FROM legs WHERE account_id = ? AND seq = 4 AND role = 'house'`, one.id),
    [0],
    'book',
  ],
  [
    'a call dropped',
    ({ people: [, two] }) =>
      inBook(1, 'DELETE FROM calls WHERE id = (SELECT min(id) FROM calls WHERE account_id = ?)', two.id),
    [1],
    'book',
  ],
  [
    'a call charged otherwise',
    ({ people: [, two] }) =>
      inBook(
        1,
        'UPDATE calls SET charge_nanos = charge_nanos + 1 WHERE id = (SELECT min(id) FROM calls WHERE account_id = ?)',
        two.id,
      ),
    [1],
    'book',
  ],
  [
    'tensor bytes that were never charged',
    ({ people: [, two] }) =>
      inBook(
        1,
        'UPDATE calls SET tensor_bytes = tensor_bytes + 1 WHERE id = (SELECT min(id) FROM calls WHERE account_id = ?)',
        two.id,
      ),
    [1],
    'book',
  ],
  [
    'an hourly sum',
    ({ people: [one] }) =>
      inBook(0, 'UPDATE rollups_hour SET charge_nanos = charge_nanos + 1 WHERE account_id = ?', one.id),
    [0],
    'book',
  ],
  [
    'an account that is read from another book',
    ({ people: [one] }) =>
      env.DB.prepare('SELECT 1')
        .run()
        .then(() => Object.assign(one, { book: 1 })),
    [0],
    'book',
  ],
  ['a credit of lines that do not exist', (story) => forge(story, 50, 60, 7n), [2], 'conservation'],
  ['a credit by nobody', (story) => forge(story, 1, 1, 7n, '0000000000nbdy00'), [2], 'conservation'],
  ['a credit of money that was not owed', (story) => forgeOwed(story), [2], 'conservation'],
  ['a credit that was dropped on its way', (story) => dropCredit(story), [1], 'conservation'],
]

async function leaveOverdue({ people: [one], clock }: Calm): Promise<void> {
  const request = aHold(one, 10n)
  await one.port.hold(request)
  await one.sql(`UPDATE holds SET progress = 'not JSON' WHERE call_id = '${request.callId}'`)
  clock.advance(60_000 + LEDGER.overdueGraceMs)
}

async function forge(
  { people: [one, , three], clock }: Calm,
  from: number,
  to: number,
  sum: bigint,
  payer: string = one.id,
) {
  const credit = aCredit(payer as Person['id'], from, to, sum)
  expect(await three.port.credit(credit)).toEqual({ ok: true })
  clock.advance(1_000)
  await three.port.tick()
}

/** The payer has the line, and it owes nothing to whom it is credited. */
async function forgeOwed(story: Calm): Promise<void> {
  const [one] = story.people
  await callFor(one, 50n, one.id)
  story.clock.advance(1_000)
  await one.port.tick()
  const { seq } = await one.port.head()
  await forge(story, seq, seq, 7n)
}

async function dropCredit({ people: [, two, three], clock }: Calm): Promise<void> {
  await callFor(two, 100n, three.id)
  await two.sql('DELETE FROM credits_out')
  clock.advance(LEDGER.underWayMaxMs + 1)
  for (const { port } of [two, three]) await port.tick()
}

describe('verification finds', () => {
  it.each(PLANTED)('%s, and freezes whom it is about', { timeout: 30_000 }, async (_, corrupt, affected, kind) => {
    const story = await aCalmStory()
    await verify(story)
    expect(await openAlerts()).toEqual([])
    await corrupt(story)
    await verify(story)
    const alerts = await openAlerts()
    expect(alerts.map((id) => id.split(':')[0])).toContain(kind)
    const frozen = await Promise.all(story.people.map(async ({ port }) => (await port.frozen())?.cause ?? null))
    expect(frozen).toEqual(story.people.map((_, index) => (affected.includes(index) ? 'verification' : null)))
    for (const id of alerts) expect(story.people.findIndex((person) => id.includes(person.id))).toBe(affected[0])
    // Found again, it is the same row.
    story.clock.advance(DAY_MS)
    await verify(story)
    expect((await openAlerts()).sort()).toEqual(alerts.sort())
  })

  it('what makes a whole minute of a book not add up, and says so of the house', async () => {
    const story = await aCalmStory()
    const needs = { db: env.DB, books: BOOKS, accounts, clock: story.clock }
    const { at } = (await env.BOOK_1.prepare('SELECT max(at) AS at FROM lines').first<{ at: number }>()) ?? { at: 0 }
    const look = () => verifyConservation({ ...needs, clock: () => instant(at + LEDGER.conservationLagMs + 60_000) })
    expect(await look()).toEqual([])
    await env.BOOK_1.prepare('UPDATE lines SET delta_nanos = delta_nanos + 5 WHERE at = ?').bind(at).run()
    expect((await look()).map(({ subject, breach }) => [subject, breach.kind])).toEqual([['house', 'conservation']])
    expect((await openAlerts())[0]).toMatch(/^conservation:house:1:/)
    for (const { port } of story.people) expect(await port.frozen()).toBeNull()
  })

  it('a book that was set back, and nothing once it was written again', async () => {
    const story = await aCalmStory()
    await verify(story)
    const [one] = story.people
    for (const table of ['lines', 'legs', 'calls', 'rollups_hour', 'cursors'])
      await env.BOOK_0.prepare(`DELETE FROM ${table} WHERE account_id = ?`).bind(one.id).run()
    await verify(story)
    expect(await openAlerts()).toEqual([`book:${one.id}:set-back`])
  })
})

it('lets running calls finish and earnings arrive of who is frozen, and takes no new holds of them', async () => {
  const story = await aCalmStory()
  const [one, two] = story.people
  await one.sql('UPDATE account SET balance_nanos = balance_nanos + 1')
  const running = aHold(one, 100n)
  await one.port.hold(running)
  await verify(story)
  expect(await one.port.hold(aHold(one, 1n))).toMatchObject({ ok: false, code: 'account_frozen' })
  expect(await one.port.capture(anEnd(one, running.callId))).toMatchObject({ ok: true })
  await callFor(two, 100n, one.id)
  const { seq } = await one.port.head()
  story.clock.advance(1_000)
  await two.port.tick()
  expect((await one.port.head()).seq).toBe(seq + 1)
})

it('tells of lag without freezing anybody, and of its end by itself', { timeout: 30_000 }, async () => {
  const story = await aCalmStory()
  const [one] = story.people
  await one.use({
    books: () => ({
      append: () => Promise.reject(new Error('planned')),
      cursor: () => Promise.reject(new Error('planned')),
    }),
  })
  await callFor(one, 10n, one.id)
  const lagAfter = async (ms: number) => {
    story.clock.advance(ms)
    await one.port.tick()
    await verify(story)
    return openAlerts()
  }
  expect(await lagAfter(LEDGER.lagMaxMs)).toEqual([])
  expect(await lagAfter(1)).toEqual([`lag:${one.id}:book`])
  const row = await env.DB.prepare('SELECT * FROM account_checks WHERE account_id = ?').bind(one.id).first()
  expect(row).toMatchObject({ lag_since: expect.any(Number) })
  expect(await one.port.frozen()).toBeNull()
  await story.settle()
  expect(await lagAfter(1_000)).toEqual([])
})
