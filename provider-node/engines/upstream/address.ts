// Where the server is: the address an operator wrote, with or without the protocol's own first segment, as the base that paths are joined to.
import { OperatorError } from '../../operator-error.ts'

/**
 * @param segment `v1` (OpenAI) or `v2` (Open Inference Protocol)
 * @example upstreamBase('http://127.0.0.1:8000', 'v1') // http://127.0.0.1:8000/v1; the same of http://127.0.0.1:8000/v1
 * @throws OperatorError for what cannot be a base
 */
export function upstreamBase(url: string, segment: 'v1' | 'v2'): string {
  const parsed = URL.canParse(url) ? new URL(url) : null
  if (!parsed || !/^https?:$/.test(parsed.protocol)) throw new OperatorError('upstream.url is no http or https address')
  if (parsed.username !== '' || parsed.password !== '')
    throw new OperatorError('upstream.url holds a password: name the variable of its key in upstream.apiKeyEnv instead')
  if (parsed.search !== '' || parsed.hash !== '') throw new OperatorError('upstream.url ends before "?" and "#"')
  const path = parsed.pathname.replace(/\/+$/, '')
  return `${parsed.origin}${path.endsWith(`/${segment}`) ? path : `${path}/${segment}`}`
}

/** For a header: printable ASCII. @throws OperatorError */
export function bearerHeader(apiKey: string | null): Readonly<Record<string, string>> {
  if (apiKey === null) return {}
  const key = apiKey.trim()
  if (!/^[\x21-\x7e]+$/.test(key)) throw new OperatorError('the key for the upstream is empty or no printable ASCII')
  return { authorization: `Bearer ${key}` }
}
