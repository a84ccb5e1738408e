import { Hono } from 'hono'
import { expect, it } from 'vitest'
import { z } from 'zod'
import { toResponse } from '../../../gateway/core/errors.ts'
import type { AppEnv } from '../../../gateway/core/principal.ts'
import { jsonBody, queryString } from '../../../gateway/core/validate.ts'

const app = new Hono<AppEnv>()
  .post('/body', jsonBody(z.strictObject({ name: z.string().trim(), count: z.number().default(1) })), (c) =>
    c.json(c.req.valid('json')),
  )
  .get('/query', queryString(z.strictObject({ limit: z.coerce.number().int().max(100).default(20) })), (c) =>
    c.json(c.req.valid('query')),
  )
app.onError((error) => toResponse(error, 'req_1'))

const post = (body: string) =>
  app.request('/body', { method: 'POST', body, headers: { 'content-type': 'application/json' } })

it('gives a route its body parsed, with the defaults of the schema', async () => {
  expect(await (await post('{"name":" a "}')).json()).toEqual({ name: 'a', count: 1 })
})

it('refuses a body before the route sees it, by the name of the field', async () => {
  for (const [body, param] of [
    ['{"name":5}', 'name'],
    ['{"name":"a","x":1}', 'x'],
  ] as const) {
    const response = await post(body)
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ error: { code: 'invalid_request', param } })
  }
})

it('does the same with a query string', async () => {
  expect(await (await app.request('/query?limit=5')).json()).toEqual({ limit: 5 })
  expect(await (await app.request('/query')).json()).toEqual({ limit: 20 })
  expect(await (await app.request('/query?limit=101')).json()).toMatchObject({ error: { param: 'limit' } })
})
