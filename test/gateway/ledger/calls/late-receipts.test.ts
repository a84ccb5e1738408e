// Receipts that come after the answer, or instead of it: they complete a record, bound what an expiry may charge, and never move a nano.
import { env } from 'cloudflare:workers'
import { beforeAll, describe, expect, it } from 'vitest'
import { systemRandom } from '../../../../gateway/core/clock.ts'
import type { CallEnd, LateReceipt } from '../../../../gateway/ledger/account-port.ts'
import { sha256Hex } from '../../../../protocol/canonical.ts'
import { findBreak, parseLine } from '../../../../protocol/journal.ts'
import { newAccountId, newCallId, newNodeId, tokens, type CallId } from '../../../../protocol/units.ts'
import { accounts, aHold, anEnd, aPayer, aProgress, legsOf, NODE, START } from '../ledger-house.ts'

const OPERATOR = newAccountId(systemRandom)
const OTHER_NODE = newNodeId(systemRandom)
const FUNDS = 1_000n

beforeAll(async () => void (await accounts(OPERATOR).open(OPERATOR)))

const aReceipt = (callId: CallId, over: Partial<LateReceipt> = {}): LateReceipt => ({
  callId,
  attempt: 1,
  nodeId: NODE,
  inputTokens: tokens(3),
  outputTokens: tokens(7),
  receipt: 'receipt.jws',
  ticket: 'ticket.jws',
  ...over,
})

const served = { attempt: 1, nodeId: NODE, outcome: 'served', firstTokenMs: 1, durationMs: 2 } as const
const detail: CallEnd['detail'] = {
  stream: true,
  attempts: [{ ...served, attempt: 0, nodeId: OTHER_NODE, outcome: 'provider_failed' }, served],
  choice: null,
  receipt: null,
  salt: 'salt',
  ticket: 'ticket.jws',
  claimed: null,
}

type Payer = Awaited<ReturnType<typeof aPayer>>

async function openCall(held = 100n) {
  const payer = await aPayer(FUNDS)
  const request = aHold(payer, held)
  expect(await payer.port.hold(request)).toMatchObject({ ok: true })
  return { payer, callId: request.callId }
}

/** Served by attempt 1, for 40 nanos, without a receipt. */
async function endedCall(over: Partial<CallEnd> = {}) {
  const { payer, callId } = await openCall()
  const ended = { detail, ticketHash: sha256Hex('ticket.jws'), legs: legsOf(payer.id, 40n, OPERATOR), ...over }
  expect(await payer.port.capture(anEnd(payer, callId, ended))).toMatchObject({ ok: true })
  return { payer, callId }
}

async function expireNow(payer: Payer, callId: CallId) {
  payer.clock.advance(60_000)
  await payer.port.tick()
  const call = await payer.port.call(callId)
  if (!call) throw new Error('the call has not ended')
  expect(await payer.port.balance()).toMatchObject({ availableNanos: FUNDS - call.chargeNanos, heldNanos: 0n })
  return call
}

