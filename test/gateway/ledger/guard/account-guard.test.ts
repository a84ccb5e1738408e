import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { systemRandom } from '../../../../gateway/core/clock.ts'
import { parseLine } from '../../../../protocol/journal.ts'
import { nanos, newAccountId, newCallId, newKeyId, tokens } from '../../../../protocol/units.ts'
import {
  aCredit,
  accounts,
  aClock,
  aHold,
  aKey,
  anAccount,
  anEnd,
  aPayer,
  aProgress,
  callFor,
  legsOf,
  START,
  plannedFailures,
} from '../ledger-house.ts'

plannedFailures()

const OPERATOR = newAccountId(systemRandom)
const balance = (available: bigint, held = 0n) => ({ availableNanos: available, heldNanos: held, vestingNanos: 0n })

describe('a guard that was never opened', () => {
  it('refuses everything and holds nothing', async () => {
    const stranger = accounts(newAccountId(systemRandom))
    const callId = newCallId(START, systemRandom)
    const payer = { id: OPERATOR, clock: aClock(), keyId: newKeyId(systemRandom) } as Awaited<ReturnType<typeof aPayer>>
    expect(await stranger.hold(aHold(payer, 1n))).toMatchObject({ ok: false, code: 'invalid_api_key' })
    expect(await stranger.capture(anEnd(payer, callId))).toMatchObject({ ok: false, code: 'call_not_found' })
    expect(await stranger.progress(aProgress(payer, callId, 1n, OPERATOR))).toEqual({ open: false })
    expect(await stranger.createKey(aKey())).toMatchObject({ ok: false, code: 'not_found' })
    const grant = { transferId: 'grant:1', kind: 'grant', amountNanos: nanos(1n), reason: 'x', by: null } as const
    expect(await stranger.grant(grant)).toMatchObject({ ok: false, code: 'not_found' })
    expect(await stranger.credit(aCredit(OPERATOR, 1, 1, 1n))).toMatchObject({
      ok: false,
    })
    expect(await stranger.balance()).toEqual(balance(0n))
    expect(await stranger.call(callId)).toBeNull()
    await stranger.tick()
  })

  it('opens once, and never for somebody else', async () => {
    const { port, id } = await anAccount()
    expect(await port.open(id)).toEqual({ ok: true })
    expect(await port.open(OPERATOR)).toMatchObject({ ok: false, code: 'conflict' })
  })
})

describe('holds', () => {
  it('lets 7 of 50 parallel holds pass when the balance is for exactly 7', async () => {
    const payer = await aPayer(700n)
    const replies = await Promise.all(Array.from({ length: 50 }, () => payer.port.hold(aHold(payer, 100n))))
    expect(replies.filter(({ ok }) => ok)).toHaveLength(7)
    expect(replies.filter((reply) => !reply.ok && reply.code === 'insufficient_funds')).toHaveLength(43)
    expect(await payer.port.balance()).toEqual(balance(0n, 700n))
  })

  it('holds once for a repeated call id, and refuses the id for another call', async () => {
    const payer = await aPayer(1_000n)
    const request = aHold(payer, 100n)
    const first = await payer.port.hold(request)
    expect(await payer.port.hold(request)).toEqual(first)
    expect(await payer.port.balance()).toEqual(balance(900n, 100n))
    expect(await payer.port.hold({ ...request, amountNanos: nanos(101n) })).toMatchObject({ code: 'conflict' })
    expect(await payer.port.hold({ ...request, secretHash: 'cd'.repeat(32) })).toMatchObject({
      code: 'invalid_api_key',
    })
  })

  it('refuses a hold of an ended call', async () => {
    const payer = await aPayer(1_000n)
    const { request } = await callFor(payer, 100n, OPERATOR)
    expect(await payer.port.hold(request)).toMatchObject({ ok: false, code: 'conflict' })
  })

  it('does not count a refused call against the rates', async () => {
    const payer = await aPayer(100n, { rpm: 1 })
    expect(await payer.port.hold(aHold(payer, 101n))).toMatchObject({ code: 'insufficient_funds' })
    expect(await payer.port.hold(aHold(payer, 100n))).toMatchObject({ ok: true })
    const refusal = await payer.port.hold(aHold(payer, 0n))
    expect(refusal).toMatchObject({ code: 'rate_limited', retryAfterMs: 60_000 })
    payer.clock.advance(60_000)
    expect(await payer.port.hold(aHold(payer, 0n))).toMatchObject({ ok: true })
  })

  it('limits tokens a minute by what calls can use at most, and places by open holds', async () => {
    const payer = await aPayer(100n, { tpm: 100, concurrency: 2 })
    const request = aHold(payer, 1n, { tokensMax: tokens(60) })
    expect(await payer.port.hold(request)).toMatchObject({ ok: true })
    expect(await payer.port.hold(aHold(payer, 1n, { tokensMax: tokens(41) }))).toMatchObject({ code: 'rate_limited' })
    expect(await payer.port.hold(aHold(payer, 1n, { tokensMax: tokens(40) }))).toMatchObject({ ok: true })
    payer.clock.advance(59_999)
    expect(await payer.port.hold(aHold(payer, 1n))).toMatchObject({ code: 'concurrency_limited', retryAfterMs: 1_000 })
    await payer.port.capture(anEnd(payer, request.callId))
    expect(await payer.port.hold(aHold(payer, 1n))).toMatchObject({ ok: true })
  })

  it('ends overdue holds before it decides, so that a lost alarm locks up no money', async () => {
    const payer = await aPayer(100n)
    await payer.port.hold(aHold(payer, 100n))
    payer.clock.advance(60_000)
    expect(await payer.port.hold(aHold(payer, 100n))).toMatchObject({ ok: true })
  })
})

