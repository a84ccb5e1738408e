// An admin freezes and unfreezes: who may, what is answered, what is kept.
import { env } from 'cloudflare:workers'
import { Hono } from 'hono'
import { describe, expect, it } from 'vitest'
import { systemRandom } from '../../../../gateway/core/clock.ts'
import { toResponse } from '../../../../gateway/core/errors.ts'
import { SIGN_IN } from '../../../../gateway/core/limits.ts'
import type { AppEnv, Principal } from '../../../../gateway/core/principal.ts'
import { Secret } from '../../../../gateway/core/sealed.ts'
import { createFreezeRoutes } from '../../../../gateway/ledger/policy/freeze-routes.ts'
import type { Role } from '../../../../protocol/auth.ts'
import { ErrorBody } from '../../../../protocol/errors.ts'
import { parseLine } from '../../../../protocol/journal.ts'
import { FreezeReply } from '../../../../protocol/ledger.ts'
import { newAccountId } from '../../../../protocol/units.ts'
import { accounts, aClock, aHold, aPayer, START } from '../ledger-house.ts'

const ADMIN = newAccountId(systemRandom)
const session = (roles: Role[], signedInAt = START): Principal => ({
  kind: 'session',
  member: 'owner',
  accountId: ADMIN,
  address: '0x0000000000000000000000000000000000000001',
  roles,
  signedInAt,
  viaCookie: false,
  secret: new Secret('token'),
})
const admin = session(['admin'])

async function post(path: string, body: unknown, who: Principal | null = admin, clock = aClock()) {
  const app = new Hono<AppEnv>()
    .use(async (c, next) => {
      c.set('principal', who)
      await next()
    })
    .route('/api', createFreezeRoutes({ db: env.DB, accounts, clock }))
  app.onError((error) => toResponse(error, 'req_test'))
  const init = { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }
  return app.request(`/api/admin/accounts/${path}`, { method: 'POST', ...init })
}

async function aRegistered() {
  const payer = await aPayer(1_000n)
  await env.DB.prepare('INSERT INTO accounts (id, created_at, book) VALUES (?, ?, 0)').bind(payer.id, START).run()
  return payer
}

describe('an admin', () => {
  it('freezes an account with a reason, and unfreezes it with one; both stand in its journal with who', async () => {
    const payer = await aRegistered()
    const frozen = FreezeReply.parse(await (await post(`${payer.id}/freeze`, { reason: 'fraud check' })).json())
    expect(frozen).toEqual({
      accountId: payer.id,
      frozen: { cause: 'admin', reason: 'fraud check', by: ADMIN, at: new Date(START).toISOString() },
    })
    expect(await payer.port.hold(aHold(payer, 1n))).toMatchObject({ code: 'account_frozen', detail: 'fraud check' })
    expect(await (await post(`${payer.id}/freeze`, { reason: 'another' })).json()).toEqual(frozen)
    const thawed = await post(`${payer.id}/unfreeze`, { reason: 'cleared' })
    expect(FreezeReply.parse(await thawed.json())).toEqual({ accountId: payer.id, frozen: null })
    expect(await payer.port.hold(aHold(payer, 1n))).toMatchObject({ ok: true })
    const said = (await payer.lines()).map(({ body }) => parseLine(body)).map(({ kind, note }) => [kind, note])
    expect(said.slice(1)).toMatchObject([
      ['freeze', { reason: 'fraud check', by: ADMIN }],
      ['unfreeze', { reason: 'cleared', by: ADMIN }],
    ])
  })
})

describe('is refused', () => {
  const stale = aClock()
  stale.advance(SIGN_IN.freshMs + 1)
  it.each<[string, Principal | null, number, string]>([
    ['nobody', null, 401, 'not_signed_in'],
    ['who is no admin', session(['consumer']), 403, 'forbidden'],
  ])('%s', async (_, who, status, code) => {
    const payer = await aRegistered()
    for (const what of ['freeze', 'unfreeze']) {
      const refused = await post(`${payer.id}/${what}`, { reason: 'x' }, who)
      expect([refused.status, ErrorBody.parse(await refused.json()).error.code]).toEqual([status, code])
    }
    expect(await payer.port.frozen()).toBeNull()
  })

  it('an admin whose sign-in is not fresh, before the body is read', async () => {
    for (const what of ['freeze', 'unfreeze']) {
      const refused = await post(`${ADMIN}/${what}`, {}, admin, stale)
      expect(ErrorBody.parse(await refused.json()).error.code).toBe('fresh_sign_in_required')
    }
  })

  it.each([[{}], [{ reason: ' ' }], [{ reason: 'x'.repeat(201) }], [{ reason: 'x', amount: '1' }]])(
    'a freeze with %j',
    async (body) => {
      const payer = await aRegistered()
      expect((await post(`${payer.id}/freeze`, body)).status).toBe(400)
      expect(await payer.port.frozen()).toBeNull()
    },
  )

  it.each([newAccountId(systemRandom), 'nonsense'])('an account that is not there: %s', async (id) => {
    expect((await post(`${id}/freeze`, { reason: 'x' })).status).toBe(404)
    expect((await post(`${id}/unfreeze`, { reason: 'x' })).status).toBe(404)
  })
})
