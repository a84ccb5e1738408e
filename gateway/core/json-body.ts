// Reading a request body: bounded before it is read, refused by name when it is wrong. Every JSON route goes through here.
// Order of refusals: media type, size, encoding, nesting, syntax, shape; each one names its cause in the caller's own terms.
import type { z } from 'zod'
import { PARTLY_SERVED, UNSUPPORTED_FIELDS } from '../../protocol/openai-unsupported.ts'
import { GatewayError } from './errors.ts'
import { LIMITS } from './limits.ts'

/** @throws GatewayError body_too_large, unsupported_media_type, invalid_json, invalid_request or unsupported_parameter (with `param`) */
export async function readJson<T extends z.ZodType>(request: Request, schema: T): Promise<z.output<T>> {
  return parseWith(schema, await readJsonValue(request))
}

export async function readJsonValue(request: Request): Promise<unknown> {
  const type = request.headers.get('content-type') ?? ''
  if (!/^application\/([\w.+-]+\+)?json\s*(;|$)/i.test(type)) throw new GatewayError('unsupported_media_type')
  return parseJson(decodeUtf8(await readBytes(request)))
}

/** JSON of bounded nesting. @throws GatewayError invalid_json */
export function parseJson(text: string): unknown {
  if (depthOf(text) > LIMITS.jsonDepth)
    throw new GatewayError('invalid_json', { detail: `It is nested deeper than ${LIMITS.jsonDepth}.` })
  try {
    return JSON.parse(text)
  } catch {
    // The parser's message quotes the body, and a body may be a prompt: it is no cause for a log.
    throw new GatewayError('invalid_json')
  }
}

/** @throws GatewayError with the path of the first wrong field as `param` */
export function parseWith<T extends z.ZodType>(schema: T, value: unknown): z.output<T> {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const [first] = parsed.error.issues
  throw first ? refusalOf(closestIssue(first)) : new GatewayError('invalid_request')
}

type Issue = z.core.$ZodIssue

function refusalOf(issue: Issue): GatewayError {
  const unknownKey = issue.code === 'unrecognized_keys' ? issue.keys[0] : undefined
  const path = unknownKey === undefined ? issue.path : [...issue.path, unknownKey]
  const param = shorten(path.join('.'))
  const field = String(path[0])
  const isInField = unknownKey === undefined || path.length > 1
  if (isInField && Object.hasOwn(PARTLY_SERVED, field))
    return new GatewayError('unsupported_parameter', { param: field, detail: PARTLY_SERVED[field] })
  const isKnown = path.length === 1 && UNSUPPORTED_FIELDS.has(param)
  if (unknownKey !== undefined)
    return isKnown
      ? new GatewayError('unsupported_parameter', { param, detail: `Leave "${param}" out.` })
      : new GatewayError('invalid_request', { param, detail: `Unknown field "${param}".` })
  if (isKnown)
    return new GatewayError('unsupported_parameter', { param, detail: `Only the default of "${param}" is served.` })
  if (param === '') return new GatewayError('invalid_request', { detail: issue.message })
  return new GatewayError('invalid_request', { param, detail: `${param}: ${issue.message}` })
}

/** Of a union's branches, the one that got furthest into the value: "content.0.type" says more than "content". */
function closestIssue(issue: Issue): Issue {
  if (issue.code !== 'invalid_union') return issue
  const inside = issue.errors
    .map(([first]) => first)
    .filter((first): first is Issue => first !== undefined && first.path.length > 0)
    .sort((a, b) => b.path.length - a.path.length)[0]
  return inside ? closestIssue({ ...inside, path: [...issue.path, ...inside.path] }) : issue
}

/** A field's name is the caller's own text and could be megabytes long. */
const shorten = (param: string): string => (param.length > 200 ? `${param.slice(0, 200)}…` : param)

/** @throws GatewayError body_too_large, having read no more than that */
export async function readBytes(request: Request, bytesMax: number = LIMITS.bodyBytes): Promise<Uint8Array> {
  if (Number(request.headers.get('content-length') ?? 0) > bytesMax) throw tooLarge(bytesMax)
  const parts: Uint8Array[] = []
  let size = 0
  // What is too large stays in its stream: `unread-body.ts` decides what becomes of it.
  for await (const chunk of request.body?.values({ preventCancel: true }) ?? []) {
    size += chunk.byteLength
    if (size > bytesMax) throw tooLarge(bytesMax)
    parts.push(chunk)
  }
  if (parts.length === 1 && parts[0]) return parts[0]
  const bytes = new Uint8Array(size)
  let offset = 0
  for (const part of parts) {
    bytes.set(part, offset)
    offset += part.byteLength
  }
  return bytes
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(bytes)
  } catch {
    throw new GatewayError('invalid_json', { detail: 'It is not UTF-8.' })
  }
}

const tooLarge = (bytesMax: number) => new GatewayError('body_too_large', { detail: `At most ${bytesMax} bytes.` })

/**
 * Deepest nesting of brackets outside strings, counted without recursion. Exact as far as the text is valid JSON, which is
 * as far as a parser would follow it.
 */
function depthOf(text: string): number {
  let depth = 0
  let deepest = 0
  let inString = false
  for (let i = 0; i < text.length; i++) {
    const char = text[i]
    if (inString) {
      if (char === '\\') i += 1
      else if (char === '"') inString = false
    } else if (char === '"') inString = true
    else if (char === '{' || char === '[') deepest = Math.max(deepest, ++depth)
    else if (char === '}' || char === ']') depth -= 1
  }
  return deepest
}
