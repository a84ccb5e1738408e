import { describe, expect, it } from 'vitest'
import { systemRandom } from '../../../../gateway/core/clock.ts'
import { LIMITS } from '../../../../gateway/core/limits.ts'
import { findBreak } from '../../../../protocol/journal.ts'
import { instant, nanos, newAccountId, newKeyId } from '../../../../protocol/units.ts'
import { aHold, aKey, anAccount, anEnd, aPayer, callFor, legsOf, START } from '../ledger-house.ts'

const OPERATOR = newAccountId(systemRandom)
const balance = (available: bigint, held = 0n) => ({ availableNanos: available, heldNanos: held, vestingNanos: 0n })

describe('the journal', () => {
  it('has no gaps, verifies, and gives away a flipped byte, a missing and an exchanged line', async () => {
    const payer = await aPayer(1_000n)
    for (let i = 0; i < 5; i++) await callFor(payer, 10n, OPERATOR)
    const lines = await payer.lines()
    expect(lines.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6])
    expect(findBreak(lines)).toBeNull()
    const flipped = lines.map((line) =>
      line.seq === 3 ? { ...line, body: line.body.replace('0.000000010', '0.000000011') } : line,
    )
    expect(findBreak(flipped)).toBe(3)
    expect(findBreak(lines.filter(({ seq }) => seq !== 4))).toBe(4)
    const [first, second, ...rest] = lines
    expect(first && second && findBreak([second, first, ...rest])).toBe(1)
  })

  it('says everything about a call that decides about money', async () => {
    const payer = await aPayer(1_000n)
    const { request } = await callFor(payer, 100n, OPERATOR)
    const body: unknown = JSON.parse((await payer.lines())[1]?.body ?? '')
    expect(body).toEqual({
      account: payer.id,
      seq: 2,
      at: START,
      kind: 'call',
      transferId: request.callId,
      delta: '-0.000000100',
      legs: [
        { party: payer.id, role: 'payer', amount: '-0.000000100' },
        { party: OPERATOR, role: 'operator', amount: '0.000000092' },
        { party: OPERATOR, role: 'author', amount: '0.000000003' },
        { party: 'house:fees', role: 'house', amount: '0.000000005' },
      ],
      call: {
        keyId: payer.keyId,
        modelId: request.modelId,
        nodeId: expect.stringMatching(/^node_/) as unknown,
        inputTokens: 3,
        outputTokens: 7,
        hold: '0.000000100',
        outcome: 'complete',
        errorCode: null,
        receiptHash: null,
        ticketHash: null,
        priceVersion: 1,
      },
    })
  })
})

describe('grants', () => {
  it('count once per transfer id, and refuse the id for another amount', async () => {
    const { port } = await anAccount()
    const grant = { transferId: 'grant:1', kind: 'grant', amountNanos: nanos(5n), reason: 'hello', by: null } as const
    const first = await port.grant(grant)
    expect(first).toEqual({ ok: true, seq: 1, balance: balance(5n) })
    expect(await port.grant(grant)).toEqual(first)
    expect(await port.grant({ ...grant, amountNanos: nanos(6n) })).toMatchObject({ ok: false, code: 'conflict' })
    expect(await port.grant({ ...grant, kind: 'faucet' })).toMatchObject({ ok: false, code: 'conflict' })
    expect(await port.grant({ ...grant, transferId: 'grant:2', amountNanos: nanos(0n) })).toMatchObject({ ok: false })
    const tooMuch = nanos(8_000_000_000_000_000n)
    expect(await port.grant({ ...grant, transferId: 'grant:3', amountNanos: tooMuch })).toMatchObject({
      code: 'conflict',
    })
  })
})

