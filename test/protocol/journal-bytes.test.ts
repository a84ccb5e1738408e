// Tensor bytes in a journal: charged by the ticket's price, bounded by its ceiling, absent where there are none. Whoever lies about them is named.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { chainLine, GENESIS_HASH, parseLine } from '../../protocol/journal.ts'
import { verifyJournal } from '../../protocol/journal-verify.ts'
import {
  ACCOUNT,
  aCall,
  aSigningKey,
  chain,
  chargeOf,
  fileOf,
  grant,
  piecesOf,
  START,
  type BodyJson,
  type Entry,
} from '../support/journal.ts'
import { brokenOf } from './journal-broken.ts'

const signers = { gateway: await aSigningKey(), node: await aSigningKey() }
const funds = { draft: grant(START, 'grant:1', 10_000_000_000n) }
const signed = async (...entries: Entry[]) => fileOf(signers.gateway, chain([funds, ...entries]))
const infer = (tensorBytes: bigint, over: Parameters<typeof aCall>[3] = {}) =>
  aCall(signers, START + 1, 1, { inputTokens: 0n, outputTokens: 0n, tensorBytes, ...over })

/** Line 2 as a gateway would sign it that lies about the call. */
const lying = async (call: Record<string, unknown>, entry: Entry) =>
  signed({ ...entry, tamper: (body: BodyJson) => void Object.assign(body['call'] as object, call) })

describe('a call paid by its bytes', () => {
  it('costs bytes × the ticket’s price, and verifies with its proofs', async () => {
    const entry = await infer(1_000_000n)
    expect(chargeOf(entry)).toBe(250_003n)
    const texts = await signed(entry)
    expect(await brokenOf(texts)).toBeNull()
    expect((await verifyJournal(piecesOf(texts))).proofs).toMatchObject({ calls: 1, tickets: 1, receipts: 1 })
  })

  it('verifies whatever was counted, words and bytes together', async () => {
    const count = (max: bigint) => fc.bigInt({ min: 0n, max })
    await fc.assert(
      fc.asyncProperty(count(1_000n), count(1_000n), count(1_000_000n), async (input, output, bytes) => {
        const units = { inputTokens: input, outputTokens: output, tensorBytes: bytes }
        const texts = await signed(await aCall(signers, START + 1, 1, units))
        expect(await brokenOf(texts)).toBeNull()
        const { call } = parseLine(JSON.parse(texts[2] ?? '').body as string)
        expect(call?.tensorBytes).toBe(bytes === 0n ? undefined : bytes)
      }),
      { numRuns: 40 },
    )
  })

  it.each([
    ['one byte more than was charged', { tensorBytes: 400_004 }, /not what its units cost/],
    ['bytes left out', { tensorBytes: undefined }, /not what its units cost/],
    ['a count of none', { tensorBytes: 0 }, /canonical/],
    ['a negative count', { tensorBytes: -1 }, /no line of a journal/],
    ['half a byte', { tensorBytes: 0.5 }, /no line of a journal/],
    ['a count in words', { tensorBytes: '400000' }, /no line of a journal/],
    ['a count that no number holds', { tensorBytes: 2 ** 53 }, /no line of a journal/],
  ])('is named when its line says %s', async (_, call, why) => {
    const broken = await brokenOf(await lying(call, await infer(400_000n)))
    expect(broken).toMatchObject({ seq: 2, why: expect.stringMatching(why) as string })
  })

  it.each([
    ['up to its ceiling', 1_000_000n, {}, null],
    ['one above its ceiling', 1_000_001n, {}, /more units are charged than the ticket ordered/],
    [
      'under a ticket without tensors',
      1n,
      { ticket: { tensorBytesMax: undefined } },
      /more units are charged than the ticket ordered/,
    ],
    [
      'under a ticket of other prices',
      9n,
      { ticket: { prices: { input: '0', output: '0', cachedInput: '0', bytes: '0', perCall: '2' } } },
      /not what its units cost/,
    ],
  ])('is judged by its ticket: %s', async (_, tensorBytes, over, why) => {
    const broken = await brokenOf(await signed(await infer(tensorBytes, over)))
    if (why === null) expect(broken).toBeNull()
    else expect(broken).toMatchObject({ seq: 2, why: expect.stringMatching(why) as string })
  })

  it('that is cancelled and costs nothing says no bytes either', async () => {
    const { draft, proofs } = await infer(400_000n)
    const cancelled = { outcome: 'cancelled', errorCode: 'cancelled' } as const
    const free = (tensorBytes: bigint): Entry => ({
      draft: { ...draft, legs: [], call: { ...draft.call!, ...cancelled, tensorBytes: tensorBytes as never } },
      ...(proofs && { proofs }),
    })
    expect(await brokenOf(await signed(free(0n)))).toBeNull()
    expect(await brokenOf(await signed(free(1n)))).toMatchObject({
      seq: 2,
      why: expect.stringMatching(/cost/) as string,
    })
  })
})

describe('a line of words', () => {
  it('is written as before there were bytes: hashes of old journals hold', async () => {
    const { draft } = await aCall(signers, START, 1)
    const before = chainLine(draft, ACCOUNT, 1, GENESIS_HASH).chained
    const withNone = { ...draft, call: { ...draft.call!, tensorBytes: undefined } }
    expect(before.body).not.toContain('tensor')
    expect(chainLine(withNone, ACCOUNT, 1, GENESIS_HASH).chained).toEqual(before)
    expect(
      chainLine({ ...draft, call: { ...draft.call!, tensorBytes: 0n as never } }, ACCOUNT, 1, GENESIS_HASH).chained,
    ).toEqual(before)
  })
})
