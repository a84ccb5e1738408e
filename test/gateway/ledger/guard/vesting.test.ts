// Earnings that can be spent later: kept apart to the nano, spendable from their millisecond on, and not a moment before.
import { describe, expect, it } from 'vitest'
import { chargeLegs } from '../../../../gateway/ledger/calls/split.ts'
import { parseLine } from '../../../../protocol/journal.ts'
import { instant, nanos, type AccountId, type Instant } from '../../../../protocol/units.ts'
import {
  aClock,
  aHold,
  anEnd,
  aPayer,
  aProgress,
  FEE_BPS,
  ROYALTY_BPS,
  START,
  type TestClock,
} from '../ledger-house.ts'

const AT = instant(START + 7 * 86_400_000)
type Payer = Awaited<ReturnType<typeof aPayer>>

async function aVestingCall(payer: Payer, operator: AccountId, charge: bigint, at: Instant = AT) {
  const request = aHold(payer, charge)
  await payer.port.hold(request)
  const shares = { operator, author: operator, royaltyBps: ROYALTY_BPS, feeBps: FEE_BPS }
  const vesting = { shareBps: 5_000, at }
  const legs = chargeLegs({ ...shares, chargeNanos: nanos(charge), payer: payer.id, vesting })
  expect(await payer.port.capture(anEnd(payer, request.callId, { legs }))).toMatchObject({ ok: true })
  return request.callId
}

/** A payer and an operator on one clock; nothing has arrived yet. */
async function twoPeople(clock: TestClock = aClock()) {
  return { clock, payer: await aPayer(10_000n, {}, clock), operator: await aPayer(0n, {}, clock) }
}

async function deliver({ clock, payer }: { clock: TestClock; payer: Payer }): Promise<void> {
  clock.advance(300)
  await payer.port.tick()
}

describe('earnings on probation', () => {
  it('arrive with their credit, and half of the share is spendable at once, to the nano', async () => {
    const people = await twoPeople()
    // 999: royalty 29, fee 49, the node's share 921, of which 460 wait.
    await aVestingCall(people.payer, people.operator.id, 999n)
    await deliver(people)
    expect(await people.operator.port.balance()).toEqual({
      availableNanos: 490n,
      heldNanos: 0n,
      vestingNanos: 460n,
    })
    expect((await people.operator.port.money())?.vesting).toEqual([{ until: AT, amountNanos: 460n }])
    const line = parseLine((await people.operator.lines()).at(-1)?.body ?? '')
    expect(line.credit).toMatchObject({ sumNanos: 950n, vesting: [{ until: AT, amountNanos: 460n }] })
  })

  it('become spendable by themselves, from their millisecond on', async () => {
    const people = await twoPeople()
    const { clock, operator } = people
    await aVestingCall(people.payer, operator.id, 999n)
    await deliver(people)
    expect(await operator.port.hold(aHold(operator, 491n))).toMatchObject({ ok: false, code: 'insufficient_funds' })
    clock.advance(AT - clock() - 1)
    expect(await operator.port.hold(aHold(operator, 491n))).toMatchObject({ ok: false, code: 'insufficient_funds' })
    clock.advance(1)
    expect(await operator.port.balance()).toEqual({ availableNanos: 950n, heldNanos: 0n, vestingNanos: 0n })
    expect(await operator.port.hold(aHold(operator, 950n))).toMatchObject({ ok: true, availableNanos: 0n })
  })

  it('gather by the time at which they can be spent, and forget what is past', async () => {
    const people = await twoPeople()
    const { clock, payer, operator } = people
    const day = 86_400_000
    for (const at of [AT, AT + day, AT]) await aVestingCall(payer, operator.id, 999n, instant(at))
    await deliver(people)
    const parts = async () => (await operator.port.money())?.vesting.map(({ amountNanos }) => amountNanos)
    expect(await parts()).toEqual([920n, 460n])
    clock.advance(AT - clock())
    expect(await parts()).toEqual([460n])
    await aVestingCall(payer, operator.id, 999n, instant(AT + day))
    await deliver(people)
    expect(await operator.sql('SELECT * FROM vesting')).toEqual([{ until: AT + day, amount_nanos: 920 }])
  })

  it('that arrive after their time wait no more', async () => {
    const people = await twoPeople()
    await aVestingCall(people.payer, people.operator.id, 999n, instant(START + 100))
    await deliver(people)
    expect(await people.operator.port.balance()).toEqual({ availableNanos: 950n, heldNanos: 0n, vestingNanos: 0n })
  })

  it('wait as well when the gateway vanished and the guard settled', async () => {
    const people = await twoPeople()
    const { clock, payer, operator } = people
    const request = aHold(payer, 999n)
    await payer.port.hold(request)
    const report = aProgress(payer, request.callId, 999n, operator.id)
    await payer.port.progress({ ...report, terms: { ...report.terms, vesting: { shareBps: 5_000, at: AT } } })
    clock.advance(60_000)
    await payer.port.tick()
    await deliver(people)
    expect(await operator.port.balance()).toMatchObject({ availableNanos: 490n, vestingNanos: 460n })
  })

  it('cannot be withdrawn, though a gift of the same size is free', async () => {
    const people = await twoPeople()
    const { operator } = people
    await aVestingCall(people.payer, operator.id, 9_990n)
    await deliver(people)
    await operator.port.grant({ transferId: 'g', kind: 'grant', amountNanos: nanos(9_000n), reason: 'x', by: null })
    const { withdrawableNanos, availableNanos, vestingNanos } = (await operator.port.money())!
    expect([withdrawableNanos, availableNanos, vestingNanos]).toEqual([4_895n, 13_895n, 4_596n])
  })
})
