// Random stories: whatever happens in whatever order, no nano appears or disappears.
import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import type { HoldRequest } from '../../../gateway/ledger/account-port.ts'
import { findBreak, parseLine } from '../../../protocol/journal.ts'
import { sumLegs } from '../../../protocol/journal.ts'
import { isHouse, nanos, type AccountId } from '../../../protocol/units.ts'
import {
  accounts,
  aClock,
  aHold,
  anEnd,
  aPayer,
  aProgress,
  legsOf,
  type TestClock,
  plannedFailures,
} from './ledger-house.ts'

plannedFailures()

type Payer = Awaited<ReturnType<typeof aPayer>>
type Random = (below: number) => number

/** mulberry32: a seed says the whole story again. */
function seeded(seed: number): Random {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

async function step(random: Random, people: Payer[], open: [Payer, HoldRequest][], clock: TestClock): Promise<void> {
  const someone = () => people[random(people.length)]
  const [payer, operator, author] = [someone(), someone(), someone()]
  if (!payer || !operator || !author) return
  const [holder, request] = open[random(Math.max(open.length, 1))] ?? []
  switch (random(7)) {
    case 0: {
      const grant = {
        transferId: `grant:${random(50)}`,
        kind: 'grant',
        amountNanos: nanos(1_000n),
        reason: 'x',
        by: null,
      }
      await payer.port.grant({ ...grant, kind: 'grant' })
      return
    }
    case 1:
    case 2: {
      const wanted = aHold(payer, BigInt(random(800)))
      if ((await payer.port.hold(wanted)).ok) open.push([payer, wanted])
      return
    }
    case 3:
      if (!holder || !request) return
      await holder.port.progress(aProgress(holder, request.callId, BigInt(random(900)), operator.id))
      return
    case 4:
    case 5: {
      if (!holder || !request) return
      const legs = legsOf(holder.id, BigInt(random(900)), operator.id, author.id)
      await holder.port.capture(anEnd(holder, request.callId, { legs }))
      return
    }
    default:
      clock.advance(random(20_000))
      await payer.port.tick()
  }
}

/** Balances, credits under way and the house's legs: always nothing in sum. */
async function everything(people: Payer[]): Promise<bigint> {
  let total = 0n
  for (const person of people) {
    const { availableNanos, heldNanos } = await person.port.balance()
    expect(availableNanos >= 0n && heldNanos >= 0n).toBe(true)
    total += availableNanos + heldNanos
    for (const { body } of await person.lines())
      total += sumLegs(parseLine(body).legs.filter(({ party }) => isHouse(party)))
    const underWay = await person.sql<{ payee: string; to_seq: number; sum_nanos: number }>('SELECT * FROM credits_out')
    for (const { payee, to_seq, sum_nanos } of underWay) {
      const to = people.find(({ id }) => id === payee)
      const marks = await to?.sql<{ to_seq: number }>(`SELECT to_seq FROM credits_in WHERE payer = '${person.id}'`)
      if ((marks?.[0]?.to_seq ?? 0) < to_seq) total += BigInt(sum_nanos)
    }
  }
  return total
}

describe('a random story', () => {
  it.each([1, 2, 3])(
    'conserves every nano, in the guards and in the book (seed %i)',
    { timeout: 60_000 },
    async (seed) => {
      const random = seeded(seed)
      const clock = aClock()
      const people = [await aPayer(5_000n, {}, clock), await aPayer(3_000n, {}, clock), await aPayer(0n, {}, clock)]
      const open: [Payer, HoldRequest][] = []
      const moody = (id: AccountId) => ({
        ...accounts(id),
        credit: async (credit: Parameters<Payer['port']['credit']>[0]) => {
          const mood = random(3)
          if (mood === 0) throw new Error('planned: not sent')
          const reply = await accounts(id).credit(credit)
          if (mood === 1) throw new Error('planned: sent, but the answer is lost')
          return reply
        },
      })
      for (const person of people) await person.use({ accounts: moody })
      for (let round = 0; round < 8; round++) {
        for (let i = 0; i < 15; i++) await step(random, people, open, clock)
        expect(await everything(people)).toBe(0n)
      }
      // Everybody answers again: all holds end, all money arrives, the book has everything.
      for (const person of people) await person.use({ accounts })
      for (let round = 0; round < 3; round++) {
        clock.advance(700_000)
        for (const person of people) await person.port.tick()
      }
      expect(await everything(people)).toBe(0n)
      for (const person of people) {
        expect((await person.port.balance()).heldNanos).toBe(0n)
        expect(await person.sql('SELECT * FROM credits_out')).toEqual([])
        expect(findBreak(await person.lines())).toBeNull()
        const uses = await person.sql('SELECT held_nanos, open_holds FROM limits')
        expect(uses).toEqual(Array(2).fill({ held_nanos: 0, open_holds: 0 }))
      }
      const sums = await env.BOOK_0.prepare(
        `SELECT (SELECT coalesce(sum(amount_nanos), 0) FROM legs) AS legs,
         (SELECT sum(charge_nanos) FROM rollups_hour) - (SELECT sum(charge_nanos) FROM calls) AS rollups,
         (SELECT sum(delta_nanos) FROM lines) + (SELECT sum(amount_nanos) FROM legs WHERE party LIKE 'house:%') AS house`,
      ).first()
      expect(sums).toEqual({ legs: 0, rollups: 0, house: 0 })
    },
  )
})
