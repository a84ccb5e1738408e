// Where a model's files may be fetched: HTTPS only, also behind every redirect. The one exception is a mirror on this very machine, which the
// operator names: nothing of it crosses a network.
import { OperatorError } from '../operator-error.ts'
import { STORE_LIMITS } from './store-limits.ts'

export interface Source {
  readonly url: string
  /** what an operator reads; a path could carry a token */
  readonly host: string
}

/** @param mirror SOUK_NODE_MODEL_MIRROR: a folder that holds `<author>/<name>/<file>`, tried before the manifest's own sources */
export function sourcesOf(
  {
    id,
    sources = [],
    sourcePaths = {},
  }: {
    id: string
    sources?: readonly string[] | undefined
    sourcePaths?: Readonly<Record<string, string>> | undefined
  },
  name: string,
  mirror: string | undefined,
): Source[] {
  const path = sourcePaths[name] ?? name
  const urls = sources.map((source) => `${withoutSlash(source)}/${path.split('/').map(encodeURIComponent).join('/')}`)
  if (mirror !== undefined) urls.unshift(`${withoutSlash(mirror)}/${id}/${encodeURIComponent(name)}`)
  return urls.map((url) => ({ url, host: new URL(url).host }))
}

/** @throws OperatorError when it is neither https nor on this machine */
export function checkMirror(mirror: string | undefined): void {
  if (mirror === undefined || (URL.canParse(mirror) && isAllowed(new URL(mirror), true))) return
  throw new OperatorError('SOUK_NODE_MODEL_MIRROR must be an https address, or http://127.0.0.1')
}

export const isAllowed = ({ protocol, hostname }: URL, isLoopbackAllowed: boolean): boolean =>
  protocol === 'https:' || (isLoopbackAllowed && protocol === 'http:' && hostname === '127.0.0.1')

/** Follows redirects itself, because fetch would follow them to http too. @returns the answer, or why there is none, in words */
export async function open(
  source: Source,
  headers: Readonly<Record<string, string>>,
  needs: { readonly fetch: typeof fetch; readonly signal: AbortSignal },
): Promise<Response | { refused: string }> {
  let url = new URL(source.url)
  // Whoever began on this machine may stay there; nobody is sent here from outside.
  let isLoopbackAllowed = url.protocol === 'http:'
  for (let hops = 0; hops <= STORE_LIMITS.redirects; hops++) {
    if (!isAllowed(url, isLoopbackAllowed)) return { refused: 'is no https address' }
    isLoopbackAllowed = url.protocol === 'http:'
    const response = await needs.fetch(url.href, { headers, redirect: 'manual', signal: needs.signal })
    const location = response.headers.get('location')
    if (![301, 302, 303, 307, 308].includes(response.status) || location === null) return response
    await response.body?.cancel()
    if (!URL.canParse(location, url.href)) return { refused: 'redirects to no address' }
    url = new URL(location, url)
    if (!isAllowed(url, isLoopbackAllowed)) return { refused: 'redirects to an address that is not https' }
  }
  return { refused: `redirects more than ${STORE_LIMITS.redirects} times` }
}

const withoutSlash = (url: string): string => url.replace(/\/+$/, '')
