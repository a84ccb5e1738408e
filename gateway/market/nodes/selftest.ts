// A self-test (flow): the gateway calls a node the way it calls it for anybody, over its link or endpoint, with a real ticket whose receipt must be right,
// and tells its operator what came of it. Nobody pays, nothing is written down and no guard hears of it, so it makes no node look healthy. It asks a
// question of its own and never says whether an answer was the known one, so that it cannot be used to find the answers of probes.
import type { ModelManifest } from '../../../protocol/model.ts'
import type { SelftestReply } from '../../../protocol/operator.ts'
import { GatewayError } from '../../core/errors.ts'
import { OPERATOR } from '../../core/limits.ts'
import type { Model, Offer } from '../market-port.ts'
import { NodeFailure, wordsFor } from '../admission/node-failure.ts'
import type { NodeRecord } from './node-book.ts'
import type { ProbeCall } from '../admission/probe-receipt.ts'
import { tensorProbe } from '../admission/probe-tensors.ts'
import { chatProbe, vectorProbe } from '../admission/probe-text.ts'
import { sendProbe, type ProbeNeeds } from '../admission/probe.ts'
import { proveEndpoint } from '../admission/prove.ts'
import { asNodeId, toModel, toOffer } from '../rows.ts'

export interface SelftestNeeds extends ProbeNeeds {
  /** ms of the endpoint proof; absent: 5 s */
  readonly proofMs?: number
  /** ms of all of it; absent: {@link OPERATOR} */
  readonly selftestMs?: number
}

type Tested = SelftestReply['data'][number]

/** Any answer will do. */
const QUESTION = 'Say hello in one short sentence.'

/** @param only one model; absent: every offer that is not paused @throws GatewayError model_not_found, conflict */
export async function selftest(
  needs: SelftestNeeds,
  { node, offers }: NodeRecord,
  only: string | undefined,
): Promise<SelftestReply> {
  if (node.state === 'suspended' || node.state === 'revoked')
    throw new GatewayError('conflict', { detail: `This node is ${node.state}: it is sent nothing.` })
  const offered = offers.filter(
    ({ offer }) => offer.state !== 'paused' && (only === undefined || offer.modelId === only),
  )
  if (offered.length === 0)
    throw only === undefined
      ? new GatewayError('conflict', { detail: 'This node offers no model now.' })
      : new GatewayError('model_not_found', { param: 'model', detail: 'This node does not offer it now.' })
  const deadline = AbortSignal.timeout(needs.selftestMs ?? OPERATOR.selftestMs)
  const unproved = node.provedAt === null ? await whyUnproved(needs, node) : null
  const data: Tested[] = []
  // One after the other, as the review does: a small machine is asked for what one caller would ask.
  for (const [index, { offer, model }] of offered.entries()) {
    const test = () => tried(needs, toOffer(offer, node, needs.clock()), toModel(model), deadline)
    if (unproved !== null) data.push(failed(offer.modelId, unproved))
    else if (index >= OPERATOR.selftestModels || deadline.aborted) data.push(failed(offer.modelId, NOT_ASKED))
    else data.push(await test())
  }
  return { data }
}

const NOT_ASKED = 'It was not asked, because this test took long enough: test this model by its name.'
const failed = (model: string, detail: string): Tested => ({ model, ok: false, ms: 0, detail })

/** A ticket is sent only to an address that proved to be the node's; what was found out is the review's to write down, not ours. */
async function whyUnproved(needs: SelftestNeeds, node: NodeRecord['node']): Promise<string | null> {
  const timeout = needs.proofMs === undefined ? {} : { timeoutMs: needs.proofMs }
  const { link, random } = needs
  const proof = await proveEndpoint({ link, random, ...timeout }, { ...node, id: asNodeId(node.id) })
  return proof.ok ? null : `Its endpoint is not proved. ${proof.detail}`
}

async function tried(needs: SelftestNeeds, offer: Offer, model: Model, deadline: AbortSignal): Promise<Tested> {
  const begun = needs.clock()
  const took = () => Math.max(0, Math.round(needs.clock() - begun))
  try {
    await sendProbe(needs, offer, model, questionFor(offer, model.manifest), deadline)
    return { model: model.id, ok: true, ms: took(), detail: null }
  } catch (error) {
    return { model: model.id, ok: false, ms: took(), detail: wordsFor(error) }
  }
}

/** Tensors cannot be made up: those of a probe are sent, as its node has seen them before, and what comes back only has to fit the model. */
function questionFor(offer: Offer, manifest: ModelManifest): ProbeCall {
  if (manifest.task === 'embeddings') return vectorProbe({ input: QUESTION }, manifest)
  if (!manifest.tensors) return chatProbe({ input: QUESTION }, manifest, offer)
  const [probe] = manifest.probes.filter((known) => !('input' in known))
  if (!probe || 'input' in probe) throw new NodeFailure('The model has no tensors to ask with.')
  return tensorProbe({ ...probe, outputs: [] }, manifest)
}
