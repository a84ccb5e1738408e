// The arithmetic of sweep.ts: how many requests a run makes on a good day, counted, so that a full slice stays far below a Worker's 1,000.
import { env } from 'cloudflare:workers'
import { expect, it } from 'vitest'
import type { AccountPort, Accounts } from '../../../../gateway/ledger/account-port.ts'
import { LEDGER } from '../../../../gateway/ledger/limits/limits.ts'
import { verifyAccounts, verifyConservation } from '../../../../gateway/ledger/verification/verification.ts'
import { accounts, aClock, aPayer, callFor } from '../ledger-house.ts'
import { BOOKS } from '../story.ts'

it('makes two requests for each account, and a few for each group of them', { timeout: 60_000 }, async () => {
  const clock = aClock()
  const people: Awaited<ReturnType<typeof aPayer>>[] = []
  for (let i = 0; i < LEDGER.verifyGroup + 5; i++) people.push(await aPayer(1_000n, {}, clock))
  const [first, second] = people
  if (!first || !second) throw new Error('there are people')
  await callFor(first, 100n, second.id)
  clock.advance(1_000)
  await first.port.tick()
  for (const { port } of people) await port.tick()
  let requests = 0
  const counted: Accounts = (id) =>
    new Proxy(accounts(id), {
      get: (port, name: keyof AccountPort) => {
        requests += 1
        return port[name]
      },
    })
  // One statement or batch is one request.
  const count = (database: D1Database) =>
    new Proxy(database, {
      get: (target, name: keyof D1Database) => {
        if (name === 'prepare' || name === 'batch') requests += 1
        return (target[name] as (...args: never[]) => unknown).bind(target)
      },
    })
  const needs = { db: count(env.DB), books: BOOKS.map(count), accounts: counted, clock }
  const look = async () => {
    requests = 0
    await verifyAccounts(
      needs,
      people.map(({ id }) => ({ id, book: 0 })),
    )
    await verifyConservation(needs)
    return requests
  }
  // The self-checks, two groups at 9 and no more, and what a run asks once.
  const asked = await look()
  expect(asked).toBeGreaterThanOrEqual(people.length)
  expect(asked).toBeLessThanOrEqual(people.length + 2 * 9 + 10)
  const groups = Math.ceil(LEDGER.sweepMax / LEDGER.verifyGroup) + BOOKS.length
  // A tick and a self-check of each, the groups, the rest, and all that doubts and suspects may ask.
  const most =
    2 * LEDGER.sweepMax + groups * 9 + 10 + LEDGER.furtherChecksMax + 2 * LEDGER.doubtsMax + 11 * LEDGER.suspectsMax
  expect(most).toBeLessThan(850)
})