describe('keys', () => {
  it('are created once, listed newest first in pages, shown without their secret', async () => {
    const { port } = await anAccount()
    const keys = Array.from({ length: 5 }, (_, n) => aKey({ name: `key ${n}` }))
    for (const key of keys) expect(await port.createKey(key)).toMatchObject({ ok: true, key: { id: key.id } })
    const [first] = keys
    if (!first) throw new Error('no key')
    expect(await port.createKey(first)).toMatchObject({ ok: true, key: { id: first.id } })
    expect(await port.createKey({ ...first, secretHash: 'cd'.repeat(32) })).toMatchObject({ code: 'conflict' })
    const names: string[] = []
    let cursor: string | null = null
    do {
      const page: Awaited<ReturnType<typeof port.listKeys>> = await port.listKeys(cursor, 2)
      expect(JSON.stringify(page)).not.toContain(first.secretHash)
      names.push(...page.data.map(({ name }) => name))
      cursor = page.nextCursor
    } while (cursor !== null)
    expect(names).toEqual(['key 4', 'key 3', 'key 2', 'key 1', 'key 0'])
    expect(await port.listKeys('not a cursor', 2)).toEqual({ data: [], nextCursor: null })
  })

  it('are at most as many as the limit says; revoked ones do not count', async () => {
    const { port } = await anAccount()
    const keys = Array.from({ length: LIMITS.keysPerAccount }, () => aKey())
    for (const key of keys) await port.createKey(key)
    expect(await port.createKey(aKey())).toMatchObject({ ok: false, code: 'conflict' })
    await port.revokeKey(keys[0]?.id ?? newKeyId(systemRandom))
    expect(await port.createKey(aKey())).toMatchObject({ ok: true })
  })

  it('stop working with the next hold once revoked; the hold under way is captured', async () => {
    const payer = await aPayer(1_000n)
    const request = aHold(payer, 100n)
    await payer.port.hold(request)
    const first = await payer.port.revokeKey(payer.keyId)
    payer.clock.advance(5)
    expect(await payer.port.revokeKey(payer.keyId)).toEqual(first)
    expect(await payer.port.hold(aHold(payer, 1n))).toMatchObject({ code: 'api_key_revoked' })
    expect(await payer.port.inspectKey(payer.keyId, 'ab'.repeat(32))).toMatchObject({ code: 'api_key_revoked' })
    const end = anEnd(payer, request.callId, { legs: legsOf(payer.id, 100n, OPERATOR) })
    expect(await payer.port.capture(end)).toMatchObject({ ok: true })
    expect(await payer.port.revokeKey(newKeyId(systemRandom))).toMatchObject({ code: 'not_found' })
  })

  it('have a budget per period, which counts holds and comes back when the period does', async () => {
    const payer = await aPayer(10_000n, { limit: { nanos: nanos(100n), period: 'day', shadow: false } })
    await callFor(payer, 60n, OPERATOR)
    expect(await payer.port.hold(aHold(payer, 41n))).toMatchObject({ code: 'key_budget_exceeded' })
    const request = aHold(payer, 40n, { deadline: instant(START + 86_400_000) })
    expect(await payer.port.hold(request)).toMatchObject({ ok: true })
    const view = await payer.port.inspectKey(payer.keyId, 'ab'.repeat(32))
    expect(view).toMatchObject({
      ok: true,
      balance: balance(9_900n, 40n),
      key: {
        limit: {
          usd: '0.000000100',
          period: 'day',
          spent: '0.000000060',
          held: '0.000000040',
          resetsAt: '2040-06-17T00:00:00.000Z',
        },
      },
    })
    payer.clock.advance(14 * 3_600_000)
    // Midnight: nothing is spent, but the hold is still there.
    expect(await payer.port.hold(aHold(payer, 61n))).toMatchObject({ code: 'key_budget_exceeded' })
    expect(await payer.port.hold(aHold(payer, 60n))).toMatchObject({ ok: true })
  })

  it('are inspected as a hold would judge them', async () => {
    const payer = await aPayer(10n, { expiresAt: instant(START + 10) })
    expect(await payer.port.inspectKey(payer.keyId, 'cd'.repeat(32))).toMatchObject({ code: 'invalid_api_key' })
    expect(await payer.port.inspectKey(newKeyId(systemRandom), 'ab'.repeat(32))).toMatchObject({
      code: 'invalid_api_key',
    })
    payer.clock.advance(10)
    expect(await payer.port.inspectKey(payer.keyId, 'ab'.repeat(32))).toMatchObject({ code: 'api_key_expired' })
    expect(await payer.port.hold(aHold(payer, 1n))).toMatchObject({ code: 'api_key_expired' })
  })
})
