import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { parseConfig, type Bindings } from '../../../gateway/core/env.ts'
import { loadGatewayKey } from '../../../gateway/core/gateway-key.ts'

type Setting = Exclude<keyof Bindings, 'DB' | 'BOOK_0' | 'ACCOUNT' | 'NODE' | 'ASSETS'>

const parse = (over: Partial<Record<Setting, string>>) => parseConfig({ ...env, ...over })
function without(name: Setting) {
  const { [name]: _left, ...rest } = env
  return parseConfig(rest)
}

describe('the configuration', () => {
  it('of the tests is whole', () => {
    expect(parseConfig(env)).toMatchObject({
      chainId: 8453,
      feeBps: 500,
      isLocal: true,
      domain: '',
      resolverUrl: null,
      holdDeadlineMs: null,
      timeouts: {},
    })
  })
  it('is not local unless it says so', () => {
    expect(without('SOUK_LOCAL').isLocal).toBe(false)
    expect(parse({ SOUK_LOCAL: '0' }).isLocal).toBe(false)
  })
  it('knows admins by address in lower case, spaces and commas forgiven', () => {
    const first = '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266'
    const second = `0x${'B'.repeat(40)}`
    expect([...parse({ SOUK_ADMINS: ` ${first}, ${second},` }).admins]).toEqual([
      first.toLowerCase(),
      second.toLowerCase(),
    ])
    expect(parse({ SOUK_ADMINS: '' }).admins.size).toBe(0)
  })
  it('takes payments only with a secret, and test payments only where it says so', () => {
    const SOUK_STRIPE_WEBHOOK_SECRET = 'whsec_0123456789abcdef'
    const isLive = (more: object) => parse({ SOUK_STRIPE_WEBHOOK_SECRET, ...more }).stripe?.isLive
    expect(parse({}).stripe).toBeNull()
    expect([isLive({ SOUK_LOCAL: '0' }), isLive({ SOUK_LOCAL: '1' })]).toEqual([true, false])
    expect([isLive({ SOUK_LOCAL: '0', SOUK_STRIPE_LIVE: '0' })]).toEqual([false])
  })
  it('takes time-outs by name', () => {
    expect(parse({ SOUK_TIMEOUTS: '{"connectMs":50,"gapMs":100}' }).timeouts).toEqual({ connectMs: 50, gapMs: 100 })
  })
  it.each([
    ['SOUK_CHAIN_ID', ''],
    ['SOUK_CHAIN_ID', '0'],
    ['SOUK_CHAIN_ID', '1.5'],
    ['SOUK_CHAIN_ID', '0x1'],
    ['SOUK_ADMINS', 'vitalik.eth'],
    ['SOUK_ADMINS', '0x123'],
    ['SOUK_FEE_BPS', ''],
    ['SOUK_FEE_BPS', '-1'],
    ['SOUK_FEE_BPS', '5001'],
    ['SOUK_KEY_SECRET', 'short'],
    ['SOUK_KEY_SECRET', `${'a'.repeat(43)}=`],
    ['SOUK_SIGNING_KEY', ''],
    ['SOUK_LOCAL', 'yes'],
    ['SOUK_HOLD_DEADLINE_MS', '999'],
    ['SOUK_HOLD_DEADLINE_MS', '3600001'],
    ['SOUK_TIMEOUTS', 'soon'],
    ['SOUK_TIMEOUTS', '{"connetMs":50}'],
    ['SOUK_TIMEOUTS', '{"connectMs":0}'],
    ['SOUK_TIMEOUTS', '[]'],
    ['SOUK_TIMEOUTS', 'null'],
    ['SOUK_STRIPE_WEBHOOK_SECRET', ''],
    ['SOUK_STRIPE_WEBHOOK_SECRET', 'sk_live_0123456789abcdef'],
    ['SOUK_STRIPE_LIVE', 'yes'],
  ] as const)('is refused with %s = %j, by name', (name, value) => {
    expect(() => parse({ [name]: value })).toThrow(new RegExp(`not configured.*${name}`))
  })
  it.each(['SOUK_CHAIN_ID', 'SOUK_FEE_BPS', 'SOUK_KEY_SECRET', 'SOUK_SIGNING_KEY'] as const)(
    'is refused without %s',
    (name) => {
      expect(() => without(name)).toThrow(name)
    },
  )
  it('accepts a fee of nothing and of half', () => {
    expect(parse({ SOUK_FEE_BPS: '0' }).feeBps).toBe(0)
    expect(parse({ SOUK_FEE_BPS: '5000' }).feeBps).toBe(5000)
  })
  it('never gives a secret back in its error', () => {
    const secret = 'not-a-good-secret'
    const message = (run: () => unknown) => {
      try {
        run()
        return ''
      } catch (error) {
        return String(error)
      }
    }
    expect(message(() => parse({ SOUK_KEY_SECRET: secret }))).toContain('SOUK_KEY_SECRET')
    expect(message(() => parse({ SOUK_KEY_SECRET: secret }))).not.toContain(secret)
  })
})

describe('the gateway key', () => {
  it('publishes its public half only, under its thumbprint (RFC 7638, RFC 8037 appendix A)', async () => {
    const { kid, jwks } = await loadGatewayKey(env.SOUK_SIGNING_KEY)
    expect(kid).toBe('kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k')
    expect(Object.keys(jwks.keys[0] ?? {}).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x'])
  })
  it.each(['', 'my secret key', '{"d":"my secret key"', '{"kty":"OKP","crv":"Ed25519","x":"a"}', '{"kty":"RSA"}'])(
    'is refused without being quoted: %j',
    async (secret) => {
      const error: unknown = await loadGatewayKey(secret).catch((refusal: unknown) => refusal)
      expect(String(error)).toBe('Error: SOUK_SIGNING_KEY is no Ed25519 private JWK')
    },
  )
})
