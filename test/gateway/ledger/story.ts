// Random stories on the ledger's ports: everything that moves money or completes a record, by people who pay and earn from each other, said
// again by its seed. Books and payees fail before they did what was asked, and after.
import { env } from 'cloudflare:workers'
import type { AccountPort, HoldRequest } from '../../../gateway/ledger/account-port.ts'
import { createBook, type Book } from '../../../gateway/ledger/book/book.ts'
import { bookAt } from '../../../gateway/core/book-index.ts'
import { nanos, tokens, type AccountId } from '../../../protocol/units.ts'
import { accounts, aClock, aHold, anEnd, aPayer, aProgress, legsOf, NODE, type TestClock } from './ledger-house.ts'

export type Person = Awaited<ReturnType<typeof aPayer>> & { readonly book: number }
export type Random = (below: number) => number

export const BOOKS = [env.BOOK_0, env.BOOK_1]

/** mulberry32: a seed says the whole story again. */
export function seeded(seed: number): Random {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

export interface Story {
  readonly random: Random
  readonly clock: TestClock
  readonly people: readonly Person[]
  step(): Promise<void>
  /** from now on everything outside the guards fails now and then, before and after it did what was asked */
  fail(): Promise<void>
  /** everybody answers again, and what is due is done */
  settle(): Promise<void>
}

/** Three people in two books. They are known to the registry, so that reading routes and verification find them. */
export async function aStory(seed: number): Promise<Story> {
  const random = seeded(seed)
  const clock = aClock()
  const people: Person[] = []
  for (const [money, book] of [
    [5_000n, 0],
    [3_000n, 1],
    [0n, 0],
  ] as const) {
    const person = await aPayer(money, {}, clock, book)
    await env.DB.prepare('INSERT INTO accounts (id, created_at, book) VALUES (?, ?, ?)')
      .bind(person.id, clock(), book)
      .run()
    people.push({ ...person, book })
  }
  const open: [Person, HoldRequest][] = []
  const ended: [Person, HoldRequest][] = []
  return {
    random,
    clock,
    people,
    step: () => step({ random, clock, people, open, ended }),
    async fail() {
      for (const person of people)
        await person.use({
          accounts: moodyAccounts(random),
          books: (index) => moodyBook(createBook(bookAt(BOOKS, index)), random),
        })
    },
    async settle() {
      for (const person of people) await person.use({ accounts, books: (index) => createBook(bookAt(BOOKS, index)) })
      for (let round = 0; round < 3; round++) {
        clock.advance(700_000)
        for (const person of people) await person.port.tick()
      }
    },
  }
}

interface Scene {
  readonly random: Random
  readonly clock: TestClock
  readonly people: readonly Person[]
  readonly open: [Person, HoldRequest][]
  readonly ended: [Person, HoldRequest][]
}

async function step({ random, clock, people, open, ended }: Scene): Promise<void> {
  const someone = (): Person => {
    const person = people[random(people.length)]
    if (!person) throw new Error('a story has people')
    return person
  }
  const [payer, operator, author] = [someone(), someone(), someone()]
  const [holder, request] = open[random(Math.max(open.length, 1))] ?? []
  const [whose, past] = ended[random(Math.max(ended.length, 1))] ?? []
  const id = random(60)
  switch (random(13)) {
    case 0:
      await payer.port.grant({
        transferId: `grant:${id}`,
        kind: 'grant',
        amountNanos: nanos(1_000n),
        reason: 'x',
        by: null,
      })
      return
    case 1:
    case 2: {
      const wanted = aHold(payer, BigInt(random(800)))
      if ((await payer.port.hold(wanted)).ok) open.push([payer, wanted])
      return
    }
    case 3:
      if (holder && request)
        await holder.port.progress(aProgress(holder, request.callId, BigInt(random(900)), operator.id))
      return
    case 4:
    case 5:
    case 6: {
      if (!holder || !request) return
      const legs = legsOf(holder.id, BigInt(random(800)), operator.id, author.id)
      const attempts = [{ attempt: 1, nodeId: NODE, outcome: 'served', firstTokenMs: 5, durationMs: 9 }] as const
      const detail = {
        stream: true,
        attempts,
        choice: { seed: id },
        receipt: null,
        salt: null,
        ticket: null,
        claimed: null,
      }
      const captured = await holder.port.capture(anEnd(holder, request.callId, { legs, detail }))
      if (captured.ok) ended.push([holder, request])
      return
    }
    case 7: {
      if (!whose || !past) return
      const units = { inputTokens: tokens(3), outputTokens: tokens(7) }
      const papers = { receipt: `r${past.callId}.b.c`, ticket: 'd.e.f' }
      await whose.port.lateReceipt({ callId: past.callId, attempt: 1, nodeId: NODE, ...units, ...papers })
      return
    }
    case 8:
      if (whose && past)
        await whose.port.refund({
          transferId: `refund:${id}`,
          callId: past.callId,
          amountNanos: nanos(50n),
          reason: 'x',
          by: whose.id,
        })
      return
    case 9:
      if (whose && past)
        await payer.port.takeBack({
          transferId: `back:${id}`,
          kind: 'clawback',
          of: past.callId,
          ofAccount: whose.id,
          amountNanos: nanos(40n),
          reason: 'x',
          by: null,
        })
      return
    case 10:
      await payer.port.payAudit({ transferId: `audit:${id}`, amountNanos: nanos(30n), reason: 'x' })
      return
    default:
      clock.advance(random(20_000))
      await payer.port.tick()
  }
}

/** One in three fails before, one in three after. */
async function moody<T>(random: Random, work: () => Promise<T>): Promise<T> {
  const mood = random(3)
  if (mood === 0) throw new Error('planned: not done')
  const done = await work()
  if (mood === 1) throw new Error('planned: done, but the answer is lost')
  return done
}

const moodyBook = (book: Book, random: Random): Book => ({
  append: (accountId, lines) => moody(random, () => book.append(accountId, lines)),
  cursor: (accountId) => moody(random, () => book.cursor(accountId)),
})

const moodyAccounts =
  (random: Random) =>
  (id: AccountId): AccountPort => ({
    ...accounts(id),
    credit: (credit) => moody(random, () => accounts(id).credit(credit)),
  })
