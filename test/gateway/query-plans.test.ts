// No question of the dashboard goes through a large table from end to end, and no change does. The routes come from the router, so that a new one is looked at
// on the day it is mounted; each is asked in every way that changes its SQL, changes are made with whole bodies until they are done, what is sent to the
// databases on the way is caught, and SQLite says how it would answer that.
import { env } from 'cloudflare:workers'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { systemRandom } from '../../gateway/core/clock.ts'
import { rightAt } from '../../gateway/auth/member-rights.ts'
import { instant, newCallId } from '../../protocol/units.ts'
import { aManifest } from '../support/workers/builders.ts'
import { distinct, recording, scansOf, type Asked } from '../support/workers/query-plans.ts'
import { aMatrix, gatedRoutes, spelt, type Params, type Route } from './auth/matrix-house.ts'
import { plainChanges, someNodes, type Change } from './auth/plain-changes.ts'
import { seenChanges } from './auth/seen-changes.ts'

/** Some hundred questions: how long they take is no matter here. */
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

/** Tables that stay small whatever the market does, each with its reason. Every other table may have millions of rows. */
const SMALL: Readonly<Record<string, string>> = {
  parameter_entries: 'a row for each change that an admin makes by hand',
  d1_migrations: 'a row for each migration',
}

/** Statements that go through a whole index all the same, by how they begin, each with its reason. */
const WHOLE: Readonly<Record<string, string>> = {
  'select count(*) from "account_checks"': 'an index of times alone, for a figure on a page of admins',
  'select "region", sum(': 'an index of three short columns, once a minute for everybody together',
  'select "id" from "accounts" where exists': 'its condition is not about the row, so the first one is the last',
}

const RANGE = 'from=2026-10-01T00:00:00Z&to=2026-11-02T00:00:00Z&step=day'
const CALL = newCallId(instant(5), systemRandom)
const STATES = ['?cursor=5.x', '?state=open', '?state=open&cursor=5.x']
/** Ways of asking, beside the plain one. */
const WAYS: Readonly<Record<string, readonly string[]>> = {
  'GET /api/usage': [
    `?cursor=5.${CALL}`,
    ...['key=k', 'model=m', 'outcome=failed'].map((by) => `?${by}&cursor=5.${CALL}`),
  ],
  'GET /api/withdrawals': ['?cursor=5.x'],
  'GET /api/journal': ['?cursor=5'],
  'GET /api/statements': ['?cursor=5'],
  'GET /api/disputes': [`?call=${CALL}`, '?cursor=5.x'],
  'GET /api/models': ['?author=x', '?cursor=a/b', '?author=x&cursor=a/b'],
  'GET /api/operator/summary': ['?cursor=node_x'],
  'GET /api/webhooks/:id/deliveries': [`?cursor=5.dl_${'0'.repeat(16)}`],
  'GET /api/nodes/:id/earnings': [`?cursor=5.${CALL}`],
  'GET /api/spend': ['key', 'node', 'model'].flatMap((by) =>
    ['', '&model=m', '&key=k'].map((of) => `?${RANGE}&by=${by}${of}`),
  ),
  'GET /api/admin/metering': [`?${RANGE}&model=m`, `?${RANGE}&node=n`],
  'GET /api/admin/top': ['account', 'model', 'node'].map((by) => `?${RANGE}&by=${by}`),
  'GET /api/admin/accounts': ['?q=acct', '?q=0xab', '?cursor=5.x', '?format=csv'],
  'GET /api/admin/nodes': ['active', 'silent'].flatMap((state) =>
    ['', '&q=n', '&cursor=5.x'].map((of) => `?state=${state}${of}`),
  ),
  'GET /api/admin/models': ['?q=n', '?state=active', '?q=n&state=active', '?cursor=a/b', '?state=active&cursor=a/b'],
  'GET /api/admin/alerts': [...STATES, '?state=all', '?state=all&cursor=5.x'],
  'GET /api/admin/withdrawals': ['?state=requested', '?cursor=5.x', '?state=requested&cursor=5.x'],
  'GET /api/admin/disputes': STATES,
  'GET /api/admin/reports': STATES,
  'GET /api/admin/log': ['?cursor=5'],
  'GET /api/admin/parameters/:name/history': ['?cursor=5'],
}
/** Indexes that hold few rows of their table by their own condition. */
const FEW = /USING (COVERING )?INDEX offers_broken /
/** Where the matrix has nothing that would be found. */
const THINGS: Readonly<Record<string, Params>> = {
  'GET /api/admin/payouts/:batch': { batch: 'po_1' },
  'GET /api/admin/disputes/:id': { id: 'dispute_ours' },
  'GET /api/node-keys/:key': { key: 'A'.repeat(43) },
  'GET /api/models/:author/:name': { author: 'test', name: 'chat' },
  'GET /api/models/:author/:name/prices': { author: 'test', name: 'chat' },
  'GET /api/models/:id{[^/]+%2[Ff][^/]+}/prices': { id: 'test/chat' },
}
/** They ask one thing, by its id, and there is none. */
const NOTHING_THERE = ['GET /api/statements/:number', 'GET /api/node-keys/:key', 'GET /api/calls/:id']
const isNowhere = (route: Route) => NOTHING_THERE.includes(spelt(route)) || /offers.*prices/.test(route.path)
/** Changes that are never done here, each with its reason. They are asked as far as they go. */
const NEVER_DONE: Readonly<Record<string, string>> = {}

