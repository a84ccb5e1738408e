// The direct link: HTTPS to the endpoint a node registered. The address is judged again for every attempt, redirects are never followed
// (they would carry the ticket and the prompt to an address nobody judged), and nothing is compressed, so that what is relayed is counted.
import { TICKET_SCHEME } from '../../protocol/node.ts'
import { WIRE_HEADER } from '../../protocol/wire.ts'
import { checkEndpoint } from './endpoint-guard.ts'
import { LinkRefused, type NodeLink } from './node-link.ts'

/** @param needs.allowLocal the local switch; @param needs.fetch for tests and for a self-hosted gateway's own outbound service */
export function createDirectLink(needs: { allowLocal: boolean; fetch?: typeof fetch }): NodeLink {
  const send = needs.fetch ?? ((input: string, init: RequestInit) => fetch(input, init))
  return {
    async send({ endpoint, wireVersion, path, body, ticket, signal }) {
      const checked = checkEndpoint(endpoint, { allowLocal: needs.allowLocal })
      if (!checked.ok) throw new LinkRefused(checked.detail)
      return send(`${endpoint}${path}`, {
        method: 'POST',
        body,
        headers: {
          ...(ticket === '' ? {} : { authorization: `${TICKET_SCHEME} ${ticket}` }),
          'content-type': typeof body === 'string' ? 'application/json' : 'application/octet-stream',
          'accept-encoding': 'identity',
          [WIRE_HEADER]: String(wireVersion),
        },
        redirect: 'manual',
        signal,
      })
    },
  }
}
