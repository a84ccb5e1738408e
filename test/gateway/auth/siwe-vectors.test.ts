// The conformance cases of EIP-4361's authors (spruceid/siwe), inside workerd, with the clock moved to each case's own time.
import { env } from 'cloudflare:workers'
import { SiweMessage } from 'siwe'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { checkSignIn, parseSignIn, type ExpectedSignIn } from '../../../gateway/auth/sign-in.ts'
import { VerifyRequest } from '../../../protocol/auth.ts'
import { instant } from '../../../protocol/units.ts'
import { describeBoundVectors } from '../../support/workers/vectors.ts'
import { aHouse } from './auth-house.ts'

const Fields = z.looseObject({
  // The vectors write an absent scheme as null, siwe as undefined.
  scheme: z
    .string()
    .nullish()
    .transform((scheme) => scheme ?? undefined),
  domain: z.string().optional(),
  address: z.string().optional(),
  statement: z.string().optional(),
  uri: z.string().optional(),
  version: z.string().optional(),
  chainId: z.union([z.number(), z.string()]).optional(),
  nonce: z.string().optional(),
  issuedAt: z.string().optional(),
  expirationTime: z.string().optional(),
  notBefore: z.string().optional(),
  requestId: z.string().optional(),
  resources: z.array(z.string()).optional(),
})
type Fields = z.infer<typeof Fields>

const Verification = Fields.extend({
  domain: z.string(),
  uri: z.string(),
  nonce: z.string(),
  issuedAt: z.string(),
  signature: z.string(),
  time: z.string().optional(),
  domainBinding: z.string().optional(),
  matchNonce: z.string().optional(),
})
type Verification = z.infer<typeof Verification>

const Files = z.object({
  parsing_positive: z.record(z.string(), z.object({ message: z.string(), fields: Fields })),
  parsing_negative: z.record(z.string(), z.string()),
  parsing_negative_objects: z.record(z.string(), Fields),
  verification_positive: z.record(z.string(), Verification),
  verification_negative: z.record(z.string(), Verification),
  eip1271: z.record(z.string(), z.object({ message: z.string(), signature: z.string() })),
})

describeBoundVectors('siwe', env.TEST_SIWE_VECTORS, (text) => {
  const files = Files.parse(JSON.parse(text))

  it('are all here: 19, 29, 18, 4, 10 and 2', () => {
    expect(Object.values(files).map((cases) => Object.keys(cases).length)).toEqual([19, 29, 18, 4, 10, 2])
  })

  describe('parsing_positive', () => {
    it.each(Object.entries(files.parsing_positive))('reads and writes back: %s', (_, { message, fields }) => {
      const parsed = parseSignIn(message)
      expect(parsed).toMatchObject(fields)
      expect(parsed?.prepareMessage()).toBe(message)
      expect(written(fields)).toBe(message)
    })
  })

  describe('parsing_negative', () => {
    it.each(Object.entries(files.parsing_negative))('refuses: %s', async (_, message) => {
      expect(parseSignIn(message)).toBeNull()
      const expected = { ...anything, domain: 'service.org', uri: 'https://service.org' }
      expect(await checkSignIn(message, `0x${'00'.repeat(65)}`, expected)).toEqual({ ok: false, code: 'message' })
    })
  })

  describe('parsing_negative_objects', () => {
    it.each(Object.entries(files.parsing_negative_objects))('refuses, as a text and as an object: %s', (_, fields) => {
      expect(parseSignIn(written(fields))).toBeNull()
      expect(VerifyRequest.safeParse({ message: fields, signature: '0x00' }).success).toBe(false)
    })
  })

  describe('verification_positive', () => {
    it.each(Object.entries(files.verification_positive))('accepts: %s', async (_, vector) => {
      expect(await checkSignIn(messageOf(vector), vector.signature, expectedBy(vector))).toEqual({
        ok: true,
        value: { address: vector.address, nonce: vector.nonce, byContract: false },
      })
    })

    it.each(Object.entries(files.verification_positive))(
      'with the window around issuedAt of our routes: %s',
      async (_, v) => {
        const strict = { ...expectedBy(v), issuedWithin: { ageMs: 600_000, aheadMs: 60_000 } }
        const result = await checkSignIn(messageOf(v), v.signature, strict)
        expect(result).toMatchObject(v.time === undefined ? { ok: true } : { ok: false, code: 'issued_at' })
      },
    )
  })

  describe('verification_negative', () => {
    it.each(Object.entries(files.verification_negative))('refuses: %s', async (_, vector) => {
      expect(await checkSignIn(messageOf(vector), vector.signature, expectedBy(vector))).toMatchObject({ ok: false })
    })

    it.each(Object.entries(files.verification_negative))(
      'leaves the nonce and makes no session: %s',
      async (_, vector) => {
        const expected = expectedBy(vector)
        const house = aHouse({ domain: expected.domain, chainId: expected.chainId })
        house.now = expected.now
        await env.DB.prepare('DELETE FROM nonces').run()
        await env.DB.prepare('INSERT INTO nonces (nonce, expires_at) VALUES (?, ?)')
          .bind(vector.matchNonce ?? vector.nonce, expected.now + 600_000)
          .run()
        const body = { message: messageOf(vector), signature: vector.signature }
        const response = await house.send('POST', '/auth/verify', { body })
        expect([response.status, await rows('nonces'), await rows('sessions')]).toEqual([401, 1, 0])
      },
    )
  })

  // That a contract's signature is right only a chain can say: test/flows/contract-wallets.test.ts asks one about these vectors.
  describe('eip1271', () => {
    it.each(Object.entries(files.eip1271))('asks the chain, and it alone: %s', async (_, { message, signature }) => {
      const asked: unknown[] = []
      const says = (answer: boolean) => (claim: unknown) => {
        asked.push(claim)
        return Promise.resolve(answer)
      }
      const read = parseSignIn(message)
      const expected = { ...anything, domain: 'localhost:4361', uri: 'http://localhost:4361', now: instant(0) }
      const [address, nonce] = [read?.address, read?.nonce]
      expect(await checkSignIn(message, signature, expected, says(true))).toEqual({
        ok: true,
        value: { address, nonce, byContract: true },
      })
      expect(asked).toEqual([{ address, text: message, signature, nonce }])
      for (const chain of [says(false), null])
        expect(await checkSignIn(message, signature, expected, chain)).toMatchObject({ ok: false, code: 'signature' })
    })
  })
})

