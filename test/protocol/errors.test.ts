import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { ErrorBody, errorBody, ERRORS, isErrorCode, type ErrorCode } from '../../protocol/errors.ts'

const entries = Object.entries(ERRORS)
/** What a type may answer with: the official clients choose their exception class by the status. */
const STATUS_OF_TYPE: Record<string, readonly number[]> = {
  invalid_request_error: [400, 405, 413, 415, 422, 426, 499],
  authentication_error: [401],
  insufficient_quota: [402],
  permission_error: [403, 451],
  not_found_error: [404, 410],
  conflict_error: [409],
  rate_limit_error: [429],
  provider_error: [502, 503, 504],
  server_error: [500, 503, 504],
}

describe('the closed list of errors', () => {
  it.each(entries)('%s has the status of its type', (_, { status, type }) => {
    expect(STATUS_OF_TYPE[type]).toContain(status)
  })
  it.each(entries)('%s is a snake_case code with one sentence', (code, { message }) => {
    expect(code).toMatch(/^[a-z]+(_[a-z]+)*$/)
    expect(message).toMatch(/^[A-Z].*\.$/)
  })
  it('says something different for every code', () => {
    expect(new Set(entries.map(([, { message }]) => message)).size).toBe(entries.length)
  })
  it('knows its own codes and nothing that only looks like one', () => {
    expect(entries.every(([code]) => isErrorCode(code))).toBe(true)
    for (const code of ['', 'Invalid_json', 'toString', '__proto__', 'constructor'])
      expect(isErrorCode(code)).toBe(false)
  })
})

describe('the envelope', () => {
  it('is the same shape for every code', () => {
    for (const [code, { message, type }] of entries) {
      // Object.entries widens the key; the list was just read from ERRORS.
      const body = errorBody(code as ErrorCode, 'req_1')
      expect(ErrorBody.parse(body)).toEqual({ error: { code, message, type, param: null, requestId: 'req_1' } })
    }
  })
  it('puts the cause behind the fixed sentence and names the field', () => {
    expect(errorBody('invalid_request', null, 'temperature', 'temperature: too large').error).toEqual({
      code: 'invalid_request',
      message: 'The request is not valid. temperature: too large',
      type: 'invalid_request_error',
      param: 'temperature',
      requestId: null,
    })
  })
})

it('is written down, each code under its status', () => {
  const readme = readFileSync(fileURLToPath(new URL('../../protocol/README.md', import.meta.url)), 'utf8')
  const rows = [...readme.matchAll(/^\| ([\d, ]+?) +\| (`.*?) +\|$/gm)].map(([, statuses = '', codes = '']) => ({
    statuses: statuses.split(', ').map(Number),
    codes: [...codes.matchAll(/`([a-z_]+)`/g)].map(([, code]) => code),
  }))
  for (const [code, { status }] of entries)
    expect(
      rows.filter((row) => row.codes.includes(code)).map((row) => row.statuses.includes(status)),
      code,
    ).toContain(true)
  const written = rows.flatMap((row) => row.codes).filter((code) => code !== 'retry')
  expect(written.filter((code) => !isErrorCode(code ?? ''))).toEqual([])
})
