// A small market for the tests of metering: payers in two books, one operator with two nodes, an author; calls at chosen times and of chosen lengths.
import { env } from 'cloudflare:workers'
import { systemRandom } from '../../../../gateway/core/clock.ts'
import { bookDatabases } from '../../../../gateway/core/env.ts'
import type { CallEnd } from '../../../../gateway/ledger/account-port.ts'
import { chargeLegs } from '../../../../gateway/ledger/calls/split.ts'
import { instant, nanos, newNodeId, type AccountId, type ModelId, type NodeId } from '../../../../protocol/units.ts'
import { aClock, aHold, anAccount, anEnd, aPayer, START } from '../ledger-house.ts'

export const BOOKS = bookDatabases(env)
export const TABLES = [
  'lines',
  'legs',
  'calls',
  'rollups_hour',
  'totals',
  'account_totals',
  'latencies',
  'cursors',
  'recounts',
]

export async function emptyBooks(): Promise<void> {
  for (const book of BOOKS) await book.batch(TABLES.map((table) => book.prepare(`DELETE FROM ${table}`)))
  await env.DB.batch(['nodes', 'models', 'accounts'].map((table) => env.DB.prepare(`DELETE FROM ${table}`)))
}

export type Payer = Awaited<ReturnType<typeof aPayer>>

export async function aMeteredMarket() {
  const clock = aClock()
  const payers = [await aRegisteredPayer(0), await aRegisteredPayer(1)] as const
  const operator = await anAccount(clock)
  const author = await anAccount(clock)
  const nodes = [await aNode(operator.id), await aNode(operator.id)] as const

  async function aRegisteredPayer(book: number): Promise<Payer> {
    const payer = await aPayer(1_000_000_000n, {}, clock, book)
    await env.DB.prepare('INSERT INTO accounts (id, created_at, book) VALUES (?, ?, ?)')
      .bind(payer.id, START, book)
      .run()
    return payer
  }

  /** One call that took `firstMs` to its first token and `ms` in all. */
  async function call(
    payer: Payer,
    charge: bigint,
    over: Partial<CallEnd> & { modelId?: ModelId; firstMs?: number; ms?: number } = {},
  ) {
    const { modelId, firstMs, ms = 0, ...end } = over
    const request = aHold(payer, charge + 1n, modelId === undefined ? {} : { modelId })
    const held = await payer.port.hold(request)
    if (!held.ok) throw new Error(`refused: ${held.code}`)
    const startedAt = instant(clock() - ms)
    const captured = await payer.port.capture(
      anEnd(payer, request.callId, {
        nodeId: nodes[0],
        legs: chargeLegs({
          ...{ chargeNanos: nanos(charge), payer: payer.id, operator: operator.id, author: author.id },
          ...{ royaltyBps: 300, feeBps: 500 },
        }),
        startedAt,
        firstTokenAt: firstMs === undefined ? null : instant(startedAt + firstMs),
        endedAt: clock(),
        ...end,
      }),
    )
    if (!captured.ok) throw new Error(`refused: ${captured.code}`)
    return request.callId
  }

  async function project(): Promise<void> {
    clock.advance(1_000)
    for (const { port } of payers) await port.tick()
  }

  return { clock, payers, operator, author, nodes, call, project }
}

async function aNode(operator: AccountId): Promise<NodeId> {
  const id = newNodeId(systemRandom)
  await env.DB.prepare(
    `INSERT INTO nodes (id, name, operator_account_id, operator_address, node_key, settlement_key, endpoint, state, created_at, region)
     VALUES (?1, 'x', ?2, '', ?1, '', 'link', 'active', 0, 'EU')`,
  )
    .bind(id, operator)
    .run()
  return id
}
