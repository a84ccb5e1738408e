// POSTs that move money, with an Idempotency-Key: done once, answered alike, on every route that moves money.
import { createExecutionContext, env, waitOnExecutionContext } from 'cloudflare:test'
import { Hono } from 'hono'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { createApp } from '../../../../gateway/app.ts'
import { systemRandom } from '../../../../gateway/core/clock.ts'
import { GatewayError, toResponse } from '../../../../gateway/core/errors.ts'
import { IDEMPOTENCY } from '../../../../gateway/core/limits.ts'
import type { AppEnv, Principal } from '../../../../gateway/core/principal.ts'
import { Secret } from '../../../../gateway/core/sealed.ts'
import { jsonBody } from '../../../../gateway/core/validate.ts'
import type { AccountPort } from '../../../../gateway/ledger/account-port.ts'
import { idempotent } from '../../../../gateway/ledger/idempotency/idempotent-posts.ts'
import { LEDGER } from '../../../../gateway/ledger/limits/limits.ts'
import { createServices } from '../../../../gateway/services.ts'
import { sha256Hex } from '../../../../protocol/canonical.ts'
import { newAccountId, type AccountId } from '../../../../protocol/units.ts'
import { accounts, aPayer, anAccount, callFor, plannedFailures, START, type TestAccount } from '../ledger-house.ts'
import { earn } from '../money-house.ts'

plannedFailures()

const errorOf = (text: string) => (JSON.parse(text) as { error: { code: string; param: string | null } }).error // an error body, checked by its status

const signedIn = (accountId: AccountId, token = 'token'): Principal => ({
  kind: 'session',
  member: 'owner',
  accountId,
  address: '0x0000000000000000000000000000000000000001',
  roles: ['consumer'],
  signedInAt: START,
  viaCookie: false,
  secret: new Secret(token),
})

type Handler = (body: { n: number; say?: string }) => Response | Promise<Response>

/** One route that moves something, behind a principal that is simply given. */
function aRoute(handler: Handler, change: (port: AccountPort) => Partial<AccountPort> = () => ({})) {
  const reach = (id: AccountId) => ({ ...accounts(id), ...change(accounts(id)) })
  const Body = z.strictObject({ n: z.number(), say: z.string().optional() })
  const once = idempotent({ accounts: reach, random: systemRandom }, (reply) => reply !== 'not yet')
  let runs = 0
  const run = async (body: { n: number }) => {
    runs++
    return handler(body)
  }
  const app = (who: Principal | null) => {
    const routed = new Hono<AppEnv>()
      .use(async (c, next) => {
        c.set('principal', who)
        await next()
      })
      .post('/move', jsonBody(Body), once, async (c) => run(c.req.valid('json')))
      .post('/other', jsonBody(Body), once, async (c) => run(c.req.valid('json')))
      .post('/bare', once, async () => run({ n: 0 }))
    routed.onError((error) => toResponse(error, 'req_test'))
    return routed
  }
  const post = async (who: Principal | null, body: unknown = { n: 1 }, key: string | null = 'k', path = '/move') => {
    const context = createExecutionContext()
    const headers = { 'content-type': 'application/json', ...(key === null ? {} : { 'Idempotency-Key': key }) }
    const init = { method: 'POST', headers, body: path === '/bare' ? null : JSON.stringify(body) }
    const response = await app(who).request(path, init, env, context)
    const text = await response.text()
    await waitOnExecutionContext(context)
    return { status: response.status, headers: response.headers, text }
  }
  return { post, runs: () => runs }
}

const created: Handler = ({ n }) => Response.json({ code: `CANARY-${n}` }, { status: 201 })