describe('a receipt for an ended call', () => {
  it('is kept with it, and a line that moves nothing makes it unexchangeable', async () => {
    const { payer, callId } = await endedCall()
    const [before, balance] = [await payer.port.head(), await payer.port.balance()]
    expect(await payer.port.lateReceipt(aReceipt(callId))).toEqual({ outcome: 'recorded' })
    const lines = await payer.lines()
    expect(parseLine(lines.at(-1)!.body)).toMatchObject({
      kind: 'receipt',
      legs: [],
      deltaNanos: 0n,
      receipt: { callId, receiptHash: sha256Hex('receipt.jws') },
    })
    expect([lines.length, findBreak(lines)]).toEqual([before.seq + 1, null])
    expect(await payer.port.balance()).toEqual(balance)
    expect((await payer.port.call(callId))?.detail).toEqual({ ...detail, receipt: 'receipt.jws' })
  })

  it('that says more than was charged is kept, and pays nothing', async () => {
    const { payer, callId } = await endedCall()
    const greedy = aReceipt(callId, { inputTokens: tokens(10 ** 9), outputTokens: tokens(10 ** 9) })
    expect(await payer.port.lateReceipt(greedy)).toEqual({ outcome: 'recorded' })
    expect(await payer.port.call(callId)).toMatchObject({ chargeNanos: 40n, outputTokens: 7n })
    expect(await payer.port.balance()).toMatchObject({ availableNanos: FUNDS - 40n })
  })

  it('is recorded once, and neither it nor another one a second time', async () => {
    const { payer, callId } = await endedCall()
    await payer.port.lateReceipt(aReceipt(callId))
    const { seq } = await payer.port.head()
    expect(await payer.port.lateReceipt(aReceipt(callId))).toEqual({ outcome: 'known' })
    expect(await payer.port.lateReceipt(aReceipt(callId, { receipt: 'another' }))).toEqual({ outcome: 'known' })
    expect(await payer.port.head()).toMatchObject({ seq })
    expect((await payer.port.call(callId))?.detail?.receipt).toBe('receipt.jws')
  })

  it('that came with the answer is known', async () => {
    const { payer, callId } = await endedCall({ detail: { ...detail, receipt: 'r' }, receiptHash: sha256Hex('r') })
    expect(await payer.port.lateReceipt(aReceipt(callId))).toEqual({ outcome: 'known' })
  })

  it.each([
    ['the attempt before', { attempt: 0, nodeId: OTHER_NODE }],
    ['an attempt after', { attempt: 2 }],
    ['a node that was not asked', { nodeId: OTHER_NODE }],
    ['another ticket of the same attempt', { ticket: 'another' }],
    ['no call of this account', { callId: newCallId(START, systemRandom) }],
  ])('of %s is foreign', async (_, over: Partial<LateReceipt>) => {
    const { payer, callId } = await endedCall()
    const { seq } = await payer.port.head()
    expect(await payer.port.lateReceipt(aReceipt(callId, over))).toEqual({ outcome: 'foreign' })
    expect(await payer.port.head()).toMatchObject({ seq })
    expect((await payer.port.call(callId))?.detail?.receipt).toBeNull()
  })

  it('of a guard that was never opened is foreign', async () => {
    const { callId } = await openCall()
    const stranger = await aPayer(0n)
    expect(await stranger.port.lateReceipt(aReceipt(callId))).toEqual({ outcome: 'foreign' })
  })
})

describe('a receipt for an open call', () => {
  it('is noted once, and a later attempt’s takes its place', async () => {
    const { payer, callId } = await openCall()
    expect(await payer.port.lateReceipt(aReceipt(callId))).toEqual({ outcome: 'noted' })
    expect(await payer.port.lateReceipt(aReceipt(callId, { receipt: 'b' }))).toEqual({ outcome: 'known' })
    expect(await payer.port.lateReceipt(aReceipt(callId, { nodeId: OTHER_NODE }))).toEqual({ outcome: 'foreign' })
    expect(await payer.port.lateReceipt(aReceipt(callId, { attempt: 0 }))).toEqual({ outcome: 'foreign' })
    expect(await payer.port.lateReceipt(aReceipt(callId, { attempt: 2 }))).toEqual({ outcome: 'noted' })
  })

  it('is foreign when the call has progressed with a later attempt or another node', async () => {
    const { payer, callId } = await openCall()
    await payer.port.progress(aProgress(payer, callId, 20n, OPERATOR))
    expect(await payer.port.lateReceipt(aReceipt(callId, { attempt: 0 }))).toEqual({ outcome: 'foreign' })
    expect(await payer.port.lateReceipt(aReceipt(callId, { nodeId: OTHER_NODE }))).toEqual({ outcome: 'foreign' })
    expect(await payer.port.lateReceipt(aReceipt(callId))).toEqual({ outcome: 'noted' })
  })

  it('completes the record when the call is captured without one', async () => {
    const { payer, callId } = await openCall()
    await payer.port.lateReceipt(aReceipt(callId))
    const end = anEnd(payer, callId, { detail, ticketHash: sha256Hex('ticket.jws') })
    expect(await payer.port.capture(end)).toMatchObject({ ok: true, seq: 2 })
    expect((await payer.lines()).map(({ body }) => parseLine(body).kind)).toEqual(['grant', 'call', 'receipt'])
    expect((await payer.port.call(callId))?.detail?.receipt).toBe('receipt.jws')
    expect(await payer.port.capture(end)).toMatchObject({ ok: true, seq: 2 })
    expect(await payer.port.head()).toMatchObject({ seq: 3 })
  })

  it('gives way to the one that comes with the answer', async () => {
    const { payer, callId } = await openCall()
    await payer.port.lateReceipt(aReceipt(callId))
    const end = { detail: { ...detail, receipt: 'inline' }, receiptHash: sha256Hex('inline') }
    await payer.port.capture(anEnd(payer, callId, end))
    expect(await payer.port.head()).toMatchObject({ seq: 2 })
    expect((await payer.port.call(callId))?.detail?.receipt).toBe('inline')
  })
})

