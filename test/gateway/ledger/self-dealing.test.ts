// What somebody gains who is payer and node at once. A gift spent at a node is that node's honest income, whoever owns it: nobody can tell a
// stranger from a friend. What is promised is that the house loses no more than it gave, that its fee is lost on the way, that one account
// cannot pay itself at all, and that what vests can still be taken back.
import { describe, expect, it } from 'vitest'
import { chargeLegs } from '../../../gateway/ledger/calls/split.ts'
import { instant, nanos, type AccountId } from '../../../protocol/units.ts'
import { aHold, anEnd, aPayer, callFor, FEE_BPS, START, type TestAccount } from './ledger-house.ts'

const USD = 1_000_000_000n
const BY = '0000000000000adm' as AccountId
const withdrawable = async ({ port }: Pick<TestAccount, 'port'>) => (await port.money())?.withdrawableNanos
const arrive = async (payer: TestAccount) => {
  payer.clock.advance(300)
  await payer.port.tick()
}

describe('a gift spent', () => {
  it('at one’s own node is no income, however often it goes round', async () => {
    const account = await aPayer(5n * USD)
    for (let i = 0; i < 5; i++) await callFor(account, USD, account.id)
    await arrive(account)
    expect(await withdrawable(account)).toBe(0n)
    expect((await account.port.balance()).availableNanos).toBe(5n * USD - (USD * 5n * 500n) / 10_000n)
    const withdrawal = { transferId: 'w', amountNanos: nanos(1_000n), address: '0x1' }
    expect(await account.port.withdraw(withdrawal)).toMatchObject({ code: 'not_withdrawable' })
  })

  it('at a friend’s node is income, less the fee: never more than was given', async () => {
    const payer = await aPayer(5n * USD)
    const friend = await aPayer(0n, {}, payer.clock)
    for (let i = 0; i < 5; i++) await callFor(payer, USD, friend.id)
    await arrive(payer)
    expect(await withdrawable(friend)).toBe((5n * USD * 9_500n) / 10_000n)
    expect(await withdrawable(payer)).toBe(0n)
  })

  it('that comes round again keeps shrinking by the fee', async () => {
    const one = await aPayer(5n * USD)
    const two = await aPayer(0n, {}, one.clock)
    let [from, to] = [one, two]
    for (let round = 0; round < 4; round++) {
      await callFor(from, (await from.port.balance()).availableNanos, to.id)
      await arrive(from)
      ;[from, to] = [to, from]
    }
    const out = ((await withdrawable(one)) ?? 0n) + ((await withdrawable(two)) ?? 0n)
    expect(out <= (5n * USD * BigInt(10_000 - FEE_BPS) ** 4n) / 10_000n ** 4n).toBe(true)
  })

  it('at a friend’s new node can be taken back while it vests, and cannot be withdrawn before', async () => {
    const payer = await aPayer(5n * USD)
    const friend = await aPayer(0n, {}, payer.clock)
    const request = aHold(payer, 5n * USD)
    await payer.port.hold(request)
    const shares = { operator: friend.id, author: friend.id, royaltyBps: 0, feeBps: FEE_BPS }
    const vesting = { shareBps: 10_000, at: instant(START + 86_400_000) }
    const legs = chargeLegs({ ...shares, chargeNanos: request.amountNanos, payer: payer.id, vesting })
    await payer.port.capture(anEnd(payer, request.callId, { legs }))
    await arrive(payer)
    expect(await withdrawable(friend)).toBe(0n)
    const taking = { transferId: 'c', kind: 'clawback', of: request.callId, ofAccount: payer.id } as const
    const amountNanos = nanos((5n * USD * 9_500n) / 10_000n)
    const taken = await friend.port.takeBack({ ...taking, amountNanos, reason: 'self-dealing', by: BY })
    expect(taken).toMatchObject({ takenNanos: amountNanos, owedNanos: 0n })
  })
})

describe('an audit', () => {
  it('pays an operator nothing for calls of its own, whose fees are its own cost', async () => {
    const account = await aPayer(5n * USD)
    await callFor(account, USD, account.id)
    await arrive(account)
    const paid = await account.port.payAudit({ transferId: 'a', amountNanos: nanos(USD), reason: 'x' })
    expect(paid).toMatchObject({ ok: true, movedNanos: 0n })
  })

  it('pays a ring of two no more than the fees the ring has paid', async () => {
    const payer = await aPayer(5n * USD)
    const friend = await aPayer(0n, {}, payer.clock)
    await callFor(payer, USD, friend.id)
    await arrive(payer)
    const paid = await friend.port.payAudit({ transferId: 'a', amountNanos: nanos(USD), reason: 'x' })
    expect(paid).toMatchObject({ ok: true, movedNanos: (USD * 500n) / 10_000n })
  })
})
