// Random stories with every kind of money there is, told twice and in bad weather: no nano appears or disappears, nobody falls below zero, no id
// moves twice, no call is refunded above its cost, and nobody takes out more than was earned.
import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { earnedAfter } from '../../../gateway/ledger/payouts/earned.ts'
import { chargeLegs } from '../../../gateway/ledger/calls/split.ts'
import { findBreak, parseLine, sumLegs, type JournalLine } from '../../../protocol/journal.ts'
import { instant, isHouse, nanos, type AccountId } from '../../../protocol/units.ts'
import { accounts, aClock, aHold, anEnd, aPayer, plannedFailures, type TestClock } from './ledger-house.ts'

plannedFailures()

type Person = Awaited<ReturnType<typeof aPayer>>
type Random = (below: number) => number
const ADMIN = '0000000000000adm' as AccountId
/** Amounts that leave the market are whole millionths of a dollar. */
const STEP = 1_000n

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

const linesOf = async (person: Person): Promise<JournalLine[]> =>
  (await person.lines()).map(({ body }) => parseLine(body))

async function callFor(payer: Person, operator: Person, author: Person, random: Random, clock: TestClock) {
  const request = aHold(payer, BigInt(random(40_000)))
  if (!(await payer.port.hold(request)).ok) return
  const vesting = random(2) ? { shareBps: random(10_001), at: instant(clock() + random(90_000)) } : null
  const shares = { operator: operator.id, author: author.id, royaltyBps: 300, feeBps: 500 }
  const charge = { payer: payer.id, chargeNanos: nanos((request.amountNanos * BigInt(random(101))) / 100n) }
  const end = anEnd(payer, request.callId, { legs: chargeLegs({ ...shares, ...charge, vesting }) })
  if (random(8) > 0) await payer.port.capture(end)
}

/** One thing that happens to one person. Small ids, so that repeats and contradictions are common. */
async function step(random: Random, people: Person[], clock: TestClock): Promise<void> {
  const someone = () => people[random(people.length)] as Person // people is never empty
  const [one, two, three] = [someone(), someone(), someone()]
  const amountNanos = nanos(BigInt(random(60)) * STEP)
  const n = random(6)
  const about = { reason: 'x', by: ADMIN }
  const lines = await linesOf(one)
  const lineOf = (kind: string) => {
    const found = lines.filter((line) => line.kind === kind)
    return found[random(Math.max(found.length, 1))]
  }
  switch (random(11)) {
    case 0:
      await one.port.grant({ transferId: `grant:${n}`, kind: 'grant', amountNanos, ...about })
      return
    case 1:
      await one.port.grant({ transferId: `topup:${n}`, kind: 'topup', amountNanos, ...about })
      return
    case 2:
    case 3:
    case 4:
      return callFor(one, two, three, random, clock)
    case 5: {
      const call = lineOf('call')
      const wanted = random(3) ? nanos(BigInt(random(20_000))) : null
      if (!call) return
      const request = { transferId: `refund:${n}`, callId: call.transferId, amountNanos: wanted, ...about }
      await one.port.refund(request)
      await one.port.refund(request)
      return
    }
    case 6: {
      const taking = { transferId: `clawback:${n}`, kind: 'clawback', of: 'x', ofAccount: two.id, ...about } as const
      await one.port.takeBack({ ...taking, amountNanos })
      return
    }
    case 7: {
      const taking = { kind: 'chargeback', of: `topup:${n}`, ofAccount: one.id, amountNanos, ...about } as const
      const isTotal = random(2) === 0
      await one.port.takeBack({ ...taking, isTotal, transferId: isTotal ? `total:${n}:${amountNanos}` : `back:${n}` })
      await one.port.unfreeze('goes on', ADMIN)
      return
    }
    case 8:
      await one.port.reinstate({ chargeback: lineOf('chargeback')?.transferId ?? 'none', reason: 'won' })
      return
    case 9: {
      const transferId = `withdrawal:${random(30)}`
      await one.port.withdraw({ transferId, amountNanos, address: '0x1' })
      const back = { transferId: `return:${n}`, withdrawal: lineOf('withdrawal')?.transferId ?? 'none', ...about }
      if (random(3) === 0) await one.port.returnWithdrawal(back)
      await one.port.payAudit({ transferId: `audit:${n}`, amountNanos, reason: 'x' })
      return
    }
    default:
      clock.advance(random(70_000))
      await one.port.tick()
  }
}

