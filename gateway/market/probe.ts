// Probe calls: the questions with known answers that a node must get right before callers reach it. They travel like any call, with a real ticket,
// a fresh pseudonym and the same body, and the receipt must be signed by the node's key for exactly this ticket and this output.
// A node may lie, stall or never stop: everything is bounded in bytes and time, and nobody is charged.
import type { Result } from '../../protocol/errors.ts'
import { utf8ToBytes } from '../../protocol/canonical.ts'
import { importPublicKey } from '../../protocol/keys.ts'
import { type ModelManifest } from '../../protocol/model.ts'
import { NODE_PATHS, NodeChatEvent, NodeEmbeddingReply } from '../../protocol/node.ts'
import { outputHash, requestHash, vectorBytes, verifyReceipt } from '../../protocol/receipt.ts'
import { SseDecoder } from '../../protocol/sse.ts'
import type { Ticket } from '../../protocol/ticket.ts'
import { newAccountId, newCallId, type RandomBytes } from '../../protocol/units.ts'
import type { Clock } from '../core/clock.ts'
import type { Config } from '../core/env.ts'
import type { GatewayKey } from '../core/gateway-key.ts'
import { LIMITS } from '../core/limits.ts'
import { boundedChunks, boundedJson, orAborted } from '../link/bounded.ts'
import type { NodeLink } from '../link/node-link.ts'
import type { Model, Offer } from './market-port.ts'
import { NodeFailure, requireOk, wordsFor } from './node-failure.ts'
import { issueTicket, newTicketIds, pseudonymOf } from './ticket-order.ts'
import { sealRef } from './ticket-ref.ts'

export interface ProbeNeeds {
  readonly link: NodeLink
  readonly key: GatewayKey
  readonly config: Pick<Config, 'domain' | 'keySecret'>
  readonly clock: Clock
  readonly random: RandomBytes
  /** ms of one probe; absent: {@link PROBE_MS} */
  readonly probeMs?: number
}

export type ProbeResult = Result<null, 'probe_failed'>
/** Tensor probes are asked by a room of their own. */
type Probe = { readonly input: string; readonly contains?: string | undefined }

/** Loading is over when a node says hello; a first answer on a slow machine takes seconds. */
const PROBE_MS = 20_000
/** An answer that contains what it should is short. */
const PROBE_OUTPUT_TOKENS = 64
const CHAT_BYTES_MAX = 256 * 1024

/** Sends every probe of the model, one after the other, and stops at the first wrong answer. `detail` is for the operator. */
export async function probeOffer(
  needs: ProbeNeeds,
  offer: Offer,
  model: Model,
  deadline: AbortSignal,
): Promise<ProbeResult> {
  for (const [index, probe] of model.manifest.probes.entries()) {
    try {
      if (!('input' in probe)) throw new NodeFailure('Tensors cannot be probed yet.')
      await sendProbe(needs, offer, model, probe, deadline)
    } catch (error) {
      return { ok: false, code: 'probe_failed', detail: `Probe ${index + 1}: ${wordsFor(error)}` }
    }
  }
  return { ok: true, value: null }
}

async function sendProbe(
  needs: ProbeNeeds,
  offer: Offer,
  model: Model,
  probe: Probe,
  deadline: AbortSignal,
): Promise<void> {
  const signal = AbortSignal.any([AbortSignal.timeout(needs.probeMs ?? PROBE_MS), deadline])
  signal.throwIfAborted()
  const order = probeOrder(offer, model.manifest, probe)
  const now = needs.clock()
  const ids = newTicketIds(needs.random)
  const { keySecret } = needs.config
  const { jws, ticket } = await issueTicket({
    ...order,
    ...ids,
    ref: await sealRef(keySecret, ids.jti, { accountId: null, nodeId: offer.nodeId }, needs.random),
    key: needs.key,
    issuer: needs.config.domain || 'souk',
    offer,
    model,
    callId: newCallId(now, needs.random),
    attempt: 0,
    pseudonym: pseudonymOf(keySecret, offer.nodeId, newAccountId(needs.random)),
    nowSeconds: now / 1_000,
  })
  const request = { endpoint: offer.endpoint, path: order.path, body: order.body, ticket: jws, signal }
  const response = await orAborted(needs.link.send(request), signal)
  await requireOk(response, signal)
  const isChat = model.manifest.task === 'chat'
  const { receipt, outputs } = isChat
    ? await readChat(response, probe, ticket.salt, signal)
    : await readVector(response, model.manifest, ticket.salt, signal)
  await requireReceipt(receipt, offer.nodeKey, ticket, order.body, outputs)
}

