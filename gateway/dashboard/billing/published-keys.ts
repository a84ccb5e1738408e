// The keys that the gateway publishes: what it signed is checked with these, and not with keys that a file brings along.
import { Jwks } from '../../../protocol/journal-export.ts'
import { api, read } from '../data/api.ts'

export async function publishedKeys(): Promise<Jwks> {
  return Jwks.parse(await read(api['.well-known']['jwks.json'].$get()))
}

/** Whether this browser can check signatures of Ed25519 at all (Chrome 137, Firefox 129, Safari 17). */
export async function canCheckSignatures(): Promise<boolean> {
  try {
    await crypto.subtle.importKey('raw', new Uint8Array(32), 'Ed25519', false, ['verify'])
    return true
  } catch {
    return false
  }
}
