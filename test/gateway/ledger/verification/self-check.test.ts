// The guard's audit of itself: nothing found whatever happens, and each planted corruption found, by its name.
import { describe, expect, it } from 'vitest'
import { LEDGER } from '../../../../gateway/ledger/limits/limits.ts'
import { jcs } from '../../../../protocol/canonical.ts'
import { hashLine } from '../../../../protocol/journal.ts'
import { nanos } from '../../../../protocol/units.ts'
import { aHold, anAccount, aPayer, aProgress, callFor, plannedFailures } from '../ledger-house.ts'

plannedFailures()

type Payer = Awaited<ReturnType<typeof aPayer>>

/** A grant, three calls of which two earn somebody something, an open hold. */
async function aStory() {
  const payer = await aPayer(100_000n)
  const operator = await anAccount(payer.clock)
  for (const charge of [100n, 200n]) await callFor(payer, charge, operator.id)
  await callFor(payer, 300n, payer.id)
  const open = aHold(payer, 500n)
  await payer.port.hold(open)
  return { payer, operator, open }
}

const kindsOf = async (payer: Payer, from: 'last' | 'first' = 'first') =>
  (await payer.port.selfCheck(from)).breaches.map(({ kind, at }) => `${kind}:${at}`)

it('finds nothing in an account that is as it should be, also in one that is empty, or nobody’s', async () => {
  const { payer } = await aStory()
  expect(await payer.port.selfCheck('first')).toMatchObject({
    breaches: [],
    lag: 4,
    checkedSeq: 4,
    underWayNanos: 285n,
  })
  expect(await kindsOf(payer, 'last')).toEqual([])
  const empty = await anAccount()
  expect(await empty.port.selfCheck('first')).toMatchObject({ breaches: [], lag: 0, lagSince: null, checkedSeq: 0 })
})

it('goes on where it ended, so many lines each time, and begins again when asked', async () => {
  const payer = await aPayer(10_000n)
  await callFor(payer, 10n, payer.id)
  expect(await payer.port.selfCheck('last')).toMatchObject({ checkedSeq: 2, breaches: [] })
  await callFor(payer, 10n, payer.id)
  // What was checked is not looked at again until somebody asks for the whole.
  await payer.sql(`UPDATE lines SET body = replace(body, 'grant:first', 'grant:other') WHERE seq = 1`)
  expect(await payer.port.selfCheck('last')).toMatchObject({ checkedSeq: 3, breaches: [] })
  expect(await kindsOf(payer, 'first')).toEqual(['chain:1'])
})

it('comes to the end of more lines than one check takes', { timeout: 60_000 }, async () => {
  const payer = await aPayer(10_000n)
  const grant = { kind: 'grant', amountNanos: nanos(1n), reason: 'x', by: null } as const
  for (let i = 1; i <= LEDGER.checkLines; i++) await payer.port.grant({ ...grant, transferId: `g${i}` })
  expect(await payer.port.selfCheck('first')).toMatchObject({ checkedSeq: LEDGER.checkLines, breaches: [] })
  await payer.sql('UPDATE account SET balance_nanos = balance_nanos + 1')
  expect(await payer.port.selfCheck('last')).toMatchObject({
    checkedSeq: LEDGER.checkLines + 1,
    breaches: [{ kind: 'balance', at: '' }],
  })
})