function probeOrder(offer: Offer, manifest: ModelManifest, probe: Probe) {
  if (manifest.task === 'embeddings') {
    const input = [probe.input]
    const body = JSON.stringify({ model: manifest.id, input })
    return { path: NODE_PATHS.embeddings, body, inputTokensMax: inputBound(input, manifest), outputTokensMax: 0 }
  }
  const outputTokensMax = Math.min(PROBE_OUTPUT_TOKENS, manifest.outputTokensMax)
  const messages = [{ role: 'user', content: probe.input }]
  const body = JSON.stringify({
    model: manifest.id,
    messages,
    stream: true,
    max_tokens: Math.min(outputTokensMax, offer.outputTokensMax),
    temperature: 0,
  })
  return { path: NODE_PATHS.chat, body, inputTokensMax: inputBound(messages, manifest), outputTokensMax }
}

/** The very bound that a call's ticket names (the inference room's quote): a smaller one would tell a node that it is probed. */
function inputBound(input: readonly unknown[], { bytesPerTokenMin, templateTokens, contextTokens }: ModelManifest) {
  const bytes = utf8ToBytes(JSON.stringify(input)).length
  return Math.min(
    Math.ceil(bytes / bytesPerTokenMin) + templateTokens.fixed + templateTokens.perMessage * input.length,
    contextTokens,
  )
}

interface ProbeAnswer {
  readonly receipt: string | undefined
  /** {@link outputHash} of each output */
  readonly outputs: readonly string[]
}

async function readChat(response: Response, probe: Probe, salt: string, signal: AbortSignal): Promise<ProbeAnswer> {
  const decoder = new SseDecoder(LIMITS.nodeEventBytes)
  let content = ''
  let receipt: string | undefined
  let isOver = false
  for await (const chunk of boundedChunks(response, CHAT_BYTES_MAX, signal)) {
    for (const { data } of decoder.push(chunk)) {
      isOver ||= data === '[DONE]'
      if (isOver) break
      const event = NodeChatEvent.safeParse(JSON.parse(data))
      if (!event.success) throw new NodeFailure('It sent an event that is not of the wire.')
      content += event.data.choices[0]?.delta.content ?? ''
      receipt = event.data.receipt ?? receipt
    }
    if (isOver) break
  }
  if (!isOver) throw new NodeFailure('It broke off its answer.')
  if (!content.includes(probe.contains ?? '')) throw new NodeFailure('Its answer is not the known one.')
  return { receipt, outputs: [outputHash(salt, content)] }
}

async function readVector(
  response: Response,
  manifest: ModelManifest,
  salt: string,
  signal: AbortSignal,
): Promise<ProbeAnswer> {
  const reply = NodeEmbeddingReply.safeParse(await boundedJson(response, LIMITS.nodeAnswerBytes, signal))
  if (!reply.success) throw new NodeFailure('It sent an answer that is not of the wire.')
  const vector = reply.data.data[0]?.embedding ?? []
  const isWhole = reply.data.data.length === 1 && vector.length === manifest.dimensions
  if (!isWhole || !vector.every(Number.isFinite))
    throw new NodeFailure(`Its answer is not one vector of ${manifest.dimensions} numbers.`)
  if (vector.every((value) => value === 0)) throw new NodeFailure('Its vector is all zeros.')
  return { receipt: reply.data.receipt, outputs: [outputHash(salt, vectorBytes(vector))] }
}

async function requireReceipt(
  jws: string | undefined,
  nodeKey: string,
  ticket: Ticket,
  body: string,
  outputs: readonly string[],
): Promise<void> {
  if (jws === undefined) throw new NodeFailure('It gave no receipt.')
  const verified = await verifyReceipt(jws, await importPublicKey(nodeKey))
  if (!verified.ok) throw new NodeFailure('Its receipt is not signed by the node key.')
  const receipt = verified.value
  const isForCall = receipt.jti === ticket.jti && receipt.callId === ticket.callId && receipt.attempt === ticket.attempt
  if (!isForCall || receipt.nodeKey !== nodeKey) throw new NodeFailure('Its receipt is for another ticket.')
  if (receipt.outcome !== 'complete') throw new NodeFailure('Its receipt says that it did not finish.')
  if (receipt.model !== ticket.model || receipt.modelDigest !== ticket.modelDigest)
    throw new NodeFailure('Its receipt names another model or digest.')
  if (receipt.request !== requestHash(ticket.salt, JSON.parse(body)))
    throw new NodeFailure('Its receipt is for another request.')
  const isSame = receipt.outputs.length === outputs.length && outputs.every((hash, i) => receipt.outputs[i] === hash)
  if (!isSame) throw new NodeFailure('Its receipt does not match what it sent.')
}
