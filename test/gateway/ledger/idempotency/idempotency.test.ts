// Idempotency-Keys inside the guard: decided with the hold, kept with the capture, freed by what cost nothing, gone in time.
import { describe, expect, it } from 'vitest'
import type { CallEnd, HoldRequest } from '../../../../gateway/ledger/account-port.ts'
import type { IdempotencyRecord } from '../../../../gateway/ledger/idempotency/idempotency-store.ts'
import { LEDGER } from '../../../../gateway/ledger/limits/limits.ts'
import { judgeRepeat, statusOfEnd } from '../../../../gateway/ledger/idempotency/repeat.ts'
import { instant, nanos, newCallId } from '../../../../protocol/units.ts'
import { systemRandom } from '../../../../gateway/core/clock.ts'
import { aHold, aPayer, anAccount, anEnd, aProgress, legsOf, plannedFailures, START } from '../ledger-house.ts'

plannedFailures()

const ONCE = { id: '1'.repeat(64), bodyHash: 'a'.repeat(64) }
const OTHER_BODY = { ...ONCE, bodyHash: 'b'.repeat(64) }
const KEPT = Uint8Array.of(1, 2, 3).buffer
const callId = newCallId(START, systemRandom)

type Payer = Awaited<ReturnType<typeof aPayer>>

/** A call with this key, up to its hold. */
async function begun(payer: Payer, over: Partial<HoldRequest> = {}) {
  const request = aHold(payer, 100n, { idempotency: ONCE, ...over })
  return { request, reply: await payer.port.hold(request) }
}

const records = (payer: Payer) => payer.sql<{ id: string; status: number | null }>('SELECT * FROM idempotency')

describe('a repeated request', () => {
  const record: IdempotencyRecord = {
    ...ONCE,
    callId,
    status: 200,
    kept: KEPT,
    lostAt: null,
    expiresAt: instant(START + 1),
  }
  const post = { ...record, callId: null, status: null, kept: null }
  it.each<[string, IdempotencyRecord | null, string, unknown]>([
    ['the first of its key', null, ONCE.bodyHash, { ok: true, earlier: null }],
    ['of an answered one', record, ONCE.bodyHash, { ok: true, earlier: { callId, status: 200, kept: KEPT } }],
    ['of another body', record, OTHER_BODY.bodyHash, { ok: false, code: 'idempotency_mismatch', callId }],
    ['at the expiry', { ...record, expiresAt: START }, OTHER_BODY.bodyHash, { ok: true, earlier: null }],
    [
      'while the first is open',
      { ...record, status: null },
      ONCE.bodyHash,
      { ok: false, code: 'idempotency_in_progress', callId },
    ],
    [
      'of another body while open',
      { ...record, status: null },
      OTHER_BODY.bodyHash,
      { ok: false, code: 'idempotency_mismatch', callId },
    ],
    [
      'a ms before the first counts as lost',
      { ...post, lostAt: instant(START + 1) },
      ONCE.bodyHash,
      { ok: false, code: 'idempotency_in_progress' },
    ],
    ['when the first counts as lost', { ...post, lostAt: START }, ONCE.bodyHash, { ok: true, earlier: null }],
    // The first may have moved its money: another body would be a second movement under one key.
    [
      'of another body when the first is lost',
      { ...post, lostAt: START },
      OTHER_BODY.bodyHash,
      { ok: false, code: 'idempotency_mismatch' },
    ],
  ])('%s', (_, known, bodyHash, judged) => {
    expect(judgeRepeat(known, bodyHash, START)).toEqual(judged)
  })

  it.each([
    ['complete', 5n, 200],
    ['complete', 0n, 200],
    ['failed', 0n, null],
    ['cancelled', 0n, null],
    ['cancelled', 1n, 499],
    ['expired', 0n, null],
    ['expired', 1n, 499],
  ] as const)('a call that ended %s for %s nanos leaves %s', (outcome, charge, status) => {
    expect(statusOfEnd(outcome, nanos(charge))).toBe(status)
  })
})

