// Bytes that two parties must agree on: canonical JSON (RFC 8785), SHA-256, base64url. Synchronous, so that guards can use them; only for megabytes
// there is a hash that is waited for.
import canonicalize from 'canonicalize'
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js'

export { bytesToHex, concatBytes, hexToBytes, utf8ToBytes }

/** Canonical JSON of a JSON value (RFC 8785). @throws TypeError for what JSON cannot say */
export function jcs(value: unknown): string {
  const text = canonicalize(value)
  if (text === undefined) throw new TypeError('not a JSON value')
  return text
}

export function sha256Hex(...parts: (string | Uint8Array)[]): string {
  return bytesToHex(sha256(concatBytes(...parts.map((part) => (typeof part === 'string' ? utf8ToBytes(part) : part)))))
}

/** The same of tensors, by Web Crypto: a hash in JavaScript takes 16 MiB the better part of a second. */
export async function longSha256Hex(bytes: Uint8Array): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>) // no body is shared memory
  return bytesToHex(new Uint8Array(digest))
}

/** RFC 4648 section 5, without padding. */
export function base64url(bytes: Uint8Array): string {
  let binary = ''
  for (const byte of bytes) binary += String.fromCharCode(byte)
  return btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}

/** Strict: what {@link base64url} writes, and nothing else that `atob` would forgive. @throws TypeError on anything else */
export function fromBase64url(text: string): Uint8Array {
  if (!/^[A-Za-z0-9_-]*$/.test(text) || text.length % 4 === 1) throw new TypeError('not base64url')
  const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'))
  return Uint8Array.from(binary, (char) => char.charCodeAt(0))
}
