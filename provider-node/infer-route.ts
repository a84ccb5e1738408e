// `POST /v2/infer`: tensors in, tensors out, both in the canonical form of protocol/oip-canonical.ts, the receipt in the answer's header.
import type { Handler } from 'hono'
import { tensorBytes, type InferAnswer, type InferRequest } from '../protocol/oip.ts'
import { encodeAnswer } from '../protocol/oip-canonical.ts'
import { acceptInfer, finishCall, ownerOf, type Call } from './call.ts'
import { NodeRefusal } from './refusal.ts'
import type { NodeEnv, ServerNeeds } from './server.ts'

export function createInferRoute(needs: ServerNeeds): Handler<NodeEnv> {
  return async (c) => {
    const { answer, receipt } = await infer(needs, await acceptInfer(c, needs))
    // Hono takes an ArrayBuffer of exactly these bytes.
    return c.body(Uint8Array.from(encodeAnswer(answer, receipt)).buffer, 200, {
      'content-type': 'application/octet-stream',
    })
  }
}

/** @returns the answer and its receipt; null for the operator's own call */
export async function infer(
  needs: ServerNeeds,
  call: Call<InferRequest>,
): Promise<{ answer: InferAnswer; receipt: string | null }> {
  const { engine } = call.model
  if (engine.task === 'chat' || engine.task === 'embeddings')
    throw new NodeRefusal('internal', 'This model has no tensor engine.')
  const nothing = { outputs: [], inputTokens: 0, outputTokens: 0, firstOutputAt: null }
  try {
    const answer = await engine.infer({ ...ownerOf(call.ticket), request: call.body }, call.signal)
    const receipt = await finishCall(needs, call, {
      ...nothing,
      outcome: 'complete',
      outputs: answer.outputs.map(({ data }) => data),
      tensorBytes: tensorBytes(call.body.inputs) + tensorBytes(answer.outputs),
      firstOutputAt: needs.now(),
    })
    return { answer, receipt }
  } catch (cause) {
    if (call.signal.aborted) await finishCall(needs, call, { ...nothing, outcome: 'cancelled' })
    throw cause
  }
}
