// Keys and addresses that only tests and development use, so that none of them is ever deployed: the well-known ones, and those of the
// state folder on this machine if there is one. Read loosely on purpose: a damaged state folder must not hide what is left of it.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { WELL_KNOWN_VALUES } from './checks.ts'

const FILES = ['secrets.json', 'wallets.json']
/** Addresses, chain keys, and base64url strings of at least 32 bytes. */
const VALUES = /0x[0-9a-fA-F]{64}|0x[0-9a-fA-F]{40}|[\w-]{43,}/g

export function developmentValues(stateDir: string): string[] {
  const found = FILES.flatMap((name) => {
    try {
      return readFileSync(join(stateDir, name), 'utf8').match(VALUES) ?? []
    } catch {
      return []
    }
  })
  return [...WELL_KNOWN_VALUES, ...found]
}
