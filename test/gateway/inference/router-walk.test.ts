// Walks the real router: every POST under /v1 and /v2 either runs inference, and then holds before a node is asked and captures before the
// last byte, once each, or stands below as a route that asks no node. A route that is in no list fails by its name.
import { createExecutionContext, env, waitOnExecutionContext } from 'cloudflare:test'
import { Hono } from 'hono'
import { beforeAll, describe, expect, it } from 'vitest'
import { createApp } from '../../../gateway/app.ts'
import { mintApiKey } from '../../../gateway/auth/api-key.ts'
import { systemRandom } from '../../../gateway/core/clock.ts'
import type { AppEnv } from '../../../gateway/core/principal.ts'
import type { AccountPort } from '../../../gateway/ledger/account-port.ts'
import type { NodeRequest } from '../../../gateway/link/node-link.ts'
import type { Market } from '../../../gateway/market/market-port.ts'
import { createServices, type Services } from '../../../gateway/services.ts'
import { NODE_PATHS } from '../../../protocol/node.ts'
import { fromUsd, instant, nanos, newAccountId, newKeyId } from '../../../protocol/units.ts'
import { aModel, anOffer, AUTHOR, OPERATOR } from '../../support/workers/builders.ts'
import { finish, sse, token } from './call-house.ts'
import { tensorModel, tensorNode } from './tensor-house.ts'

const CHAT = { model: 'test/chat', messages: [{ role: 'user', content: 'hi' }] }

const INPUTS = [
  { name: 'ids', datatype: 'INT64', shape: [1, 2], data: [1, 2] },
  { name: 'words', datatype: 'BYTES', shape: [1], data: ['hi'] },
]
const TENSORS = [{ inputs: INPUTS }, { inputs: INPUTS, parameters: { binary_data_output: true } }]

/** Known good bodies of every inference route: each kind of answer it can give. A new route needs its line here. */
const INFERENCE: Readonly<Record<string, readonly object[]>> = {
  '/v1/chat/completions': [
    CHAT,
    { ...CHAT, stream: true },
    { ...CHAT, stream: true, stream_options: { include_usage: true } },
  ],
  '/v1/completions': [
    { model: 'test/chat', prompt: 'hi' },
    { model: 'test/chat', prompt: ['hi'], stream: true },
    { model: 'test/chat', prompt: 'hi', stream: true, stream_options: { include_usage: true } },
  ],
  '/v1/embeddings': [
    { model: 'test/vectors', input: 'hi' },
    { model: 'test/vectors', input: ['hi', 'ho'], encoding_format: 'base64' },
  ],
  '/v2/models/:author/:name/infer': TENSORS,
  '/v2/models/:author/:name/versions/:version/infer': TENSORS,
  '/v2/models/:id{[^/]+%2[Ff][^/]+}/infer': TENSORS,
  '/v2/models/:id{[^/]+%2[Ff][^/]+}/versions/:version/infer': TENSORS,
}
/** A path of that form. */
const urlOf = (path: string) =>
  path
    .replace(':author/:name', 'test/tensors')
    .replace(':id{[^/]+%2[Ff][^/]+}', 'test%2Ftensors')
    .replace(':version', '1')
/** POST routes there that ask no node: with a body, so that this is seen. */
const WITHOUT_A_NODE: Readonly<Record<string, object>> = {
  '/v1/quote': { endpoint: '/v1/chat/completions', request: CHAT },
}

type App = Pick<Hono<AppEnv>, 'fetch'> & { readonly routes: readonly { method: string; path: string }[] }

let services: Services
let authorization = ''
/** what happened, in order, since it was last emptied */
const log: string[] = []

const heard = (account: AccountPort): AccountPort =>
  new Proxy(account, { get: (port, name: keyof AccountPort) => (log.push(name), port[name]) })

function answerOf(request: NodeRequest): Response | Promise<Response> {
  const { path, body } = request
  log.push('node')
  if (path === NODE_PATHS.infer) return tensorNode()(request)
  if (!path.endsWith('/embeddings')) return sse([token('one ', 1), token('two', 2), finish(2), '[DONE]'])
  const { input } = JSON.parse(String(body)) as { input: string[] } // what our own room wrote
  const data = input.map((_, index) => ({ index, embedding: [1, 2, 3] }))
  return Response.json({ data, usage: { prompt_tokens: 3, completion_tokens: 0 } })
}

const market: Market = {
  snapshot: async (id) => {
    const vectors = aModel({ id: 'test/vectors', task: 'embeddings', dimensions: 3 })
    const model = [aModel({ id: 'test/chat' }), vectors, tensorModel()].find((known) => known.id === id)
    return model ? { model, offers: [anOffer({ modelId: id })], local: new Map(), takenAt: instant(0) } : null
  },
  attemptStarted: async () => undefined,
  attemptEnded: async () => undefined,
  models: async () => [],
}

beforeAll(async () => {
  const real = await createServices(env)
  const accountId = newAccountId(systemRandom)
  const minted = mintApiKey(accountId, newKeyId(systemRandom), systemRandom(20), env.SOUK_KEY_SECRET)
  authorization = `Bearer ${minted.key}`
  for (const id of [accountId, OPERATOR, AUTHOR]) await real.accounts(id).open(id)
  const account = real.accounts(accountId)
  const money = { kind: 'grant', amountNanos: fromUsd('1'), reason: 'test', by: null } as const
  await account.grant({ transferId: 'start', ...money })
  const { keyId, secretHash, hint } = minted
  const none = { models: null, nodes: null, limit: null, rpm: null, tpm: null, concurrency: null, expiresAt: null }
  const key = { id: keyId, secretHash, hint, name: 'test', scopes: ['inference'], ratesShadow: false, ...none } as const
  await account.createKey({ ...key, scopes: [...key.scopes] })
  const link = { send: async (request: NodeRequest) => answerOf(request) }
  services = { ...real, market, link, accounts: (id) => heard(real.accounts(id)) }
})

