// The gateway's own entry with two things beside it, in the same workerd: a bare Hono proxy to measure against, and a count of the D1
// statements that the entry Worker has started. The guards' statements run in the guards and are not on a call's way.
import { Hono } from 'hono'
import gateway from '../../gateway/index.ts'
import type { Bindings } from '../../gateway/core/env.ts'

export { AccountGuard, NodeGuard } from '../../gateway/index.ts'

let statements = 0
let counted: Bindings | null = null

const bare = new Hono<{ Bindings: Bindings }>()
  // What any proxy must do: take a body, send it on, stream the answer back.
  .post('/bench/proxy', async (c) => {
    const to = c.req.header('x-bench-to') ?? ''
    const headers = { 'content-type': 'application/json', authorization: c.req.header('authorization') ?? '' }
    const answer = await fetch(to, { method: 'POST', headers, body: await c.req.text() })
    return new Response(answer.body, answer)
  })

export default {
  async fetch(request, bindings, context) {
    if (new URL(request.url).pathname.startsWith('/bench/')) return bare.fetch(request, bindings, context)
    counted ??= { ...bindings, DB: counting(bindings.DB), BOOK_0: counting(bindings.BOOK_0) }
    const before = statements
    const response = await gateway.fetch(request, counted, context)
    // The head leaves with the first output; with one call at a time the difference is this call's alone.
    response.headers.set('x-bench-statements', String(statements - before))
    return response
  },
  scheduled: (event, bindings) => gateway.scheduled(event, bindings),
} satisfies ExportedHandler<Bindings>

/** Counts when a statement is sent, not when it is prepared. */
function counting(db: D1Database): D1Database {
  const SENDS = new Set<PropertyKey>(['run', 'all', 'first', 'raw', 'batch', 'exec'])
  const wrap = <T extends object>(target: T): T =>
    new Proxy(target, {
      get(inner, name) {
        const value: unknown = Reflect.get(inner, name, inner)
        if (typeof value !== 'function') return value
        return (...args: unknown[]) => {
          if (SENDS.has(name)) statements += name === 'batch' && Array.isArray(args[0]) ? args[0].length : 1
          // batch() needs the real statements, not our proxies of them.
          const result: unknown = Reflect.apply(value, inner, args.map(unwrap))
          return (name === 'prepare' || name === 'bind') && result !== null && typeof result === 'object'
            ? remember(wrap(result), result)
            : result
        }
      },
    })
  return wrap(db)
}

const originals = new WeakMap<object, object>()

function remember<T extends object>(proxy: T, original: object): T {
  originals.set(proxy, original)
  return proxy
}

function unwrap(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(unwrap)
  return (typeof value === 'object' && value !== null && originals.get(value)) || value
}
