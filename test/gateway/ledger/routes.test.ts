import { env } from 'cloudflare:workers'
import { Hono } from 'hono'
import { describe, expect, it } from 'vitest'
import { systemRandom } from '../../../gateway/core/clock.ts'
import { toResponse } from '../../../gateway/core/errors.ts'
import { SIGN_IN } from '../../../gateway/core/limits.ts'
import type { AppEnv, Principal } from '../../../gateway/core/principal.ts'
import { Secret } from '../../../gateway/core/sealed.ts'
import { hashLine } from '../../../protocol/journal.ts'
import { loadGatewayKey } from '../../../gateway/core/gateway-key.ts'
import { createJournalRoutes } from '../../../gateway/ledger/journal/journal-routes.ts'
import { createLedgerRoutes } from '../../../gateway/ledger/routes.ts'
import type { Role, Scope } from '../../../protocol/auth.ts'
import { CodeReply, GrantReply, JournalPage, UsagePage } from '../../../protocol/ledger.ts'
import { newAccountId, type AccountId } from '../../../protocol/units.ts'
import { accounts, aClock, aKey, anAccount, aPayer, callFor, START, type TestAccount } from './ledger-house.ts'

const ADMIN = newAccountId(systemRandom)

const key = await loadGatewayKey(env.SOUK_SIGNING_KEY)

/** The room's routes behind a principal that is simply given. */
function anApi(isLocal = true, clock = aClock()) {
  const routes = createLedgerRoutes({
    db: env.DB,
    bookOf: async () => env.BOOK_0,
    accounts,
    clock,
    random: systemRandom,
    config: { isLocal, stripe: null },
  })
  return async (who: Principal | null, method: string, path: string, body?: unknown): Promise<[number, unknown]> => {
    const app = new Hono<AppEnv>()
      .use(async (c, next) => {
        c.set('principal', who)
        await next()
      })
      .route('/api', routes)
      .route('/api', createJournalRoutes({ bookOf: async () => env.BOOK_0, accounts, clock, key }))
    app.onError((error) => toResponse(error, 'req_test'))
    const init =
      body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }
    const response = await app.request(`/api${path}`, { method, ...init })
    return [response.status, await response.json()]
  }
}

const signedIn = (accountId: AccountId, roles: Role[] = ['consumer'], signedInAt = START): Principal => ({
  kind: 'session',
  member: 'owner',
  accountId,
  address: '0x0000000000000000000000000000000000000001',
  roles,
  signedInAt,
  viaCookie: false,
  secret: new Secret('token'),
})
const admin = signedIn(ADMIN, ['admin'])

async function aRegistered(): Promise<TestAccount> {
  const account = await anAccount()
  await env.DB.prepare('INSERT INTO accounts (id, created_at, book) VALUES (?, ?, 0)').bind(account.id, START).run()
  return account
}

const codeOf = (error: unknown) => (error as { error: { code: string } }).error.code // an error body, checked by its status

describe('grants', () => {
  it('give an existing account money once per id', async () => {
    const api = anApi()
    const { id, port } = await aRegistered()
    const body = { accountId: id, usd: '2.5', reason: 'welcome', id: 'ticket-1' }
    const [status, reply] = await api(admin, 'POST', '/admin/grants', body)
    expect(status).toBe(200)
    expect(GrantReply.parse(reply)).toEqual({ usd: '2.500000000', balance: '2.500000000', held: '0.000000000', seq: 1 })
    expect(await api(admin, 'POST', '/admin/grants', body)).toEqual([200, reply])
    const [conflict, error] = await api(admin, 'POST', '/admin/grants', { ...body, usd: '3' })
    expect([conflict, codeOf(error)]).toEqual([409, 'conflict'])
    expect((await port.balance()).availableNanos).toBe(2_500_000_000n)
  })

  it('are for admins who signed in lately', async () => {
    const api = anApi()
    const { id } = await aRegistered()
    const body = { accountId: id, usd: '1', reason: 'x', id: '1' }
    const stale = signedIn(ADMIN, ['admin'], (START - SIGN_IN.freshMs - 1) as typeof START)
    const cases: [Principal | null, string][] = [
      [null, 'not_signed_in'],
      [signedIn(id), 'forbidden'],
      [stale, 'fresh_sign_in_required'],
    ]
    for (const [who, code] of cases)
      for (const path of ['/admin/grants', '/admin/codes'])
        expect(codeOf((await api(who, 'POST', path, body))[1])).toBe(code)
  })

  it.each([
    ['an unknown account', { accountId: newAccountId(systemRandom) }, 404],
    ['the house', { accountId: 'house:fees' }, 400],
    ['nothing', { usd: '0.000000000' }, 400],
    ['less than nothing', { usd: '-1' }, 400],
    ['no reason', { reason: ' ' }, 400],
    ['no id', { id: '' }, 400],
    ['an unknown field', { more: 1 }, 400],
  ])('are refused for %s', async (_, wrong, status) => {
    const { id } = await aRegistered()
    const body = { accountId: id, usd: '1', reason: 'x', id: '1', ...wrong }
    expect((await anApi()(admin, 'POST', '/admin/grants', body))[0]).toBe(status)
  })
})

