// Under which names audits come to a node: made-up accounts, a few for each node and week, some used often and most seldom, as customers are. Their ids come of the gateway's
// secret, so that all isolates use the same ones; no node can tell such a name from a customer's, and none is anybody's.
import { hmac } from '@noble/hashes/hmac.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { utf8ToBytes } from '../../../protocol/canonical.ts'
import { base32, isAccountId, type AccountId, type Instant, type NodeId } from '../../../protocol/units.ts'
import { assert } from '../../core/errors.ts'

/** names of one node in a week */
const NAMES = 24
/** ms a set of names is used: customers come and go as well */
const NAMES_MS = 7 * 86_400_000

/** @param draw 0 ≤ draw < 1; small names are taken more often (Zipf's law, roughly: the draw's square) */
export function auditAccount(keySecret: string, nodeId: NodeId, now: Instant, draw: number): AccountId {
  // Each node's week begins at another time, or all names of the market would change at once.
  const shift = numberOf(keySecret, `shift ${nodeId}`) * NAMES_MS
  const week = Math.floor((now + shift) / NAMES_MS)
  const name = Math.floor(draw ** 2 * NAMES)
  const id = base32(macOf(keySecret, `name ${nodeId} ${week} ${name}`).slice(0, 10))
  assert(isAccountId(id), 'ten bytes are an account id')
  return id
}

/** The draw that belongs to an offer's next audit: the same in every run until then. @returns 0 ≤ draw < 1 */
export const gapDraw = (keySecret: string, nodeId: NodeId, modelId: string, lastAt: Instant | null): number =>
  numberOf(keySecret, `gap ${nodeId} ${modelId} ${lastAt ?? 'never'}`)

function numberOf(keySecret: string, what: string): number {
  const mac = macOf(keySecret, what)
  return new DataView(mac.buffer, mac.byteOffset).getUint32(0) / 2 ** 32
}

const macOf = (keySecret: string, what: string): Uint8Array =>
  hmac(sha256, utf8ToBytes(keySecret), utf8ToBytes(`souk-audit\n${what}`))
