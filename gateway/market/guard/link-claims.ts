// Who may open a link (rule, but for the signature): the node's registered key has signed, just now, and nothing forbids the node to serve. What is refused is
// said in a sentence its operator can act on.
import { LINK_ENDPOINT, LINK_SCHEME, LINK_TYP, LinkClaims } from '../../../protocol/link.ts'
import { fromBase64url } from '../../../protocol/canonical.ts'
import type { Result } from '../../../protocol/errors.ts'
import { importPublicKey } from '../../../protocol/keys.ts'
import { verifyClaims } from '../../../protocol/ticket.ts'
import type { NodeRow } from '../rows.ts'

/** How far a node's clock may be from ours, in seconds. */
const CLOCK_SECONDS = 60
/** characters of the signed claims */
const JWS_CHARACTERS = 1_024

type Checked<T> = Result<T, 'authorization_refused'>

/** What an upgrade brings, before anybody is asked whether it is true. */
export function readLinkClaims(
  authorization: string | undefined,
  nowSeconds: number,
): Checked<{ readonly jws: string; readonly claims: LinkClaims }> {
  const [scheme, jws = '', ...more] = (authorization ?? '').split(' ')
  if (scheme !== LINK_SCHEME || more.length > 0 || jws.length > JWS_CHARACTERS)
    return refused(`A link is opened with "authorization: ${LINK_SCHEME} …", signed by the node key.`)
  const claims = LinkClaims.safeParse(payloadOf(jws)).data
  if (!claims) return refused('What was signed is no link.')
  const apart = claims.iat - nowSeconds
  if (Math.abs(apart) <= CLOCK_SECONDS) return { ok: true, value: { jws, claims } }
  const minutes = Math.round(Math.abs(apart) / 60)
  return refused(`The node's clock is about ${minutes} min ${apart > 0 ? 'ahead' : 'behind'}: set it right.`)
}

/** Whether the node that the claims name has signed them, and may be linked. */
export async function checkLink(jws: string, node: NodeRow | undefined): Promise<Checked<null>> {
  if (!node) return refused('This node is not registered here, or its key was exchanged.')
  const key = await importPublicKey(node.nodeKey)
  const verified = await verifyClaims(jws, LINK_TYP, LinkClaims, () => Promise.resolve(key))
  if (!verified.ok) return refused('It is not signed by the key this node is registered with.')
  if (node.state === 'suspended') return refused(`This node is suspended. ${node.reason ?? ''}`.trim())
  if (node.state === 'revoked')
    return refused('The authorisation of this node was taken back: its wallet has to register it again.')
  if (node.endpoint !== LINK_ENDPOINT)
    return refused('This node is registered with an address: register it without one to be reached by its link.')
  return { ok: true, value: null }
}

function payloadOf(jws: string): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(fromBase64url(jws.split('.')[1] ?? '')))
  } catch {
    return null
  }
}

const refused = (detail: string): Checked<never> => ({ ok: false, code: 'authorization_refused', detail })