const anything: ExpectedSignIn = {
  domain: '',
  uri: '',
  chainId: 1,
  now: instant(0),
  nonce: null,
  issuedWithin: null,
}

function expectedBy(vector: Verification): ExpectedSignIn {
  return {
    domain: vector.domainBinding ?? vector.domain,
    uri: new URL(vector.uri).origin,
    chainId: Number(vector.chainId),
    now: instant(Date.parse(vector.time ?? vector.issuedAt) || 0),
    nonce: vector.matchNonce ?? vector.nonce,
    issuedWithin: null,
  }
}

/** By siwe where it agrees to write the message at all; else as the fields say. */
function messageOf(vector: Verification): string {
  const text = written(vector)
  try {
    const { signature: _, time: __, domainBinding: ___, matchNonce: ____, ...fields } = vector
    expect(new SiweMessage(fields as Partial<SiweMessage>).prepareMessage()).toBe(text)
  } catch (error) {
    if (parseSignIn(text)) throw error
  }
  return text
}

/** EIP-4361 as the fields say, a missing one left out. */
function written(f: Fields): string {
  const line = (label: string, value: unknown) => (value === undefined ? [] : [`${label}: ${String(value)}`])
  const { domain = '', address = '', statement } = f
  return [
    `${f.scheme ? `${f.scheme}://` : ''}${domain} wants you to sign in with your Ethereum account:`,
    address,
    '',
    ...(statement === undefined ? [''] : [statement, '']),
    ...line('URI', f.uri),
    ...line('Version', f.version),
    ...line('Chain ID', f.chainId),
    ...line('Nonce', f.nonce),
    ...line('Issued At', f.issuedAt),
    ...line('Expiration Time', f.expirationTime),
    ...line('Not Before', f.notBefore),
    ...line('Request ID', f.requestId),
    ...(f.resources ? ['Resources:', ...f.resources.map((uri) => `- ${uri}`)] : []),
  ].join('\n')
}

async function rows(table: 'nonces' | 'sessions'): Promise<number | undefined> {
  return (await env.DB.prepare(`SELECT count(*) AS n FROM ${table}`).first<{ n: number }>())?.n
}
