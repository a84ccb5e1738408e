// Bytes of tensors, from the hold to the book: charged, reported, expired, written down and proved like tokens.
import { env } from 'cloudflare:workers'
import { beforeAll, describe, expect, it } from 'vitest'
import { systemRandom } from '../../../../gateway/core/clock.ts'
import type { LateReceipt, Progress } from '../../../../gateway/ledger/account-port.ts'
import { createBookPages } from '../../../../gateway/ledger/book/book-pages.ts'
import { judgeProgress, type Hold } from '../../../../gateway/ledger/calls/hold.ts'
import {
  detailFromText,
  detailToText,
  progressFromText,
  progressToText,
} from '../../../../gateway/ledger/guard/stored.ts'
import { parseLine } from '../../../../protocol/journal.ts'
import { verifyJournal } from '../../../../protocol/journal-verify.ts'
import { bytes, nanos, newAccountId, tokens, type CallId } from '../../../../protocol/units.ts'
import { journalApi, piecesOf, provenCall } from '../journal/journal-house.ts'
import { accounts, aHold, anEnd, aPayer, aProgress, legsOf, NODE } from '../ledger-house.ts'

const OPERATOR = newAccountId(systemRandom)
const FUNDS = 10_000_000n

beforeAll(async () => void (await accounts(OPERATOR).open(OPERATOR)))

type Payer = Awaited<ReturnType<typeof aPayer>>

/** At one nano per byte, so that the charge is what was delivered. */
function bytesProgress(payer: Payer, callId: CallId, count: bigint, over: Partial<Progress> = {}): Progress {
  const words = aProgress(payer, callId, 0n, OPERATOR)
  const price = { ...words.terms.price, outputPerMillion: nanos(0n), bytesPerMillion: nanos(1_000_000n) }
  return { ...words, inputTokens: tokens(0), tensorBytes: bytes(count), terms: { ...words.terms, price }, ...over }
}

const aReceipt = (callId: CallId, count: bigint): LateReceipt => ({
  callId,
  attempt: 1,
  nodeId: NODE,
  inputTokens: tokens(0),
  outputTokens: tokens(0),
  tensorBytes: bytes(count),
  receipt: 'receipt.jws',
  ticket: 'ticket.jws',
})

async function openCall(held = 100n) {
  const payer = await aPayer(FUNDS)
  const request = aHold(payer, held)
  expect(await payer.port.hold(request)).toMatchObject({ ok: true })
  return { payer, callId: request.callId }
}

async function projected(payer: Payer) {
  payer.clock.advance(1_000)
  await payer.port.tick()
  const rows = (table: string) =>
    env.BOOK_0.prepare(`SELECT * FROM ${table} WHERE account_id = ?`).bind(payer.id).all<Record<string, unknown>>()
  return { calls: (await rows('calls')).results, rollups: (await rows('rollups_hour')).results }
}

describe('a captured call of tensors', () => {
  it('stands with its bytes in its line, its record, the book, the hourly sums and the list of calls', async () => {
    const { payer, callId } = await openCall()
    const end = anEnd(payer, callId, { tensorBytes: bytes(40n), legs: legsOf(payer.id, 40n, OPERATOR) })
    expect(await payer.port.capture(end)).toMatchObject({ ok: true })
    expect(parseLine((await payer.lines()).at(-1)!.body).call).toMatchObject({ tensorBytes: 40n })
    expect(await payer.port.call(callId)).toMatchObject({ tensorBytes: 40n, chargeNanos: 40n })
    // Told in two appends: the hour's sum grows by the second.
    expect((await projected(payer)).rollups).toMatchObject([{ calls: 1, tensor_bytes: 40 }])
    const again = aHold(payer, 100n)
    await payer.port.hold(again)
    await payer.port.capture(
      anEnd(payer, again.callId, { tensorBytes: bytes(2n), legs: legsOf(payer.id, 2n, OPERATOR) }),
    )
    const book = await projected(payer)
    expect(book.calls.map(({ tensor_bytes }) => tensor_bytes).sort()).toEqual([2, 40])
    const listed = await createBookPages(async () => env.BOOK_0).usage(payer.id, null, 10)
    expect(listed?.data.map(({ tensorBytes }) => tensorBytes).sort()).toEqual([2, 40])
    expect(book.rollups).toMatchObject([{ calls: 2, tensor_bytes: 42, charge_nanos: 42 }])
    for (const table of ['lines', 'legs', 'calls', 'rollups_hour', 'cursors'])
      await env.BOOK_0.prepare(`DELETE FROM ${table} WHERE account_id = ?`).bind(payer.id).run()
    await payer.port.reproject()
    expect(await projected(payer)).toEqual(book)
  })

  it('of words has none, and a row of the book says zero', async () => {
    const { payer, callId } = await openCall()
    await payer.port.capture(anEnd(payer, callId))
    expect((await payer.lines()).at(-1)!.body).not.toContain('tensor')
    expect((await payer.port.call(callId))?.tensorBytes).toBeUndefined()
    expect((await projected(payer)).calls).toMatchObject([{ tensor_bytes: 0 }])
  })

  it('verifies in the exported journal with its proofs, and its month’s statement counts it', async () => {
    const payer = await aPayer(FUNDS)
    await provenCall(payer, OPERATOR, { inputTokens: 0n, outputTokens: 0n, tensorBytes: 400_000n })
    await provenCall(payer, OPERATOR, { inputTokens: 0n, outputTokens: 0n, tensorBytes: 1n, late: true })
    await provenCall(payer, OPERATOR)
    const response = await journalApi(payer.id, payer.clock)('/journal?format=ndjson')
    const verified = await verifyJournal(piecesOf(await response.text()))
    expect(verified.broken).toBeNull()
    expect(verified.proofs).toMatchObject({ calls: 3, tickets: 3, receipts: 2 })
  })

  it('that was charged for more bytes than its ticket ordered does not verify', async () => {
    const payer = await aPayer(FUNDS)
    await provenCall(payer, OPERATOR, { inputTokens: 0n, outputTokens: 0n, tensorBytes: 1_000_001n })
    const response = await journalApi(payer.id, payer.clock)('/journal?format=ndjson')
    const { broken } = await verifyJournal(piecesOf(await response.text()))
    expect(broken).toEqual({ seq: 2, why: 'more units are charged than the ticket ordered' })
  })
})

