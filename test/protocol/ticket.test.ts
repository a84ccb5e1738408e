import { exportJWK, generateKeyPair, SignJWT, CompactSign, type CryptoKey } from 'jose'
import { beforeAll, describe, expect, it } from 'vitest'
import { base64url, utf8ToBytes } from '../../protocol/canonical.ts'
import { importPrivateKey, importPublicKey } from '../../protocol/keys.ts'
import { signClaims, signTicket, TICKET_SECONDS, verifyTicket, type Ticket } from '../../protocol/ticket.ts'

const NOW = 1_800_000_000
const AUDIENCE = 'node-key-of-this-test'
const aTicket = (over: Partial<Ticket> = {}): Ticket => ({
  iss: 'https://souk.example',
  aud: AUDIENCE,
  jti: 'ticket-1',
  iat: NOW,
  exp: NOW + TICKET_SECONDS,
  callId: 'call_01',
  attempt: 0,
  path: '/v1/chat/completions',
  model: 'souk/tiny-chat',
  modelDigest: 'a'.repeat(64),
  inputTokensMax: 12,
  outputTokensMax: 100,
  prices: { input: '10', output: '20', cachedInput: '0', bytes: '0', perCall: '0' },
  bodySha256: 'b'.repeat(64),
  salt: 'AAAAAAAAAAAAAAAAAAAAAA',
  pseudonym: 'p',
  ...over,
})

let gateway: { privateKey: CryptoKey; publicKey: CryptoKey }
let stranger: typeof gateway
beforeAll(async () => {
  gateway = await generateKeyPair('EdDSA', { extractable: true })
  stranger = await generateKeyPair('EdDSA', { extractable: true })
})

const verify = (jws: string, over: Partial<Parameters<typeof verifyTicket>[1]> = {}) =>
  verifyTicket(jws, {
    resolveKey: (kid) => Promise.resolve(kid === 'gateway-1' ? gateway.publicKey : null),
    audience: AUDIENCE,
    nowSeconds: NOW,
    ...over,
  })
const signed = (over: Partial<Ticket> = {}) => signTicket(aTicket(over), gateway.privateKey, 'gateway-1')

describe('a ticket', () => {
  it('is read back as it was signed', async () => {
    expect(await verify(await signed())).toEqual({ ok: true, value: aTicket() })
  })
  it('is refused by another node', async () => {
    expect(await verify(await signed(), { audience: 'another' })).toEqual({ ok: false, code: 'wrong_audience' })
  })
  it.each([
    ['in its last second', TICKET_SECONDS, true],
    ['one second later', TICKET_SECONDS + 1, false],
  ])('%s: accepted is %s', async (_, seconds, ok) => {
    const verdict = await verify(await signed(), { nowSeconds: NOW + seconds })
    expect(verdict.ok).toBe(ok)
    if (!verdict.ok) expect(verdict.code).toBe('expired')
  })
  it.each([
    ['a clock that is behind by the allowance', -TICKET_SECONDS, true],
    ['one second more', -TICKET_SECONDS - 1, false],
  ])('before its time, with %s', async (_, seconds, ok) => {
    const verdict = await verify(await signed(), { nowSeconds: NOW + seconds })
    expect(verdict.ok).toBe(ok)
    if (!verdict.ok) expect(verdict.code).toBe('not_yet_valid')
  })
  it('may not live longer than the allowance on both sides', async () => {
    expect((await verify(await signed({ exp: NOW + 2 * TICKET_SECONDS }))).ok).toBe(true)
    expect(await verify(await signed({ exp: NOW + 2 * TICKET_SECONDS + 1 }))).toEqual({ ok: false, code: 'expired' })
  })
  it('is refused with a key that nobody published', async () => {
    const jws = await signTicket(aTicket(), gateway.privateKey, 'gateway-2')
    expect(await verify(jws)).toEqual({ ok: false, code: 'bad_signature' })
  })
  it("is refused with a stranger's signature under our kid", async () => {
    const jws = await signTicket(aTicket(), stranger.privateKey, 'gateway-1')
    expect(await verify(jws)).toEqual({ ok: false, code: 'bad_signature' })
  })
  it('is refused when a receipt is shown in its place', async () => {
    const jws = await signClaims(aTicket(), gateway.privateKey, { typ: 'souk-receipt', kid: 'gateway-1' })
    expect(await verify(jws)).toEqual({ ok: false, code: 'malformed' })
  })
  it('is refused when it is signed but not of the shape', async () => {
    const header = { typ: 'souk-ticket', kid: 'gateway-1' }
    for (const claims of [
      {},
      { ...aTicket(), attempt: -1 },
      { ...aTicket(), exp: 'soon' },
      { ...aTicket(), prices: { input: '1.5' } },
    ])
      expect(await verify(await signClaims(claims, gateway.privateKey, header))).toEqual({
        ok: false,
        code: 'malformed',
      })
  })
})