describe('captures', () => {
  it('takes the charge, gives the rest back, and answers a repeat alike', async () => {
    const payer = await aPayer(1_000n)
    const request = aHold(payer, 500n)
    await payer.port.hold(request)
    const end = anEnd(payer, request.callId, { legs: legsOf(payer.id, 300n, OPERATOR), receiptHash: 'cd'.repeat(32) })
    const first = await payer.port.capture(end)
    expect(first).toEqual({ ok: true, chargeNanos: 300n, seq: 2 })
    expect(await payer.port.capture(end)).toEqual(first)
    expect(await payer.port.balance()).toEqual(balance(700n))
    expect(await payer.lines()).toHaveLength(2)
    expect(await payer.port.capture({ ...end, legs: [] })).toMatchObject({ ok: false, code: 'conflict' })
    const { kept: _, ...said } = end
    expect(await payer.port.call(request.callId)).toEqual({
      ...said,
      keyId: payer.keyId,
      modelId: request.modelId,
      holdNanos: 500n,
      chargeNanos: 300n,
    })
  })

  it('writes one line without legs for a call that costs nothing', async () => {
    const payer = await aPayer(1_000n)
    const request = aHold(payer, 500n)
    await payer.port.hold(request)
    const end = anEnd(payer, request.callId, { outcome: 'failed', errorCode: 'provider_failed', nodeId: null })
    expect(await payer.port.capture(end)).toEqual({ ok: true, chargeNanos: 0n, seq: 2 })
    const [, line] = await payer.lines()
    expect(parseLine(line?.body ?? '')).toMatchObject({
      kind: 'call',
      legs: [],
      deltaNanos: 0n,
      call: { outcome: 'failed' },
    })
    expect(await payer.port.balance()).toEqual(balance(1_000n))
  })

  it('takes exactly the hold, and refuses one nano more without ending it', async () => {
    const payer = await aPayer(1_000n)
    const request = aHold(payer, 500n)
    await payer.port.hold(request)
    const above = anEnd(payer, request.callId, { legs: legsOf(payer.id, 501n, OPERATOR) })
    expect(await payer.port.capture(above)).toMatchObject({ ok: false, code: 'internal_error' })
    expect(await payer.port.balance()).toEqual(balance(500n, 500n))
    const exact = anEnd(payer, request.callId, { legs: legsOf(payer.id, 500n, OPERATOR) })
    expect(await payer.port.capture(exact)).toMatchObject({ ok: true, chargeNanos: 500n })
  })

  it('refuses legs that are no charge of this account, and unknown calls', async () => {
    const payer = await aPayer(1_000n)
    const request = aHold(payer, 500n)
    await payer.port.hold(request)
    const [first, ...rest] = legsOf(payer.id, 300n, OPERATOR)
    const uneven = first ? [{ ...first, amountNanos: nanos(-299n) }, ...rest] : []
    expect(await payer.port.capture(anEnd(payer, request.callId, { legs: uneven }))).toMatchObject({
      code: 'internal_error',
    })
    const foreign = anEnd(payer, request.callId, { legs: legsOf(OPERATOR, 300n, payer.id) })
    expect(await payer.port.capture(foreign)).toMatchObject({ code: 'internal_error' })
    expect(await payer.port.capture(anEnd(payer, newCallId(START, systemRandom)))).toMatchObject({
      code: 'call_not_found',
    })
    expect(await payer.lines()).toHaveLength(1)
  })

  it('credits an account that pays its own node at once, in the same line', async () => {
    const payer = await aPayer(1_000n)
    await callFor(payer, 100n, payer.id)
    // 5 % fee leave the account; operator's share and royalty are its own.
    expect(await payer.port.balance()).toEqual(balance(995n))
    expect(await payer.sql('SELECT * FROM credits_out')).toEqual([])
  })

  it('keeps the proof and drops only the explanation when a detail is too large', async () => {
    const payer = await aPayer(1_000n)
    const request = aHold(payer, 1n)
    await payer.port.hold(request)
    const detail = {
      stream: true,
      attempts: [],
      choice: 'x'.repeat(70_000),
      receipt: 'a.b.c',
      salt: 's',
      ticket: null,
      claimed: null,
    }
    await payer.port.capture(anEnd(payer, request.callId, { detail }))
    expect((await payer.port.call(request.callId))?.detail).toEqual({ ...detail, choice: null })
  })
})

