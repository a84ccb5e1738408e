import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { receiptWords } from '../../../../gateway/market/nodes/receipt-words.ts'
import { createRefusedReceipts, type RefusedReceipt } from '../../../../gateway/market/nodes/refused-receipt-book.ts'
import { instant, type NodeId } from '../../../../protocol/units.ts'

const DAY_MS = 86_400_000
const NOW = instant(100 * DAY_MS)
const book = createRefusedReceipts(env.DB)
const refused = (nodeId: string, jti: string, code: RefusedReceipt['code'] = 'bad_receipt'): RefusedReceipt => ({
  nodeId: nodeId as NodeId,
  jti,
  code,
})
const of = (nodeId: string, now = NOW) => book.of(nodeId as NodeId, now)

describe('refused receipts', () => {
  it('count once for each ticket, by why, for their own node', async () => {
    await book.note([refused('a', '1'), refused('a', '2', 'not_for_ticket'), refused('a', '3'), refused('b', '4')], NOW)
    await book.note([refused('a', '1', 'not_for_ticket'), refused('a', '3')], NOW)
    expect(await of('a')).toEqual([
      { code: 'bad_receipt', count: 2 },
      { code: 'not_for_ticket', count: 1 },
    ])
    expect(await of('nobody')).toEqual([])
  })

  it('are told for thirty days, and gone when the next one comes after that', async () => {
    await book.note([refused('old', '1')], NOW)
    expect(await of('old', instant(NOW + 30 * DAY_MS))).toHaveLength(1)
    expect(await of('old', instant(NOW + 30 * DAY_MS + 1))).toEqual([])
    await book.note([refused('old', '2')], instant(NOW + 31 * DAY_MS))
    const { results } = await env.DB.prepare("SELECT jti FROM refused_receipts WHERE node_id = 'old'").all()
    expect(results).toEqual([{ jti: '2' }])
  })

  it('are a thousand of a node at most, whoever hands them in', async () => {
    for (let first = 0; first < 1_000; first += 250)
      await book.note(
        Array.from({ length: 250 }, (_, n) => refused('many', String(first + n))),
        NOW,
      )
    await book.note([refused('many', 'one more')], NOW)
    expect(await of('many')).toEqual([{ code: 'bad_receipt', count: 1_000 }])
  })
})

describe('what an operator is told of them', () => {
  const NONE = { calls: 9, owed: 0, late: 0, refused: [] }
  it('is nothing where nothing is missing', () => expect(receiptWords(NONE)).toEqual([]))

  it.each([
    [{ ...NONE, owed: 1 }, /^Of its newest 9 calls 1 has no receipt yet, .*: keep the node running/],
    [{ ...NONE, calls: 1, owed: 1 }, /^Of its newest call 1 has/],
    [{ ...NONE, late: 2 }, /^Of its newest 9 calls 2 got their receipt after the answer, .*: nothing to do\.$/],
    [
      { ...NONE, refused: [{ code: 'bad_receipt' as const, count: 1 }] },
      /^One receipt was refused because the key .*souk-node doctor/,
    ],
    [
      { ...NONE, refused: [{ code: 'not_for_ticket' as const, count: 3 }] },
      /^3 receipts were refused because the order .*update the program/,
    ],
  ])('of %o says what to do', (counted, sentence) => {
    expect(receiptWords(counted)).toEqual([expect.stringMatching(sentence)])
  })
})