/** Balances, credits under way and the house's legs: always nothing in sum. */
async function everything(people: Person[]): Promise<bigint> {
  let total = 0n
  for (const person of people) {
    const { availableNanos, heldNanos, vestingNanos } = await person.port.balance()
    expect(availableNanos >= 0n && heldNanos >= 0n && vestingNanos >= 0n).toBe(true)
    total += availableNanos + heldNanos + vestingNanos
    for (const { legs } of await linesOf(person)) total += sumLegs(legs.filter(({ party }) => isHouse(party)))
    const underWay = await person.sql<{ payee: string; to_seq: number; sum_nanos: number }>('SELECT * FROM credits_out')
    for (const { payee, to_seq, sum_nanos } of underWay) {
      const to = people.find(({ id }) => id === payee)
      const marks = await to?.sql<{ to_seq: number }>(`SELECT to_seq FROM credits_in WHERE payer = '${person.id}'`)
      if ((marks?.[0]?.to_seq ?? 0) < to_seq) total += BigInt(sum_nanos)
    }
  }
  return total
}

/** What a stranger finds who has nothing but one account's journal. */
function judgeJournal(lines: readonly JournalLine[]): { balance: bigint; earned: bigint } {
  const byId = new Map(lines.map((line) => [line.transferId, line]))
  expect(byId.size).toBe(lines.length)
  const back = new Map<string, bigint>()
  let [balance, earned, out] = [nanos(0n), nanos(0n), 0n]
  let everEarned = 0n
  for (const line of lines) {
    balance = nanos(balance + line.deltaNanos)
    expect(balance >= 0n).toBe(true)
    earned = earnedAfter(earned, line, balance)
    if (line.kind === 'credit' || line.kind === 'audit') everEarned += line.deltaNanos
    if (line.kind === 'withdrawal' || line.kind === 'withdrawal_return') out -= line.deltaNanos
    expect(out <= everEarned).toBe(true)
    const of = line.correction && byId.get(line.correction.of)
    if (!of || !['refund', 'withdrawal_return'].includes(line.kind)) continue
    back.set(of.transferId, (back.get(of.transferId) ?? 0n) + line.deltaNanos)
    expect((back.get(of.transferId) ?? 0n) <= -of.deltaNanos).toBe(true)
  }
  return { balance, earned }
}

describe('a random story of all kinds of money', () => {
  it.each([11, 12, 13, 14])('conserves every nano (seed %i)', { timeout: 90_000 }, async (seed) => {
    const random = seeded(seed)
    const clock = aClock()
    const people = [await aPayer(90_000n, {}, clock), await aPayer(30_000n, {}, clock), await aPayer(0n, {}, clock)]
    const moody = (id: AccountId) => ({
      ...accounts(id),
      credit: async (credit: Parameters<Person['port']['credit']>[0]) => {
        const mood = random(3)
        if (mood === 0) throw new Error('planned: not sent')
        const reply = await accounts(id).credit(credit)
        if (mood === 1) throw new Error('planned: sent, but the answer is lost')
        return reply
      },
    })
    for (const person of people) await person.use({ accounts: moody })
    for (let round = 0; round < 10; round++) {
      for (let i = 0; i < 25; i++) await step(random, people, clock)
      expect(await everything(people)).toBe(0n)
    }
    for (const person of people) await person.use({ accounts })
    for (let round = 0; round < 3; round++) {
      clock.advance(700_000)
      for (const person of people) await person.port.tick()
    }
    expect(await everything(people)).toBe(0n)
    const kinds = new Set<string>()
    for (const person of people) {
      const lines = await linesOf(person)
      for (const { kind } of lines) kinds.add(kind)
      const { balance, earned } = judgeJournal(lines)
      const { availableNanos, heldNanos, vestingNanos, withdrawableNanos } = (await person.port.money())!
      expect([heldNanos, vestingNanos]).toEqual([0n, 0n])
      expect([availableNanos, withdrawableNanos]).toEqual([balance, earned])
      expect(findBreak(await person.lines())).toBeNull()
      expect((await person.port.selfCheck('first')).breaches).toEqual([])
    }
    // A story in which something never happened would prove nothing about it.
    for (const kind of ['refund', 'clawback', 'chargeback', 'withdrawal', 'withdrawal_return', 'audit', 'credit'])
      expect(kinds).toContain(kind)
    const sums = await env.BOOK_0.prepare(
      `SELECT (SELECT coalesce(sum(amount_nanos), 0) FROM legs) AS legs,
       (SELECT sum(delta_nanos) FROM lines) + (SELECT sum(amount_nanos) FROM legs WHERE party LIKE 'house:%') AS house`,
    ).first()
    expect(sums).toEqual({ legs: 0, house: 0 })
  })
})
