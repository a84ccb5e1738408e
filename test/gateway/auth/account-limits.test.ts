// `/api/account/limits`: the fence around all keys of an account, with the real guard behind it.
import { describe, expect, it } from 'vitest'
import { AccountLimitsView, AccountView } from '../../../protocol/auth.ts'
import { codeOf } from './auth-house.ts'
import { anOwner } from './key-house.ts'

const put = ({ house, token }: Awaited<ReturnType<typeof anOwner>>, body: object) =>
  house.send('PUT', '/api/account/limits', { token, body })

describe('the limits of an account', () => {
  it('are none at first, are replaced all at once, and shown with the account', async () => {
    const owner = await anOwner()
    const read = async () =>
      AccountLimitsView.parse(
        await (await owner.house.send('GET', '/api/account/limits', { token: owner.token })).json(),
      )
    expect(await read()).toMatchObject({ limit: null, rateLimit: { rpm: null, tpm: null, concurrency: null } })
    const limits = { limit: { usd: '5', period: 'month' }, rateLimit: { rpm: 60, concurrency: 4, shadow: true } }
    const set = AccountLimitsView.parse(await (await put(owner, limits)).json())
    expect(set).toMatchObject({
      limit: { usd: '5.000000000', period: 'month', shadow: false, spent: '0.000000000' },
      rateLimit: { rpm: 60, tpm: null, concurrency: 4, shadow: true },
      openCalls: 0,
      shadowRefused: 0,
    })
    expect(await read()).toEqual(set)
    const account = await owner.house.send('GET', '/api/account', { token: owner.token })
    expect(AccountView.parse(await account.json()).limits).toEqual(set)
    expect(await (await put(owner, { rateLimit: { tpm: 9 } })).json()).toMatchObject({
      limit: null,
      rateLimit: { rpm: null, tpm: 9, concurrency: null, shadow: false },
    })
  })

  it('changed by two at once are changed by one: the other is told, and reads what stands', async () => {
    const owner = await anOwner()
    const both = await Promise.all([3, 4].map((rpm) => put(owner, { version: 0, rateLimit: { rpm } })))
    expect(both.map(({ status }) => status).sort()).toEqual([200, 409])
    const [won, lost] = [200, 409].map((status) => both.find((one) => one.status === status))
    expect(lost && (await codeOf(lost))).toBe('changed_meanwhile')
    const stands = AccountLimitsView.parse(await won?.json())
    const read = await owner.house.send('GET', '/api/account/limits', { token: owner.token })
    expect(await read.json()).toEqual(stands)
    expect(stands.version).toBe(1)
    expect((await put(owner, { version: stands.version, rateLimit: { rpm: 5 } })).status).toBe(200)
    // Who says nothing of what they saw, as programs of before, replaces whatever stands.
    expect((await put(owner, { rateLimit: { rpm: 6 } })).status).toBe(200)
  })

  it.each([
    [{ limit: { usd: '-1' } }, 400],
    [{ rateLimit: { rpm: 0 } }, 400],
    [{ rateLimit: { concurrency: 10_001 } }, 400],
    [{ budget: { usd: '1' } }, 400],
    [{ version: 'a' }, 400],
    [{ version: 1 }, 409],
    [{}, 200],
  ])('from %j: %i', async (body, status) => {
    expect((await put(await anOwner(), body)).status).toBe(status)
  })

  it('are told to nobody who is not signed in', async () => {
    const { house } = await anOwner()
    expect(await codeOf(await house.send('GET', '/api/account/limits'))).toBe('not_signed_in')
    expect(await codeOf(await house.send('PUT', '/api/account/limits', { body: {} }))).toBe('not_signed_in')
  })
})

it('an account that is frozen says so, and why', async () => {
  const { house, token, guard } = await anOwner()
  await guard.freeze({ cause: 'admin', reason: 'under review', by: null })
  const account = AccountView.parse(await (await house.send('GET', '/api/account', { token })).json())
  expect(account.frozen).toMatchObject({ reason: 'under review' })
})
