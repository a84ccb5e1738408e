// Many machines on one page: the real app over real guards and books, by a signed-in wallet.
import { createExecutionContext, env } from 'cloudflare:test'
import { drizzle } from 'drizzle-orm/d1'
import { beforeEach, describe, expect, it } from 'vitest'
import { createApp } from '../../../../gateway/app.ts'
import { newToken, startSession } from '../../../../gateway/auth/session-book.ts'
import { systemRandom } from '../../../../gateway/core/clock.ts'
import { createAccounts } from '../../../../gateway/ledger/accounts.ts'
import { createServices } from '../../../../gateway/services.ts'
import { OperatorSummary } from '../../../../protocol/operator.ts'
import { instant, nanos, newAccountId, newNodeId, type AccountId, type NodeId } from '../../../../protocol/units.ts'

const HOUR_MS = 3_600_000
const accounts = createAccounts(env.ACCOUNT)
const now = instant(Date.now())

beforeEach(async () => {
  await env.DB.batch(['nodes', 'withdrawals'].map((table) => env.DB.prepare(`DELETE FROM ${table}`)))
})

async function anOperator(): Promise<{ id: AccountId; token: string }> {
  const id = newAccountId(systemRandom)
  await accounts(id).open(id, 0)
  const token = newToken(systemRandom)
  const address = `0x${id}${id}`.slice(0, 42)
  await env.DB.batch([
    env.DB.prepare('INSERT INTO accounts (id, created_at, book) VALUES (?, 0, 0)').bind(id),
    env.DB.prepare('INSERT INTO wallets (address, account_id, added_at) VALUES (?, ?, 0)').bind(address, id),
  ])
  await startSession(drizzle(env.DB), token, { accountId: id, address, signedInAt: now })
  return { id, token }
}

async function aNode(operator: AccountId, state = 'active', reason: string | null = null): Promise<NodeId> {
  const id = newNodeId(systemRandom)
  await env.DB.prepare(
    `INSERT INTO nodes (id, name, operator_account_id, operator_address, node_key, settlement_key, endpoint, state, reason, link_up_at, created_at)
     VALUES (?1, 'x', ?2, '', ?1, '', 'link', ?3, ?4, 7, 0)`,
  )
    .bind(id, operator, state, reason)
    .run()
  return id
}

/** @param agoMs of the clock hour it is counted in */
const served = (book: D1Database, node: NodeId, calls: number, earned: number, agoMs = 0) =>
  book
    .prepare(
      `INSERT INTO rollups_hour (hour, account_id, key_id, model_id, node_id, calls, errors, input_tokens, output_tokens, charge_nanos,
        operator_nanos, author_nanos, house_nanos) VALUES (?, ?, 'k', 'm/m', ?, ?, 0, 1, 2, 9, ?, 0, 0)`,
    )
    .bind(Math.floor((now - agoMs) / HOUR_MS) * HOUR_MS, newAccountId(systemRandom), node, calls, earned)
    .run()

async function ask(token: string | null, query = '') {
  const app = createApp(await createServices(env))
  const headers = new Headers(token === null ? [] : [['authorization', `Bearer ${token}`]])
  const response = await app.request(
    `https://souk.test/api/operator/summary${query}`,
    { headers },
    env,
    createExecutionContext(),
  )
  const body: unknown = await response.json()
  return { status: response.status, summary: OperatorSummary.safeParse(body).data }
}

describe('the operator’s page', () => {
  it('shows every node with its state, its link and its traffic, and the account’s money', async () => {
    const operator = await anOperator()
    const busy = await aNode(operator.id)
    const stopped = await aNode(operator.id, 'draining', 'It is draining.')
    await served(env.BOOK_0, busy, 3, 1_000)
    await served(env.BOOK_1, busy, 4, 500)
    await served(env.BOOK_0, stopped, 5, 250, 3 * 24 * HOUR_MS)
    const payer = newAccountId(systemRandom)
    const vesting = [{ until: instant(now + HOUR_MS), amountNanos: nanos(2_000_000_000n) }]
    const sums = { sumNanos: nanos(7_000_000_000n), operatorNanos: nanos(7_000_000_000n), authorNanos: nanos(0n) }
    await accounts(operator.id).credit({ payer, fromSeq: 1, toSeq: 1, ...sums, feesNanos: nanos(0n), vesting })
    const rows = ['requested', 'filed', 'paid', 'returned'].map(
      (state, n) => `('w${n}', '${operator.id}', 't${n}', 1000000000, '0x', '${state}', 1)`,
    )
    await env.DB.exec(
      `INSERT INTO withdrawals (id, account_id, transfer_id, amount_nanos, address, state, requested_at) VALUES ${rows.join(',')}`,
    )

    const { summary } = await ask(operator.token)
    expect(summary?.nodes).toBe(2)
    expect(summary?.nextCursor).toBeNull()
    const shown = (id: NodeId) => summary?.data.find(({ node }) => node.id === id)
    expect(shown(busy)).toMatchObject({
      node: { state: 'active', reason: null, endpoint: 'link' },
      traffic: { day: { calls: 7, earned: '0.000001500' }, month: { calls: 7 } },
      lastCallAt: null,
    })
    expect(shown(stopped)).toMatchObject({
      node: { state: 'draining', reason: 'It is draining.' },
      traffic: { day: { calls: 0, earned: '0.000000000' }, month: { calls: 5, earned: '0.000000250' } },
    })
    expect(summary?.traffic).toMatchObject({ day: { calls: 7 }, month: { calls: 12, earned: '0.000001750' } })
    expect(summary?.money).toEqual({
      withdrawable: '5.000000000',
      vesting: '2.000000000',
      vestingParts: [{ usd: '2.000000000', until: new Date(now + HOUR_MS).toISOString() }],
      withdrawals: { count: 2, usd: '2.000000000' },
    })
  })

  it('goes on from its cursor, and counts and sums all nodes on every page', async () => {
    const operator = await anOperator()
    const ids: NodeId[] = []
    for (let n = 0; n < 5; n++) ids.push(await aNode(operator.id))
    for (const id of ids) await served(env.BOOK_0, id, 1, 10)
    const found: string[] = []
    for (let query = '?limit=2', pages = 0; query !== '' && pages < 9; pages++) {
      const { summary } = await ask(operator.token, query)
      expect(summary).toMatchObject({ nodes: 5, traffic: { day: { calls: 5, earned: '0.000000050' } } })
      found.push(...(summary?.data.map(({ node }) => node.id) ?? []))
      query = summary?.nextCursor ? `?limit=2&cursor=${summary.nextCursor}` : ''
    }
    expect(found).toEqual([...ids].sort())
  })

  it('shows nobody else’s nodes, nothing to who has none, and nothing at all to a stranger', async () => {
    const [operator, other] = [await anOperator(), await anOperator()]
    await aNode(operator.id)
    expect((await ask(other.token)).summary).toMatchObject({ nodes: 0, data: [], traffic: { day: { calls: 0 } } })
    expect((await ask(null)).status).toBe(401)
    expect((await ask(operator.token, '?limit=101')).status).toBe(400)
  })
})
