import { exportJWK, generateKeyPair } from 'jose'
import { describe, expect, it } from 'vitest'
import { createGatewayKeys } from '../../provider-node/gateway-keys.ts'

const jwk = await exportJWK((await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true })).publicKey)

function aSet() {
  const clock = { ms: 1_000_000 }
  const published = { kids: ['a'], requests: 0, isDown: false }
  const keys = createGatewayKeys({
    gateway: 'https://gateway.example',
    now: () => clock.ms,
    fetch: (input) => {
      published.requests += 1
      expect(String(input instanceof Request ? input.url : input)).toBe('https://gateway.example/.well-known/jwks.json')
      if (published.isDown) return Promise.reject(new TypeError('fetch failed'))
      return Promise.resolve(Response.json({ keys: published.kids.map((kid) => ({ ...jwk, kid })) }))
    },
  })
  const knows = async (kid: string) => (await keys.resolve(kid)) !== null
  return { clock, published, knows }
}

describe("the gateway's keys", () => {
  it('are fetched once for many tickets, also at the same time', async () => {
    const { published, knows } = aSet()
    expect(await Promise.all(['a', 'a', 'a'].map(knows))).toEqual([true, true, true])
    expect(await knows('a')).toBe(true)
    expect(published.requests).toBe(1)
  })

  it('are fetched again for an unknown id, at most every ten seconds', async () => {
    const { clock, published, knows } = aSet()
    await knows('a')
    published.kids = ['a', 'b']
    expect(await knows('b')).toBe(false)
    expect(published.requests).toBe(1)
    clock.ms += 9_999
    expect(await knows('b')).toBe(false)
    clock.ms += 1
    expect(await knows('b')).toBe(true)
    expect(published.requests).toBe(2)
  })

  it('are forgotten when the gateway has withdrawn them, and kept while it cannot be reached', async () => {
    const { clock, published, knows } = aSet()
    await knows('a')
    published.isDown = true
    clock.ms += 300_000
    expect(await knows('a')).toBe(true)
    published.isDown = false
    published.kids = ['b']
    clock.ms += 300_000
    expect(await knows('a')).toBe(false)
  })
})
