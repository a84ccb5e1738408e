// API keys: `sk-souk-<account>-<key>-<secret>-<mac>`. The key says whose it is, and the MAC under the gateway's secret says that we
// made it, so an invented key is refused before any guard or database is touched. Whether a real key is still good (revoked,
// expired, over its budget) only the account's guard knows.
import { hmac } from '@noble/hashes/hmac.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { sha256Hex, utf8ToBytes } from '../../protocol/canonical.ts'
import { base32, isAccountId, isKeyId, type AccountId, type KeyId } from '../../protocol/units.ts'
import { Secret } from '../core/sealed.ts'

export const KEY_PREFIX = 'sk-souk-'
/** bytes of the secret part: 160 bits, 32 characters */
export const KEY_SECRET_BYTES = 20
/** bytes kept of the MAC: 120 bits, 24 characters, none of them half used */
const MAC_BYTES = 15

const FORM =
  /^sk-souk-([0-9a-hjkmnp-tv-z]{16})-([0-9a-hjkmnp-tv-z]{10})-([0-9a-hjkmnp-tv-z]{32})-([0-9a-hjkmnp-tv-z]{24})$/

export interface ApiKey {
  readonly accountId: AccountId
  readonly keyId: KeyId
  /** sha256 hex of the secret part: what the guard keeps and compares */
  readonly secretHash: string
  /** the secret part itself */
  readonly secret: Secret
}

export interface MintedKey extends Omit<ApiKey, 'secret'> {
  /** shown once, stored nowhere */
  readonly key: string
  /** enough to recognise the key: the end of its MAC, which says nothing about the secret */
  readonly hint: string
}

/** @param secret {@link KEY_SECRET_BYTES} random bytes @param keySecret the gateway's secret */
export function mintApiKey(accountId: AccountId, keyId: KeyId, secret: Uint8Array, keySecret: string): MintedKey {
  if (secret.length !== KEY_SECRET_BYTES) throw new RangeError(`a key's secret is ${KEY_SECRET_BYTES} bytes`)
  const secretText = base32(secret)
  const body = `${accountId}-${keyId}-${secretText}`
  const mac = macOf(body, keySecret)
  return {
    accountId,
    keyId,
    secretHash: sha256Hex(secretText),
    key: `${KEY_PREFIX}${body}-${mac}`,
    hint: `${KEY_PREFIX}…${mac.slice(-4)}`,
  }
}

/** Null for anything we did not mint under this secret. */
export function readApiKey(text: string, keySecret: string): ApiKey | null {
  const match = FORM.exec(text)
  if (!match) return null
  const [, accountId = '', keyId = '', secret = '', mac = ''] = match
  if (!isSame(mac, macOf(`${accountId}-${keyId}-${secret}`, keySecret))) return null
  if (!isAccountId(accountId) || !isKeyId(keyId)) return null
  return { accountId, keyId, secretHash: sha256Hex(secret), secret: new Secret(secret) }
}

/** The prefix keeps this use of the gateway's secret apart from every other one. */
function macOf(body: string, keySecret: string): string {
  return base32(hmac(sha256, utf8ToBytes(keySecret), utf8ToBytes(`api-key:${body}`)).subarray(0, MAC_BYTES))
}

/** Takes the same time whatever differs; the lengths are public. */
function isSame(a: string, b: string): boolean {
  let difference = a.length ^ b.length
  for (let i = 0; i < a.length; i++) difference |= a.charCodeAt(i) ^ b.charCodeAt(i)
  return difference === 0
}
