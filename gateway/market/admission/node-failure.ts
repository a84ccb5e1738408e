// Why a node failed a proof or a probe, in words its operator can act on. Nothing of what the node wrote gets into the words except a code
// of the closed list, because everything a node says is data that somebody would have to escape.
import { NodeErrorBody } from '../../../protocol/node.ts'
import { SseOverflow } from '../../../protocol/sse.ts'
import { AnswerTooLarge, boundedJson } from '../../link/bounded.ts'
import { LinkGone, LinkRefused } from '../../link/node-link.ts'

const REFUSAL_BYTES_MAX = 8_192

/** Thrown while talking to a node, and turned into words by {@link wordsFor} at the end of the talk. */
export class NodeFailure extends Error {
  override readonly name = 'NodeFailure'
}

/** @throws NodeFailure unless the node said 200 */
export async function requireOk(response: Response, signal: AbortSignal): Promise<void> {
  if (response.status === 200) return
  if (response.status >= 300 && response.status < 400)
    throw new NodeFailure('It answered with a redirect, which is never followed.')
  const body = NodeErrorBody.safeParse(await boundedJson(response, REFUSAL_BYTES_MAX, signal).catch(() => null))
  const said = body.data?.error.code
  if (said === 'bad_ticket') throw new NodeFailure(TICKET_REFUSED)
  const code = said === undefined ? '' : ` (${said})`
  throw new NodeFailure(`It answered with status ${response.status}${code}.`)
}

const TICKET_REFUSED =
  'It refused the gateway’s ticket (bad_ticket): its clock is wrong, or it takes its orders from another gateway (souk-node doctor says which).'

/** Every way a conversation with a node ends badly, as a sentence. */
export function wordsFor(error: unknown): string {
  if (error instanceof NodeFailure) return error.message
  if (error instanceof LinkRefused) return `Its endpoint is not acceptable. ${error.message}`
  if (error instanceof LinkGone) return error.message
  if (error instanceof AnswerTooLarge || error instanceof SseOverflow) return 'Its answer was too long.'
  if (error instanceof SyntaxError) return 'Its answer was not JSON.'
  const name = error instanceof Error ? error.name : ''
  if (name === 'TimeoutError' || name === 'AbortError') return 'It did not answer in time.'
  return 'It could not be reached.'
}
