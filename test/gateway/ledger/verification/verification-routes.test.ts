// What admins see of the ledger's health, and their two remedies.
import { env } from 'cloudflare:workers'
import { Hono } from 'hono'
import { beforeEach, describe, expect, it } from 'vitest'
import { toResponse } from '../../../../gateway/core/errors.ts'
import { SIGN_IN } from '../../../../gateway/core/limits.ts'
import type { AppEnv, Principal } from '../../../../gateway/core/principal.ts'
import { Secret } from '../../../../gateway/core/sealed.ts'
import { createVerificationRoutes } from '../../../../gateway/ledger/verification/verification-routes.ts'
import { act, freezeAgain, verifyAccounts } from '../../../../gateway/ledger/verification/verification.ts'
import type { Role } from '../../../../protocol/auth.ts'
import {
  AccountStandView,
  AlertPage,
  LedgerStand,
  RebuildReply,
  ResolveReply,
} from '../../../../protocol/verification.ts'
import { parseLine } from '../../../../protocol/journal.ts'
import { instant, newAccountId } from '../../../../protocol/units.ts'
import { systemRandom } from '../../../../gateway/core/clock.ts'
import { accounts, aClock, aPayer, callFor, plannedFailures, START } from '../ledger-house.ts'
import { BOOKS } from '../story.ts'

plannedFailures()

const ADMIN = newAccountId(systemRandom)
const clock = aClock()
const needs = { db: env.DB, books: BOOKS, accounts, clock }

const signedIn = (roles: Role[], signedInAt = clock()): Principal => ({
  kind: 'session',
  member: 'owner',
  accountId: ADMIN,
  address: '0x0000000000000000000000000000000000000001',
  roles,
  signedInAt,
  viaCookie: false,
  secret: new Secret('token'),
})
const admin = () => signedIn(['admin'])
const staleAdmin = () => signedIn(['admin'], instant(clock() - SIGN_IN.freshMs - 1))

async function api(who: Principal | null, method: string, path: string, body?: unknown): Promise<[number, unknown]> {
  const app = new Hono<AppEnv>()
    .use(async (c, next) => {
      c.set('principal', who)
      await next()
    })
    .route('/api', createVerificationRoutes(needs))
  app.onError((error) => toResponse(error, 'req_test'))
  const json = { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }
  const response = await app.request(`/api${path}`, { method, ...(body === undefined ? {} : json) })
  return [response.status, await response.json()]
}

async function aRegistered(book = 0) {
  const payer = await aPayer(10_000n, {}, clock, book)
  await env.DB.prepare('INSERT INTO accounts (id, created_at, book) VALUES (?, ?, ?)').bind(payer.id, START, book).run()
  return { ...payer, book }
}
type Registered = Awaited<ReturnType<typeof aRegistered>>

const verify = (...some: Registered[]) =>
  verifyAccounts(
    needs,
    some.map(({ id, book }) => ({ id, book })),
  )
const findingOf = ({ id }: Registered, kind: 'holds' | 'balance' | 'chain', at = '') =>
  ({ subject: id, breach: { kind, at, detail: 'planted' } }) as const
const resolve = (id: string, who = admin(), reason = 'looked into it') =>
  api(who, 'POST', `/admin/alerts/${encodeURIComponent(id)}/resolve`, { reason })

beforeEach(async () => {
  await env.DB.batch(['alerts', 'account_checks', 'accounts'].map((table) => env.DB.prepare(`DELETE FROM ${table}`)))
})

it.each([
  ['GET', '/admin/ledger', undefined, 200],
  ['GET', '/admin/alerts', undefined, 200],
  ['POST', '/admin/ledger/rebuild', {}, 401],
  ['POST', '/admin/alerts/chain:x:1/resolve', { reason: 'x' }, 401],
])(
  '%s %s is for admins, and what changes anything for those who signed in lately',
  async (method, path, body, stale) => {
    expect((await api(null, method, path, body))[0]).toBe(401)
    expect((await api(signedIn(['consumer']), method, path, body))[0]).toBe(403)
    expect((await api(staleAdmin(), method, path, body))[0]).toBe(stale)
  },
)

