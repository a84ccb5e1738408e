// One audit at one node (flow): the same ticket, the same link, the same reports to its guard as a call of anybody, and an answer read to its end. Whatever goes wrong is
// an unanswered audit: that a node is slow, full or away is its health's matter and proves nothing.
import { importPublicKey } from '../../../protocol/keys.ts'
import { NodeErrorBody } from '../../../protocol/node.ts'
import type { Units } from '../../../protocol/price.ts'
import { isForTicket, verifyReceipt } from '../../../protocol/receipt.ts'
import type { Ticket } from '../../../protocol/ticket.ts'
import { bytes, newCallId, tokens, type CallId, type Instant } from '../../../protocol/units.ts'
import { boundedJson, orAborted } from '../../link/bounded.ts'
import { LinkGone } from '../../link/node-link.ts'
import { issueTicket, newTicketIds, pseudonymOf } from '../admission/ticket-order.ts'
import { sealRef } from '../admission/ticket-ref.ts'
import { wordsFor } from '../admission/node-failure.ts'
import type { ProbeNeeds } from '../admission/probe.ts'
import type { NodeGuards } from '../guard/node-guard.ts'
import type { AttemptReport, Model, Offer } from '../market-port.ts'
import { areCountsApart, type AuditAnswer } from './compare.ts'
import { auditAccount } from './disguise.ts'
import type { Reading, ReadAnswer } from './read-answer.ts'

export interface AskNeeds extends Omit<ProbeNeeds, 'probeMs'> {
  readonly nodeGuards: NodeGuards
}

/** A request as one node gets it, and how its answer is read. */
export interface Question {
  readonly path: string
  readonly body: string | Uint8Array
  readonly inputTokensMax: number
  readonly outputTokensMax: number
  readonly tensorBytesMax?: number
  /** bytes of the tensors in it; 0: none */
  readonly inputTensorBytes: number
  readonly requestHash: (salt: string) => string
  readonly read: (response: Response, reading: Reading) => Promise<ReadAnswer>
}

export type Asked = { readonly id: CallId; readonly at: Instant } & (
  | {
      readonly answer: AuditAnswer
      readonly units: Units
      /** when the last of it was read */
      readonly endedAt: Instant
      /** its receipt is not one for this answer; none at all is no lie */
      readonly isReceiptWrong: boolean
    }
  /** in words for its operator */
  | { readonly answer: null; readonly why: string }
)

export const ASK = {
  /** ms of a whole audit; a text that takes longer is left by then */
  totalMs: 60_000,
  /** ms until a first output */
  firstMs: 30_000,
  /** ms and characters of output after which a text is left, as callers leave long ones */
  enoughMs: 40_000,
  enoughCharacters: 6_000,
} as const

export async function ask(needs: AskNeeds, offer: Offer, model: Model, question: Question): Promise<Asked> {
  const { clock, random } = needs
  const { nodeId } = offer
  const startedAt = clock()
  const id = newCallId(startedAt, random)
  const guard = needs.nodeGuards(nodeId)
  let firstAt: Instant | null = null
  const report = (
    outcome: AttemptReport['outcome'],
    fault: AttemptReport['fault'],
    outputTokens: number,
    hasRefusedTicket = false,
  ) =>
    guard.attemptEnded({
      ...{ nodeId, modelId: model.id, callId: id, attempt: 0, outcome, fault, outputTokens },
      firstTokenMs: firstAt === null ? null : firstAt - startedAt,
      durationMs: clock() - startedAt,
      ...{ driftPpm: null, retryAfterMs: null, hasRefusedTicket, shape: null },
    })
  // First the ticket: what goes wrong with it is nobody's fault but ours.
  const { jws, ticket } = await ticketFor(needs, offer, model, id, question)
  await guard.attemptStarted(nodeId, model.id, id, 0)
  const whole = AbortSignal.timeout(ASK.totalMs)
  const first = new AbortController()
  const timer = setTimeout(() => first.abort(new DOMException('no output', 'TimeoutError')), ASK.firstMs)
  const signal = AbortSignal.any([whole, first.signal])
  const noteFirst = () => {
    firstAt ??= clock()
    clearTimeout(timer)
  }
  let left = false
  const isEnough = (characters: number): boolean =>
    (left ||= characters >= ASK.enoughCharacters || (characters > 0 && clock() - startedAt >= ASK.enoughMs))
  try {
    const { endpoint, wireVersion } = offer
    const request = { nodeId, endpoint, wireVersion, path: question.path, body: question.body, ticket: jws, signal }
    const response = await orAborted(needs.link.send(request), signal)
    if (response.status !== 200) {
      const { said, code, why } = await refusalOf(response, signal)
      await report(code, code === 'provider_failed' ? 'node' : 'none', 0, said === 'bad_ticket')
      return { id, at: startedAt, answer: null, why }
    }
    const read = await question.read(response, { signal, noteFirst, isEnough })
    const units = unitsOf(read, question, model)
    const endedAt = clock()
    await report(left ? 'cancelled' : 'served', left ? 'caller' : 'none', Number(units.outputTokens))
    const isReceiptWrong = await isWrongReceipt(read, ticket, question)
    return { id, at: startedAt, answer: read.answer, units, endedAt, isReceiptWrong }
  } catch (error) {
    const isAway = error instanceof LinkGone && !error.isLinked
    await report(isAway ? 'no_provider' : 'provider_failed', isAway ? 'none' : 'node', 0)
    return { id, at: startedAt, answer: null, why: wordsFor(error) }
  } finally {
    clearTimeout(timer)
  }
}