describe('credit codes', () => {
  const aCode = async (api: ReturnType<typeof anApi>, more: object = {}) =>
    CodeReply.parse((await api(admin, 'POST', '/admin/codes', { usd: '5', reason: 'meetup', ...more }))[1]).code

  it('are redeemed by one account once, whoever tries at the same time', async () => {
    const api = anApi()
    const code = await aCode(api)
    const people = [await aRegistered(), await aRegistered()]
    const replies = await Promise.all(
      Array.from({ length: 20 }, async (_, n) => {
        const who = people[n % 2]?.id ?? ADMIN
        return { who, reply: await api(signedIn(who), 'POST', '/codes/redeem', { code }) }
      }),
    )
    const winners = new Set(replies.filter(({ reply }) => reply[0] === 200).map(({ who }) => who))
    expect(winners.size).toBe(1)
    const losers = replies.filter(({ reply }) => reply[0] !== 200)
    expect(losers).toHaveLength(10)
    expect(new Set(losers.map(({ reply }) => codeOf(reply[1])))).toEqual(new Set(['code_used']))
    const balances = await Promise.all(people.map(async ({ port }) => (await port.balance()).availableNanos))
    expect(balances.sort()).toEqual([0n, 5_000_000_000n])
  })

  it('are repaired by redeeming again after a crash between claim and money, even when expired since', async () => {
    const clock = aClock()
    const api = anApi(true, clock)
    const code = await aCode(api, { expiresAt: new Date(START + 1_000).toISOString() })
    const { id, port } = await aRegistered()
    await env.DB.prepare('UPDATE credit_codes SET redeemed_by = ?, redeemed_at = ? WHERE redeemed_by IS NULL')
      .bind(id, START)
      .run()
    clock.advance(2_000)
    expect((await api(signedIn(id), 'POST', '/codes/redeem', { code }))[0]).toBe(200)
    expect((await port.balance()).availableNanos).toBe(5_000_000_000n)
  })

  it('are refused when unknown or expired, and stand nowhere in clear', async () => {
    const clock = aClock()
    const api = anApi(true, clock)
    const code = await aCode(api, { expiresAt: new Date(START + 1_000).toISOString() })
    clock.advance(1_000)
    const who = signedIn((await aRegistered()).id)
    for (const wrong of [code, `${code}0`])
      expect(codeOf((await api(who, 'POST', '/codes/redeem', { code: wrong }))[1])).toBe('not_found')
    const rows = await env.DB.prepare('SELECT * FROM credit_codes').all()
    expect(JSON.stringify(rows.results)).not.toContain(code)
    expect(
      (await api(admin, 'POST', '/admin/codes', { usd: '1', reason: 'x', expiresAt: '2020-01-01T00:00:00Z' }))[0],
    ).toBe(400)
  })
})

describe('the faucet', () => {
  it('does not exist without the local switch', async () => {
    const { id, port } = await aRegistered()
    const [status, error] = await anApi(false)(signedIn(id), 'POST', '/faucet')
    expect([status, codeOf(error)]).toEqual([404, 'not_found'])
    expect((await port.balance()).availableNanos).toBe(0n)
  })

  it('pours ten dollars once per UTC day', async () => {
    const clock = aClock()
    const api = anApi(true, clock)
    const { id, port } = await aRegistered()
    for (let i = 0; i < 3; i++) expect((await api(signedIn(id), 'POST', '/faucet'))[0]).toBe(200)
    expect((await port.balance()).availableNanos).toBe(10_000_000_000n)
    clock.advance(14 * 3_600_000)
    await api(signedIn(id), 'POST', '/faucet')
    expect((await port.balance()).availableNanos).toBe(20_000_000_000n)
    expect(codeOf((await api(null, 'POST', '/faucet'))[1])).toBe('not_signed_in')
  })
})

