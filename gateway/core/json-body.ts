// Reading a request body: bounded before it is read, refused by name when it is wrong. Every JSON route goes through here.
import { z } from 'zod'
import { UNSUPPORTED_FIELDS } from '../../protocol/openai.ts'
import { GatewayError } from './errors.ts'
import { LIMITS } from './limits.ts'

/** @throws GatewayError body_too_large, unsupported_media_type, invalid_json, invalid_request or unsupported_parameter (with `param`) */
export async function readJson<T extends z.ZodType>(request: Request, schema: T): Promise<z.output<T>> {
  return parseWith(schema, await readJsonValue(request))
}

export async function readJsonValue(request: Request): Promise<unknown> {
  const type = request.headers.get('content-type') ?? ''
  if (!/^application\/([\w.+-]+\+)?json\s*(;|$)/i.test(type)) throw new GatewayError('unsupported_media_type')
  const text = await readText(request)
  if (depthOf(text) > LIMITS.jsonDepth)
    throw new GatewayError('invalid_json', { detail: `It is nested deeper than ${LIMITS.jsonDepth}.` })
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new GatewayError('invalid_json', { cause })
  }
}

/** @throws GatewayError with the path of the first wrong field as `param` */
export function parseWith<T extends z.ZodType>(schema: T, value: unknown): z.output<T> {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  if (issue?.code === 'unrecognized_keys') {
    const field = [...issue.path, issue.keys[0]].join('.')
    const isKnown = UNSUPPORTED_FIELDS.has(issue.keys[0] ?? '')
    throw new GatewayError(isKnown ? 'unsupported_parameter' : 'invalid_request', {
      param: field,
      detail: isKnown ? undefined : `Unknown field "${field}".`,
    })
  }
  const param = issue?.path.join('.') ?? ''
  const isUnsupported = issue?.path.length === 1 && UNSUPPORTED_FIELDS.has(param)
  if (isUnsupported)
    throw new GatewayError('unsupported_parameter', { param, detail: `Only the default of "${param}" is served.` })
  throw new GatewayError('invalid_request', {
    ...(param ? { param } : {}),
    detail: param ? `${param}: ${issue?.message ?? ''}` : issue?.message,
  })
}

async function readText(request: Request): Promise<string> {
  if (Number(request.headers.get('content-length') ?? 0) > LIMITS.bodyBytes) throw tooLarge()
  if (!request.body) return ''
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false })
  const parts: string[] = []
  let bytes = 0
  try {
    for await (const chunk of request.body as ReadableStream<Uint8Array>) {
      bytes += chunk.byteLength
      if (bytes > LIMITS.bodyBytes) throw tooLarge()
      parts.push(decoder.decode(chunk, { stream: true }))
    }
    parts.push(decoder.decode())
  } catch (cause) {
    if (cause instanceof TypeError) throw new GatewayError('invalid_json', { cause, detail: 'It is not UTF-8.' })
    throw cause
  }
  return parts.join('')
}

const tooLarge = () => new GatewayError('body_too_large', { detail: `At most ${LIMITS.bodyBytes} bytes.` })

/** Deepest nesting of brackets outside strings, counted without recursion. */
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