describe('a forged ticket', () => {
  const part = (value: unknown) => base64url(utf8ToBytes(JSON.stringify(value)))
  it('without a signature is refused', async () => {
    const claims = part(aTicket())
    for (const alg of ['none', 'None', 'NONE'])
      expect((await verify(`${part({ alg, typ: 'souk-ticket', kid: 'gateway-1' })}.${claims}.`)).ok).toBe(false)
    expect((await verify(`${part({ alg: 'EdDSA', typ: 'souk-ticket', kid: 'gateway-1' })}.${claims}.`)).ok).toBe(false)
  })
  it('under an HMAC with the public key as its secret is refused', async () => {
    const { x = '' } = await exportJWK(gateway.publicKey)
    const jws = await new SignJWT({ ...aTicket() })
      .setProtectedHeader({ alg: 'HS256', typ: 'souk-ticket', kid: 'gateway-1' })
      .sign(utf8ToBytes(x.padEnd(64, '=')))
    expect(await verify(jws)).toEqual({ ok: false, code: 'bad_signature' })
  })
  it('with one changed character anywhere is refused', async () => {
    const jws = await signed()
    for (let i = 0; i < jws.length; i += 7) {
      const other = jws[i] === 'A' ? 'B' : 'A'
      if (jws[i] === '.') continue
      expect((await verify(jws.slice(0, i) + other + jws.slice(i + 1))).ok, `character ${i}`).toBe(false)
    }
  })
  it('that is no JWS at all is refused, not thrown', async () => {
    for (const jws of ['', '.', '..', 'a.b.c', '{}', 'x'.repeat(20_000), `${part({ alg: 'EdDSA', kid: {} })}.e30.AA`])
      expect(await verify(jws)).toEqual({ ok: false, code: 'bad_signature' })
  })
  it('whose kid is no string never reaches the resolver', async () => {
    const seen: unknown[] = []
    // A hostile header says what its type forbids, which only a cast can write.
    const header = { alg: 'EdDSA', typ: 'souk-ticket', kid: { toString: 1 } as unknown as string }
    const jws = await new CompactSign(utf8ToBytes(JSON.stringify(aTicket())))
      .setProtectedHeader(header)
      .sign(gateway.privateKey)
    const resolveKey = (kid: string) => {
      seen.push(kid)
      return Promise.resolve(gateway.publicKey)
    }
    expect((await verify(jws, { resolveKey })).ok).toBe(false)
    expect(seen).toEqual([])
  })
})

describe('keys', () => {
  it('cross the wire as the x and d of their JWK', async () => {
    const { x = '', d = '' } = await exportJWK(gateway.privateKey)
    const jws = await signTicket(aTicket(), await importPrivateKey({ x, d }), 'gateway-1')
    const publicKey = await importPublicKey(x)
    expect((await verify(jws, { resolveKey: () => Promise.resolve(publicKey) })).ok).toBe(true)
  })
  it('are refused when they are none', async () => {
    const { x = '' } = await exportJWK(gateway.privateKey)
    await expect(importPrivateKey({ x })).rejects.toThrow(TypeError)
    await expect(importPrivateKey({ d: x })).rejects.toThrow(TypeError)
    await expect(importPublicKey('short')).rejects.toThrow()
    await expect(importPublicKey('')).rejects.toThrow()
  })
})
