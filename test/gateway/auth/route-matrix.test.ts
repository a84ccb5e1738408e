// Every route of the real app times everybody who can ask. The routes come from the router, so that a new one is covered on the day it is mounted: it must
// be named in ROUTE_RIGHTS, refuse who is nobody, refuse every member whose role lacks its right, and refuse a stranger alike whether a thing is somebody
// else's or is not there.
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { MemberRole } from '../../../protocol/auth.ts'
import { mayAsk, rightAt, ROUTE_RIGHTS } from '../../../gateway/auth/member-rights.ts'
import {
  aMatrix,
  filled,
  gatedRoutes,
  spelt,
  type Answer,
  type Params,
  type Route,
  type Thing,
} from './matrix-house.ts'

/** Who is nobody may ask these, and hears the same as everybody. */
const OPEN: readonly string[] = [
  'POST /auth/nonce',
  'POST /auth/verify',
  'POST /auth/join',
  'GET /api/status',
  'GET /api/models',
  'GET /api/models/:author/:name',
  'GET /api/models/:author/:name/prices',
  'GET /api/models/:id{[^/]+%2[Ff][^/]+}/prices',
  'GET /api/node-keys/:key',
  'GET /api/nodes/:id/offers/:author/:name/prices',
  'GET /api/nodes/:id/offers/:model/prices',
  // signed by the node itself
  'POST /api/nodes/:id/hello',
  // signed by nodes
  'POST /api/receipts',
]

/** A key with the scope `manage` may ask these. */
const BY_MANAGING_KEY: readonly string[] = [
  'GET /api/account',
  'GET /api/account/limits',
  'GET /api/account/payout-address',
  'GET /api/account/policy',
  'GET /api/keys',
  'POST /api/keys',
  'GET /api/keys/:id',
  'POST /api/keys/:id/reroll',
  'DELETE /api/keys/:id',
  'GET /api/usage',
  'GET /api/spend',
  'GET /api/calls/:id',
  'GET /api/journal',
  'GET /api/journal/head',
  'GET /api/statements',
  'GET /api/statements/:number',
  'GET /api/disputes',
  'POST /api/disputes',
  'POST /api/disputes/:id/withdraw',
  'GET /api/author/royalties',
  'GET /api/nodes/:id/status',
  'GET /api/nodes/:id/history',
  'GET /api/nodes/:id/earnings',
  'GET /api/nodes/:id/audits',
  'GET /api/nodes/:id/sanctions',
  'PUT /api/nodes/:id/offers',
  'POST /api/nodes/:id/selftest',
  'POST /api/nodes/:id/drain',
  'POST /api/nodes/:id/resume',
  'GET /api/operator/summary',
  'GET /api/operator/earnings',
  'GET /api/operator/models',
  'PUT /api/operator/models',
]

/** Thousands of questions: how long they take is no matter here. */
vi.setConfig({ testTimeout: 120_000 })

let house: Awaited<ReturnType<typeof aMatrix>>
let routes: Route[]
beforeAll(async () => {
  house = await aMatrix()
  routes = gatedRoutes(house.app)
})

const isHouse = (route: Route) => rightAt(spelt(route)) === 'house'
const refusalOf = ({ status, code }: Answer) => `${status} ${code}`
const thingAt = ({ path }: Route): Thing | undefined => house.things.find(({ under }) => path.startsWith(under))
const paramsOf = (route: Route): Params => thingAt(route)?.ours ?? {}

async function everyAnswer(who: string | null, which: (route: Route) => boolean): Promise<string[]> {
  const found: string[] = []
  for (const route of routes.filter(which))
    found.push(`${refusalOf(await house.ask(who, route, paramsOf(route)))} at ${spelt(route)}`)
  return found
}

describe('every route', () => {
  it('is there to be walked', () => expect(routes.length).toBeGreaterThan(90))

  it('is named, with the right that it asks of a member', () => {
    expect(routes.map(spelt).filter((route) => rightAt(route) === null)).toEqual([])
  })

  it('that is named is there', () => {
    const known = new Set(routes.map(spelt))
    expect(Object.keys(ROUTE_RIGHTS).filter((route) => !known.has(route))).toEqual([])
  })

  it('that nobody named is for owners alone', () => {
    expect(MemberRole.options.filter((role) => mayAsk(role, 'GET /api/planted'))).toEqual(['owner'])
    expect(rightAt('GET /api/toString')).toBeNull()
    expect(rightAt('toString')).toBeNull()
  })
})

describe('nobody', () => {
  it('is asked to sign in at every route that is not open', async () => {
    const answers = await everyAnswer(null, (route) => !OPEN.includes(spelt(route)))
    expect(answers.filter((answer) => !answer.startsWith('401 not_signed_in'))).toEqual([])
  })

  it('is heard at every route that is', async () => {
    const answers = await everyAnswer(null, (route) => OPEN.includes(spelt(route)))
    expect(answers.filter((answer) => /^(403|401 not_signed_in)/.test(answer))).toEqual([])
    const known = new Set(routes.map(spelt))
    expect(OPEN.filter((route) => !known.has(route))).toEqual([])
  })
})

