import { afterEach, describe, expect, it, vi } from 'vitest'
import { assert, GatewayError, logError, redact, toResponse } from '../../../gateway/core/errors.ts'
import { ErrorBody, ERRORS, type ErrorCode } from '../../../protocol/errors.ts'

/** Secrets as they look in the wild: none may reach a log. */
const CANARIES = {
  'an API key': 'sk-souk-0123456789abcdef-0123456789-AAAAAAAAAAAAAAAAAAAAAA-BBBBBBBB',
  'a session token': 'Zm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm8',
  'a wallet key': '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80',
  'a wallet key without its prefix': 'ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80',
  'a signature': `0x${'ab'.repeat(65)}`,
  'a private JWK': 'nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A',
  'a ticket': `eyJhbGciOiJFZERTQSJ9.${'eyJhIjox'.repeat(20)}.${'c2ln'.repeat(21)}AA`,
}
const secretPartOf = (canary: string) => canary.slice(-40)

afterEach(() => {
  vi.restoreAllMocks()
})
function logged(run: () => void): string {
  const log = vi.spyOn(console, 'error').mockImplementation(() => undefined)
  run()
  return log.mock.calls.map(([line]) => String(line)).join('\n')
}

describe('a refusal', () => {
  it.each(Object.keys(ERRORS))('%s is answered with its status in the envelope', async (code) => {
    vi.spyOn(console, 'error').mockImplementation(() => undefined)
    // Object.keys widens the key; the list was just read from ERRORS.
    const response = toResponse(new GatewayError(code as ErrorCode, { param: 'x' }), 'req_1')
    expect(response.status).toBe(ERRORS[code as ErrorCode].status)
    expect(response.headers.get('content-type')).toBe('application/json')
    expect(ErrorBody.parse(await response.json()).error).toMatchObject({ code, param: 'x', requestId: 'req_1' })
  })
  it('says when to come back', () => {
    const response = toResponse(new GatewayError('rate_limited', { retryAfterSeconds: 7 }), 'req_1')
    expect(response.headers.get('retry-after')).toBe('7')
    expect(toResponse(new GatewayError('rate_limited'), 'req_1').headers.has('retry-after')).toBe(false)
  })
  it('of the caller is not logged, and of ours is', () => {
    expect(logged(() => toResponse(new GatewayError('not_found'), 'req_1'))).toBe('')
    expect(logged(() => toResponse(new GatewayError('provider_failed'), 'req_1'))).toContain('req_1')
  })
})

describe('a bug', () => {
  it.each([new Error('the database at 10.0.0.1 said no'), 'a string', null, undefined, { a: 1 }])(
    'of %s is a 500 that tells nothing',
    async (bug) => {
      vi.spyOn(console, 'error').mockImplementation(() => undefined)
      const response = toResponse(bug, 'req_1')
      expect(response.status).toBe(500)
      expect(await response.json()).toEqual({
        error: {
          code: 'internal_error',
          message: ERRORS.internal_error.message,
          type: 'server_error',
          param: null,
          requestId: 'req_1',
        },
      })
    },
  )
  it('is logged with what caused it', () => {
    const line = logged(() => logError(new Error('outer', { cause: new Error('inner') }), 'req_1'))
    expect(line).toContain('Error: outer <- Error: inner')
  })
  it('whose causes form a ring is logged all the same', () => {
    const ring = new Error('ring')
    ring.cause = ring
    expect(logged(() => logError(ring, null))).toContain('ring')
  })
  it('is what a failed invariant becomes', () => {
    expect(() => assert(false, 'balance')).toThrow('assertion failed: balance')
    expect(() => assert(1, 'balance')).not.toThrow()
  })
})

describe('the log', () => {
  it.each(Object.entries(CANARIES))('never has %s in it, not in a message, a cause or a stack', (_, canary) => {
    for (const text of [
      canary,
      `Bearer ${canary}`,
      `souk_session=${canary};`,
      `{"d":"${canary}"}`,
      `x\n${canary}\ny`,
    ]) {
      const error = new GatewayError('internal_error', { cause: new Error(text, { cause: new Error(text) }) })
      expect(logged(() => logError(error, 'req_1'))).not.toContain(secretPartOf(canary))
      expect(redact(text)).not.toContain(secretPartOf(canary))
    }
  })
  it('does not have the parameters of a failed query in it', () => {
    const message = 'Failed query: insert into "codes" values (?, ?)\nparams: welcome-code,second\nline of it'
    const line = logged(() => logError(new Error(message, { cause: new Error('D1_ERROR: no such table') }), null))
    expect(line).not.toContain('welcome-code')
    expect(line).not.toContain('line of it')
    expect(line).toContain('Failed query: insert into')
    expect(line).toContain('D1_ERROR: no such table')
    expect(line).toContain('errors.test.ts')
  })
  it('keeps what one needs to find the cause', () => {
    for (const text of [
      'call_01arz3ndektsv4rrffq69g5fav',
      'req_0123456789abcdef01234567',
      'TypeError: x is not a function',
      'souk/tiny-chat',
    ])
      expect(redact(text)).toBe(text)
  })
})
