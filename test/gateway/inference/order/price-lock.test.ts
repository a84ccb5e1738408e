import { env } from 'cloudflare:workers'
import { beforeAll, describe, expect, it } from 'vitest'
import { GatewayError } from '../../../../gateway/core/errors.ts'
import { loadGatewayKey, type GatewayKey } from '../../../../gateway/core/gateway-key.ts'
import type { LockedOffer } from '../../../../gateway/inference/order/locked-offer.ts'
import { createPriceLocks, PRICE_LOCK, type PriceLocks } from '../../../../gateway/inference/order/price-lock.ts'
import { base64url } from '../../../../protocol/canonical.ts'
import { generateKeyPair, exportJWK } from 'jose'
import { ProviderPreferences } from '../../../../protocol/routing.ts'
import { instant, nanos } from '../../../../protocol/units.ts'
import { AUTHOR, PAYER } from '../../../support/workers/builders.ts'

const NOW = instant(1_700_000_000_500)
/** s of NOW, rounded down */
const IAT = 1_700_000_000

const offer = (nodeId = 'node_1'): LockedOffer => ({
  nodeId,
  modelId: 'test/echo',
  price: {
    inputPerMillion: nanos(1n),
    outputPerMillion: nanos(2n),
    cachedInputPerMillion: nanos(3n),
    bytesPerMillion: nanos(4n),
    perCall: nanos(9_007_199_254_740_991n),
  },
  priceVersion: 7,
})

let key: GatewayKey
let locks: PriceLocks
beforeAll(async () => {
  key = await loadGatewayKey(env.SOUK_SIGNING_KEY)
  locks = createPriceLocks(key)
})

const refusalOf = (lock: string, account = PAYER, now = NOW) =>
  locks.open(lock, account, now).then(
    () => null,
    (error: unknown) => (error instanceof GatewayError ? error.code : 'thrown'),
  )

describe('a price lock', () => {
  it('says again what it was made of, to the nano, for two minutes', async () => {
    const { lock, expiresAt } = await locks.issue(PAYER, [offer()], NOW)
    expect(expiresAt).toBe((IAT + PRICE_LOCK.seconds) * 1_000)
    expect(await locks.open(lock, PAYER, NOW)).toEqual([offer()])
    expect(await locks.open(lock, PAYER, instant(expiresAt - 1))).toEqual([offer()])
    expect(await refusalOf(lock, PAYER, expiresAt)).toBe('price_lock_expired')
  })

  it('may be used again until it ends, for it reserves nothing', async () => {
    const { lock } = await locks.issue(PAYER, [offer()], NOW)
    for (let times = 0; times < 3; times++) expect(await refusalOf(lock)).toBeNull()
  })

  it('is nothing in the hands of another account, also when it has run out', async () => {
    const { lock, expiresAt } = await locks.issue(PAYER, [offer()], NOW)
    expect(await refusalOf(lock, AUTHOR)).toBe('invalid_request')
    expect(await refusalOf(lock, AUTHOR, expiresAt)).toBe('invalid_request')
  })

  it('fits the field of a request when it names as many offers as it may, with the longest names', async () => {
    const price = nanos(9_007_199_254_740_991n)
    const dear = {
      ...{ inputPerMillion: price, outputPerMillion: price, cachedInputPerMillion: price },
      ...{ bytesPerMillion: price, perCall: price },
    }
    const long = { nodeId: 'n'.repeat(24), modelId: 'm'.repeat(160), price: dear, priceVersion: 1_000_000 }
    const many = Array.from({ length: PRICE_LOCK.offers }, () => long)
    const { lock } = await locks.issue(PAYER, many, NOW)
    expect(ProviderPreferences.safeParse({ price_lock: lock }).success).toBe(true)
    expect(await locks.open(lock, PAYER, NOW)).toHaveLength(PRICE_LOCK.offers)
  })

  const claims = { account: PAYER, iat: IAT, exp: IAT + 120 }
  const offers = [{ node: 'node_1', model: 'test/echo', prices: ['1', '2', '3', '4', '5'], version: 7 }]
  const json = (value: object) => base64url(new TextEncoder().encode(JSON.stringify(value)))

  it.each<[string, () => Promise<string> | string]>([
    ['is no JWS', () => 'x'],
    ['is empty', () => ''],
    ['is a statement of another kind by the same key', () => key.attest('souk-journal', { ...claims, offers })],
    ['is a ticket by the same key', () => key.attest('souk-ticket', { ...claims, offers })],
    ['names no offers', () => key.attest('souk-price-lock', { ...claims, offers: [] })],
    ['names more than it may', () => key.attest('souk-price-lock', { ...claims, offers: Array(33).fill(offers[0]) })],
    [
      'has a price below zero',
      () =>
        key.attest('souk-price-lock', { ...claims, offers: [{ ...offers[0], prices: ['-1', '2', '3', '4', '5'] }] }),
    ],
    ['has a claim that is not known', () => key.attest('souk-price-lock', { ...claims, offers, more: 1 })],
    [
      'is signed by nobody',
      () => `${json({ alg: 'none', typ: 'souk-price-lock', kid: key.kid })}.${json({ ...claims, offers })}.`,
    ],
    [
      'is signed by another key under the name of ours',
      async () => {
        const { privateKey } = await generateKeyPair('EdDSA', { extractable: true })
        const stranger = await loadGatewayKey(JSON.stringify(await exportJWK(privateKey)))
        const foreign = await stranger.attest('souk-price-lock', { ...claims, offers })
        const header = json({ alg: 'EdDSA', typ: 'souk-price-lock', kid: key.kid })
        return [header, ...foreign.split('.').slice(1)].join('.')
      },
    ],
    [
      'is signed by another key',
      async () => {
        const { privateKey } = await generateKeyPair('EdDSA', { extractable: true })
        const stranger = await loadGatewayKey(JSON.stringify(await exportJWK(privateKey)))
        return stranger.attest('souk-price-lock', { ...claims, offers })
      },
    ],
    [
      'was changed after it was signed',
      async () => {
        const { lock } = await locks.issue(PAYER, [offer()], NOW)
        const [header, , signature] = lock.split('.')
        return [
          header,
          json({ ...claims, offers: [{ ...offers[0], prices: ['0', '0', '0', '0', '0'] }] }),
          signature,
        ].join('.')
      },
    ],
    [
      'has another account written into it',
      async () => {
        const { lock } = await locks.issue(AUTHOR, [offer()], NOW)
        const [header, , signature] = lock.split('.')
        return [header, json({ ...claims, offers }), signature].join('.')
      },
    ],
  ])('is refused when it %s', async (_, forged) => {
    expect(await refusalOf(await forged())).toBe('invalid_request')
  })

  it('signed as ours is what the forgeries above are not', async () => {
    expect(await refusalOf(await key.attest('souk-price-lock', { ...claims, offers }))).toBeNull()
  })
})
