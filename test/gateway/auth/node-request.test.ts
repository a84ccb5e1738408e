// What a node's own key signs: taken for exactly the request it signed, and for nothing else.
import { env } from 'cloudflare:workers'
import { Hono } from 'hono'
import { beforeAll, describe, expect, it } from 'vitest'
import { createAuthenticate } from '../../../gateway/auth/authenticate.ts'
import { toResponse } from '../../../gateway/core/errors.ts'
import { readJsonValue } from '../../../gateway/core/json-body.ts'
import { NODE_REQUEST } from '../../../gateway/core/limits.ts'
import type { AppEnv } from '../../../gateway/core/principal.ts'
import { instant } from '../../../protocol/units.ts'
import { aNodeRow, nodeAuthorization, type RowNode, type Signing } from './node-house.ts'

const NOW = Date.UTC(2030, 0, 1)
let node: RowNode
beforeAll(async () => void (node = await aNodeRow()))

/** Reads of the registry by the requests of a test. */
let reads = 0
const counted = new Proxy(env.DB, {
  get: (db, name: keyof D1Database) => {
    if (name === 'prepare') reads++
    const value: unknown = db[name]
    return typeof value === 'function' ? (value.bind(db) as unknown) : value // its own methods
  },
})

interface Answer {
  readonly kind?: string
  readonly nodeId?: string
  readonly accountId?: string
  readonly body?: unknown
  readonly error?: { readonly code: string; readonly message: string }
}

function app() {
  const config = { domain: '', chainId: 1, admins: new Set<string>(), keySecret: env.SOUK_KEY_SECRET, isLocal: true }
  const routed = new Hono<AppEnv>()
    .use(createAuthenticate({ db: counted, config, clock: () => instant(NOW) }))
    .all('*', async (c) => {
      const body = c.req.method === 'GET' || !c.req.raw.body ? null : await readJsonValue(c.req.raw)
      return c.json({ ...(c.var.principal ?? { kind: 'nobody' }), body })
    })
  routed.onError((error) => toResponse(error, 'req_test'))
  return routed
}

async function ask(
  request: { method?: string; path?: string; body?: string },
  authorization?: string,
): Promise<Answer & { status: number }> {
  const { method = 'GET', path = `/api/nodes/${node.id}/status`, body } = request
  const headers = { 'content-type': 'application/json', ...(authorization ? { authorization } : {}) }
  reads = 0
  const response = await app().request(`http://souk.test${path}`, { method, headers, ...(body ? { body } : {}) })
  return { status: response.status, ...(await response.json<Answer>()) }
}

const status = (over: Partial<Signing> = {}) =>
  nodeAuthorization(node, { method: 'GET', path: `/api/nodes/${node.id}/status`, nowMs: NOW, ...over })

describe('a request that a node’s key signed', () => {
  it('is the node’s: its id, and the account of its operator', async () => {
    expect(await ask({}, await status())).toEqual({
      status: 200,
      kind: 'node',
      nodeId: node.id,
      accountId: node.operator,
      nodeKey: node.nodeKey,
      body: null,
    })
    expect(reads).toBe(1)
  })

  it('brings its body to the route as it was signed', async () => {
    const body = JSON.stringify({ offers: [{ model: 'ü/x' }] })
    const path = `/api/nodes/${node.id}/offers`
    const signed = await nodeAuthorization(node, { method: 'PUT', path, body, nowMs: NOW })
    expect(await ask({ method: 'PUT', path, body }, signed)).toMatchObject({ kind: 'node', body: JSON.parse(body) })
  })

  it('is signed with its query', async () => {
    const path = `/api/nodes/${node.id}/earnings?from=2030-01-01&cursor=a%2Fb`
    expect(await ask({ path }, await status({ path }))).toMatchObject({ kind: 'node' })
    const changed = await ask({ path: path.replace('from', 'to') }, await status({ path }))
    expect(changed.error?.message).toContain('another method or path')
  })

  it.each([-60, -59, 0, 60])('is heard at %i s of our clock', async (apart) => {
    expect((await ask({}, await status({ nowMs: NOW + apart * 1_000 }))).status).toBe(200)
  })

  it.each([
    [-61, 'Its time is 61 s behind ours: set the clock of its machine.'],
    [61, 'Its time is 61 s ahead of ours: set the clock of its machine.'],
    [-3_600, 'Its time is 3,600 s behind ours: set the clock of its machine.'],
  ])('at %i s is refused, and its operator told how far its clock is off', async (apart, sentence) => {
    const refused = await ask({}, await status({ nowMs: NOW + apart * 1_000 }))
    expect([refused.status, refused.error?.code]).toEqual([422, 'authorization_refused'])
    expect(refused.error?.message).toContain(sentence)
  })
})