describe('the stand of the ledger', () => {
  it('says how far behind the books are, overall and for one account, and what is under way', async () => {
    const [payer, operator] = [await aRegistered(0), await aRegistered(1)]
    await callFor(payer, 1_000n, operator.id)
    await callFor(payer, 1_000n, operator.id)
    await verify(payer, operator)
    const [, body] = await api(admin(), 'GET', '/admin/ledger')
    const since = new Date(clock()).toISOString()
    expect(LedgerStand.parse(body)).toMatchObject({
      accountsChecked: 2,
      linesNotProjected: 4,
      oldestNotProjectedAt: since,
      creditsUnderWay: '0.000001900',
      oldestUnderWayAt: since,
      alertsOpen: 0,
    })
    const [, one] = await api(admin(), 'GET', `/admin/ledger/${payer.id}`)
    expect(AccountStandView.parse(one)).toMatchObject({
      seq: 3,
      linesNotProjected: 3,
      breaches: [],
      frozen: null,
      book: 0,
    })
    expect((await api(admin(), 'GET', '/admin/ledger/0000000000nbdy00'))[0]).toBe(404)
    clock.advance(1_000)
    for (const { port } of [payer, operator]) await port.tick()
    await operator.port.tick()
    clock.advance(1_000)
    await operator.port.tick()
    await verify(payer, operator)
    expect(LedgerStand.parse((await api(admin(), 'GET', '/admin/ledger'))[1])).toMatchObject({
      linesNotProjected: 0,
      oldestNotProjectedAt: null,
      creditsUnderWay: '0.000000000',
      behind: [],
    })
  })

  it('is written again on demand, for one account or for the next ones', async () => {
    const payer = await aRegistered(1)
    clock.advance(1_000)
    await payer.port.tick()
    await env.BOOK_1.prepare('UPDATE lines SET kind = ? WHERE account_id = ?').bind('code', payer.id).run()
    const [status, body] = await api(admin(), 'POST', '/admin/ledger/rebuild', { accountId: payer.id, wipe: true })
    expect([status, RebuildReply.parse(body)]).toEqual([200, { accounts: 1, nextCursor: null }])
    await payer.port.tick()
    expect(await env.BOOK_1.prepare('SELECT kind FROM lines WHERE account_id = ?').bind(payer.id).first('kind')).toBe(
      'grant',
    )
    expect((await api(admin(), 'POST', '/admin/ledger/rebuild', {}))[1]).toEqual({ accounts: 1, nextCursor: null })
    expect((await api(admin(), 'POST', '/admin/ledger/rebuild', { accountId: '0000000000nbdy00' }))[0]).toBe(404)
    expect((await api(admin(), 'POST', '/admin/ledger/rebuild', { accountId: 'house:fees' }))[0]).toBe(400)
  })
})