describe('a call with an Idempotency-Key', () => {
  it('is one of twenty that begin at once', async () => {
    const payer = await aPayer(10_000n)
    const replies = await Promise.all(Array.from({ length: 20 }, () => begun(payer)))
    const [first] = replies.filter(({ reply }) => reply.ok)
    expect(replies.filter(({ reply }) => reply.ok)).toHaveLength(1)
    for (const { reply } of replies)
      if (!reply.ok)
        expect(reply).toEqual({ ok: false, code: 'idempotency_in_progress', callId: first?.request.callId })
    expect((await payer.port.balance()).heldNanos).toBe(100n)
  })

  it('gives its kept answer to who asks again, holds nothing and needs no money, no budget and no rate', async () => {
    const payer = await aPayer(100n, { rpm: 1, limit: { nanos: nanos(100n), period: 'total', shadow: false } })
    const { request } = await begun(payer)
    const end: Partial<CallEnd> = { legs: legsOf(payer.id, 100n, payer.id), kept: KEPT }
    await payer.port.capture(anEnd(payer, request.callId, end))
    const { reply } = await begun(payer)
    expect(reply).toMatchObject({ ok: true, heldNanos: 0n, earlier: { callId: request.callId, status: 200 } })
    expect(new Uint8Array((reply.ok && reply.earlier?.kept) || new ArrayBuffer(0))).toEqual(new Uint8Array(KEPT))
    expect((await begun(payer, { idempotency: OTHER_BODY })).reply).toMatchObject({
      code: 'idempotency_mismatch',
      callId: request.callId,
    })
    expect((await begun(payer, { idempotency: null })).reply.ok).toBe(false)
  })

  it('is answered to its key alone: another secret and a revoked key get nothing, before anything else is said', async () => {
    const payer = await aPayer(1_000n)
    const { request } = await begun(payer)
    await payer.port.capture(anEnd(payer, request.callId, { kept: KEPT }))
    const again = { keyId: payer.keyId, secretHash: request.secretHash, idempotency: ONCE }
    expect(await payer.port.recall(again)).toMatchObject({ ok: true, earlier: { callId: request.callId } })
    expect((await begun(payer, { secretHash: 'cd'.repeat(32) })).reply).toEqual({ ok: false, code: 'invalid_api_key' })
    expect(await payer.port.recall({ ...again, secretHash: 'cd'.repeat(32) })).toEqual({
      ok: false,
      code: 'invalid_api_key',
    })
    await payer.port.revokeKey(payer.keyId)
    expect((await begun(payer)).reply).toEqual({ ok: false, code: 'api_key_revoked' })
    expect(await payer.port.recall(again)).toEqual({ ok: false, code: 'api_key_revoked' })
    const stranger = await anAccount()
    expect((await stranger.port.recall(again)).ok).toBe(false)
  })

  it('frees its key when it was refused or cost nothing', async () => {
    const payer = await aPayer(100n)
    const refused = await begun(payer, { amountNanos: nanos(101n) })
    expect(refused.reply).toMatchObject({ code: 'insufficient_funds' })
    for (const outcome of ['failed', 'cancelled'] as const) {
      const { request, reply } = await begun(payer)
      expect(reply).toMatchObject({ ok: true, earlier: null })
      await payer.port.capture(anEnd(payer, request.callId, { outcome, errorCode: 'provider_failed' }))
    }
    // Another body is another try as well: nothing came of the one before.
    expect((await begun(payer, { idempotency: OTHER_BODY })).reply).toMatchObject({ ok: true, earlier: null })
  })

  it('is never run again once it was charged: not for who left, not for whom the gateway vanished', async () => {
    const payer = await aPayer(1_000n)
    const left = await begun(payer)
    const legs = legsOf(payer.id, 40n, payer.id)
    await payer.port.capture(anEnd(payer, left.request.callId, { outcome: 'cancelled', errorCode: 'cancelled', legs }))
    expect((await begun(payer)).reply).toMatchObject({
      ok: true,
      earlier: { callId: left.request.callId, status: 499, kept: null },
    })
    const vanished = await begun(payer, { idempotency: { ...ONCE, id: '2'.repeat(64) } })
    await payer.port.progress(aProgress(payer, vanished.request.callId, 30n, payer.id))
    payer.clock.advance(60_000)
    expect((await begun(payer, { idempotency: { ...ONCE, id: '2'.repeat(64) } })).reply).toMatchObject({
      earlier: { callId: vanished.request.callId, status: 499 },
    })
    // Without progress nothing was charged, and the key is free at the deadline, not before.
    const silent = { ...ONCE, id: '3'.repeat(64) }
    await begun(payer, { idempotency: silent })
    payer.clock.advance(59_999)
    expect((await begun(payer, { idempotency: silent })).reply).toMatchObject({ code: 'idempotency_in_progress' })
    payer.clock.advance(1)
    expect((await begun(payer, { idempotency: silent })).reply).toMatchObject({ ok: true, earlier: null })
  })

  it('keeps the answer of the first capture, whatever a repeated one brings', async () => {
    const payer = await aPayer(1_000n)
    const { request } = await begun(payer)
    const end = anEnd(payer, request.callId, { kept: KEPT })
    await payer.port.capture(end)
    await payer.port.capture({ ...end, kept: null })
    expect((await begun(payer)).reply).toMatchObject({ earlier: { status: 200, kept: KEPT } })
  })

  it('costs nobody else: without the header nothing is remembered', async () => {
    const payer = await aPayer(1_000n)
    const { request } = await begun(payer, { idempotency: null })
    await payer.port.capture(anEnd(payer, request.callId, { kept: KEPT }))
    expect(await records(payer)).toEqual([])
  })
})

