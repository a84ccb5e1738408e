// The ways in for money that a gateway offers: what is not configured is not offered.
import { createExecutionContext, env } from 'cloudflare:test'
import { expect, it } from 'vitest'
import { createServices } from '../../../../gateway/services.ts'
import { TopUpView } from '../../../../protocol/ledger.ts'
import type { AccountId } from '../../../../protocol/units.ts'
import { Hono } from 'hono'
import type { AppEnv } from '../../../../gateway/core/principal.ts'
import { Secret } from '../../../../gateway/core/sealed.ts'
import { createLedgerRoutes } from '../../../../gateway/ledger/routes.ts'
import { toResponse } from '../../../../gateway/core/errors.ts'
import { instant } from '../../../../protocol/units.ts'

const ACCOUNT = 'abcdefgh12345678' as AccountId // in the form of one

async function topUp(vars: object, isSignedIn = true) {
  const services = await createServices({ ...env, ...vars })
  const routes = new Hono<AppEnv>()
    .use(async (c, next) => {
      c.set(
        'principal',
        isSignedIn
          ? {
              kind: 'session',
              member: 'owner',
              accountId: ACCOUNT,
              address: '0x',
              roles: [],
              signedInAt: instant(0),
              viaCookie: true,
              secret: new Secret('t'),
            }
          : null,
      )
      await next()
    })
    .route('/api', createLedgerRoutes(services))
  routes.onError((error) => toResponse(error, 'req_test'))
  return routes.request('/api/top-up', {}, env, createExecutionContext())
}

const STRIPE = { SOUK_STRIPE_WEBHOOK_SECRET: `whsec_${'a'.repeat(32)}` }
const LINK = { SOUK_STRIPE_PAYMENT_LINK: 'https://buy.stripe.example/abc?locale=en' }

it('offers the faucet under the local switch alone, and no card that is not configured', async () => {
  expect(TopUpView.parse(await (await topUp({})).json())).toEqual({ paymentLink: null, faucet: '10.000000000' })
  expect(await (await topUp({ SOUK_LOCAL: '0' })).json()).toEqual({ paymentLink: null, faucet: null })
  expect(await (await topUp(LINK)).json()).toMatchObject({ paymentLink: null })
  expect(await (await topUp(STRIPE)).json()).toMatchObject({ paymentLink: null })
})

it('sends payers to the payment link with their own account as its reference', async () => {
  const { paymentLink } = TopUpView.parse(await (await topUp({ ...STRIPE, ...LINK })).json())
  expect(paymentLink).toBe(`https://buy.stripe.example/abc?locale=en&client_reference_id=${ACCOUNT}`)
})

it('refuses who is not signed in, and a link that is not https', async () => {
  expect((await topUp({}, false)).status).toBe(401)
  await expect(createServices({ ...env, SOUK_STRIPE_PAYMENT_LINK: 'http://buy.stripe.example' })).rejects.toThrow(
    'SOUK_STRIPE_PAYMENT_LINK',
  )
})