describe('alerts', () => {
  it('are listed newest first, the open ones or all, page by page', async () => {
    const payer = await aRegistered()
    for (const at of ['1', '2', '3']) {
      clock.advance(1)
      await act(needs, [findingOf(payer, 'chain', at)])
    }
    await resolve(`chain:${payer.id}:2`)
    const list = async (query: string) => AlertPage.parse((await api(admin(), 'GET', `/admin/alerts${query}`))[1])
    expect((await list('')).data.map(({ id }) => id.split(':')[2])).toEqual(['3', '1'])
    const first = await list('?state=all&limit=2')
    expect(first.data.map(({ id, resolvedBy }) => [id.split(':')[2], resolvedBy])).toEqual([
      ['3', null],
      ['2', ADMIN],
    ])
    expect((await list(`?state=all&limit=2&cursor=${first.nextCursor}`)).data).toHaveLength(1)
    for (const query of ['?cursor=x', '?state=shut', '?limit=101'])
      expect((await api(admin(), 'GET', `/admin/alerts${query}`))[0]).toBe(400)
  })

  it('free the account when the last of them is resolved with a reason, which the journal keeps', async () => {
    const payer = await aRegistered()
    await act(needs, [findingOf(payer, 'holds'), findingOf(payer, 'balance')])
    expect(await payer.port.frozen()).toMatchObject({ cause: 'verification' })
    expect((await resolve(`holds:${payer.id}:`, admin(), ' '))[0]).toBe(400)
    expect(ResolveReply.parse((await resolve(`holds:${payer.id}:`))[1])).toMatchObject({
      unfrozen: false,
      resolvedBy: ADMIN,
    })
    expect(await payer.port.frozen()).not.toBeNull()
    const [status, body] = await resolve(`balance:${payer.id}:`, admin(), 'counted by hand')
    expect([status, ResolveReply.parse(body)]).toMatchObject([200, { unfrozen: true, resolution: 'counted by hand' }])
    expect(await payer.port.frozen()).toBeNull()
    expect(JSON.parse((await payer.lines()).at(-1)?.body ?? '')).toMatchObject({
      kind: 'unfreeze',
      note: { reason: 'counted by hand', by: ADMIN },
    })
    // Again: what was said first stands.
    expect((await resolve(`balance:${payer.id}:`, admin(), 'another'))[1]).toMatchObject({
      resolution: 'counted by hand',
      unfrozen: false,
    })
    expect((await resolve('balance:nobody:'))[0]).toBe(404)
  })

  it('leave an account frozen that an admin froze before', async () => {
    const payer = await aRegistered()
    await payer.port.freeze({ cause: 'admin', reason: 'stolen', by: ADMIN })
    await act(needs, [findingOf(payer, 'holds')])
    expect((await resolve(`holds:${payer.id}:`))[1]).toMatchObject({ unfrozen: false })
    expect(await payer.port.frozen()).toMatchObject({ cause: 'admin' })
  })

  it.each(['admin', 'chargeback'] as const)('leave an account frozen that is frozen by %s since', async (cause) => {
    const payer = await aRegistered()
    await act(needs, [findingOf(payer, 'holds')])
    const by = cause === 'admin' ? ADMIN : null
    expect(await payer.port.freeze({ cause, reason: 'stolen', by })).toMatchObject({ ok: true, frozen: { cause } })
    await payer.port.freeze({ cause, reason: 'once more', by })
    // In the journal one freeze ends before the other begins: its audit knows no account that is frozen twice.
    const kinds = (await payer.lines()).map(({ body }) => parseLine(body).kind)
    expect(kinds.slice(-3)).toEqual(['freeze', 'unfreeze', 'freeze'])
    expect((await resolve(`holds:${payer.id}:`))[1]).toMatchObject({ unfrozen: false })
    expect(await payer.port.frozen()).toMatchObject({ cause, reason: 'stolen' })
    // Also when it was read a moment before the other cause came.
    expect(await payer.port.unfreeze('x', ADMIN, 'verification')).toMatchObject({ ok: false, code: 'conflict' })
    expect(await payer.port.unfreeze('x', ADMIN)).toEqual({ ok: true })
  })

  it.each([
    ['holds', true],
    ['balance', true],
    ['chain', false],
  ] as const)('of %s that are found again after they were resolved are open again: %s', async (kind, isOpenAgain) => {
    const payer = await aRegistered()
    await act(needs, [findingOf(payer, kind)])
    await resolve(`${kind}:${payer.id}:`)
    await act(needs, [findingOf(payer, kind)])
    expect((await payer.port.frozen()) !== null).toBe(isOpenAgain)
    expect(LedgerStand.parse((await api(admin(), 'GET', '/admin/ledger'))[1]).alertsOpen).toBe(isOpenAgain ? 1 : 0)
  })

  it('freeze again whom freezing failed, within the hour', async () => {
    const payer = await aRegistered()
    const away = (id: typeof payer.id) => ({
      ...accounts(id),
      freeze: () => Promise.reject(new Error('planned: away')),
    })
    await act({ ...needs, accounts: away }, [findingOf(payer, 'holds')])
    expect(await payer.port.frozen()).toBeNull()
    await freezeAgain(needs)
    expect(await payer.port.frozen()).toMatchObject({ cause: 'verification' })
  })
})
