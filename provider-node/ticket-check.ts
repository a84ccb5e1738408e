// No work without the gateway's order: a ticket is for this node, this path, this body, this model, now, and once. What can be checked
// without the body is checked before the body is read.
import { verifyTicket, type Ticket } from '../protocol/ticket.ts'
import { TICKET_SCHEME } from '../protocol/node.ts'
import type { GatewayKeys } from './gateway-keys.ts'
import { NODE_LIMITS } from './limits.ts'
import { NodeRefusal } from './refusal.ts'

export interface TicketCheck {
  /** Signature, audience, times, path. @throws NodeRefusal `bad_ticket` */
  admit(authorization: string | undefined, path: string): Promise<Ticket>
  /** The body's hash, and that this ticket was never used. @throws NodeRefusal `bad_ticket`, `busy` when too many are remembered */
  spend(ticket: Ticket, bodySha256: string): void
}

export interface TicketCheckNeeds {
  /** the own node key: the audience */
  readonly nodeKey: string
  readonly keys: GatewayKeys
  /** ms */
  readonly now: () => number
  readonly ticketsRemembered?: number
}

/** The ticket of an `authorization` that was admitted. */
export const ticketIn = (authorization: string | undefined): string => (authorization ?? '').split(' ')[1] ?? ''

const SENTENCE = {
  malformed: 'The ticket cannot be read.',
  bad_signature: 'The ticket is not signed by our gateway.',
  wrong_audience: 'The ticket is for another node.',
  expired: 'The ticket has expired.',
  not_yet_valid: 'The ticket is not valid yet.',
} as const

export function createTicketCheck({
  nodeKey,
  keys,
  now,
  ticketsRemembered = NODE_LIMITS.ticketsRemembered,
}: TicketCheckNeeds): TicketCheck {
  const nowSeconds = () => Math.floor(now() / 1_000)
  /** jti -> last second in which it would be accepted */
  const spent = new Map<string, number>()

  function forgetExpired(): void {
    for (const [jti, exp] of spent) if (exp < nowSeconds()) spent.delete(jti)
  }

  return {
    async admit(authorization, path) {
      const [scheme, jws, ...rest] = (authorization ?? '').split(' ')
      if (scheme?.toLowerCase() !== TICKET_SCHEME.toLowerCase() || !jws || rest.length > 0)
        throw new NodeRefusal('bad_ticket', 'A ticket is needed: "authorization: Souk <ticket>".')
      if (jws.length > NODE_LIMITS.ticketCharacters) throw new NodeRefusal('bad_ticket', SENTENCE.malformed)
      const verified = await verifyTicket(jws, {
        resolveKey: (kid) => keys.resolve(kid),
        audience: nodeKey,
        nowSeconds: nowSeconds(),
      })
      if (!verified.ok) throw new NodeRefusal('bad_ticket', SENTENCE[verified.code])
      if (verified.value.path !== path) throw new NodeRefusal('bad_ticket', 'The ticket is for another path.')
      return verified.value
    },
    spend(ticket, bodySha256) {
      if (ticket.bodySha256 !== bodySha256) throw new NodeRefusal('bad_ticket', 'The ticket is for another body.')
      if (spent.has(ticket.jti)) throw new NodeRefusal('bad_ticket', 'The ticket was used before.')
      if (spent.size >= ticketsRemembered) forgetExpired()
      // Forgetting a living ticket would allow its second use, so the newcomer has to wait.
      if (spent.size >= ticketsRemembered) throw new NodeRefusal('busy', 'Too many tickets in a short time.')
      spent.set(ticket.jti, ticket.exp)
    },
  }
}
