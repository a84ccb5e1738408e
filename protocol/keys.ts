// Ed25519 keys as they cross the wire: a public key is the base64url `x` of its JWK (RFC 8037).
import { importJWK, type CryptoKey, type JWK } from 'jose'

/** @throws TypeError when `x` is no Ed25519 public key */
export async function importPublicKey(x: string): Promise<CryptoKey> {
  return asCryptoKey(await importJWK({ kty: 'OKP', crv: 'Ed25519', x }, 'EdDSA'))
}

/** @throws TypeError when the JWK is no Ed25519 private key */
export async function importPrivateKey(jwk: JWK): Promise<CryptoKey> {
  // Without `d` jose would hand back a public key, and the mistake would show only at the first signature.
  if (!jwk.x || !jwk.d) throw new TypeError('not an Ed25519 private key')
  return asCryptoKey(await importJWK({ kty: 'OKP', crv: 'Ed25519', x: jwk.x, d: jwk.d }, 'EdDSA'))
}

function asCryptoKey(key: CryptoKey | Uint8Array): CryptoKey {
  if (key instanceof Uint8Array) throw new TypeError('not an asymmetric key')
  return key
}