/** Each with SQL on the guard's own storage, and what is found. */
const PLANTED: [string, string[], string[]][] = [
  [
    'a body that was changed',
    [`UPDATE lines SET body = replace(body, '"reason":"test"', '"reason":"rest"') WHERE seq = 1`],
    ['chain:1'],
  ],
  ['a line that was dropped', ['DELETE FROM lines WHERE seq = 2'], ['chain:2', 'conservation']],
  ['the last line dropped', ['DELETE FROM lines WHERE seq = 4'], ['chain:3']],
  ['a link that was changed', [`UPDATE lines SET prev_hash = '${'0'.repeat(64)}' WHERE seq = 3`], ['chain:3']],
  ['a hash that was changed', [`UPDATE lines SET hash = '${'1'.repeat(64)}' WHERE seq = 4`], ['chain:4']],
  ['a body that is no JSON', [`UPDATE lines SET body = 'x' WHERE seq = 4`], ['chain:4']],
  ['a head that was set back', ['UPDATE account SET seq = 3'], ['chain:4']],
  ['one nano more', ['UPDATE account SET balance_nanos = balance_nanos + 1'], ['balance:']],
  ['one nano less', ['UPDATE account SET balance_nanos = balance_nanos - 1'], ['balance:']],
  ['a held counter', ['UPDATE account SET held_nanos = held_nanos + 1'], ['holds:']],
  ['a hold that vanished', [`DELETE FROM holds WHERE state = 'open'`], ['holds:', 'holds:key', 'holds:account']],
  [
    'the account’s limits',
    [`UPDATE limits SET held_nanos = held_nanos - 1 WHERE subject = 'account'`],
    ['holds:account'],
  ],
  ['a key’s count of holds', [`UPDATE limits SET open_holds = 0 WHERE subject <> 'account'`], ['holds:key']],
  ['more vesting than there is', ['INSERT INTO vesting VALUES (9007199254740991, 100001)'], ['balance:vesting']],
  ['a batch under way made larger', ['UPDATE credits_out SET sum_nanos = sum_nanos + 1'], ['conservation']],
  ['more projected than there is', ['UPDATE account SET projected_seq = 9'], ['book:9']],
]

describe('a self-check finds', () => {
  it.each(PLANTED)('%s', async (_, corruptions, found) => {
    const { payer } = await aStory()
    for (const corruption of corruptions) await payer.sql(corruption)
    const general = (await kindsOf(payer)).map((name) =>
      name.startsWith('conservation') ? 'conservation' : name.replace(payer.keyId, 'key'),
    )
    expect(general.sort()).toEqual([...found].sort())
    // Found again: nothing is forgotten because it was seen.
    expect((await kindsOf(payer, 'last')).length).toBeGreaterThan(0)
  })

  it('a line that was rewritten with all its hashes, when that line was checked before', async () => {
    const { payer } = await aStory()
    await payer.port.selfCheck('last')
    const last = (await payer.lines()).at(-1)
    const parsed: Record<string, unknown> = JSON.parse(last?.body ?? '')
    const body = jcs({ ...parsed, transferId: 'another' })
    const hash = hashLine(last?.prevHash ?? '', body)
    await payer.sql(`UPDATE lines SET body = '${body}', hash = '${hash}' WHERE seq = 4`)
    await payer.sql(`UPDATE account SET last_hash = '${hash}'`)
    expect(await kindsOf(payer, 'last')).toEqual(['chain:4'])
  })

  it('a line that took the balance below zero, though it is whole again now', async () => {
    const { payer } = await aStory()
    const lines = await payer.lines()
    // The chain is made anew in another order: first the calls, then the grant that paid for them.
    let prevHash = '0'.repeat(64)
    for (const [index, from] of [1, 2, 3, 0].entries()) {
      const old: Record<string, unknown> = JSON.parse(lines[from]?.body ?? '')
      const body = jcs({ ...old, seq: index + 1 })
      const hash = hashLine(prevHash, body)
      await payer.sql(
        `UPDATE lines SET body = '${body}', prev_hash = '${prevHash}', hash = '${hash}' WHERE seq = ${index + 1}`,
      )
      prevHash = hash
    }
    await payer.sql(`UPDATE account SET last_hash = '${prevHash}'`)
    expect(await kindsOf(payer)).toContain('balance:1')
  })

  it.each([
    [59_999, []],
    [60_000, ['overdue']],
  ])('a hold that cannot be ended, %i ms after its deadline', async (late, found) => {
    const payer = await aPayer(1_000n)
    const request = aHold(payer, 100n)
    await payer.port.hold(request)
    await payer.sql(`UPDATE holds SET progress = 'not JSON'`)
    payer.clock.advance(60_000 + late)
    const { breaches } = await payer.port.selfCheck('first')
    expect(breaches.map(({ kind }) => kind)).toEqual(found)
    if (found.length > 0) expect(breaches[0]?.at).toBe(request.callId)
  })

  it('nothing in a hold that is late only because its alarm was lost', async () => {
    const payer = await aPayer(1_000n)
    const request = aHold(payer, 100n)
    await payer.port.hold(request)
    await payer.port.progress(aProgress(payer, request.callId, 40n, payer.id))
    payer.clock.advance(10_000_000)
    expect(await kindsOf(payer)).toEqual([])
    expect(await payer.port.balance()).toMatchObject({ heldNanos: 0n })
  })
})
