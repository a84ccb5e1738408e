import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { GatewayError } from '../../../gateway/core/errors.ts'
import { parseWith, readJson, readJsonValue } from '../../../gateway/core/json-body.ts'
import { LIMITS } from '../../../gateway/core/limits.ts'
import { ChatRequest } from '../../../protocol/openai.ts'
import { describeBoundVectors } from '../../support/workers/vectors.ts'

const post = (body: BodyInit, headers: Record<string, string> = { 'content-type': 'application/json' }) =>
  new Request('http://souk.example/', { method: 'POST', body, headers })

async function refusalOf(promise: Promise<unknown>): Promise<GatewayError> {
  const error: unknown = await promise.then(
    (value) => new Error(`was accepted: ${JSON.stringify(value)?.slice(0, 80)}`),
    (refusal: unknown) => refusal,
  )
  if (error instanceof GatewayError) return error
  throw error
}
const codeOf = async (promise: Promise<unknown>) => (await refusalOf(promise)).code

describe('the media type', () => {
  it.each(['application/json', 'Application/JSON; charset=utf-8', 'application/problem+json', 'application/json ;x=y'])(
    'accepts %s',
    async (type) => {
      expect(await readJsonValue(post('{}', { 'content-type': type }))).toEqual({})
    },
  )
  it.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'application/jsonp',
    'text/json',
    'multipart/form-data',
    '',
  ])('refuses %j', async (type) => {
    expect(await codeOf(readJsonValue(post('{}', { 'content-type': type })))).toBe('unsupported_media_type')
  })
})

describe('the size', () => {
  /** A stream has no content-length: the bytes themselves must be counted. */
  const streamed = (size: number) => {
    const text = `"${'x'.repeat(size - 2)}"`
    const chunks = Array.from({ length: Math.ceil(size / 65_536) }, (_, i) => text.slice(i * 65_536, (i + 1) * 65_536))
    let pulled = 0
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        const chunk = chunks[pulled++]
        if (chunk === undefined) controller.close()
        else controller.enqueue(new TextEncoder().encode(chunk))
      },
    })
    return { request: post(body), pulled: () => pulled }
  }
  it('is accepted at the limit, with and without a declared length', async () => {
    expect(await readJsonValue(post(`"${'x'.repeat(LIMITS.bodyBytes - 2)}"`))).toHaveLength(LIMITS.bodyBytes - 2)
    expect(await readJsonValue(streamed(LIMITS.bodyBytes).request)).toHaveLength(LIMITS.bodyBytes - 2)
  })
  it('is refused one byte over, with and without a declared length', async () => {
    expect(await codeOf(readJsonValue(post(`"${'x'.repeat(LIMITS.bodyBytes - 1)}"`)))).toBe('body_too_large')
    expect(await codeOf(readJsonValue(streamed(LIMITS.bodyBytes + 1).request))).toBe('body_too_large')
  })
  it('counts bytes and not characters', async () => {
    expect(await codeOf(readJsonValue(post(`"${'é'.repeat(LIMITS.bodyBytes / 2)}"`)))).toBe('body_too_large')
  })
  it('is not read to its end when it is too large', async () => {
    const { request, pulled } = streamed(LIMITS.bodyBytes * 4)
    expect(await codeOf(readJsonValue(request))).toBe('body_too_large')
    expect(pulled()).toBeLessThan(LIMITS.bodyBytes / 65_536 + 8)
  })
  it('of a declared length that lies is still counted', async () => {
    const { request } = streamed(LIMITS.bodyBytes + 1)
    const lying = new Request(request, { headers: { 'content-type': 'application/json', 'content-length': '2' } })
    expect(await codeOf(readJsonValue(lying))).toBe('body_too_large')
  })
})

describe('the text', () => {
  const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth)
  it('may be nested to the limit and no deeper', async () => {
    expect(await readJsonValue(post(nested(LIMITS.jsonDepth)))).toBeInstanceOf(Array)
    expect(await codeOf(readJsonValue(post(nested(LIMITS.jsonDepth + 1))))).toBe('invalid_json')
    expect(await codeOf(readJsonValue(post('{"a":'.repeat(65) + '1' + '}'.repeat(65))))).toBe('invalid_json')
  })
  it('may hold brackets and escaped quotes in strings at no depth at all', async () => {
    const text = `${'['.repeat(500)}\\"${'{'.repeat(500)}`
    expect(await readJsonValue(post(JSON.stringify({ text })))).toEqual({ text })
  })
  it('must be UTF-8', async () => {
    const refusal = await refusalOf(readJsonValue(post(Uint8Array.of(0x22, 0xff, 0x22))))
    expect(refusal.code).toBe('invalid_json')
    expect(refusal.detail).toBe('It is not UTF-8.')
  })
  it('is read right when a character is cut between two chunks', async () => {
    const bytes = new TextEncoder().encode('"é😀"')
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (const byte of bytes) controller.enqueue(Uint8Array.of(byte))
        controller.close()
      },
    })
    expect(await readJsonValue(post(body))).toBe('é😀')
  })
  it('must be there', async () => {
    expect(await codeOf(readJsonValue(post('')))).toBe('invalid_json')
    const empty = new Request('http://souk.example/', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
    })
    expect(await codeOf(readJsonValue(empty))).toBe('invalid_json')
  })
  it('is never quoted in the cause, because it may be a prompt', async () => {
    const refusal = await refusalOf(readJsonValue(post('my secret prompt')))
    expect(JSON.stringify([refusal.cause ?? null, refusal.detail ?? null, refusal.message])).not.toContain('secret')
  })
})

