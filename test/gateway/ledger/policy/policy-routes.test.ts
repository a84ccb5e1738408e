import { describe, expect, it } from 'vitest'
import { createPolicyRoutes } from '../../../../gateway/ledger/policy/policy-routes.ts'
import { Secret } from '../../../../gateway/core/sealed.ts'
import { PolicyView } from '../../../../protocol/disputes.ts'
import { accounts, aPayer, plannedFailures, SECRET_HASH } from '../ledger-house.ts'
import { anApi, signedIn } from '../money-house.ts'

plannedFailures()

const { ask } = anApi(createPolicyRoutes({ accounts }))
const denies = (version: number) => ({ dataCollection: 'deny', auditsAllowed: true, version })

describe('the policy of an account', () => {
  it('allows everything but audits until somebody says otherwise', async () => {
    const { id } = await aPayer(1n)
    const { body } = await ask(signedIn(id), 'GET', '/account/policy')
    expect(PolicyView.parse(body)).toEqual({ dataCollection: 'allow', auditsAllowed: false, version: 0 })
    const set = await ask(signedIn(id), 'PUT', '/account/policy', denies(0))
    expect(set.body).toEqual(denies(1))
    expect((await ask(signedIn(id), 'GET', '/account/policy')).body).toEqual(denies(1))
  })

  it('changed by two at once is changed by one, and the other is told', async () => {
    const { id } = await aPayer(1n)
    const put = (auditsAllowed: boolean) => ask(signedIn(id), 'PUT', '/account/policy', { ...denies(0), auditsAllowed })
    const both = await Promise.all([put(true), put(false)])
    expect(both.map(({ status }) => status).sort()).toEqual([200, 409])
    expect(both.find(({ status }) => status === 409)?.code).toBe('changed_meanwhile')
  })

  it('is read by a managing key, and changed by the wallet alone', async () => {
    const { id, keyId } = await aPayer(1n, { scopes: ['manage'] })
    const key = { kind: 'key', accountId: id, keyId, secretHash: SECRET_HASH, secret: new Secret('') } as const
    expect((await ask(key, 'GET', '/account/policy')).status).toBe(200)
    expect((await ask(key, 'PUT', '/account/policy', denies(0))).code).toBe('forbidden')
    expect((await ask(null, 'GET', '/account/policy')).code).toBe('not_signed_in')
  })
})