// One nano per output token, 100 held.
describe('a hold that runs out is charged the least of progress and receipt', () => {
  it.each<[string, bigint | null, Partial<LateReceipt> | null, bigint]>([
    ['progress, no receipt', 20n, null, 20n],
    ['a receipt one lower', 20n, { outputTokens: tokens(19) }, 19n],
    ['the same', 20n, { outputTokens: tokens(20) }, 20n],
    ['a receipt one higher', 20n, { outputTokens: tokens(21) }, 20n],
    ['a receipt far above the hold', 20n, { outputTokens: tokens(10 ** 12) }, 20n],
    ['a receipt of nothing', 20n, { outputTokens: tokens(0) }, 0n],
    ['no progress, a receipt', null, { outputTokens: tokens(50) }, 0n],
    ['neither', null, null, 0n],
    ['a receipt of a later attempt', 20n, { attempt: 2, outputTokens: tokens(1) }, 20n],
  ])('%s', async (_, progress, receipt, charge) => {
    const { payer, callId } = await openCall()
    if (progress !== null) await payer.port.progress(aProgress(payer, callId, progress, OPERATOR))
    if (receipt) expect(await payer.port.lateReceipt(aReceipt(callId, receipt))).toEqual({ outcome: 'noted' })
    const call = await expireNow(payer, callId)
    expect(call).toMatchObject({ outcome: 'expired', chargeNanos: charge, outputTokens: charge })
    const isOfThisAttempt = receipt !== null && (progress === null || receipt.attempt === undefined)
    expect(call.receiptHash).toBe(isOfThisAttempt ? sha256Hex('receipt.jws') : null)
    expect(call.detail?.receipt).toBe(isOfThisAttempt ? 'receipt.jws' : null)
  })

  it('and a receipt that comes after it changes nothing any more', async () => {
    const { payer, callId } = await openCall()
    await payer.port.progress(aProgress(payer, callId, 20n, OPERATOR))
    await expireNow(payer, callId)
    expect(await payer.port.lateReceipt(aReceipt(callId, { outputTokens: tokens(1) }))).toEqual({ outcome: 'recorded' })
    expect(await payer.port.balance()).toMatchObject({ availableNanos: FUNDS - 20n })
  })

  it('and of one that left no sign the first receipt tells the node; another node’s is foreign', async () => {
    const { payer, callId } = await openCall()
    await expireNow(payer, callId)
    expect(await payer.port.lateReceipt(aReceipt(callId))).toEqual({ outcome: 'recorded' })
    const other = aReceipt(callId, { nodeId: OTHER_NODE })
    expect(await payer.port.lateReceipt(other)).toEqual({ outcome: 'foreign' })
    expect(await payer.port.lateReceipt(aReceipt(callId))).toEqual({ outcome: 'known' })
    expect(await payer.port.balance()).toMatchObject({ availableNanos: FUNDS })
  })
})

describe('the book', () => {
  const rows = async (payer: Payer) =>
    Promise.all(
      ['lines', 'legs', 'calls', 'rollups_hour', 'cursors'].map(async (table) => {
        const query = `SELECT * FROM ${table} WHERE account_id = ? ORDER BY 1, 2, 3`
        return (await env.BOOK_0.prepare(query).bind(payer.id).all()).results
      }),
    )
  const told = async (payer: Payer) => {
    payer.clock.advance(1_000)
    await payer.port.tick()
    return rows(payer)
  }

  it('has the receipt in the row of its call, whenever it came, and is the same when it is written again', async () => {
    const { payer, callId } = await endedCall()
    expect(JSON.stringify(await told(payer))).not.toContain('receipt.jws')
    await payer.port.lateReceipt(aReceipt(callId))
    const once = await told(payer)
    expect(once[2]).toMatchObject([{ id: callId, charge_nanos: 40 }])
    expect(JSON.parse(String(once[2]?.[0]?.detail))).toMatchObject({ receipt: 'receipt.jws' })
    expect(once[3]).toMatchObject([{ calls: 1, charge_nanos: 40 }])
    for (const table of ['lines', 'legs', 'calls', 'rollups_hour', 'cursors'])
      await env.BOOK_0.prepare(`DELETE FROM ${table} WHERE account_id = ?`).bind(payer.id).run()
    await payer.port.reproject()
    expect(await told(payer)).toEqual(once)
    await payer.port.reproject()
    expect(await told(payer)).toEqual(once)
  })
})