/** Last, since they take the session away; whole, they are asked with another one. */
const ENDS = /sign-out|revoke-all|DELETE .*(sessions|wallets|members)/

let registry: readonly Asked[]
let books: readonly Asked[]
const unanswered: string[] = []
/** Changes that were refused, as `403 forbidden POST /api/keys`. */
const undone: string[] = []

beforeAll(async () => {
  vi.spyOn(console, 'error').mockImplementation(() => undefined)
  const [of, first, second] = [recording(env.DB), recording(env.BOOK_0), recording(env.BOOK_1)]
  const { link, nodes } = someNodes()
  const house = await aMatrix({ ...env, DB: of.database, BOOK_0: first.database, BOOK_1: second.database }, link)
  const insert = (sql: string, ...values: unknown[]) => env.DB.prepare(sql).bind(...values)
  await env.DB.batch([
    insert(
      "INSERT INTO models (id, digest, task, author_account_id, royalty_bps, manifest, created_at) VALUES ('test/chat', 'd', 'chat', ?, 0, ?, 1)",
      house.ours,
      JSON.stringify(aManifest({ id: 'test/chat' })),
    ),
    insert(
      "INSERT INTO withdrawals (id, account_id, transfer_id, amount_nanos, address, state, batch_id, requested_at) VALUES ('w', ?, 't', 1, '', 'filed', 'po_1', 1)",
      house.ours,
    ),
  ])
  const ask = (route: Route, way?: string) => {
    const who = rightAt(spelt(route)) === 'house' ? house.admin : house.team.owner.token
    const thing = house.things.find(({ under }) => route.path.startsWith(under))
    return house.ask(who, route, THINGS[spelt(route)] ?? thing?.ours, way)
  }
  const routes = gatedRoutes(house.app)
  for (const route of routes.filter(({ method }) => method === 'GET'))
    for (const way of [undefined, ...(WAYS[spelt(route)] ?? [])]) {
      const { status, code } = await ask(route, way)
      if (status !== 200 && !isNowhere(route)) unanswered.push(`${status} ${code} ${spelt(route)}${way ?? ''}`)
    }
  for (const path of ['/v1/models', '/v1/models/test/chat', '/v1/models/test/chat/endpoints'])
    await house.send(house.otherKey.inference.key, { method: 'GET', path })
  const changing = routes.filter(({ method }) => method !== 'GET')
  const [seen, plain] = [seenChanges(house), plainChanges(house, nodes)]
  /** Until each of them is done, or as far as they go. */
  const change = async (route: string, made: Change[]) => {
    for (const { who, path, body } of made) {
      const { status, code } = await seen.ask(who, route.split(' ')[0] ?? '', path, body ?? undefined)
      if (status >= 300) undone.push(`${status} ${code ?? ''} ${route}`)
    }
    return made.length
  }
  for (const route of changing.map(spelt)) {
    const thing = await seen.things[route]?.()
    const written = thing && { who: thing.who, body: null, ...thing.write(await thing.look(), 0) }
    const made = [
      ...(written ? [written] : []),
      ...((await plain.changes[route]?.()) ?? []),
      ...((await plain.more[route]?.()) ?? []),
    ]
    if ((await change(route, made)) === 0) undone.push(`0 changes ${route}`)
  }
  // Once more with a body that says nothing, as far as that goes.
  for (const last of [false, true])
    for (const route of changing.filter((one) => ENDS.test(spelt(one)) === last)) await ask(route)
  registry = distinct(of.asked)
  books = distinct([...first.asked, ...second.asked])
})

