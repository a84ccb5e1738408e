// The keys with which the gateway signs tickets, from its `/.well-known/jwks.json`. Fetched when first needed, again when a ticket names an
// unknown key (at most every ten seconds, so that invented key ids cost the gateway nothing), and now and then, so that withdrawn keys go.
import type { CryptoKey } from 'jose'
import { z } from 'zod'
import { importPublicKey } from '../protocol/keys.ts'
import { NODE_LIMITS } from './limits.ts'

const Jwks = z.object({
  keys: z
    .array(z.object({ kid: z.string(), kty: z.string(), crv: z.string().optional(), x: z.string().optional() }))
    .max(64),
})

export interface GatewayKeys {
  /** null when the gateway does not publish such a key, or cannot be reached */
  resolve(kid: string): Promise<CryptoKey | null>
}

export interface GatewayKeysNeeds {
  readonly gateway: string
  /** ms */
  readonly now: () => number
  readonly fetch?: typeof fetch
}

export function createGatewayKeys({ gateway, now, fetch: fetchKeys = fetch }: GatewayKeysNeeds): GatewayKeys {
  let keys: ReadonlyMap<string, CryptoKey> = new Map()
  let triedAt = -Infinity
  let underWay: Promise<void> | null = null

  async function refresh(): Promise<void> {
    triedAt = now()
    const response = await fetchKeys(new URL('/.well-known/jwks.json', gateway), {
      redirect: 'error',
      signal: AbortSignal.timeout(NODE_LIMITS.gatewayMs),
    })
    if (!response.ok) return
    const set = Jwks.parse(await response.json())
    const imported = new Map<string, CryptoKey>()
    for (const { kid, crv, x } of set.keys) if (crv === 'Ed25519' && x) imported.set(kid, await importPublicKey(x))
    keys = imported
  }

  /** Whoever finds a fetch under way waits for that one. A failed fetch leaves the keys as they were. */
  const refreshOnce = (): Promise<void> =>
    (underWay ??= refresh()
      .catch(() => undefined)
      .finally(() => (underWay = null)))

  return {
    async resolve(kid) {
      const age = now() - triedAt
      const known = keys.get(kid)
      if (known && age < NODE_LIMITS.keysFreshMs) return known
      if (age >= NODE_LIMITS.unknownKeyMs || underWay) await refreshOnce()
      return keys.get(kid) ?? null
    },
  }
}