describe('an API key', () => {
  it('for inference manages nothing', async () => {
    const { key } = house.ownKey.inference
    const answers = await everyAnswer(key, (route) => !OPEN.includes(spelt(route)))
    expect(answers.filter((answer) => !/^(401 not_signed_in|403 (forbidden|scope_missing))/.test(answer))).toEqual([])
  })

  it('that manages does what is listed here, and nothing else', async () => {
    const { key } = house.ownKey.manage
    const answers = await everyAnswer(
      key,
      (route) => !OPEN.includes(spelt(route)) && !BY_MANAGING_KEY.includes(spelt(route)),
    )
    expect(answers.filter((answer) => !/^(401 not_signed_in|403 forbidden)/.test(answer))).toEqual([])
    const reads = await everyAnswer(key, (route) => route.method === 'GET' && BY_MANAGING_KEY.includes(spelt(route)))
    expect(reads.filter((answer) => /^(401|403)/.test(answer))).toEqual([])
  })
})

describe('the routes of the house', () => {
  it('are for the wallet of its admin: everybody else is refused alike', async () => {
    const { team, strangers } = house
    const others = { ...strangers, ...Object.fromEntries(Object.entries(team).map(([who, { token }]) => [who, token])) }
    for (const route of routes.filter(isHouse)) {
      const texts = new Set<string>()
      for (const [who, token] of Object.entries(others)) {
        const answer = await house.ask(token, route, paramsOf(route))
        expect(refusalOf(answer), `${who} at ${spelt(route)}`).toMatch(
          /^(401 not_signed_in|403 (forbidden|scope_missing))$/,
        )
        if (token !== null && !token.startsWith('sk-')) texts.add(answer.text)
      }
      expect([...texts], spelt(route)).toHaveLength(1)
    }
  })

  it('hear that wallet, though it is only a member of its account', async () => {
    for (const route of routes.filter((known) => isHouse(known) && known.method === 'GET')) {
      const answer = await house.ask(house.admin, route, paramsOf(route))
      expect(refusalOf(answer), spelt(route)).not.toMatch(/^(401|403)/)
    }
  })
})

describe.each(MemberRole.options)('a wallet that is %s', (role) => {
  it('is refused where its role lacks the right, before anything is looked at', async () => {
    for (const route of routes.filter((known) => !mayAsk(role, spelt(known)))) {
      const { token } = house.team[role]
      const [ours, nobodys] = [
        await house.ask(token, route, paramsOf(route)),
        await house.ask(token, route, thingAt(route)?.nobodys),
      ]
      expect(refusalOf(ours), spelt(route)).toBe('403 forbidden')
      expect(nobodys, spelt(route)).toEqual(ours)
    }
  })

  it('reads what its role may read', async () => {
    for (const route of routes.filter(
      (known) => known.method === 'GET' && !isHouse(known) && mayAsk(role, spelt(known)),
    )) {
      const answer = await house.ask(house.team[role].token, route, paramsOf(route))
      expect(refusalOf(answer), spelt(route)).not.toMatch(/^(401|403|5)/)
    }
  })
})

describe('what is somebody else’s', () => {
  it('has a line in the tests for each of its routes', () => {
    const publicOnes = /^\/api\/(models|node-keys)\//
    const unknown = routes.filter(
      (route) => route.path.includes(':') && !publicOnes.test(route.path) && !thingAt(route),
    )
    expect(unknown.map(spelt)).toEqual([])
  })

  it('is there for its owner', async () => {
    const { token } = house.team.owner
    // These have nothing behind them in this house: a call and a statement are made by a ledger.
    const without = ['GET /api/calls/:id', 'GET /api/statements/:number']
    for (const route of routes.filter((known) => known.method === 'GET' && !isHouse(known) && thingAt(known)))
      if (!without.includes(spelt(route)) && !/offers/.test(route.path))
        expect((await house.ask(token, route, paramsOf(route))).status, spelt(route)).toBe(200)
  })

  it('and what is not there are refused alike, to every stranger', async () => {
    for (const route of routes.filter(thingAt)) {
      const thing = thingAt(route)
      for (const [who, token] of Object.entries(house.strangers)) {
        const [theirs, nobodys] = [
          await house.ask(token, route, thing?.ours),
          await house.ask(token, route, thing?.nobodys),
        ]
        expect(without(theirs, filled(route.path, thing?.ours ?? {})), `${who} at ${spelt(route)}`).toEqual(
          without(nobodys, filled(route.path, thing?.nobodys ?? {})),
        )
        if (!OPEN.includes(spelt(route))) expect(theirs.status, `${who} at ${spelt(route)}`).toBeGreaterThanOrEqual(400)
      }
    }
  })
})

/** Nothing but the path may be told apart. */
const without = ({ status, text }: Answer, path: string) => [status, text.replaceAll(path, '')]
