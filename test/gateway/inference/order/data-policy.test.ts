// An account that wants nobody who keeps what it sends: every call of it is made as if it had asked for that itself, whatever it asks for.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createDeniers, DENIER_MS } from '../../../../gateway/inference/order/deniers.ts'
import { systemRandom } from '../../../../gateway/core/clock.ts'
import type { AccountPort } from '../../../../gateway/ledger/account-port.ts'
import { QuoteReply } from '../../../../protocol/endpoints.ts'
import { instant, newAccountId } from '../../../../protocol/units.ts'
import { aHouse, chat, honest, nodeIdOf, type HouseOptions } from '../call-house.ts'

beforeEach(() => void vi.spyOn(console, 'error').mockImplementation(() => undefined))
afterEach(() => void vi.restoreAllMocks())

const CHAT = '/v1/chat/completions'
const keeps = { collectsData: true }
const keepsNot = { collectsData: false }
const deny = (house: { account: AccountPort }) =>
  house.account.setPolicy({ dataCollection: 'deny', auditsAllowed: false, version: 0 })

/** Two nodes, of which the first keeps what it is sent. @param holds how often the guard was asked for one */
async function aTwoNodeHouse(options: Partial<HouseOptions> = {}) {
  const holds: boolean[] = []
  const house = await aHouse({
    nodes: [honest, honest],
    offers: [keeps, keepsNot],
    guard: (port) => ({
      hold: async (request) => {
        const reply = await port.hold(request)
        holds.push(reply.ok)
        return reply
      },
    }),
    ...options,
  })
  return { house, holds }
}

describe('an account that denies data collection', () => {
  it.each(Array.from({ length: 6 }, (_, n) => n))('is served by nobody who keeps what it sends (%i)', async () => {
    const { house, holds } = await aTwoNodeHouse()
    await deny(house)
    const { response, settled } = await house.call(CHAT, chat())
    await settled()
    expect([response.status, response.headers.get('x-souk-node')]).toEqual([200, nodeIdOf(1)])
    // Refused once, and held for those that may be asked.
    expect(holds).toEqual([false, true])
    expect((await house.account.balance()).heldNanos).toBe(0n)
  })

  it('cannot be talked out of it by a call', async () => {
    const { house } = await aTwoNodeHouse()
    await deny(house)
    const provider = { data_collection: 'allow', only: [nodeIdOf(0)] }
    const { response } = await house.call(CHAT, chat({ provider }))
    const { error } = await response.json<{ error: { code: string } }>()
    expect([response.status, error.code]).toEqual([503, 'no_provider'])
    expect(house.sent).toEqual([])
    expect((await house.account.balance()).heldNanos).toBe(0n)
  })

  it('asks its guard once where nobody keeps anything, or where the call denies it itself', async () => {
    const nobody = await aTwoNodeHouse({ offers: [keepsNot, keepsNot] })
    await deny(nobody.house)
    expect((await nobody.house.call(CHAT, chat())).response.status).toBe(200)
    expect(nobody.holds).toEqual([true])
    const itself = await aTwoNodeHouse()
    await deny(itself.house)
    const asked = chat({ provider: { data_collection: 'deny' } })
    expect((await itself.house.call(CHAT, asked)).response.status).toBe(200)
    expect(itself.holds).toEqual([true])
  })

  it('and whose key may use only some nodes is served by those of them that keep nothing, at the second try', async () => {
    const { house, holds } = await aTwoNodeHouse({
      nodes: [honest, honest, honest],
      offers: [keeps, keepsNot, keepsNot],
      key: { nodes: [nodeIdOf(0), nodeIdOf(2)] },
    })
    await deny(house)
    const { response } = await house.call(CHAT, chat())
    expect([response.status, response.headers.get('x-souk-node')]).toEqual([200, nodeIdOf(2)])
    expect(holds.at(-1)).toBe(true)
    expect(holds.length).toBeLessThanOrEqual(2)
  })

  it('is quoted what its call would cost', async () => {
    const { house } = await aTwoNodeHouse()
    await deny(house)
    const { response } = await house.call('/v1/quote', { endpoint: CHAT, request: chat() })
    expect(QuoteReply.parse(await response.json()).candidates.map(({ node }) => node)).toEqual([nodeIdOf(1)])
  })
})

it('an account that allows it is served by anybody, with one hold', async () => {
  const { house, holds } = await aTwoNodeHouse({ offers: [keeps, keeps] })
  expect((await house.call(CHAT, chat())).response.status).toBe(200)
  expect(holds).toEqual([true])
})

it('two changes of a policy at once are one: the later one is told', async () => {
  const { house } = await aTwoNodeHouse()
  const set = (auditsAllowed: boolean, version: number) =>
    house.account.setPolicy({ dataCollection: 'allow', auditsAllowed, version })
  const both = await Promise.all([set(true, 0), set(false, 0)])
  expect(both.filter(({ ok }) => ok)).toHaveLength(1)
  expect(both.find(({ ok }) => !ok)).toMatchObject({ code: 'changed_meanwhile' })
  expect(await house.account.policy()).toEqual({ dataCollection: 'allow', auditsAllowed: true, version: 1 })
})

it('an isolate remembers a denier for a minute, so many of them', () => {
  const deniers = createDeniers()
  const [one, other] = [newAccountId(systemRandom), newAccountId(systemRandom)]
  deniers.note(one, instant(0))
  expect([deniers.has(one, instant(DENIER_MS - 1)), deniers.has(one, instant(DENIER_MS))]).toEqual([true, false])
  expect(deniers.has(other, instant(0))).toBe(false)
  for (let n = 0; n < 10_000; n++) deniers.note(newAccountId(systemRandom), instant(0))
  expect(deniers.has(one, instant(1))).toBe(false)
})

it('the fee and what vests are those the house has set when the order is made', async () => {
  const parameters = { feeBps: 2_000, probationVestingBps: 10_000 }
  const house = await aHouse({ nodes: [honest], offers: [{ nodeState: 'probation' }], parameters })
  const { settled } = await house.call(CHAT, chat())
  await settled()
  const [, line] = await house.account.lines(0, 10)
  const { legs } = JSON.parse(line?.body ?? '') as { legs: { role: string; amount: string; vestsAt?: number }[] } // a line of our own
  const sum = (role: string) =>
    legs.filter((leg) => leg.role === role).reduce((all, { amount }) => all + Number(amount), 0)
  expect(sum('house') / -sum('payer')).toBeCloseTo(0.2, 3)
  expect(legs.filter(({ role, vestsAt }) => role === 'operator' && vestsAt === undefined)).toEqual([])
})
