// The rule of signing in, message by message: every part of it, the first value that must fail, and what siwe alone would let through.
import { describe, expect, it, vi } from 'vitest'
import { SiweMessage } from 'siwe'
import { privateKeyToAccount } from 'viem/accounts'
import { checkSignIn, parseSignIn, type ExpectedSignIn } from '../../../gateway/auth/sign-in.ts'
import { verifyMessage } from '../../../gateway/auth/ethers.ts'
import { signInMessage } from '../../../protocol/client.ts'
import { instant } from '../../../protocol/units.ts'

const wallet = privateKeyToAccount(`0x${'11'.repeat(32)}`)
const NOW = Date.parse('2026-11-21T12:00:00.000Z')
const at = (offsetMs: number) => new Date(NOW + offsetMs).toISOString()

const expected: ExpectedSignIn = {
  domain: 'souk.example',
  uri: 'https://souk.example',
  chainId: 8453,
  now: instant(NOW),
  nonce: 'abcdefgh1234',
  issuedWithin: { ageMs: 600_000, aheadMs: 60_000 },
}

const aMessage = (fields: Record<string, unknown> = {}) =>
  signInMessage(wallet.address, {
    nonce: 'abcdefgh1234',
    domain: 'souk.example',
    uri: 'https://souk.example',
    chainId: 8453,
    statement: 'Sign in to Souk.',
    issuedAt: at(0),
    expirationTime: at(600_000),
    ...fields,
  })

async function verdict(message: string, change: Partial<ExpectedSignIn> = {}) {
  const result = await checkSignIn(message, await wallet.signMessage({ message }), { ...expected, ...change })
  return result.ok ? 'accepted' : result.code
}

describe('a sign-in message', () => {
  it('is accepted when everything in it is as expected', async () => {
    const message = aMessage()
    const signature = await wallet.signMessage({ message })
    expect(await checkSignIn(message, signature, expected)).toEqual({
      ok: true,
      value: { address: wallet.address, nonce: 'abcdefgh1234', byContract: false },
    })
  })

  it.each([
    ['another domain', { domain: 'evil.example' }, 'domain'],
    ['our domain with another port', { domain: 'souk.example:8443' }, 'domain'],
    ['a domain that only begins like ours', { domain: 'souk.example.evil.example' }, 'domain'],
    ['another URI', { uri: 'https://evil.example' }, 'uri'],
    ['a URI over http', { uri: 'http://souk.example' }, 'uri'],
    ['a URI of ours with a path', { uri: 'https://souk.example/dashboard' }, 'accepted'],
    ['another scheme before the domain', { domain: 'http://souk.example' }, 'uri'],
    ['our scheme before the domain', { domain: 'https://souk.example' }, 'accepted'],
    ['another chain', { chainId: 1 }, 'chain'],
    ['a chain id with leading zeros', { chainId: '008453' }, 'message'],
    ['another nonce', { nonce: 'abcdefgh1235' }, 'nonce'],
    ['no nonce worth the name', { nonce: 'short' }, 'message'],
    ['an issue time just young enough', { issuedAt: at(-600_000) }, 'accepted'],
    ['an issue time 1 ms too old', { issuedAt: at(-600_001) }, 'issued_at'],
    ['an issue time just near enough', { issuedAt: at(60_000) }, 'accepted'],
    ['an issue time 1 ms too far ahead', { issuedAt: at(60_001) }, 'issued_at'],
    ['a leap second as issue time', { issuedAt: '2026-11-21T11:59:60.000Z' }, 'issued_at'],
    ['an expiry 1 ms away', { expirationTime: at(1) }, 'accepted'],
    ['an expiry that is now', { expirationTime: at(0) }, 'expired'],
    ['a leap second as expiry, which is no time', { expirationTime: '2099-12-31T23:59:60Z' }, 'expired'],
    ['a beginning that is now', { expirationTime: `${at(600_000)}\nNot Before: ${at(0)}` }, 'accepted'],
    ['a beginning 1 ms away', { expirationTime: `${at(600_000)}\nNot Before: ${at(1)}` }, 'not_yet_valid'],
    ['version 2', { chainId: '8453', uri: 'https://souk.example\nVersion: 2' }, 'message'],
  ])('with %s: %s is %s', async (_, fields, outcome) => {
    expect(await verdict(aMessage(fields))).toBe(outcome)
  })

  it('is not read when it does not read back as itself', () => {
    expect(parseSignIn(aMessage())).toBeInstanceOf(SiweMessage)
    for (const text of [
      '',
      '\n',
      aMessage().replaceAll('\n', '\r\n'),
      `${aMessage()}\n`,
      ` ${aMessage()}`,
      'x'.repeat(4096),
    ])
      expect(parseSignIn(text)).toBeNull()
  })
})

