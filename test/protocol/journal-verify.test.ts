import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { jcs } from '../../protocol/canonical.ts'
import { JournalForesight } from '../../protocol/journal-foresight.ts'
import { verifyJournal } from '../../protocol/journal-verify.ts'
import {
  aCall,
  aLife,
  aSigningKey,
  callIdOf,
  chain,
  credit,
  fileOf,
  grant,
  OPERATOR,
  piecesOf,
  START,
  type Entry,
} from '../support/journal.ts'
import { brokenOf } from './journal-broken.ts'

const signers = { gateway: await aSigningKey(), node: await aSigningKey() }
const stranger = await aSigningKey()
const life = await aLife(signers)
const lines = chain(life)
const whole = await fileOf(signers.gateway, lines)

const signed = async (entries: readonly Entry[]) => fileOf(signers.gateway, chain(entries))

describe('a whole journal', () => {
  it('holds, and its sums are told', async () => {
    expect(await brokenOf(whole)).toBeNull()
    const { summary, proofs } = await verifyJournal(piecesOf(whole))
    expect(summary).toMatchObject({
      lines: life.length,
      paidNanos: 721n * 4n,
      refundedNanos: 721n,
      authorNanos: 20n,
      unresolved: 0,
    })
    expect(summary?.operatorNanos).toBe(3_000n + 9n + 661n)
    expect(proofs).toEqual({ calls: 4, tickets: 5, receipts: 4, ticketsNotKept: 0, receiptsNotKept: 0 })
  })

  it('holds from any line on, by its signed end', async () => {
    for (let after = 1; after <= life.length; after++)
      expect(await brokenOf(await fileOf(signers.gateway, lines, { after }))).toBeNull()
  })

  it('holds without what retention deleted, which is counted', async () => {
    const purged = lines.map(({ seq, prevHash, hash, body }) => ({ seq, prevHash, hash, body }))
    const { broken, proofs } = await verifyJournal(piecesOf(await fileOf(signers.gateway, purged)))
    expect(broken).toBeNull()
    expect(proofs).toEqual({ calls: 4, tickets: 0, receipts: 0, ticketsNotKept: 4, receiptsNotKept: 3 })
  })

  it('holds under keys that the reader brought, and not under others', async () => {
    expect(await brokenOf(whole, { jwks: [stranger.jwks, signers.gateway.jwks] })).toBeNull()
    expect(await brokenOf(whole, { jwks: [stranger.jwks] })).toEqual({
      seq: 3,
      why: 'the ticket is not signed by a key of the gateway',
    })
  })

  it('holds in the form of the first journals', async () => {
    const old: Entry[] = [
      { draft: grant(START, 'g', 10_000n) },
      {
        draft: credit(START, OPERATOR, 1, 2, 5n),
        tamper: (body) => {
          body['credit'] = { payer: OPERATOR, fromSeq: 1, toSeq: 2, sum: '0.000000005' }
        },
      },
      {
        ...(await aCall(signers, START, 1)),
        proofs: {},
        tamper: (body) => {
          const { ticketHash: _, priceVersion: __, ...call } = body['call'] as Record<string, unknown>
          body['call'] = call
        },
      },
    ]
    expect(await brokenOf(await signed(old))).toBeNull()
  })
})

