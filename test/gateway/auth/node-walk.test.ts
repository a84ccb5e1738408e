// Walks the real router with a node's own key: where BY_NODE names a route it is heard, and everywhere else the answer is the one a stranger gets.
// A route that took any principal for an account's would fail here by its name.
import { createExecutionContext, env, waitOnExecutionContext } from 'cloudflare:test'
import type { Hono } from 'hono'
import { beforeAll, describe, expect, it } from 'vitest'
import { createApp } from '../../../gateway/app.ts'
import { BY_NODE, credentialOf } from '../../../gateway/auth/credential.ts'
import type { AppEnv } from '../../../gateway/core/principal.ts'
import { createServices, type Services } from '../../../gateway/services.ts'
import { aNodeRow, nodeAuthorization, type RowNode } from './node-house.ts'

type App = Pick<Hono<AppEnv>, 'fetch'> & { readonly routes: readonly { method: string; path: string }[] }

let services: Services
let node: RowNode
beforeAll(async () => {
  const link = { send: () => Promise.reject(new TypeError('no node is there')) }
  services = { ...(await createServices(env)), link }
  node = await aNodeRow()
})

const urlOf = (path: string) => path.replace('/nodes/:id', `/nodes/${node.id}`).replace(/:\w+(\{[^}]*\})?/g, 'x')

async function answer(app: App, method: string, path: string, isSigned: boolean): Promise<string> {
  const body = method === 'GET' ? undefined : '{}'
  const authorization = await nodeAuthorization(node, { method, path, body, nowMs: Date.now() })
  const headers = { 'content-type': 'application/json', ...(isSigned ? { authorization } : {}) }
  const context = createExecutionContext()
  const request = new Request(`https://gateway.test${path}`, { method, headers, ...(body ? { body } : {}) })
  const response = await app.fetch(request, env, context)
  const text = await response.text()
  await waitOnExecutionContext(context)
  const isJson = response.headers.get('content-type')?.includes('json')
  const { error } = isJson ? (JSON.parse(text) as { error?: { code?: string } }) : {} // an error body, or something else
  return `${response.status} ${error?.code ?? ''}`
}

const isByNode = (method: string, path: string): boolean => {
  const site = { domain: '', origin: '', isSecure: true, sessionCookie: 'souk', presessionCookie: 'souk-pre' } as const
  const request = { method, path, authorization: 'SoukNode x', origin: undefined, sessionCookie: undefined }
  return credentialOf(request, site).kind === 'node'
}

/** Routes where the node's signature changes the answer, though they are not among BY_NODE. */
async function walk(app: App): Promise<string[]> {
  const found = app.routes.filter(({ method, path }) => method !== 'ALL' && !path.includes('*'))
  const heard: string[] = []
  for (const { method, path } of found) {
    const url = urlOf(path)
    if (isByNode(method, url)) continue
    const [unsigned, signed] = [await answer(app, method, url, false), await answer(app, method, url, true)]
    if (unsigned !== signed) heard.push(`${method} ${path}: ${signed}, not ${unsigned}`)
  }
  return heard
}

describe('a node’s key', () => {
  it('is nobody at every route that is not a node’s own', async () => {
    const app = createApp(services)
    expect(app.routes.length).toBeGreaterThan(50)
    expect(await walk(app)).toEqual([])
  })

  it('is heard at every route that is', async () => {
    const app = createApp(services)
    for (const [method, names] of Object.entries(BY_NODE))
      for (const name of names) {
        const path = `/api/nodes/:id/${name}`
        expect(
          app.routes.some((route) => route.method === method && route.path === path),
          `${method} ${path}`,
        ).toBe(true)
        expect(await answer(app, method, urlOf(path), true), path).not.toMatch(/^(401|403|404|422 authorization)/)
        expect(await answer(app, method, urlOf(path), false), path).toMatch(/^401 not_signed_in/)
      }
  })

  it('would be found out at a route that heeds it', async () => {
    const app = createApp(services).get('/api/planted', (c) => c.json({}, c.req.header('authorization') ? 200 : 401))
    expect(await walk(app)).toEqual(['GET /api/planted: 200 , not 401 '])
  })
})