describe('refused is', () => {
  const refusedWith = async (
    request: Parameters<typeof ask>[0],
    authorization: string,
    sentence: string,
    code = 'authorization_refused',
  ) => {
    const { error } = await ask(request, authorization)
    expect(error?.code).toBe(code)
    expect(error?.message).toContain(sentence)
  }

  it.each<[string, Partial<Signing>, string]>([
    ['a signature for another path', { path: '/api/nodes/node_aaaaaaaaaaaaaaaa/status' }, 'another method or path'],
    ['one for another method', { method: 'PUT' }, 'another method or path'],
    ['one that names another node', { claims: { nodeId: 'node_aaaaaaaaaaaaaaaa' } }, 'another node'],
    ['one for a body where none is', { body: '{}' }, 'another body'],
    ['a claim of another use', { claims: { use: 'souk-hello' as 'souk-node-request' } }, 'no request'],
    ['a signature of another kind', { typ: 'souk-hello' }, 'no request'],
    ['a claim without its time', { claims: { iat: 1.5 } }, 'no request'],
  ])('%s', async (_, over, sentence) => {
    await refusedWith({}, await status(over), sentence)
  })

  it('a request of one path sent to another: what starts a drain cannot end it', async () => {
    const [drain, resume] = ['drain', 'resume'].map((what) => `/api/nodes/${node.id}/${what}`) as [string, string] // two of two
    const signed = await nodeAuthorization(node, { method: 'POST', path: drain, nowMs: NOW })
    expect(await ask({ method: 'POST', path: drain }, signed)).toMatchObject({ kind: 'node' })
    await refusedWith({ method: 'POST', path: resume }, signed, 'another method or path')
  })

  it('another body under the same signature', async () => {
    const path = `/api/nodes/${node.id}/offers`
    const signed = await nodeAuthorization(node, { method: 'PUT', path, body: '{"price":"1"}', nowMs: NOW })
    await refusedWith({ method: 'PUT', path, body: '{"price":"2"}' }, signed, 'another body')
  })

  it('another node’s key, also under its own name', async () => {
    const other = await aNodeRow()
    const path = `/api/nodes/${node.id}/status`
    const asItself = await nodeAuthorization(other, { method: 'GET', path, nowMs: NOW })
    await refusedWith({}, asItself, 'not signed by the key of this node')
    const asMine = await nodeAuthorization({ ...other, id: node.id }, { method: 'GET', path, nowMs: NOW })
    await refusedWith({}, asMine, 'not signed by the key of this node')
  })

  it('the key of a node whose operator revoked it', async () => {
    const revoked = await aNodeRow({ state: 'revoked' })
    const path = `/api/nodes/${revoked.id}/status`
    const signed = await nodeAuthorization(revoked, { method: 'GET', path, nowMs: NOW })
    await refusedWith({ path }, signed, 'took this node’s authorisation back')
  })

  it('what is no signature, or far too long for one', async () => {
    await refusedWith({}, 'SoukNode nonsense', 'not signed')
    await refusedWith({}, `SoukNode ${'a'.repeat(NODE_REQUEST.jwsCharacters + 1)}`, 'too long')
    expect(reads).toBe(0)
  })

  it('a node that nobody registered, for one read of the registry', async () => {
    const path = '/api/nodes/node_0000000000000000/status'
    await refusedWith({ path }, await status({ path }), 'no such node', 'not_found')
    expect(reads).toBe(1)
    const noId = '/api/nodes/nobody/status'
    await refusedWith({ path: noId }, await status({ path: noId }), 'no such node', 'not_found')
    expect(reads).toBe(0)
  })

  it.each([
    [NODE_REQUEST.bodyBytes, 200],
    [NODE_REQUEST.bodyBytes + 1, 413],
  ])('a body of %i bytes: %i', async (size, answer) => {
    const path = `/api/nodes/${node.id}/offers`
    const body = `"${'x'.repeat(size - 2)}"`
    const signed = await nodeAuthorization(node, { method: 'PUT', path, body, nowMs: NOW })
    expect((await ask({ method: 'PUT', path, body }, signed)).status).toBe(answer)
  })

  it('a stranger’s body unread: its signature is looked at first', async () => {
    const path = `/api/nodes/${node.id}/offers`
    const stranger = await aNodeRow()
    const authorization = await nodeAuthorization(stranger, { method: 'PUT', path, nowMs: NOW })
    let pulled = 0
    const body = new ReadableStream({ pull: (controller) => (pulled++, controller.enqueue(new Uint8Array(1_024))) })
    const request = new Request(`http://souk.test${path}`, { method: 'PUT', headers: { authorization }, body })
    expect((await app().request(request)).status).toBe(422)
    expect(pulled).toBeLessThan(3)
  })
})

describe('nobody is who signs as a node', () => {
  it.each([
    ['GET', '/api/nodes'],
    ['GET', '/api/nodes/ID'],
    ['POST', '/api/nodes/ID/hello'],
    ['POST', '/api/nodes/ID/status'],
    ['POST', '/api/nodes/ID/rotate'],
    ['POST', '/api/nodes/ID/revoke'],
    ['GET', '/api/nodes/ID/offers/a/b/prices'],
    ['GET', '/api/account'],
    ['GET', '/api/nodes/ID/status/more'],
    ['GET', '/v1/models'],
  ])('%s %s', async (method, form) => {
    const path = form.replace('ID', node.id)
    const signed = await nodeAuthorization(node, { method, path, nowMs: NOW })
    expect(await ask({ method, path }, signed)).toMatchObject({ kind: 'nobody' })
    expect(reads).toBe(0)
  })
})