describe('a POST with an Idempotency-Key', () => {
  it('is done once, and its answer is given again to the same session: status, body and kind', async () => {
    const { id } = await anAccount()
    const { post, runs } = aRoute(created)
    const first = await post(signedIn(id))
    expect([first.status, first.headers.get('x-souk-replayed')]).toEqual([201, null])
    for (let n = 0; n < 2; n++) {
      const again = await post(signedIn(id))
      expect([again.status, again.text]).toEqual([201, first.text])
      expect(again.headers.get('x-souk-replayed')).toBe('true')
      expect(again.headers.get('content-type')).toBe('application/json')
      expect(again.headers.get('cache-control')).toBe('no-store')
    }
    expect(runs()).toBe(1)
  })

  it('is done once of twenty at the same time', async () => {
    const { id } = await anAccount()
    const { post, runs } = aRoute(async (body) => {
      await new Promise((resolve) => setTimeout(resolve, 20))
      return created(body)
    })
    const answers = await Promise.all(Array.from({ length: 20 }, () => post(signedIn(id))))
    expect(answers.filter(({ status }) => status === 201).length).toBeGreaterThan(0)
    for (const { status, text, headers } of answers)
      if (status !== 201)
        expect([status, errorOf(text).code, headers.get('x-should-retry')]).toEqual([
          409,
          'idempotency_in_progress',
          'false',
        ])
    expect(runs()).toBe(1)
  })

  it('belongs to its route, its account and its body', async () => {
    const [mine, theirs] = [await anAccount(), await anAccount()]
    const { post, runs } = aRoute(created)
    await post(signedIn(mine.id))
    expect((await post(signedIn(theirs.id))).status).toBe(201)
    expect((await post(signedIn(mine.id), { n: 1 }, 'k', '/other')).headers.get('x-souk-replayed')).toBeNull()
    expect((await post(signedIn(mine.id), { n: 1 }, 'k', '/bare')).headers.get('x-souk-replayed')).toBeNull()
    expect((await post(signedIn(mine.id), { n: 1 }, 'k', '/bare')).headers.get('x-souk-replayed')).toBe('true')
    const other = await post(signedIn(mine.id), { n: 2 })
    expect([other.status, errorOf(other.text).code]).toEqual([422, 'idempotency_mismatch'])
    expect(runs()).toBe(4)
  })

  it('hears 409 in another session of the same account, and is not done again', async () => {
    const { id } = await anAccount()
    const { post, runs } = aRoute(created)
    await post(signedIn(id))
    const again = await post(signedIn(id, 'another token'))
    expect([again.status, errorOf(again.text).code, runs()]).toEqual([409, 'idempotency_completed', 1])
  })

  it.each<[string, Handler]>([
    [
      'was refused',
      () => {
        throw new GatewayError('conflict')
      },
    ],
    [
      'met a bug',
      () => {
        throw new Error('planned')
      },
    ],
    ['says that something is still to be tried', () => Response.json('not yet')],
  ])('is free again when it %s', async (_, refuse) => {
    const { id } = await anAccount()
    let tries = 0
    const { post } = aRoute((body) => (++tries === 1 ? refuse(body) : created(body)))
    await post(signedIn(id))
    expect((await post(signedIn(id), { n: 2 })).status).toBe(201)
    expect((await post(signedIn(id), { n: 2 })).headers.get('x-souk-replayed')).toBe('true')
    expect(tries).toBe(2)
  })

  it('keeps at most 64 kB: of a longer answer the repeat hears 409, and nothing is done', async () => {
    const frame = JSON.stringify({ type: 'application/json', body: JSON.stringify('') }).length
    for (const [over, status] of [
      [0, 200],
      [1, 409],
    ] as const) {
      const { id } = await anAccount()
      const { post, runs } = aRoute(() => Response.json('x'.repeat(IDEMPOTENCY.keptBytes - frame + over)))
      await post(signedIn(id))
      expect((await post(signedIn(id))).status).toBe(status)
      expect(runs()).toBe(1)
    }
  })

  it('leaves nothing to read in the guard: not the answer, not the key, not the token', async () => {
    const account = await anAccount()
    const { post } = aRoute(created)
    await post(signedIn(account.id, 'CANARY-token'), { n: 1, say: 'CANARY' }, 'CANARY-key')
    const [row] = await account.sql<Record<string, SqlStorageValue>>('SELECT * FROM idempotency')
    const cells = Object.values(row ?? {}).map((cell) =>
      cell instanceof ArrayBuffer ? new TextDecoder('latin1').decode(cell) : String(cell),
    )
    expect(cells.join(' ')).not.toContain('CANARY')
    expect(row?.kept).toBeInstanceOf(ArrayBuffer)
  })

  it('may be done again a minute after a gateway died over it, by the same body only', async () => {
    const account = await anAccount()
    // The guard never hears of the end.
    const { post, runs } = aRoute(created, () => ({ answered: () => Promise.reject(new Error('planned: died')) }))
    expect((await post(signedIn(account.id))).status).toBe(201)
    expect((await post(signedIn(account.id))).status).toBe(409)
    account.clock.advance(LEDGER.postLostMs)
    expect((await post(signedIn(account.id), { n: 2 })).status).toBe(422)
    expect((await post(signedIn(account.id))).status).toBe(201)
    expect(runs()).toBe(2)
  })

  it('asks no guard anything without the header, and none for nobody', async () => {
    const { id } = await anAccount()
    const { post, runs } = aRoute(created, () => ({
      begin: () => {
        throw new Error('asked')
      },
    }))
    expect((await post(signedIn(id), { n: 1 }, null)).status).toBe(201)
    expect((await post(null)).status).toBe(201)
    expect(runs()).toBe(2)
  })

  it('is refused by name with a key that is none', async () => {
    const { id } = await anAccount()
    const { post, runs } = aRoute(created)
    for (const key of ['', 'x'.repeat(256), 'a\tb']) {
      const refused = await post(signedIn(id), { n: 1 }, key)
      expect([refused.status, errorOf(refused.text).param]).toEqual([400, 'Idempotency-Key'])
    }
    expect(runs()).toBe(0)
  })
})

