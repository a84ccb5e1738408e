// Probe calls: the questions with known answers that a node must get right before callers reach it. They travel like any call, with a real ticket,
// a fresh pseudonym and the same body, and the receipt must be signed by the node's key for exactly this ticket and this output.
// A node may lie, stall or never stop: everything is bounded in bytes and time, and nobody is charged.
import type { Result } from '../../../protocol/errors.ts'
import { newAccountId, newCallId, type RandomBytes } from '../../../protocol/units.ts'
import type { Probe } from '../../../protocol/model.ts'
import type { Clock } from '../../core/clock.ts'
import type { Config } from '../../core/env.ts'
import type { GatewayKey } from '../../core/gateway-key.ts'
import { orAborted } from '../../link/bounded.ts'
import type { NodeLink } from '../../link/node-link.ts'
import type { Model, Offer } from '../market-port.ts'
import { requireOk, wordsFor } from './node-failure.ts'
import { requireReceipt, type ProbeCall } from './probe-receipt.ts'
import { tensorProbe } from './probe-tensors.ts'
import { chatProbe, vectorProbe } from './probe-text.ts'
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

/** Loading is over when a node says hello; a first answer on a slow machine takes seconds. */
const PROBE_MS = 20_000

/** Sends every probe of the model, one after the other, and stops at the first wrong answer. `detail` is for the operator. */
export async function probeOffer(
  needs: ProbeNeeds,
  offer: Offer,
  model: Model,
  deadline: AbortSignal,
): Promise<ProbeResult> {
  for (const [index, probe] of model.manifest.probes.entries()) {
    try {
      await sendProbe(needs, offer, model, probeCall(offer, model, probe), deadline)
    } catch (error) {
      return { ok: false, code: 'probe_failed', detail: `Probe ${index + 1}: ${wordsFor(error)}` }
    }
  }
  return { ok: true, value: null }
}

export function probeCall(offer: Offer, { manifest }: Model, probe: Probe): ProbeCall {
  if (!('input' in probe)) return tensorProbe(probe, manifest)
  return manifest.task === 'embeddings' ? vectorProbe(probe, manifest) : chatProbe(probe, manifest, offer)
}

/** One call with a real ticket, its receipt checked. @throws whatever went wrong; {@link wordsFor} says it in words */
export async function sendProbe(
  needs: ProbeNeeds,
  offer: Offer,
  model: Model,
  { requestHash, read, ...order }: ProbeCall,
  deadline: AbortSignal,
): Promise<void> {
  const signal = AbortSignal.any([AbortSignal.timeout(needs.probeMs ?? PROBE_MS), deadline])
  signal.throwIfAborted()
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
  const { nodeId, endpoint, wireVersion } = offer
  const request = { nodeId, endpoint, wireVersion, path: order.path, body: order.body, ticket: jws, signal }
  const response = await orAborted(needs.link.send(request), signal)
  await requireOk(response, signal)
  const answer = await read(response, ticket.salt, signal)
  await requireReceipt(answer, offer.nodeKey, ticket, requestHash(ticket.salt))
}
