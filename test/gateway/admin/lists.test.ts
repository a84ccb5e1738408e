import { env } from 'cloudflare:workers'
import { beforeAll, describe, expect, it } from 'vitest'
import { AdminAccountPage, AdminModelPage, AdminNodePage, NodeCounts } from '../../../protocol/metering.ts'
import { plannedFailures } from '../ledger/ledger-house.ts'
import { admin, signedIn, ADMIN } from '../ledger/money-house.ts'
import { anOffice } from './office.ts'

plannedFailures()

const idOf = (n: number) => `acct${String(n).padStart(12, '0')}`
const walletOf = (n: number) => `0x${'AbCd'.repeat(9)}${String(n).padStart(4, '0')}`

beforeAll(async () => {
  const run = (sql: string, ...values: unknown[]) => env.DB.prepare(sql).bind(...values)
  await env.DB.batch(
    [1, 2, 3, 4, 5].flatMap((n) => [
      run('INSERT INTO accounts (id, created_at, book) VALUES (?, ?, 0)', idOf(n), n < 3 ? 10 : n * 10),
      run('INSERT INTO wallets (address, account_id, added_at) VALUES (?, ?, 1)', walletOf(n), idOf(n)),
      run(
        `INSERT INTO nodes (id, name, operator_account_id, operator_address, node_key, settlement_key, endpoint, state, created_at)
         VALUES (?, ?, ?, '', ?, '', 'link', ?, ?)`,
        `node_${n}`,
        ['Alpha', 'alpine', '=cmd()', 'עברית', '%_'][n - 1],
        idOf(1),
        `key${n}`,
        n === 2 ? 'suspended' : 'active',
        n,
      ),
      run(
        `INSERT INTO models (id, digest, task, author_account_id, royalty_bps, manifest, state, created_at) VALUES (?, ?, 'chat', ?, 100, '{}', ?, 1)`,
        `maker/m${n}`,
        `d${n}`,
        idOf(2),
        n === 5 ? 'blocked' : 'active',
      ),
    ]),
  )
  await env.DB.prepare('INSERT INTO authors (handle, account_id, created_at) VALUES (?, ?, 1)')
    .bind('maker', idOf(2))
    .run()
})

describe('the lists of admins', () => {
  it('go through all accounts, newest first, page by page', async () => {
    const { ask } = await anOffice()
    const seen: string[] = []
    let cursor: string | null = ''
    while (cursor !== null) {
      const { body } = await ask(admin, 'GET', `/admin/accounts?limit=2${cursor && `&cursor=${cursor}`}`)
      const page = AdminAccountPage.parse(body)
      seen.push(...page.data.map(({ accountId }) => accountId))
      cursor = page.nextCursor
    }
    expect(seen).toEqual([5, 4, 3, 2, 1].map(idOf))
    const [first] = AdminAccountPage.parse((await ask(admin, 'GET', `/admin/accounts?q=${idOf(1)}`)).body).data
    expect(first).toMatchObject({ isOperator: true, isAuthor: false, wallets: [walletOf(1)] })
  })

  it('find accounts by the beginning of their id or of a wallet, in whatever letters', async () => {
    const { ask } = await anOffice()
    const found = async (q: string) =>
      AdminAccountPage.parse((await ask(admin, 'GET', `/admin/accounts?q=${encodeURIComponent(q)}`)).body).data.map(
        ({ accountId }) => accountId,
      )
    expect(await found('acct')).toHaveLength(5)
    expect(await found(idOf(3))).toEqual([idOf(3)])
    expect(await found(walletOf(4).toLowerCase())).toEqual([idOf(4)])
    expect(await found('0XABCD')).toHaveLength(5)
    expect(await found('%')).toEqual([])
  })

  it('find nodes by state, id and name', async () => {
    const { ask } = await anOffice()
    const found = async (query: string) =>
      AdminNodePage.parse((await ask(admin, 'GET', `/admin/nodes?${query}`)).body).data.map(({ id }) => id)
    expect(await found('limit=3')).toEqual(['node_5', 'node_4', 'node_3'])
    expect(await found('state=suspended')).toEqual(['node_2'])
    expect(await found('q=ALP')).toEqual(['node_1', 'node_2'])
    expect(await found('q=alp&state=active')).toEqual(['node_1'])
    expect(await found('q=node_4')).toEqual(['node_4'])
    expect(await found(`q=${encodeURIComponent('%_')}`)).toEqual(['node_5'])
    expect((await ask(admin, 'GET', '/admin/nodes?state=nowhere')).code).toBe('invalid_request')
  })

  it('find models by state and id', async () => {
    const { ask } = await anOffice()
    const page = async (query: string) => AdminModelPage.parse((await ask(admin, 'GET', `/admin/models?${query}`)).body)
    expect((await page('state=blocked')).data).toMatchObject([{ id: 'maker/m5', state: 'blocked', author: idOf(2) }])
    const { data, nextCursor } = await page('q=maker/&limit=2')
    expect([data.map(({ id }) => id), nextCursor]).toEqual([['maker/m1', 'maker/m2'], 'maker/m2'])
    expect((await page(`q=maker/&limit=2&cursor=${nextCursor}`)).data.map(({ id }) => id)).toEqual([
      'maker/m3',
      'maker/m4',
    ])
  })

  it('are files whose cells are no formulas', async () => {
    const { ask } = await anOffice()
    const { text, status } = await ask(admin, 'GET', '/admin/nodes?format=csv')
    expect(status).toBe(200)
    const lines = text.trimEnd().split('\r\n')
    expect(lines).toHaveLength(6)
    expect(lines[0]).toContain('id,name')
    expect(lines[3]).toContain(`,'=cmd(),`)
    const accounts = (await ask(admin, 'GET', '/admin/accounts?format=csv')).text
    expect(accounts).toContain(walletOf(5))
  })

  it('are admins’ alone', async () => {
    const { ask } = await anOffice()
    for (const list of ['accounts', 'nodes', 'models'])
      for (const query of ['', '?format=csv']) {
        expect((await ask(null, 'GET', `/admin/${list}${query}`)).status).toBe(401)
        expect((await ask(signedIn(ADMIN), 'GET', `/admin/${list}${query}`)).status).toBe(403)
      }
  })
})