describe('a report of bytes', () => {
  const hold = (progress: Progress | null) => ({ amountNanos: nanos(100n), progress, end: null }) as unknown as Hold // all that is judged
  const report = (count: bigint | undefined, over: Partial<Progress> = {}) =>
    bytesProgress({} as Payer, 'call' as CallId, count ?? 0n, {
      ...(count === undefined && { tensorBytes: undefined }),
      ...over,
    })

  it.each([
    ['the first', null, report(10n), 'keep'],
    ['of more', report(10n), report(11n), 'keep'],
    ['of as many', report(10n), report(10n), 'keep'],
    ['of one fewer', report(10n), report(9n), 'ignore'],
    ['of none after some', report(10n), report(undefined), 'ignore'],
    ['of some after none', report(undefined), report(1n), 'keep'],
    ['of fewer by a later attempt', report(10n), report(1n, { attempt: 2 }), 'keep'],
    ['of all that is held', null, report(100n), 'keep'],
    ['of one byte above the hold', null, report(101n), 'wrong'],
  ] as const)('%s is judged', (_, before, next, judged) => {
    expect(judgeProgress(hold(before), next)).toBe(judged)
  })

  it.each<[string, bigint, bigint | null, bigint]>([
    ['what was reported', 20n, null, 20n],
    ['less where the receipt says one byte less', 20n, 19n, 19n],
    ['no more where the receipt says one byte more', 20n, 21n, 20n],
  ])('is charged when the hold runs out: %s', async (_, reported, receipt, charge) => {
    const { payer, callId } = await openCall()
    expect(await payer.port.progress(bytesProgress(payer, callId, reported))).toEqual({ open: true })
    if (receipt !== null) expect(await payer.port.lateReceipt(aReceipt(callId, receipt))).toEqual({ outcome: 'noted' })
    payer.clock.advance(60_000)
    await payer.port.tick()
    expect(await payer.port.call(callId)).toMatchObject({
      outcome: 'expired',
      chargeNanos: charge,
      tensorBytes: charge,
      outputTokens: 0n,
    })
    expect((await payer.port.balance()).availableNanos).toBe(FUNDS - charge)
  })
})

describe('what the guard stores', () => {
  const report = bytesProgress({} as Payer, `call_${'0'.repeat(26)}` as CallId, 7n)

  it('comes back with its bytes, and without them where there were none', () => {
    expect(progressFromText(progressToText(report))).toEqual(report)
    const { tensorBytes: _, ...words } = report
    expect(progressToText(words)).not.toContain('tensor')
    expect(progressFromText(progressToText(words)).tensorBytes).toBeUndefined()
  })

  it('keeps the node’s own count of bytes beside ours', () => {
    const detail = { stream: false, attempts: [], choice: null, receipt: null, salt: null, ticket: null }
    const claimed = { inputTokens: 0, outputTokens: 0, tensorBytes: 7 }
    expect(detailFromText(detailToText({ ...detail, claimed })).claimed).toEqual(claimed)
  })
})
