import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, it } from 'vitest'
import { createNodeReceipts } from '../../../../gateway/ledger/earnings/node-receipts-book.ts'
import { instant, type NodeId } from '../../../../protocol/units.ts'

const NODE = 'node_0000000000000001' as NodeId
const DAY_MS = 86_400_000
const NOW = instant(100 * DAY_MS)
const RECEIPT = { receipt: 'a.b.c' }

interface ACall {
  node?: NodeId
  outcome?: string
  charge?: number
  /** null: retention has cleared it */
  detail?: object | null
  startedAt?: number
  isLate?: boolean
}
let calls = 0
async function book(d1: D1Database, ...all: ACall[]): Promise<void> {
  const statements = all.flatMap(
    ({ node = NODE, outcome = 'complete', charge = 1, detail = RECEIPT, startedAt = NOW - 1, isLate = false }) => {
      const id = `call_${++calls}`
      const call = d1
        .prepare(
          `INSERT INTO calls (id, account_id, key_id, model_id, node_id, outcome, input_tokens, output_tokens, hold_nanos, charge_nanos, started_at, ended_at, detail)
         VALUES (?, 'me', 'k', 'm', ?, ?, 1, 1, 1, ?, ?, ?, ?)`,
        )
        .bind(id, node, outcome, charge, startedAt, startedAt, JSON.stringify(detail))
      const line = d1
        .prepare(
          `INSERT INTO lines (account_id, seq, transfer_id, kind, delta_nanos, prev_hash, hash, body, at) VALUES ('me', ?, ?, 'receipt', 0, '', '', '', 1)`,
        )
        .bind(calls, `receipt:${id}`)
      return isLate ? [call, line] : [call]
    },
  )
  await d1.batch(statements)
}
const ask = () => createNodeReceipts([env.BOOK_0, env.BOOK_1])(NODE, NOW)

beforeEach(async () => {
  await env.BOOK_0.batch(['calls', 'lines'].map((table) => env.BOOK_0.prepare(`DELETE FROM ${table}`)))
})

describe('the receipts of a node', () => {
  it('are none without calls', async () => expect(await ask()).toEqual({ calls: 0, owed: 0, late: 0 }))

  it.each<[string, ACall, object]>([
    ['came with the answer', {}, { calls: 1, owed: 0, late: 0 }],
    ['came after it', { isLate: true }, { calls: 1, owed: 0, late: 1 }],
    ['is missing', { detail: { receipt: null } }, { calls: 1, owed: 1, late: 0 }],
    ['is missing of an answer that was free', { detail: { receipt: null }, charge: 0 }, { calls: 1, owed: 1, late: 0 }],
    [
      'is missing of what was cut off and paid',
      { detail: { receipt: null }, outcome: 'cancelled' },
      { calls: 1, owed: 1, late: 0 },
    ],
    ['is owed by nobody', { detail: { receipt: null }, outcome: 'failed', charge: 0 }, { calls: 0, owed: 0, late: 0 }],
    ['is forgotten', { detail: null }, { calls: 0, owed: 0, late: 0 }],
    ['is of a call of long ago', { startedAt: NOW - 31 * DAY_MS }, { calls: 0, owed: 0, late: 0 }],
    ['is another node’s', { node: 'node_0000000000000002' as NodeId }, { calls: 0, owed: 0, late: 0 }],
  ])('count one that %s', async (_, call, counted) => {
    await book(env.BOOK_0, call)
    expect(await ask()).toEqual(counted)
  })

  it('are those of its newest calls, in every book', async () => {
    await book(
      env.BOOK_0,
      { detail: { receipt: null }, startedAt: NOW - 1_000 },
      ...Array.from({ length: 499 }, () => ({})),
    )
    expect(await ask()).toEqual({ calls: 500, owed: 1, late: 0 })
    await book(env.BOOK_0, {})
    await book(env.BOOK_1, { isLate: true })
    expect(await ask()).toEqual({ calls: 501, owed: 0, late: 1 })
  })
})