const ADMIN = newAccountId(systemRandom)

/** A wallet that signed in just now, and its token. */
async function aSession(accountId: AccountId, address: string): Promise<string> {
  const [token, now] = [sha256Hex(accountId).slice(0, 43), Date.now()]
  await env.DB.batch([
    env.DB.prepare('INSERT OR IGNORE INTO accounts (id, created_at, book) VALUES (?, ?, 0)').bind(accountId, now),
    env.DB.prepare('INSERT INTO wallets (address, account_id, added_at) VALUES (?, ?, ?)').bind(
      address,
      accountId,
      now,
    ),
    env.DB.prepare(
      'INSERT INTO sessions (token_hash, account_id, address, created_at, expires_at) VALUES (?, ?, ?, ?, ?)',
    ).bind(sha256Hex(token), accountId, address, now, now + 3_600_000),
  ])
  return token
}

interface Story {
  /** of the real app */
  readonly admin: string
  readonly user: string
  readonly account: TestAccount
  readonly post: (token: string, path: string, body: unknown, key?: string) => Promise<Response>
}

interface Move {
  readonly by: string
  /** where the route has parameters */
  readonly path?: string
  readonly body: object | null
  /** another body for the same route */
  readonly other?: object
}

/** Every POST under /api that moves money, with a body that moves some. */
const MOVERS: Readonly<Record<string, (story: Story) => Promise<Move>>> = {
  '/api/admin/grants': async ({ admin, account }) => ({
    by: admin,
    body: { accountId: account.id, usd: '1', reason: 'test', id: 'g1' },
  }),
  '/api/admin/codes': async ({ admin }) => ({ by: admin, body: { usd: '1', reason: 'test' } }),
  '/api/codes/redeem': async ({ admin, user, post }) => {
    const made = await post(admin, '/api/admin/codes', { usd: '1', reason: 'test' })
    return { by: user, body: { code: z.object({ code: z.string() }).parse(await made.json()).code } }
  },
  '/api/faucet': async ({ user }) => ({ by: user, body: null }),
  '/api/admin/refunds': async ({ admin }) => {
    const payer = await aPayer(10_000n)
    await env.DB.prepare('INSERT INTO accounts (id, created_at, book) VALUES (?, ?, 0)').bind(payer.id, START).run()
    const { request } = await callFor(payer, 1_000n, (await anAccount()).id)
    return { by: admin, body: { accountId: payer.id, callId: request.callId, reason: 'test', id: 'r1' } }
  },
  '/api/withdrawals': async ({ user, account }) => {
    await earn(account, 5_000_000_000n)
    return { by: user, body: { usd: '1', id: 'w1' }, other: { usd: '1', id: 'w2' } }
  },
  '/api/admin/withdrawals/:id/return': async (story) => {
    const id = encodeURIComponent(await aWithdrawal(story))
    return { by: story.admin, path: `/api/admin/withdrawals/${id}/return`, body: { reason: 'no such wallet' } }
  },
  '/api/admin/payouts': async (story) => {
    await aWithdrawal(story)
    return { by: story.admin, body: null }
  },
  '/api/admin/payouts/:batch/paid': async (story) => {
    await aWithdrawal(story)
    const made = await story.post(story.admin, '/api/admin/payouts', null)
    const { batchId } = z.object({ batchId: z.string() }).parse(await made.json())
    return { by: story.admin, path: `/api/admin/payouts/${batchId}/paid`, body: { reference: 'tx-1' } }
  },
}