describe('what a stranger changes', () => {
  const changed = (at: number, over: object) =>
    whole.map((text, i) => (i === at ? `${JSON.stringify({ ...JSON.parse(text), ...over })}\n` : text))
  const without = (at: number) => whole.filter((_, i) => i !== at)
  const swapped = whole.map((text, i) => (i === 4 ? whole[5] : i === 5 ? whole[4] : text) ?? '')
  const cases: [string, readonly string[], number | null, RegExp][] = [
    ['the number of a line', changed(4, { seq: 9 }), 4, /numbered 9 where 4 follows/],
    ['the hash before', changed(4, { prevHash: 'ab'.repeat(32) }), 4, /hash of the line before/],
    ['its own hash', changed(4, { hash: 'ab'.repeat(32) }), 4, /not that of its text/],
    ['its text', changed(4, { body: lines[3]?.body.replace('complete', 'expired') }), 4, /not that of its text/],
    ['two lines in another order', swapped, 4, /numbered 5/],
    ['a line is left out', without(7), 7, /a gap/],
    ['a line stands twice', [...whole.slice(0, 8), whole[7] ?? '', ...whole.slice(8)], 8, /numbered 7/],
    ['the last line is cut', without(life.length), life.length, /signed head is line 19, the file ends with 18/],
    ['the end is cut', whole.slice(0, -1), life.length + 1, /it was cut/],
    [
      'the end is cut in the middle of a line',
      [...whole.slice(0, -1), '{"head":"x'],
      life.length + 1,
      /as the gateway writes/,
    ],
    [
      'the last line end is missing',
      [...whole.slice(0, -1), whole.at(-1)?.trimEnd() ?? ''],
      life.length + 1,
      /as the gateway writes/,
    ],
    ['something follows', [...whole, whole[1] ?? ''], null, /follows the signed head/],
    ['a receipt of another call', changed(3, { receipt: lines[3]?.receipt }), 3, /receipt is not the one/],
    ['a ticket of another call', changed(3, { ticket: lines[3]?.ticket }), 3, /ticket is not the one/],
    ['another salt', changed(3, { salt: lines[3]?.salt }), 3, /salt/],
    ['a late receipt of another call', changed(6, { receipt: lines[3]?.receipt }), 6, /receipt is not the one/],
    ['a late receipt with another ticket', changed(6, { ticket: lines[3]?.ticket }), 6, /ticket is not the one/],
    ['proofs where none belong', changed(1, { receipt: lines[3]?.receipt }), 1, /neither ticket nor receipt/],
    ['a space', whole.map((text, i) => (i === 4 ? text.replace(',', ', ') : text)), 4, /as the gateway writes/],
    [
      'a field twice',
      whole.map((text, i) => (i === 4 ? text.replace('{', '{"seq":9,') : text)),
      4,
      /as the gateway writes/,
    ],
    ['an unknown field', changed(1, { extra: 1 }), 1, /neither a line nor the end/],
    ['the account', changed(0, { accountId: OPERATOR }), 1, /another account/],
    ['the header', whole.slice(1), null, /header/],
    [
      'a key under another name',
      changed(0, { jwks: { keys: [{ ...signers.gateway.jwks.keys[0], kid: stranger.kid }] } }),
      null,
      /thumbprint/,
    ],
    ['nothing is left', [], null, /it was cut/],
  ]
  it.each(cases)('%s: found', async (_, texts, seq, why) => {
    const broken = await brokenOf(texts)
    expect(broken?.why).toMatch(why)
    expect(broken?.seq).toBe(seq)
  })

  it('any single character: found', async () => {
    const text = whole.join('')
    const starts = whole.map((_, i) => whole.slice(0, i).join('').length)
    await fc.assert(
      fc.asyncProperty(fc.nat(text.length - 1), fc.integer({ min: 1, max: 126 }), async (at, code) => {
        const before = text[at] ?? ''
        const after = String.fromCharCode(code)
        fc.pre(after !== before)
        const changed = `${text.slice(0, at)}${after}${text.slice(at + 1)}`
        const { broken } = await verifyJournal(piecesOf(changed.match(/[^\n]*\n|[^\n]+$/g) ?? [], 5))
        expect(broken).not.toBeNull()
        // A change in a line is told of that line, or of the one after when it only says what comes next.
        const line = starts.findLastIndex((start) => start <= at)
        if (line > 0 && line <= life.length && broken?.seq !== null) expect(broken?.seq).toBe(line)
      }),
      { numRuns: 1_500 },
    )
  }, 120_000)

  it('another spelling of the head’s signature: found', async () => {
    const { head } = JSON.parse(whole.at(-1) ?? '') as { head: string }
    const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const last = ALPHABET.indexOf(head.at(-1) ?? '')
    const other = `${head.slice(0, -1)}${ALPHABET[last + 1]}`
    expect(await brokenOf([...whole.slice(0, -1), `${JSON.stringify({ head: other })}\n`])).toMatchObject({
      why: expect.stringMatching(/head/) as string,
    })
  })
})

describe('a first look', () => {
  it('never misses an id that stands twice, and keeps few that do not', () => {
    const foresight = new JournalForesight()
    const idOf = (n: number) => callIdOf(n * 7_919)
    const look = (id: string) => foresight.look(JSON.stringify({ body: jcs({ transferId: id }) }))
    for (let n = 0; n < 100_000; n++) look(idOf(n))
    look(idOf(77_777))
    let kept = 0
    for (let n = 0; n < 100_000; n++) if (foresight.isNamed(idOf(n))) kept++
    expect(foresight.isNamed(idOf(77_777))).toBe(true)
    expect(kept).toBeLessThan(5)
  })
})