/** Reads to the last byte and notes when that was. */
async function run(app: App, path: string, body: object): Promise<number> {
  log.length = 0
  const context = createExecutionContext()
  const headers = { 'content-type': 'application/json', authorization }
  const request = new Request(`https://gateway.test${urlOf(path)}`, {
    method: 'POST',
    headers,
    body: JSON.stringify(body),
  })
  const response = await app.fetch(request, env, context)
  const reader = response.body?.getReader()
  let text = ''
  for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
    text += new TextDecoder().decode(part.value)
    // The last byte is what a caller takes for the end: of a stream `[DONE]`, of anything else the body.
    if (text.includes('[DONE]') && !log.includes('end')) log.push('end')
  }
  if (!log.includes('end')) log.push('end')
  await waitOnExecutionContext(context)
  return response.status
}

const count = (what: string) => log.filter((happened) => happened === what).length

async function faultsOf(app: App, path: string, body: object): Promise<string[]> {
  const status = await run(app, path, body)
  const faults = [
    status === 200 ? '' : `answers ${status}`,
    count('node') === 1 ? '' : `asks ${count('node')} nodes`,
    count('hold') === 1 ? '' : `holds ${count('hold')} times`,
    count('capture') === 1 ? '' : `captures ${count('capture')} times`,
    count('hold') > 0 && log.indexOf('hold') < log.indexOf('node') ? '' : 'asks a node before it holds',
    log.indexOf('capture') < log.indexOf('end') ? '' : 'ends before it captures',
  ]
  return faults.filter(Boolean).map((fault) => `${path} ${fault}`)
}

/** Every fault of every route, by name. Wildcard handlers are middleware. */
async function walk(app: App): Promise<string[]> {
  const found = app.routes.filter(({ method, path }) => /^(POST|ALL)$/.test(method) && /^\/v\d+\/[^*]/.test(path))
  const faults: string[] = []
  for (const path of new Set(found.map((route) => route.path))) {
    const bodies = INFERENCE[path]
    const other = WITHOUT_A_NODE[path]
    if (other) {
      await run(app, path, other)
      if (count('node') + count('hold') + count('capture') > 0) faults.push(`${path} asks a node or moves money`)
    } else if (!bodies) faults.push(`${path} is in no list`)
    for (const body of bodies ?? []) faults.push(...(await faultsOf(app, path, body)))
  }
  return faults
}

describe('every inference route of the gateway', () => {
  it('holds once before a node is asked, and captures once before the last byte', async () => {
    expect(await walk(createApp(services))).toEqual([])
  })

  it('stands in the list, and the list has no other', () => {
    const posts = createApp(services).routes.filter(({ method }) => method === 'POST')
    const paths = posts.map(({ path }) => path).filter((path) => /^\/v\d+\//.test(path))
    expect([...new Set(paths)].sort()).toEqual([...Object.keys(INFERENCE), ...Object.keys(WITHOUT_A_NODE)].sort())
  })
})

describe('the walk itself names', () => {
  const askNode = () => services.link.send({ path: '/v1/chat/completions', body: '{}' } as NodeRequest)

  it('a route that nobody listed', async () => {
    const app = createApp(services).post('/v1/planted', (c) => c.text('for nothing'))
    expect(await walk(app)).toEqual(['/v1/planted is in no list'])
  })

  it('one that asks a node and neither holds nor captures', async () => {
    // The first handler of a path answers: planted in front of the real ones.
    const planted = new Hono<AppEnv>().post('/v1/embeddings', () => askNode())
    const faults = new Set(await walk(planted.route('/', createApp(services))))
    expect([...faults]).toEqual([
      '/v1/embeddings holds 0 times',
      '/v1/embeddings captures 0 times',
      '/v1/embeddings asks a node before it holds',
    ])
  })

  it.each<[string, (account: AccountPort) => Partial<AccountPort>, string]>([
    [
      'one that never captures',
      () => ({ capture: async () => ({ ok: true, chargeNanos: nanos(0n), seq: 1 }) }),
      '/v1/embeddings captures 0 times',
    ],
    [
      'one that captures twice',
      (account) => ({ capture: (end) => account.capture(end).then(() => account.capture(end)) }),
      '/v1/embeddings captures 2 times',
    ],
    [
      'one that holds twice',
      (account) => ({ hold: (request) => account.hold(request).then(() => account.hold(request)) }),
      '/v1/embeddings holds 2 times',
    ],
    [
      'one that asks a node before it holds',
      (account) => ({ hold: (request) => askNode().then(() => account.hold(request)) }),
      '/v1/embeddings asks a node before it holds',
    ],
  ])('%s', async (_, replace, fault) => {
    const accounts: Services['accounts'] = (id) => {
      const account = services.accounts(id)
      const replaced = replace(account)
      return new Proxy(account, { get: (port, name: keyof AccountPort) => replaced[name] ?? port[name] })
    }
    expect(await walk(createApp({ ...services, accounts }))).toContain(fault)
  })
})
