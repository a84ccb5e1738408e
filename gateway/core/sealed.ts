// What is kept for a caller and must stay closed to us: AES-256-GCM under a key that HKDF-SHA-256 makes of the caller's own secret (an API key's
// secret part, a session's token), which is stored nowhere. Whoever has the storage alone reads nothing; one changed byte is refused.
import type { RandomBytes } from '../../protocol/units.ts'

/**
 * A caller's secret on its way through the gateway. It cannot be printed by accident: JSON, string conversion, console and structured clone
 * find nothing in it.
 */
export class Secret {
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  /** For a key derivation and for nothing else. */
  bytes(): Uint8Array<ArrayBuffer> {
    return Uint8Array.from(encoder.encode(this.#text))
  }

  toString(): string {
    return '[secret]'
  }

  toJSON(): undefined {
    return undefined
  }
}

/** What a sealed text can be opened with: all three, or not at all. */
export interface Seal {
  readonly secret: Secret
  /** of the caller, on each request: the salt */
  readonly salt: string
  /** what it is and where it belongs: sealed for one place, it opens at no other */
  readonly place: string
}

/** 1 byte of version, 12 of nonce, the text, 16 of tag */
const VERSION = 1
const NONCE_BYTES = 12
const HEAD_BYTES = 1 + NONCE_BYTES

/** The nonce is random: after a failed try the same seal may close another text. */
export async function sealText(seal: Seal, text: string, random: RandomBytes): Promise<ArrayBuffer> {
  const nonce = Uint8Array.from(random(NONCE_BYTES))
  const key = await keyOf(seal)
  const closed = await crypto.subtle.encrypt(algorithm(nonce, seal.place), key, encoder.encode(text))
  const sealed = new Uint8Array(HEAD_BYTES + closed.byteLength)
  sealed[0] = VERSION
  sealed.set(nonce, 1)
  sealed.set(new Uint8Array(closed), HEAD_BYTES)
  return sealed.buffer
}

/** Null for another secret, another salt, another place, or anything changed on the way. */
export async function openText(seal: Seal, sealed: ArrayBuffer): Promise<string | null> {
  const bytes = new Uint8Array(sealed)
  if (bytes.length < HEAD_BYTES || bytes[0] !== VERSION) return null
  const nonce = bytes.slice(1, HEAD_BYTES)
  const key = await keyOf(seal)
  try {
    const open = await crypto.subtle.decrypt(algorithm(nonce, seal.place), key, bytes.subarray(HEAD_BYTES))
    return decoder.decode(open)
  } catch {
    // WebCrypto says no more than that it does not fit, and no more is to be said.
    return null
  }
}

async function keyOf({ secret, salt, place }: Seal): Promise<CryptoKey> {
  const source = await crypto.subtle.importKey('raw', secret.bytes(), 'HKDF', false, ['deriveKey'])
  const info = encoder.encode(`souk sealed v${VERSION}: ${place}`)
  const derivation = { name: 'HKDF', hash: 'SHA-256', salt: encoder.encode(salt), info }
  return crypto.subtle.deriveKey(derivation, source, { name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt'])
}

const algorithm = (iv: Uint8Array<ArrayBuffer>, place: string) => ({
  name: 'AES-GCM',
  iv,
  additionalData: encoder.encode(place),
})

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
