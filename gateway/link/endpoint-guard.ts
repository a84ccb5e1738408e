// The rule for addresses the gateway may call on somebody else's word (SSRF). A node's operator chooses the URL, so it could name our own
// network. The URL is parsed by the very parser that fetch uses, so that checker and caller cannot read it differently. Names are judged
// by their shape here; what they resolve to is judged at registration (`checkResolved`) and while calls go there (name-watch.ts), because a Worker cannot
// pin an address.
import type { Result } from '../../protocol/errors.ts'
import { isLoopbackAddress, isSpecialAddress } from './special-addresses.ts'

export interface EndpointPolicy {
  /** only under the local switch: http, and loopback addresses */
  readonly allowLocal: boolean
  /** a webhook's URL may carry a query and escapes, where many receivers keep their own secret; a node's endpoint may not */
  readonly allowQuery?: boolean
}

/** Addresses of a name, as text. Throws when the name could not be looked up. */
export type Resolve = (hostname: string) => Promise<readonly string[]>

type Checked<T> = Result<T, 'endpoint_refused'>

/** Names that never belong to a public node: special-use (RFC 6761, 6762, 8375, 9476) and what inner networks use. */
const INNER_ZONES = new Set(
  'localhost local internal intranet lan home corp private localdomain test invalid example onion alt arpa'.split(' '),
)
const URL_CHARACTERS_MAX = 2_048
/** A TLS service behind a home router or without root rights; the unprivileged range begins at 1024. */
const PORT_UNPRIVILEGED = 1_024

/**
 * Whether this URL may be a node's endpoint. Ports: 443 and 1024…65535, so that a machine at home can be a node; the system ports below
 * stay closed, they are where mail, shells and databases of others listen.
 * @example checkEndpoint('https://2130706433', { allowLocal: false }) // { ok: false, … }: that is 127.0.0.1
 */
export function checkEndpoint(url: string, policy: EndpointPolicy): Checked<URL> {
  if (url.length > URL_CHARACTERS_MAX) return refused('It is too long.')
  // What a person reads must be what is parsed: no blanks, controls, look-alike letters or backslashes that the parser would rewrite.
  if (!/^[\x21-\x7e]+$/.test(url) || url.includes('\\')) return refused('It holds characters that no URL holds.')
  const parsed = parse(url)
  if (!parsed) return refused('It is not a URL.')
  const shape = checkShape(url, parsed, policy)
  if (shape) return refused(shape)
  const host = checkHost(parsed.hostname, policy)
  return host ? refused(host) : { ok: true, value: parsed }
}

/** Looks the name up and refuses it when any answer is not public. An address in the URL itself was judged by {@link checkEndpoint}. */
export async function checkResolved(endpoint: URL, policy: EndpointPolicy, resolve: Resolve): Promise<Checked<URL>> {
  if (isAddress(endpoint.hostname)) return { ok: true, value: endpoint }
  let answers: readonly string[]
  try {
    answers = await resolve(endpoint.hostname)
  } catch {
    // Whatever failed, an unchecked name is not called.
    return refused('Its name could not be looked up.')
  }
  if (answers.length === 0) return refused('Its name has no address.')
  const isFine = (address: string) => !isSpecialAddress(address) || (policy.allowLocal && isLoopbackAddress(address))
  return answers.every(isFine)
    ? { ok: true, value: endpoint }
    : refused('Its name leads to an address that is not public.')
}

function parse(url: string): URL | null {
  try {
    return new URL(url)
  } catch {
    // The parser's message names only the input; "not a URL" says as much.
    return null
  }
}

function checkShape(url: string, parsed: URL, policy: EndpointPolicy): string | null {
  const isPlain = parsed.protocol === 'http:' && policy.allowLocal
  if (parsed.protocol !== 'https:' && !isPlain) return 'It must begin with https.'
  if (!/^https?:\/\/[^/]/i.test(url)) return 'It must name its host after two slashes.'
  if (parsed.username || parsed.password || /^https?:\/\/[^/?#]*@/i.test(url)) return 'It must not carry a user name.'
  if (!policy.allowQuery && /[?#%]/.test(url)) return 'It must not carry a query, a fragment or escapes.'
  if (url.includes('#')) return 'It must not carry a fragment.'
  // An escaped host is parsed into a name that nobody reads.
  if (/^https?:\/\/[^/?]*%/i.test(url)) return 'Its host is not a plain name.'
  if (parsed.port !== '' && Number(parsed.port) < PORT_UNPRIVILEGED) return 'Its port must be 443 or at least 1024.'
  // As written, because the parser escapes what does not belong there.
  const isPlainPath = policy.allowQuery ? RFC_3986.test(url) : /^[\w.~/-]*$/.test(parsed.pathname)
  if (!isPlainPath) return 'Its path must be plain.'
  return null
}

/** A path and a query of those characters that the standard lets stand there. */
const RFC_3986 = /^https?:\/\/[^/?]*([\w.~!$&'()*+,;=:@/?-]|%[0-9a-f]{2})*$/i

function checkHost(hostname: string, policy: EndpointPolicy): string | null {
  if (isAddress(hostname)) {
    const address = hostname.replace(/^\[|\]$/g, '')
    if (policy.allowLocal && isLoopbackAddress(address)) return null
    return isSpecialAddress(address) ? 'Its address is not public.' : null
  }
  if (policy.allowLocal && hostname === 'localhost') return null
  const labels = hostname.split('.')
  if (labels.length < 2) return 'Its host must be a full public name.'
  if (!labels.every((label) => /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(label)))
    return 'Its host is not a plain name.'
  return INNER_ZONES.has(labels.at(-1) ?? '') ? 'Its host is a name of inner networks.' : null
}

/** The parser has rewritten every notation of IPv4 to four decimals, and put IPv6 into brackets. */
const isAddress = (hostname: string): boolean => hostname.startsWith('[') || /^\d+(\.\d+){3}$/.test(hostname)

const refused = (detail: string): Checked<never> => ({ ok: false, code: 'endpoint_refused', detail })
