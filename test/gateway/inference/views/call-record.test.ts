// A call's record without an API key: for its payer's session or managing key, and for nobody else.
import { env } from 'cloudflare:workers'
import { Hono } from 'hono'
import { expect, it } from 'vitest'
import { systemRandom } from '../../../../gateway/core/clock.ts'
import { toResponse } from '../../../../gateway/core/errors.ts'
import type { AppEnv, Principal } from '../../../../gateway/core/principal.ts'
import { Secret } from '../../../../gateway/core/sealed.ts'
import { createCallRecordRoutes } from '../../../../gateway/inference/views/call-record-routes.ts'
import { createAccounts } from '../../../../gateway/ledger/accounts.ts'
import { replay } from '../../../../protocol/replay.ts'
import { Generation } from '../../../../protocol/generation.ts'
import { readTicket } from '../../../../protocol/ticket.ts'
import { instant, newAccountId, newCallId, type AccountId } from '../../../../protocol/units.ts'
import { aHouse, chat, honest } from '../call-house.ts'

const accounts = createAccounts(env.ACCOUNT)

async function ask(who: Principal | null, id: string) {
  const app = new Hono<AppEnv>()
    .use(async (c, next) => {
      c.set('principal', who)
      await next()
    })
    .route('/api', createCallRecordRoutes({ accounts }))
  app.onError((error) => toResponse(error, 'req_test'))
  const response = await app.request(`/api/calls/${id}`)
  return { status: response.status, body: await response.json<{ data?: unknown; error?: { code: string } }>() }
}

const signedIn = (accountId: AccountId): Principal => ({
  kind: 'session',
  member: 'owner',
  accountId,
  address: '0x0000000000000000000000000000000000000001',
  roles: ['consumer'],
  signedInAt: instant(0),
  viaCookie: true,
  secret: new Secret(''),
})

it('is the whole record, with its order and a choice that can be drawn again, for the payer’s session', async () => {
  const house = await aHouse({ nodes: [honest] })
  const { response, settled } = await house.call('/v1/chat/completions', chat())
  await response.text()
  await settled()
  const id = response.headers.get('x-souk-call-id') ?? ''
  const { status, body } = await ask(signedIn(house.accountId), id)
  expect(status).toBe(200)
  const call = Generation.parse(body.data)
  expect(call).toMatchObject({ id, outcome: 'complete', purged: false })
  expect(call.choice?.chosen).toBe(call.provider)
  expect(call.choice && replay(call.choice)).toBe(call.provider)
  expect(readTicket(call.ticket ?? '')).toMatchObject({ callId: id, salt: call.salt })
  expect(body).toEqual(await (await house.get(`/v1/generation?id=${id}`)).json())
})

it('is not there for anybody else, as if it never was', async () => {
  const house = await aHouse({ nodes: [honest] })
  const { response, settled } = await house.call('/v1/chat/completions', chat())
  await response.text()
  await settled()
  const id = response.headers.get('x-souk-call-id') ?? ''
  const stranger = await aHouse({ nodes: [honest] })
  const foreign = await ask(signedIn(stranger.accountId), id)
  const never = newCallId(instant(Date.now()), systemRandom)
  expect(foreign).toEqual(await ask(signedIn(stranger.accountId), never))
  expect(foreign).toEqual(await ask(signedIn(stranger.accountId), 'x'))
  expect(foreign).toMatchObject({ status: 404, body: { error: { code: 'call_not_found' } } })
  expect((await ask(null, id)).body.error?.code).toBe('not_signed_in')
  const { accountId, keyId, secretHash } = house
  const key: Principal = { kind: 'key', accountId, keyId, secretHash, secret: new Secret('') }
  expect((await ask(key, id)).body.error?.code).toBe('scope_missing')
  expect((await ask(signedIn(newAccountId(systemRandom)), id)).status).toBe(404)
})