describe('deadlines', () => {
  it('charge the last progress when the gateway vanished, and end a hold only once', async () => {
    const payer = await aPayer(1_000n)
    const request = aHold(payer, 500n)
    await payer.port.hold(request)
    expect(await payer.port.progress(aProgress(payer, request.callId, 100n, OPERATOR))).toEqual({ open: true })
    expect(await payer.port.progress(aProgress(payer, request.callId, 200n, OPERATOR))).toEqual({ open: true })
    payer.clock.advance(59_999)
    await payer.port.tick()
    expect(await payer.port.balance()).toEqual(balance(500n, 500n))
    payer.clock.advance(1)
    expect(await payer.alarm()).toBe(true)
    expect(await payer.port.balance()).toEqual(balance(800n))
    expect(await payer.port.call(request.callId)).toMatchObject({
      outcome: 'expired',
      errorCode: 'call_expired',
      chargeNanos: 200n,
      outputTokens: 200n,
      detail: { attempts: [{ attempt: 1, outcome: 'call_expired' }] },
    })
    const late = anEnd(payer, request.callId, { legs: legsOf(payer.id, 300n, OPERATOR) })
    expect(await payer.port.capture(late)).toMatchObject({ ok: false, code: 'call_expired' })
    expect(await payer.port.progress(aProgress(payer, request.callId, 300n, OPERATOR))).toEqual({ open: false })
    expect(await payer.port.hold(request)).toMatchObject({ ok: false, code: 'call_expired' })
    await payer.port.tick()
    expect(await payer.lines()).toHaveLength(2)
    expect(await payer.port.balance()).toEqual(balance(800n))
  })

  it('charge nothing without progress', async () => {
    const payer = await aPayer(1_000n)
    const request = aHold(payer, 500n)
    await payer.port.hold(request)
    payer.clock.advance(60_000)
    await payer.alarm()
    expect(await payer.port.balance()).toEqual(balance(1_000n))
    expect(await payer.port.call(request.callId)).toMatchObject({ outcome: 'expired', chargeNanos: 0n, legs: [] })
  })

  it('ignore progress that goes back, and progress above the hold', async () => {
    const payer = await aPayer(1_000n)
    const request = aHold(payer, 500n)
    await payer.port.hold(request)
    for (const charge of [200n, 100n, 501n]) {
      expect(await payer.port.progress(aProgress(payer, request.callId, charge, OPERATOR))).toEqual({ open: true })
    }
    payer.clock.advance(60_000)
    await payer.port.tick()
    expect(await payer.port.balance()).toEqual(balance(800n))
  })

  it('are ended even while the book and the payee fail', async () => {
    const payer = await aPayer(1_000n)
    await callFor(payer, 100n, OPERATOR)
    await payer.port.hold(aHold(payer, 500n))
    const fail = () => Promise.reject(new Error('planned failure'))
    await payer.use({
      books: () => ({ append: fail, cursor: fail }),
      accounts: () => ({ ...payer.port, credit: fail }),
    })
    payer.clock.advance(60_000)
    await payer.alarm()
    expect(await payer.port.balance()).toEqual(balance(900n))
    // It armed itself again for what is left to do.
    expect(await payer.alarm()).toBe(true)
  })
})

it('ends the other overdue holds when one of them cannot be ended', async () => {
  const payer = await aPayer(1_000n)
  const broken = aHold(payer, 100n)
  await payer.port.hold(broken)
  await payer.port.hold(aHold(payer, 200n))
  await payer.sql(`UPDATE holds SET progress = 'not JSON' WHERE call_id = '${broken.callId}'`)
  payer.clock.advance(60_000)
  await payer.alarm()
  expect(await payer.port.balance()).toEqual(balance(900n, 100n))
  expect(await payer.port.hold(aHold(payer, 900n))).toMatchObject({ ok: true })
})

it('carries on by its own alarm, without anybody asking', async () => {
  const id = newAccountId(systemRandom)
  await accounts(id).open(id)
  await accounts(id).grant({ transferId: 'grant:1', kind: 'grant', amountNanos: nanos(5n), reason: 'x', by: null })
  await expect
    .poll(() => env.BOOK_0.prepare('SELECT seq FROM cursors WHERE account_id = ?').bind(id).first('seq'), {
      timeout: 5_000,
    })
    .toBe(1)
})
