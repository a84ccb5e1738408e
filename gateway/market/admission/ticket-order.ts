// Writing a ticket: the one place that turns an offer and a body into a signed order, for calls and for probes alike, so that a node
// cannot tell them apart by their form.
import { hmac } from '@noble/hashes/hmac.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { base64url, longSha256Hex, sha256Hex, utf8ToBytes } from '../../../protocol/canonical.ts'
import type { Price } from '../../../protocol/price.ts'
import { TICKET_SECONDS, type Ticket } from '../../../protocol/ticket.ts'
import type { AccountId, CallId, ModelId, NodeId, RandomBytes } from '../../../protocol/units.ts'
import type { GatewayKey } from '../../core/gateway-key.ts'

export interface TicketOrder {
  readonly key: GatewayKey
  /** the gateway's name, as nodes know it */
  readonly issuer: string
  readonly offer: { readonly nodeKey: string; readonly price: Price }
  readonly model: { readonly id: ModelId; readonly digest: string }
  readonly callId: CallId
  readonly attempt: number
  readonly path: string
  /** the exact text that is sent */
  readonly body: string | Uint8Array
  readonly inputTokensMax: number
  readonly outputTokensMax: number
  /** absent: no tensors */
  readonly tensorBytesMax?: number | undefined
  readonly pseudonym: string
  /** {@link newTicketIds} */
  readonly salt: string
  readonly jti: string
  /** ticket-ref.ts; required, so that no ticket tells by its form what it is for */
  readonly ref: string
  readonly nowSeconds: number
}

/** Signs the order; valid for a minute from `nowSeconds`. */
export async function issueTicket(order: TicketOrder): Promise<{ jws: string; ticket: Ticket }> {
  const { price } = order.offer
  const iat = Math.floor(order.nowSeconds)
  const ticket: Ticket = {
    iss: order.issuer,
    aud: order.offer.nodeKey,
    jti: order.jti,
    iat,
    exp: iat + TICKET_SECONDS,
    callId: order.callId,
    attempt: order.attempt,
    path: order.path,
    model: order.model.id,
    modelDigest: order.model.digest,
    inputTokensMax: order.inputTokensMax,
    outputTokensMax: order.outputTokensMax,
    ...(order.tensorBytesMax === undefined ? {} : { tensorBytesMax: order.tensorBytesMax }),
    prices: {
      input: String(price.inputPerMillion),
      output: String(price.outputPerMillion),
      cachedInput: String(price.cachedInputPerMillion),
      bytes: String(price.bytesPerMillion),
      perCall: String(price.perCall),
    },
    bodySha256: await (typeof order.body === 'string' ? sha256Hex(order.body) : longSha256Hex(order.body)),
    salt: order.salt,
    pseudonym: order.pseudonym,
    ref: order.ref,
  }
  return { jws: await order.key.sign(ticket), ticket }
}

/** A fresh salt and ticket id: 16 random bytes each, base64url. */
export function newTicketIds(random: RandomBytes): { salt: string; jti: string } {
  return { salt: base64url(random(16)), jti: base64url(random(16)) }
}

/** An account's name at one node: stable there, unlinkable between nodes. HMAC-SHA-256, cut to 128 bits. */
export function pseudonymOf(keySecret: string, nodeId: NodeId, accountId: AccountId): string {
  const mac = hmac(sha256, utf8ToBytes(keySecret), utf8ToBytes(`souk-pseudonym\n${nodeId}\n${accountId}`))
  return base64url(mac.slice(0, 16))
}