async function ticketFor(needs: AskNeeds, offer: Offer, model: Model, callId: CallId, question: Question) {
  const { key, random, clock } = needs
  const { keySecret, domain } = needs.config
  const ids = newTicketIds(random)
  const now = clock()
  const draw = (random(1)[0] ?? 0) / 256
  const { path, body, inputTokensMax, outputTokensMax, tensorBytesMax } = question
  return issueTicket({
    ...{ key, offer, model, callId, path, body, inputTokensMax, outputTokensMax, tensorBytesMax, ...ids },
    issuer: domain || 'souk',
    attempt: 0,
    ref: await sealRef(keySecret, ids.jti, { accountId: null, nodeId: offer.nodeId }, random),
    pseudonym: pseudonymOf(keySecret, offer.nodeId, auditAccount(keySecret, offer.nodeId, now, draw)),
    nowSeconds: now / 1_000,
  })
}

/** A refusal is no answer; who is full or leaving is not at fault. */
async function refusalOf(response: Response, signal: AbortSignal) {
  const parsed = NodeErrorBody.safeParse(await boundedJson(response, REFUSAL_BYTES_MAX, signal).catch(() => null))
  const said = parsed.data?.error.code
  const code =
    said === 'busy' || response.status === 429
      ? ('provider_busy' as const)
      : said !== undefined && FAULTLESS.has(said)
        ? ('no_provider' as const)
        : ('provider_failed' as const)
  return { said, code, why: `It answered with status ${response.status}${said ? ` (${said})` : ''}.` }
}
const REFUSAL_BYTES_MAX = 8_192
/** Of a request that we made up, a node may well say so. */
const FAULTLESS: ReadonlySet<string> = new Set([
  'draining',
  'bad_request',
  'unsupported_parameter',
  'context_length_exceeded',
])

/** What it is paid for: its own counts as far as they can be, and the bytes that came. */
function unitsOf({ answer, outputBytes }: ReadAnswer, question: Question, { manifest }: Model): Units {
  if (answer.kind === 'tensors')
    return {
      inputTokens: tokens(0),
      outputTokens: tokens(0),
      tensorBytes: bytes(question.inputTensorBytes + outputBytes),
    }
  const claimed = answer.counts ?? { inputTokens: 0, outputTokens: Math.ceil(outputBytes / UNCLAIMED_BYTES_PER_TOKEN) }
  const most = Math.min(question.outputTokensMax, Math.ceil(outputBytes / manifest.bytesPerTokenMin))
  return {
    inputTokens: tokens(Math.min(claimed.inputTokens, question.inputTokensMax)),
    outputTokens: tokens(Math.min(claimed.outputTokens, most)),
  }
}
/** as the inference room counts what nobody claims */
const UNCLAIMED_BYTES_PER_TOKEN = 16

async function isWrongReceipt(
  { receipt, outputs, answer }: ReadAnswer,
  ticket: Ticket,
  question: Question,
): Promise<boolean> {
  if (receipt === null || outputs === null) return false
  const nodeKey = await importPublicKey(ticket.aud).catch(() => null)
  const verified = nodeKey && (await verifyReceipt(receipt, nodeKey))
  if (!verified?.ok || !isForTicket(verified.value, ticket)) return true
  const { request, outputs: said, inputTokens, outputTokens } = verified.value
  const made = outputs(ticket.salt)
  if (request !== question.requestHash(ticket.salt)) return true
  if (said.length !== made.length || made.some((hash, i) => said[i] !== hash)) return true
  // Two counts of the same node for the same answer are one.
  const counts = answer.kind === 'tensors' ? null : answer.counts
  return areCountsApart(counts, { inputTokens, outputTokens }, true)
}
