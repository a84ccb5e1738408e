// `POST /v1/embeddings`: vectors as numbers, with counts and the receipt, in one JSON answer.
import type { Handler } from 'hono'
import { EmbeddingRequest } from '../protocol/openai.ts'
import type { NodeEmbeddingReply } from '../protocol/node.ts'
import { vectorBytes } from '../protocol/receipt.ts'
import { acceptCall, finishCall, ownerOf } from './call.ts'
import { NodeRefusal } from './refusal.ts'
import type { NodeEnv, ServerNeeds } from './server.ts'

export function createEmbeddingsRoute(needs: ServerNeeds): Handler<NodeEnv> {
  return async (c) => {
    const call = await acceptCall(c, needs, 'embeddings', EmbeddingRequest)
    const { engine } = call.model
    if (engine.task !== 'embeddings') throw new NodeRefusal('internal', 'This model has no embedding engine.')
    const { input } = call.body
    const nothing = { outputs: [], inputTokens: 0, outputTokens: 0, firstOutputAt: null }
    try {
      const { vectors, inputTokens } = await engine.embed(
        {
          ...ownerOf(call.ticket),
          inputs: typeof input === 'string' ? [input] : input,
          dimensions: call.body.dimensions ?? null,
        },
        call.signal,
      )
      const receipt = await finishCall(needs, call, {
        outcome: 'complete',
        outputs: vectors.map(vectorBytes),
        inputTokens,
        outputTokens: 0,
        firstOutputAt: needs.now(),
      })
      const reply: NodeEmbeddingReply = {
        data: vectors.map((vector, index) => ({ index, embedding: [...vector] })),
        usage: { prompt_tokens: inputTokens, completion_tokens: 0 },
        ...(receipt === null ? {} : { receipt }),
      }
      return c.json(reply)
    } catch (cause) {
      if (call.signal.aborted) await finishCall(needs, call, { ...nothing, outcome: 'cancelled' })
      throw cause
    }
  }
}
