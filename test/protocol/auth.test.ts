import { describe, expect, it } from 'vitest'
import { Address, CreateKeyRequest, page, Signature, Timestamp, Usd, VerifyRequest } from '../../protocol/auth.ts'
import { fromUsd } from '../../protocol/units.ts'
import { z } from 'zod'

const accepts = (schema: z.ZodType, value: unknown) => schema.safeParse(value).success

describe('scalars', () => {
  it.each([
    [Address, '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266', true],
    [Address, '0xf39fd6e51aad88f6f4ce6ab8827279cfffb9226', false],
    [Address, 'f39fd6e51aad88f6f4ce6ab8827279cfffb922660', false],
    [Address, '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266\n', false],
    [Signature, `0x${'a'.repeat(130)}`, true],
    [Signature, '0x', false],
    [Signature, `0x${'a'.repeat(8193)}`, false],
    [Usd, '0', true],
    [Usd, '999999.999999999', true],
    [Usd, '1000000', false],
    [Usd, '0.0000000001', false],
    [Usd, '-1', false],
    [Usd, '1e3', false],
    [Timestamp, '2026-11-21T00:00:00Z', true],
    [Timestamp, '2026-11-21T00:00:00.123Z', true],
    [Timestamp, '2026-11-21T00:00:00+02:00', false],
    [Timestamp, '2026-11-21', false],
    [Timestamp, '2026-02-30T00:00:00Z', false],
  ])('%#: %o of %j is %s', (schema, text, ok) => {
    expect(accepts(schema, text)).toBe(ok)
  })
  it('dollars of the wire are always readable as nanos', () => {
    for (const text of ['0', '5', '999999.999999999', '0.1', '000.5'])
      expect(() => fromUsd(Usd.parse(text))).not.toThrow()
  })
})

describe('a new key', () => {
  it('may infer and nothing else unless asked', () => {
    expect(CreateKeyRequest.parse({ name: ' laptop ' })).toEqual({ name: 'laptop', scopes: ['inference'] })
  })
  it('has its budget counted in total unless a period is given', () => {
    const { limit } = CreateKeyRequest.parse({ name: 'k', limit: { usd: '1.5' } })
    expect(limit).toEqual({ usd: '1.5', period: 'total', shadow: false })
  })
  it.each([
    ['no name', {}],
    ['a name of blanks', { name: '   ' }],
    ['a name of 81 characters', { name: 'x'.repeat(81) }],
    ['no scope', { name: 'k', scopes: [] }],
    ['an unknown scope', { name: 'k', scopes: ['root'] }],
    ['an empty list of models', { name: 'k', models: [] }],
    ['a budget as a number', { name: 'k', limit: { usd: 5 } }],
    ['an unknown period', { name: 'k', limit: { usd: '5', period: 'hour' } }],
    ['zero calls a minute', { name: 'k', rateLimit: { rpm: 0 } }],
    ['half a concurrent call', { name: 'k', rateLimit: { concurrency: 0.5 } }],
    ['a local time', { name: 'k', expiresAt: '2026-11-21 00:00' }],
    ['an unknown field', { name: 'k', admin: true }],
    ['an unknown limit', { name: 'k', rateLimit: { rps: 1 } }],
  ])('is refused with %s', (_, body) => {
    expect(accepts(CreateKeyRequest, body)).toBe(false)
  })
  it('accepts 80 characters of name', () => {
    expect(accepts(CreateKeyRequest, { name: 'x'.repeat(80) })).toBe(true)
  })
})

describe('sign-in', () => {
  it.each([
    [4_096, true],
    [4_097, false],
    [0, false],
  ])('a message of %s characters: accepted is %s', (length, ok) => {
    expect(accepts(VerifyRequest, { message: 'm'.repeat(length), signature: '0xabcd' })).toBe(ok)
  })
  it('refuses what it does not know', () => {
    expect(accepts(VerifyRequest, { message: 'm', signature: '0xabcd', accountId: 'x' })).toBe(false)
  })
})

it('a page is its items and where the next one begins', () => {
  const Page = page(z.string())
  expect(accepts(Page, { data: ['a'], nextCursor: null })).toBe(true)
  expect(accepts(Page, { data: ['a'] })).toBe(false)
  expect(accepts(Page, { data: [1], nextCursor: 'x' })).toBe(false)
})