describeBoundVectors('jsontestsuite', env.TEST_JSON_SUITE, (text) => {
  const suite = Object.entries(z.record(z.string(), z.string()).parse(JSON.parse(text))).map(
    ([name, base64]) => [name, Uint8Array.from(atob(base64), (char) => char.charCodeAt(0))] as const,
  )
  const named = (prefix: string) => suite.filter(([name]) => name.startsWith(prefix))

  it('has its 95 valid, 188 invalid and 35 free cases', () => {
    expect([named('y_').length, named('n_').length, named('i_').length]).toEqual([95, 188, 35])
  })
  it('refuses every invalid text as invalid_json', async () => {
    for (const [name, bytes] of named('n_')) expect(await codeOf(readJsonValue(post(bytes))), name).toBe('invalid_json')
  })
  it('reads every valid text as JSON.parse does', async () => {
    for (const [name, bytes] of named('y_'))
      expect(await readJsonValue(post(bytes)), name).toEqual(JSON.parse(new TextDecoder().decode(bytes)))
  })
  it('reads or refuses every free text, and never fails otherwise', async () => {
    for (const [name, bytes] of named('i_')) {
      const outcome = await readJsonValue(post(bytes)).then(
        () => 'read',
        (error: unknown) => (error instanceof GatewayError ? error.code : error),
      )
      expect(['read', 'invalid_json'], name).toContain(outcome)
    }
  })
})

describe('the shape', () => {
  const chat = (over: object) =>
    post(JSON.stringify({ model: 'm/m', messages: [{ role: 'user', content: 'x' }], ...over }))
  it.each([
    ['an unknown field', { temprature: 1 }, 'invalid_request', 'temprature'],
    ['a field that OpenAI has and we have not', { tools: [] }, 'unsupported_parameter', 'tools'],
    ['a value that we do not serve', { presence_penalty: 1 }, 'unsupported_parameter', 'presence_penalty'],
    ['more than we serve', { n: 9 }, 'invalid_request', 'n'],
    [
      'a part that we do not serve',
      { response_format: { type: 'json_schema' } },
      'unsupported_parameter',
      'response_format',
    ],
    ['a part in another shape', { response_format: 'json' }, 'unsupported_parameter', 'response_format'],
    ['a wrong type', { temperature: 'hot' }, 'invalid_request', 'temperature'],
    [
      'a wrong field deep inside',
      { messages: [{ role: 'user', content: 'x', mood: 'bad' }] },
      'invalid_request',
      'messages.0.mood',
    ],
    [
      'a wrong part of a message',
      { messages: [{ role: 'user', content: [{ type: 'image_url' }] }] },
      'invalid_request',
      'messages.0.content.0.type',
    ],
    [
      'a content that is neither text nor parts',
      { messages: [{ role: 'user', content: 5 }] },
      'invalid_request',
      'messages.0.content',
    ],
    ['a missing field', { model: undefined }, 'invalid_request', 'model'],
  ])('names the field of %s', async (_, over, code, param) => {
    const refusal = await refusalOf(readJson(chat(over), ChatRequest))
    expect([refusal.code, refusal.param]).toEqual([code, param])
    // Many programs show the sentence alone.
    expect(refusal.body(null).error.message).toContain(param === 'response_format' ? 'Served are' : param)
  })
  it('says what is served instead of a JSON schema', async () => {
    const refusal = await refusalOf(readJson(chat({ response_format: { type: 'json_schema' } }), ChatRequest))
    expect(refusal.detail).toMatch(/json_object.*describe a schema in a message/)
  })
  it('says that the whole body is wrong when it is', async () => {
    for (const body of ['null', '[]', '5', '"x"']) {
      const refusal = await refusalOf(readJson(post(body), ChatRequest))
      expect([refusal.code, refusal.param]).toEqual(['invalid_request', null])
    }
  })
  it('does not give a megabyte of field name back', async () => {
    const refusal = await refusalOf(readJson(chat({ ['x'.repeat(1_000_000)]: 1 }), ChatRequest))
    expect(JSON.stringify(refusal.body('req')).length).toBeLessThan(1_000)
  })
  it('takes no prototype from a body', async () => {
    const body = post('{"__proto__":{"isAdmin":true},"a":1}')
    expect(await codeOf(readJson(body, z.strictObject({ a: z.number() })))).toBe('invalid_request')
    const loose = parseWith(z.object({ a: z.number() }), JSON.parse('{"__proto__":{"isAdmin":true},"a":1}'))
    expect((loose as { isAdmin?: boolean }).isAdmin).toBeUndefined()
  })
})
