// Wire schemas as Hono middleware, so that `hc<AppType>` knows what a route takes. Reading and refusing is json-body.ts's:
// the body is bounded before it is parsed, and the first wrong field is named.
import type { MiddlewareHandler } from 'hono'
import type { z } from 'zod'
import { parseWith, readJson } from './json-body.ts'
import type { AppEnv } from './principal.ts'

type Validates<Target extends 'json' | 'query', T extends z.ZodType> = MiddlewareHandler<
  AppEnv,
  string,
  { in: { [key in Target]: z.input<T> }; out: { [key in Target]: z.output<T> } }
>

/** Afterwards `c.req.valid('json')` is the parsed body. @throws GatewayError as `readJson` does */
export function jsonBody<T extends z.ZodType>(schema: T): Validates<'json', T> {
  return async (c, next) => {
    // A wire schema always describes an object; Hono only wants to know that it is not null.
    c.req.addValidatedData('json', (await readJson(c.req.raw, schema)) as object)
    await next()
  }
}

/** Says what a route takes and reads nothing: for a route that settles who asks, by what is stored, before it reads the body itself. */
export const takes =
  <T extends z.ZodType>(_schema: T): Validates<'json', T> =>
  (_c, next) =>
    next()

/** Afterwards `c.req.valid('query')` is the parsed query string. @throws GatewayError invalid_request with `param` */
export function queryString<T extends z.ZodType>(schema: T): Validates<'query', T> {
  return async (c, next) => {
    c.req.addValidatedData('query', parseWith(schema, c.req.query()) as object)
    await next()
  }
}