describe('a signature', () => {
  const message = aMessage()
  const HIGH_ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n

  it('of another wallet is refused', async () => {
    const other = privateKeyToAccount(`0x${'22'.repeat(32)}`)
    expect(await checkSignIn(message, await other.signMessage({ message }), expected)).toMatchObject({
      code: 'signature',
    })
  })

  it('of another message is refused', async () => {
    const signature = await wallet.signMessage({ message: aMessage({ statement: 'Something else.' }) })
    expect(await checkSignIn(message, signature, expected)).toMatchObject({ code: 'signature' })
  })

  it('with its malleable twin (high s) is refused', async () => {
    const signature = await wallet.signMessage({ message })
    const s = HIGH_ORDER - BigInt(`0x${signature.slice(66, 130)}`)
    const v = signature.endsWith('1b') ? '1c' : '1b'
    const twin = `${signature.slice(0, 66)}${s.toString(16).padStart(64, '0')}${v}`
    expect(verifyMessage(message, signature)).toBe(wallet.address)
    expect(verifyMessage(message, twin)).toBe('')
    expect(await checkSignIn(message, twin, expected)).toMatchObject({ ok: false, code: 'signature' })
  })

  it('counts the recovery byte from 0 or from 27', async () => {
    const signature = await wallet.signMessage({ message })
    const fromZero = signature.slice(0, 130) + (signature.endsWith('1b') ? '00' : '01')
    expect(await checkSignIn(message, fromZero, expected)).toMatchObject({ ok: true })
  })

  it('that is malformed is refused without a throw and without a line in the log', async () => {
    const log = vi.spyOn(console, 'error')
    const signature = await wallet.signMessage({ message })
    const malformed = [
      '',
      '0x',
      '0x00',
      `0x${'00'.repeat(65)}`,
      `0x${'ff'.repeat(65)}`,
      `0x${'00'.repeat(64)}1b`,
      `0x${'ff'.repeat(64)}1b`,
      `0x${HIGH_ORDER.toString(16)}${'00'.repeat(31)}011b`,
      `0x${'00'.repeat(31)}05${'00'.repeat(31)}011b`,
      signature.slice(0, -2),
      `${signature.slice(0, -2)}1d`,
      `${signature.slice(0, -2)}02`,
      `${signature}00`,
      signature.slice(2),
      `0x${'zz'.repeat(65)}`,
    ]
    for (const bad of malformed)
      expect([bad, await checkSignIn(message, bad, expected)]).toMatchObject([bad, { ok: false }])
    expect(log).not.toHaveBeenCalled()
    log.mockRestore()
  })

  it('of a contract wallet is refused in clear words, because siwe runs on our stand-in for ethers', async () => {
    // Without a time, siwe asks the real clock, and this message is valid for ten minutes of one day.
    const params = { signature: `0x${'00'.repeat(65)}`, time: at(0) }
    const result = await new SiweMessage(message).verify(params, { suppressExceptions: true, provider: {} as never })
    expect(result.success).toBe(false)
    expect(String(result.error)).toContain('contract wallets (EIP-1271) are not supported')
  })
})
