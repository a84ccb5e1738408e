// Where this gateway is, as a sign-in message and a browser must name it: decided from configuration and the request's address.
// Plain http exists only under the local switch; everywhere else our origin is https, so a cookie that crossed http is no cookie.
import type { Config } from '../core/env.ts'

export interface Site {
  /** RFC 3986 authority */
  readonly domain: string
  /** scheme and authority, without a trailing slash */
  readonly origin: string
  readonly isSecure: boolean
  /** `__Host-` cookies bind to the host, but exist on https only */
  readonly sessionCookie: '__Host-souk' | 'souk'
  readonly presessionCookie: '__Host-souk-pre' | 'souk-pre'
}

/** @example siteOf({ domain: '', isLocal: true }, 'http://127.0.0.1:8787/auth/nonce').origin // 'http://127.0.0.1:8787' */
export function siteOf(config: Pick<Config, 'domain' | 'isLocal'>, url: string): Site {
  const { host, protocol } = new URL(url)
  const domain = config.domain || host
  const isSecure = !(config.isLocal && protocol === 'http:')
  return {
    domain,
    origin: `${isSecure ? 'https' : 'http'}://${domain}`,
    isSecure,
    sessionCookie: isSecure ? '__Host-souk' : 'souk',
    presessionCookie: isSecure ? '__Host-souk-pre' : 'souk-pre',
  }
}
