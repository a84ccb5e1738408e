// The proof of endpoint control: whoever answers at the registered URL must hold the node's key. The endpoint is part of what is signed, so
// that a relay to somebody else's node proves nothing, and the challenge is random, so that an old answer proves nothing either.
import { z } from 'zod'
import { base64url } from '../../../protocol/canonical.ts'
import type { Result } from '../../../protocol/errors.ts'
import { importPublicKey } from '../../../protocol/keys.ts'
import { challengeClaims, ChallengeReply, PROOF_TYP } from '../../../protocol/node.ts'
import { verifyClaims } from '../../../protocol/ticket.ts'
import type { NodeId, RandomBytes } from '../../../protocol/units.ts'
import { negotiateWire, WIRE_HEADER, WIRE_VERSION } from '../../../protocol/wire.ts'
import { boundedJson, orAborted } from '../../link/bounded.ts'
import { LinkGone, type NodeLink } from '../../link/node-link.ts'
import { NodeFailure, requireOk, wordsFor } from './node-failure.ts'

const CHALLENGE_PATH = '/souk/challenge'
const CHALLENGE_MS = 5_000
const REPLY_BYTES_MAX = 8_192
const SPOKEN = `${WIRE_VERSION - 1} and ${WIRE_VERSION}`

/** Asks the endpoint to sign a fresh challenge, and hears which wire it speaks. `detail` of a refusal is for the operator. */
export async function proveEndpoint(
  needs: { link: NodeLink; random: RandomBytes; timeoutMs?: number },
  node: { id: NodeId; endpoint: string; nodeKey: string },
): Promise<Result<{ readonly wireVersion: number }, 'endpoint_unproved' | 'link_away'>> {
  const claims = challengeClaims({ challenge: base64url(needs.random(32)), endpoint: node.endpoint })
  const signal = AbortSignal.timeout(needs.timeoutMs ?? CHALLENGE_MS)
  try {
    const body = JSON.stringify({ challenge: claims.challenge, endpoint: claims.endpoint })
    const to = { nodeId: node.id, endpoint: node.endpoint, wireVersion: WIRE_VERSION }
    const request = { ...to, path: CHALLENGE_PATH, body, ticket: '', signal }
    const response = await orAborted(needs.link.send(request), signal)
    await requireOk(response, signal)
    const reply = ChallengeReply.safeParse(await boundedJson(response, REPLY_BYTES_MAX, signal))
    if (!reply.success) throw new NodeFailure('Its answer to the challenge holds no proof.')
    const exactly = z.object({
      use: z.literal(claims.use),
      challenge: z.literal(claims.challenge),
      endpoint: z.literal(claims.endpoint),
    })
    const key = await importPublicKey(node.nodeKey)
    const verified = await verifyClaims(reply.data.proof, PROOF_TYP.challenge, exactly, () => Promise.resolve(key))
    if (!verified.ok) throw new NodeFailure('Its proof is not signed by the node key for this challenge and endpoint.')
    const said = response.headers.get(WIRE_HEADER)
    const wireVersion = negotiateWire(said)
    if (wireVersion === null)
      throw new NodeFailure(`It speaks version ${said?.slice(0, 10)} of the wire; spoken here are ${SPOKEN}.`)
    return { ok: true, value: { wireVersion } }
  } catch (error) {
    // Nobody was asked, so nobody failed.
    if (error instanceof LinkGone && !error.isLinked) return { ok: false, code: 'link_away', detail: error.message }
    return { ok: false, code: 'endpoint_unproved', detail: wordsFor(error) }
  }
}
