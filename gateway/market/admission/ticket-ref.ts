// A ticket's `ref`: whose call it is and which node was asked, closed to everybody but this gateway. It is how a receipt that is handed in late
// finds its account without a table of calls; and since only what this gateway signed carries one, it is asked of no database.
// Nonces are random and lengths constant: two refs say nothing of each other, and a probe's looks like a call's.
import { base64url, fromBase64url } from '../../../protocol/canonical.ts'
import { isAccountId, isNodeId, type AccountId, type NodeId, type RandomBytes } from '../../../protocol/units.ts'
import { openText, sealText, Secret, type Seal } from '../../core/sealed.ts'

export interface TicketRef {
  /** null: a probe, which nobody pays */
  readonly accountId: AccountId | null
  readonly nodeId: NodeId
}

/** @param jti of the ticket: a ref opens in no other one */
export async function sealRef(
  keySecret: string,
  jti: string,
  { accountId, nodeId }: TicketRef,
  random: RandomBytes,
): Promise<string> {
  const sealed = await sealText(sealOf(keySecret, jti), `${accountId ?? NOBODY} ${nodeId}`, random)
  return base64url(new Uint8Array(sealed))
}

/** Null for what this gateway did not seal for this ticket. */
export async function openRef(keySecret: string, jti: string, ref: string): Promise<TicketRef | null> {
  const text = await openText(sealOf(keySecret, jti), bytesOf(ref))
  const [accountId = '', nodeId = ''] = text?.split(' ') ?? []
  if (!isNodeId(nodeId)) return null
  if (accountId === NOBODY) return { accountId: null, nodeId }
  return isAccountId(accountId) ? { accountId, nodeId } : null
}

/** As long as an account id, and none: `-` is not of its alphabet. */
const NOBODY = '-'.repeat(16)

const sealOf = (keySecret: string, jti: string): Seal => ({
  secret: new Secret(keySecret),
  salt: 'souk-ticket-ref',
  place: `ref of ${jti}`,
})

function bytesOf(ref: string): ArrayBuffer {
  try {
    return Uint8Array.from(fromBase64url(ref)).buffer
  } catch {
    return new ArrayBuffer(0) // too short to be anything, which openText says
  }
}