describe('reading the book', () => {
  it('pages through one’s own calls and journal, newest first, and never another’s', async () => {
    const api = anApi()
    const payer = await aPayer(1_000n)
    const other = await aPayer(1_000n)
    for (let i = 1n; i <= 5n; i++) {
      await callFor(payer, i, other.id)
      payer.clock.advance(i === 3n ? 0 : 1_000)
    }
    await callFor(other, 77n, payer.id)
    for (const { port, clock } of [payer, other]) {
      clock.advance(300)
      await port.tick()
    }
    const costs: string[] = []
    let cursor: string | null = null
    do {
      const query: string = cursor === null ? '?limit=2' : `?limit=2&cursor=${cursor}`
      const page = UsagePage.parse((await api(signedIn(payer.id), 'GET', `/usage${query}`))[1])
      costs.push(...page.data.map(({ cost }) => cost))
      cursor = page.nextCursor
    } while (cursor !== null)
    expect(costs).toHaveLength(5)
    expect([...costs].sort()).toEqual([1, 2, 3, 4, 5].map((n) => `0.00000000${n}`))
    expect(costs[0]).toBe('0.000000005')

    const [, first] = await api(signedIn(payer.id), 'GET', '/journal?limit=4')
    const page = JournalPage.parse(first)
    const rest = JournalPage.parse((await api(signedIn(payer.id), 'GET', `/journal?cursor=${page.nextCursor}`))[1])
    const entries = [...page.data, ...rest.data]
    expect(entries.every(({ hash, prevHash, body }) => hash === hashLine(prevHash, body))).toBe(true)
    expect(entries.map(({ seq }) => seq)).toEqual([...entries.keys()].map((n) => entries.length - n))
    expect(rest.nextCursor).toBeNull()
  })

  it('narrows calls to a key, a model, an outcome, and finds the lines of one call', async () => {
    const api = anApi()
    const payer = await aPayer(1_000n)
    const other = await aPayer(1_000n)
    const { callId } = (await callFor(payer, 5n, other.id)).request
    await callFor(payer, 7n, other.id)
    payer.clock.advance(300)
    await payer.port.tick()
    const rows = async (query: string) =>
      UsagePage.parse((await api(signedIn(payer.id), 'GET', `/usage?${query}`))[1]).data.length
    const { model } = UsagePage.parse((await api(signedIn(payer.id), 'GET', '/usage'))[1]).data[0] ?? { model: '' }
    const counts = [
      `key=${payer.keyId}`,
      'key=other',
      `model=${model}`,
      'model=a/b',
      'outcome=complete',
      'outcome=failed',
    ]
    expect(await Promise.all(counts.map(rows))).toEqual([2, 0, 2, 0, 2, 0])
    expect((await api(signedIn(payer.id), 'GET', '/usage?outcome=other'))[0]).toBe(400)
    const lines = JournalPage.parse((await api(signedIn(payer.id), 'GET', `/journal?call=${callId}`))[1]).data
    expect(lines.map(({ body }) => body.includes(callId))).toEqual([true])
    expect(await api(signedIn(other.id), 'GET', `/journal?call=${callId}`)).toEqual([
      200,
      { data: [], nextCursor: null },
    ])
    expect((await api(signedIn(payer.id), 'GET', '/journal?call=x'))[0]).toBe(400)
  })

  it('finds them by an index, however many calls and lines there are', async () => {
    const plan = async (sql: string) =>
      (await env.BOOK_0.prepare(`EXPLAIN QUERY PLAN ${sql}`).all<{ detail: string }>()).results.map(
        ({ detail }) => detail,
      )
    for (const [column, index] of [
      ['key_id', 'calls_key'],
      ['model_id', 'calls_model'],
      ['outcome', 'calls_outcome'],
    ])
      expect(
        await plan(
          `SELECT * FROM calls WHERE account_id = 'a' AND ${column} = 'b' ORDER BY started_at DESC, id DESC LIMIT 51`,
        ),
      ).toContain(`SEARCH calls USING INDEX ${index} (account_id=? AND ${column}=?)`)
    expect(await plan("SELECT * FROM lines WHERE transfer_id IN ('a', 'b') AND +account_id = 'c'")).toEqual([
      'SEARCH lines USING INDEX lines_transfer (transfer_id=?)',
    ])
  })

  it('refuses invented cursors, sizes above the limit, and strangers', async () => {
    const api = anApi()
    const who = signedIn((await aRegistered()).id)
    for (const query of ['/usage?cursor=x', '/journal?cursor=x', '/usage?limit=101', '/journal?limit=0'])
      expect((await api(who, 'GET', query))[0]).toBe(400)
    expect(await api(who, 'GET', '/usage?limit=100')).toEqual([200, { data: [], nextCursor: null }])
    expect((await api(null, 'GET', '/journal'))[0]).toBe(401)
  })

  it('is for keys that manage as well, not for ones that only infer, are unknown or revoked', async () => {
    const api = anApi()
    const { id: accountId, port } = await aRegistered()
    const as = async (scopes: Scope[]): Promise<Extract<Principal, { kind: 'key' }>> => {
      const { id: keyId, secretHash } = aKey({ scopes })
      await port.createKey(aKey({ id: keyId, scopes }))
      return { kind: 'key', accountId, keyId, secretHash, secret: new Secret('') }
    }
    const manager = await as(['manage'])
    const infers = await as(['inference'])
    for (const path of ['/usage', '/journal']) {
      expect((await api(manager, 'GET', path))[0]).toBe(200)
      expect(codeOf((await api(infers, 'GET', path))[1])).toBe('scope_missing')
      expect(codeOf((await api({ ...manager, secretHash: '' }, 'GET', path))[1])).toBe('invalid_api_key')
      // Money is the wallet's alone.
      expect((await api(manager, 'POST', '/faucet'))[0]).toBe(403)
    }
    await port.revokeKey(manager.keyId)
    expect(codeOf((await api(manager, 'GET', '/usage'))[1])).toBe('api_key_revoked')
  })
})