/** A withdrawal that was asked for. */
async function aWithdrawal({ user, account, post }: Story): Promise<string> {
  await earn(account, 5_000_000_000n)
  const asked = await post(user, '/api/withdrawals', { usd: '1', id: 'w0' })
  return z.object({ id: z.string() }).parse(await asked.json()).id
}

/** Every other one, with what it does instead. A new route is put into one of both lists. */
const OTHERS: Readonly<Record<string, string>> = {
  '/api/account/revoke-all': 'revokes',
  '/api/account/wallets': 'adds a wallet',
  '/api/account/invitations': 'invites',
  '/api/keys': 'makes a key',
  '/api/keys/:id/reroll': 'makes a secret',
  '/api/receipts': 'records what nodes sign; idempotent by call',
  '/api/admin/accounts/:id/freeze': 'freezes',
  '/api/admin/accounts/:id/unfreeze': 'unfreezes',
  '/api/admin/nodes/:id/suspend': 'suspends',
  '/api/admin/nodes/:id/reinstate': 'lets in again',
  '/api/admin/ledger/rebuild': 'writes the book again',
  '/api/admin/alerts/:id/resolve': 'resolves an alert, and may unfreeze',
  '/api/disputes': 'says that something was wrong, once a call',
  '/api/disputes/:id/withdraw': 'takes that back',
  '/api/admin/disputes/:id/decide': 'refunds at most once, by the dispute’s own id and version',
  '/api/reports': 'says that something is wrong',
  '/api/admin/reports/:id/decide': 'writes down what was done',
  '/api/models': 'publishes',
  '/api/admin/models/:author/:name/state': 'blocks a model, and lifts that',
  '/api/nodes': 'registers',
  '/api/nodes/:id/hello': 'registers',
  '/api/nodes/:id/drain': 'drains',
  '/api/nodes/:id/resume': 'resumes',
  '/api/nodes/:id/selftest': 'calls a node, paid by nobody',
  '/api/nodes/:id/rotate': 'exchanges keys; the same keys again change nothing',
  '/api/nodes/:id/revoke': 'revokes',
  '/api/webhooks': 'makes a webhook',
  '/api/webhooks/:id/rotate': 'makes a secret',
  '/api/webhooks/:id/enable': 'enables',
  '/api/webhooks/:id/test': 'sends a test',
  '/api/webhooks/:id/deliveries/:deliveryId/replay': 'sends again',
}

describe('the real app', () => {
  it('has no POST under /api that is in neither list', async () => {
    const app = createApp(await createServices(env))
    const posts = app.routes.filter(({ method, path }) => method === 'POST' && path.startsWith('/api'))
    const known = new Set([...Object.keys(MOVERS), ...Object.keys(OTHERS)])
    expect([...new Set(posts.map(({ path }) => path))].filter((path) => !known.has(path))).toEqual([])
  })

  it.each(Object.keys(MOVERS))('honours the header at %s', async (path) => {
    const app = createApp(await createServices(env))
    const account = await anAccount()
    const post: Story['post'] = async (token, at, body, key) => {
      const context = createExecutionContext()
      const headers = {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        ...(key === undefined ? {} : { 'Idempotency-Key': key }),
      }
      const response = await app.request(
        `https://souk.test${at}`,
        { method: 'POST', headers, body: body === null ? null : JSON.stringify(body) },
        env,
        context,
      )
      await waitOnExecutionContext(context)
      return response
    }
    await env.DB.exec('DELETE FROM wallets')
    await env.DB.exec('DELETE FROM sessions')
    const story = {
      admin: await aSession(ADMIN, '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266'),
      user: await aSession(account.id, `0x${'1'.repeat(40)}`),
      account,
      post,
    }
    const order = await MOVERS[path]?.(story)
    if (!order) throw new Error('no order')
    const at = order.path ?? path
    const first = await post(order.by, at, order.body, 'k')
    const said = await first.text()
    expect(first.status, said).toBeLessThan(300)
    const again = await post(order.by, at, order.body, 'k')
    expect([again.status, await again.text(), again.headers.get('x-souk-replayed')]).toEqual([
      first.status,
      said,
      'true',
    ])
    if (order.body) {
      const fields = ['reason', 'code', 'reference'].filter((name) => name in (order.body ?? {}))
      const other = order.other ?? { ...order.body, ...Object.fromEntries(fields.map((name) => [name, 'else'])) }
      expect((await post(order.by, at, other, 'k')).status).toBe(422)
    }
    expect((await post(order.by, at, order.body, 'x'.repeat(256))).status).toBe(400)
  })
})