describe('the count of nodes', () => {
  const run = (sql: string, ...values: unknown[]) => env.DB.prepare(sql).bind(...values)
  const aNode = (id: string, state: string, linkDownAt: number | null = null) =>
    run(
      `INSERT INTO nodes (id, name, operator_account_id, operator_address, node_key, settlement_key, endpoint, state, link_down_at, created_at)
       VALUES (?1, 'x', ?2, '', ?1, '', 'link', ?3, ?4, 100)`,
      id,
      idOf(1),
      state,
      linkDownAt,
    )
  const anOffer = (node: string, model: string, breaker: string, state = 'live') =>
    run(
      `INSERT INTO offers (node_id, model_id, state, input_price_nanos, output_price_nanos, cached_input_price_nanos, bytes_price_nanos, call_price_nanos,
       context_tokens, output_tokens_max, concurrency_max, breaker, updated_at) VALUES (?, ?, ?, 0, 0, 0, 0, 0, 1, 1, 1, ?, 0)`,
      node,
      model,
      state,
      breaker,
    )
  const counted = async () => {
    const { ask } = await anOffice()
    const { countedMax, ...counts } = NodeCounts.parse((await ask(admin, 'GET', '/admin/nodes/count')).body)
    expect(countedMax).toBe(10_000)
    return counts
  }
  const BEFORE = { live: 4, probation: 0, silent: 0, pending: 0, draining: 0, suspended: 1 }

  it('has each node once, and none that is revoked', async () => {
    expect(await counted()).toEqual(BEFORE)
    await env.DB.batch(
      ['probation', 'probation', 'pending', 'draining', 'suspended', 'revoked'].map((state, n) =>
        aNode(`n${n}`, state),
      ),
    )
    expect(await counted()).toEqual({ live: 4, probation: 2, silent: 0, pending: 1, draining: 1, suspended: 2 })
  })

  it('calls a node silent that should serve and does not answer, and lists it so', async () => {
    await env.DB.batch([
      aNode('unlinked', 'active', 5),
      aNode('young', 'probation', 5),
      aNode('stopped', 'draining', 5),
      aNode('broken', 'active'),
      ...['a', 'b'].map((model) => anOffer('broken', model, 'open')),
      anOffer('broken', 'c', 'closed', 'paused'),
      aNode('half', 'active'),
      anOffer('half', 'a', 'open'),
      anOffer('half', 'b', 'closed'),
    ])
    expect(await counted()).toEqual({ live: 5, probation: 2, silent: 3, pending: 1, draining: 2, suspended: 2 })
    const { ask } = await anOffice()
    const { data } = AdminNodePage.parse((await ask(admin, 'GET', '/admin/nodes?state=silent')).body)
    expect(data.map(({ id }) => id).sort()).toEqual(['broken', 'unlinked', 'young'])
  })

  it('is for admins', async () => {
    const { ask } = await anOffice()
    expect((await ask(signedIn(ADMIN), 'GET', '/admin/nodes/count')).code).toBe('forbidden')
  })
})