describe('a POST with an Idempotency-Key', () => {
  it('is one of twenty, and gives its answer to the others afterwards', async () => {
    const { port } = await anAccount()
    const begins = await Promise.all(Array.from({ length: 20 }, () => port.begin(ONCE)))
    expect(begins.filter(({ ok }) => ok)).toEqual([{ ok: true, earlier: null }])
    await port.answered(ONCE.id, { status: 201, kept: KEPT })
    expect(await port.begin(ONCE)).toMatchObject({ earlier: { callId: null, status: 201 } })
    expect(await port.begin(OTHER_BODY)).toEqual({ ok: false, code: 'idempotency_mismatch' })
    // The first answer stays; a late one of a run that counted as lost changes nothing.
    await port.answered(ONCE.id, null)
    await port.answered(ONCE.id, { status: 200, kept: null })
    expect(await port.begin(ONCE)).toMatchObject({ earlier: { status: 201 } })
  })

  it('may be tried again after a refusal, and when nobody finished it for a minute', async () => {
    const { port, clock } = await anAccount()
    await port.begin(ONCE)
    await port.answered(ONCE.id, null)
    expect(await port.begin(OTHER_BODY)).toEqual({ ok: true, earlier: null })
    clock.advance(LEDGER.postLostMs - 1)
    expect(await port.begin(OTHER_BODY)).toEqual({ ok: false, code: 'idempotency_in_progress' })
    clock.advance(1)
    expect(await port.begin(ONCE)).toEqual({ ok: false, code: 'idempotency_mismatch' })
    expect(await port.begin(OTHER_BODY)).toEqual({ ok: true, earlier: null })
    expect(await port.begin(OTHER_BODY)).toEqual({ ok: false, code: 'idempotency_in_progress' })
  })

  it('answered a day late is forgotten, whether or not it was purged', async () => {
    const { port, clock } = await anAccount()
    await port.begin(ONCE)
    clock.advance(LEDGER.idempotencyMs)
    await port.answered(ONCE.id, { status: 200, kept: null })
    expect(await port.begin(ONCE)).toEqual({ ok: true, earlier: null })
  })

  it('cannot end a call’s record', async () => {
    const payer = await aPayer(1_000n)
    await begun(payer)
    await payer.port.answered(ONCE.id, null)
    expect((await begun(payer)).reply).toMatchObject({ code: 'idempotency_in_progress' })
  })
})

describe('what was remembered', () => {
  it('is forgotten after a day, and leaves storage by the alarm', async () => {
    const payer = await aPayer(1_000n)
    const { request } = await begun(payer)
    await payer.port.capture(anEnd(payer, request.callId, { kept: KEPT }))
    await payer.alarm()
    payer.clock.advance(LEDGER.idempotencyMs - 1)
    await payer.alarm()
    expect((await begun(payer)).reply).toMatchObject({ earlier: { callId: request.callId } })
    payer.clock.advance(1)
    expect((await begun(payer)).reply).toMatchObject({ ok: true, earlier: null })
    payer.clock.advance(LEDGER.idempotencyMs)
    expect(await payer.alarm()).toBe(true)
    expect(await records(payer)).toEqual([])
  })

  it('arms the alarm by itself, an hour after the first expiry, and again at once while more is left', async () => {
    const { port, clock, alarm, sql } = await anAccount()
    await alarm()
    expect(await alarm()).toBe(false)
    for (let n = 0; n < LEDGER.purgeMax + 1; n++) await port.begin({ ...ONCE, id: String(n) })
    const count = async () => (await sql<{ n: number }>('SELECT count(*) AS n FROM idempotency'))[0]?.n
    const armedFor = async () => (await sql<{ at: number }>('SELECT min(expires_at) AS at FROM idempotency'))[0]?.at
    expect(await armedFor()).toBe(START + LEDGER.idempotencyMs)
    clock.advance(LEDGER.idempotencyMs + LEDGER.purgePauseMs)
    expect(await alarm()).toBe(true)
    expect(await count()).toBe(1)
    expect(await alarm()).toBe(true)
    expect(await count()).toBe(0)
    expect(await alarm()).toBe(false)
  })

  it('does not grow with the days', async () => {
    const payer = await aPayer(100_000n)
    for (let day = 0; day < 5; day++) {
      for (let n = 0; n < 10; n++) {
        const { request } = await begun(payer, { idempotency: { ...ONCE, id: `${day}-${n}` } })
        await payer.port.capture(anEnd(payer, request.callId, { kept: KEPT }))
      }
      payer.clock.advance(LEDGER.idempotencyMs)
      await payer.port.tick()
      expect((await records(payer)).length).toBe(0)
    }
  })
})
