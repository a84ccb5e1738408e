// The direct link: HTTPS to the endpoint a node registered. The address is judged again for every attempt, redirects are never followed
// (they would carry the ticket and the prompt to an address nobody judged), and nothing is compressed, so that what is relayed is counted.
import { bodyInit } from '../core/body-init.ts'
import { TICKET_SCHEME } from '../../protocol/node.ts'
import { WIRE_HEADER } from '../../protocol/wire.ts'
import { checkEndpoint } from './endpoint-guard.ts'
import type { JudgeName } from './name-watch.ts'
import { LinkRefused, type NodeLink } from './node-link.ts'

interface DirectLinkNeeds {
  /** the local switch */
  readonly allowLocal: boolean
  /** what names lead to by now; absent: they are not looked up (local mode) */
  readonly judgeName?: JudgeName
  /** for tests and for a self-hosted gateway's own outbound service */
  readonly fetch?: typeof fetch
}

export function createDirectLink(needs: DirectLinkNeeds): NodeLink {
  const send = needs.fetch ?? ((input: string, init: RequestInit) => fetch(input, init))
  return {
    async send({ endpoint, wireVersion, path, body, ticket, signal }) {
      const checked = checkEndpoint(endpoint, { allowLocal: needs.allowLocal })
      if (!checked.ok) throw new LinkRefused(checked.detail)
      const refusal = needs.judgeName ? await needs.judgeName(checked.value) : null
      if (refusal !== null) throw new LinkRefused(refusal)
      return send(`${endpoint}${path}`, {
        method: 'POST',
        body: bodyInit(body),
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
