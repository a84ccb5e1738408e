// Sends the dashboard: one page for every address that is nobody else's, with a fresh nonce and a policy that allows nothing but our own files. The
// files themselves (`/assets/…`) are named after their contents; deployed, they are answered before the Worker.
import { Hono } from 'hono'
import { base64url } from '../protocol/canonical.ts'
import type { RandomBytes } from '../protocol/units.ts'
import { GatewayError } from './core/errors.ts'
import type { AppEnv } from './core/principal.ts'

export interface DashboardNeeds {
  /** the built dashboard; absent: not built with it, and there is no page */
  readonly assets?: Fetcher
  readonly random: RandomBytes
}

/** What programs ask for: a wrong address there is an error in JSON, never a page. */
const OF_PROGRAMS = /^\/(api|auth|v1|v2|webhooks|link|healthz|\.well-known)(\/|$)/
const NONCE_BYTES = 16
/** what the build writes where a nonce belongs (vite.config.ts) */
const PLACEHOLDER = '__NONCE__'

export function createDashboardPage({ assets, random }: DashboardNeeds) {
  return new Hono<AppEnv>().get('*', async (c, next) => {
    const { pathname } = new URL(c.req.url)
    if (!assets || OF_PROGRAMS.test(pathname)) return next()
    if (pathname === '/icon.svg' || pathname.startsWith('/assets/')) return fileOf(assets, c.req.raw)
    const page = await assets.fetch(new URL('/index.html', c.req.url))
    if (!page.ok) throw new GatewayError('not_found')
    const nonce = base64url(random(NONCE_BYTES))
    return c.html((await page.text()).replaceAll(PLACEHOLDER, nonce), 200, {
      'content-security-policy': policy(nonce),
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
      'permissions-policy': 'camera=(), microphone=(), geolocation=(), payment=(), usb=()',
    })
  })
}

/** Scripts are files of ours alone; a style may be made at run time if it carries the nonce; icons of wallets are `data:` images. */
const policy = (nonce: string): string =>
  [
    "default-src 'none'",
    "script-src 'self'",
    `style-src 'self' 'nonce-${nonce}'`,
    "img-src 'self' data: blob:",
    "font-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ')

/** A copy: the middleware around adds headers, and an answer that was fetched takes none. */
async function fileOf(assets: Fetcher, request: Request): Promise<Response> {
  const file = await assets.fetch(request)
  return new Response(file.body, file)
}