async function scansIn(d1: D1Database, all: readonly Asked[]): Promise<string[]> {
  const tables = await d1.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all<{ name: string }>()
  const large = tables.results
    .map(({ name }) => name)
    .filter((name) => !/^(sqlite|_cf)_/.test(name) && !Object.hasOwn(SMALL, name))
  const found: string[] = []
  for (const one of all) found.push(...(await scansOf(d1, one, large)))
  return found
}
const begins = (scan: string) => Object.keys(WHOLE).find((beginning) => scan.includes(`<- ${beginning}`))

describe('the dashboard', () => {
  it('is asked every question that it has', () => {
    expect(unanswered).toEqual([])
    expect(registry.length).toBeGreaterThan(100)
    expect(books.length).toBeGreaterThan(30)
  })

  it('is changed in every way that it has, with whole bodies, until that is done', () => {
    const never = undone.map((one) => one.replace(/^\d+ \w* /, ''))
    expect(undone.filter((_, n) => !Object.hasOwn(NEVER_DONE, never[n] ?? ''))).toEqual([])
    // One that is done after all is taken out.
    expect(new Set(never)).toEqual(new Set(Object.keys(NEVER_DONE)))
  })

  it('goes through no large table of the registry from end to end', async () => {
    const found = (await scansIn(env.DB, registry)).filter((scan) => !FEW.test(scan))
    expect(found.filter((scan) => begins(scan) === undefined)).toEqual([])
    // An exception goes through an index, and one that nothing needs any more is taken out.
    expect(found.filter((scan) => !scan.includes('COVERING INDEX'))).toEqual([])
    expect(new Set(found.map(begins))).toEqual(new Set(Object.keys(WHOLE)))
  })

  it('goes through no large table of a book', async () => expect(await scansIn(env.BOOK_0, books)).toEqual([]))

  it('goes on with no list by passing what was shown before', () => {
    const passing = /"(\w+)" [<>] \? or \("\w+"\."\1" = \? and/
    expect([...registry, ...books].filter(({ sql }) => passing.test(sql))).toEqual([])
  })
})

describe('a planted scan', () => {
  it.each([
    'SELECT id FROM models WHERE royalty_bps = 5',
    "SELECT id FROM alerts WHERE detail = 'x' ORDER BY at DESC, id DESC LIMIT 5",
    'SELECT count(*) FROM accounts AS a',
    'SELECT id FROM withdrawals ORDER BY amount_nanos LIMIT 5',
    'UPDATE disputes SET version = 2 WHERE answer IS NULL',
  ])('is found: %s', async (sql) => {
    expect(await scansIn(env.DB, [{ sql, values: [] }])).toHaveLength(1)
  })
})
