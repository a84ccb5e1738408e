// Seals a private key for one passkey: AES-256-GCM under HKDF-SHA-256 of what the passkey's PRF extension answers (WebAuthn level 3, 10.1.4) to a salt of its
// own. Without the passkey, and its owner's finger or PIN, what is stored opens nothing. The address is bound in, so that no two sealed keys can be exchanged.
import { base64url, fromBase64url, utf8ToBytes } from '../../../protocol/canonical.ts'

/** As it is kept in the browser; all of it may be read by anybody. */
export interface SealedKey {
  readonly version: 1
  readonly address: string
  /** base64url, as all below */
  readonly credentialId: string
  /** what the passkey's PRF is asked */
  readonly prfSalt: string
  readonly iv: string
  readonly sealed: string
}

const IV_BYTES = 12
const KEY_BYTES = 32

const context = (address: string): Uint8Array<ArrayBuffer> => bytesOf(`souk passkey wallet v1 ${address.toLowerCase()}`)
const bytesOf = (text: string): Uint8Array<ArrayBuffer> => new Uint8Array(utf8ToBytes(text))
const bytesIn = (text: string): Uint8Array<ArrayBuffer> => new Uint8Array(fromBase64url(text))

/** @param prf 32 bytes of the passkey. @returns a key that cannot be read out again */
async function sealingKey(prf: BufferSource, address: string): Promise<CryptoKey> {
  const secret = await crypto.subtle.importKey('raw', prf, 'HKDF', false, ['deriveKey'])
  return crypto.subtle.deriveKey(
    { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(KEY_BYTES), info: context(address) },
    secret,
    { name: 'AES-GCM', length: 256 },
    false,
    ['encrypt', 'decrypt'],
  )
}

/** @param privateKey 32 bytes */
export async function seal(
  privateKey: Uint8Array<ArrayBuffer>,
  of: Pick<SealedKey, 'address' | 'credentialId' | 'prfSalt'>,
  prf: BufferSource,
): Promise<SealedKey> {
  const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES))
  const algorithm = { name: 'AES-GCM', iv, additionalData: context(of.address) }
  const sealed = await crypto.subtle.encrypt(algorithm, await sealingKey(prf, of.address), privateKey)
  return { version: 1, ...of, iv: base64url(iv), sealed: base64url(new Uint8Array(sealed)) }
}

/** @throws OperationError when another passkey answered, or what is stored was changed */
export async function open(key: SealedKey, prf: BufferSource): Promise<Uint8Array<ArrayBuffer>> {
  const algorithm = { name: 'AES-GCM', iv: bytesIn(key.iv), additionalData: context(key.address) }
  return new Uint8Array(await crypto.subtle.decrypt(algorithm, await sealingKey(prf, key.address), bytesIn(key.sealed)))
}

const PLACE = 'souk-passkey-wallets'
const TEXT = /^[A-Za-z0-9_-]{1,2000}$/

/** Those of this browser. What is not of our making is left out. */
export function sealedKeys(): readonly SealedKey[] {
  try {
    const list: unknown = JSON.parse(localStorage.getItem(PLACE) ?? '[]')
    return Array.isArray(list) ? list.filter(isSealedKey) : []
  } catch {
    // Not JSON: somebody else's.
    return []
  }
}

export function storeSealedKey(key: SealedKey): void {
  localStorage.setItem(PLACE, JSON.stringify([...sealedKeys().filter(({ address }) => address !== key.address), key]))
}

export function dropSealedKey(address: string): void {
  localStorage.setItem(PLACE, JSON.stringify(sealedKeys().filter((key) => key.address !== address)))
}

function isSealedKey(value: unknown): value is SealedKey {
  const { version, address, ...texts } = Object(value)
  const fields = [texts.credentialId, texts.prfSalt, texts.iv, texts.sealed]
  return (
    version === 1 &&
    /^0x[0-9a-fA-F]{40}$/.test(String(address)) &&
    fields.every((field) => typeof field === 'string' && TEXT.test(field))
  )
}
