// Models of an OpenAI-compatible server beside the node: vLLM, SGLang, llama.cpp, Ollama, LM Studio and their like. The node bounds who is before
// that server, watches whether it is there, and hands its answers on; it cannot prove which files answer, so such offers are `declared`.
import type { LoadedModel } from '../../model-store/manifest.ts'
import { OperatorError } from '../../operator-error.ts'
import type { EmbeddingEngine, TextEngine } from '../engine.ts'
import { honoursOfTask } from '../honours.ts'
import { bearerHeader, upstreamBase } from '../upstream/address.ts'
import { createFront, type UpstreamOptions } from '../upstream/front.ts'
import { createUpstream } from '../upstream/http.ts'
import { estimatedTokens, UPSTREAM_LIMITS, type UpstreamLimits } from '../upstream/limits.ts'
import { discover, lookAt } from './discovery.ts'
import { embedTexts } from './embeddings.ts'
import { textRequest } from './request.ts'
import { honoursOfServer } from './server-kind.ts'
import { inputEstimate, startText } from './text-call.ts'

/** @throws OperatorError when the server is not there, has no such model, or the configuration does not name it */
export async function createOpenAiEngine(
  { manifest }: LoadedModel,
  options: UpstreamOptions,
  limits: UpstreamLimits = UPSTREAM_LIMITS,
): Promise<TextEngine | EmbeddingEngine> {
  const { upstream: address } = options
  if (!address) throw new OperatorError(`model ${manifest.id} needs "upstream" in config.json: a server and its model`)
  if (manifest.task !== 'chat' && manifest.task !== 'embeddings')
    throw new OperatorError(`model ${manifest.id} cannot be served: the engine openai has no task ${manifest.task}`)
  const { model } = address
  const base = upstreamBase(address.url, 'v1')
  const upstream = createUpstream(base, bearerHeader(address.apiKey), limits.connectMs)
  const { kind } = await discover(upstream, base, model, limits).catch((cause: unknown) => {
    upstream.close()
    throw cause
  })
  const description = { engine: 'openai', server: kind, upstream: new URL(base).host, upstreamModel: model }
  const honours = honoursOfTask(manifest.task) ?? honoursOfServer(kind)
  const look = (signal: AbortSignal) => lookAt(upstream, model, limits, signal)
  const { engine, needs, admit } = createFront({ upstream, manifest, limits, options, description, honours, look })
  if (manifest.task === 'embeddings')
    return {
      ...engine,
      task: 'embeddings',
      async embed(job, signal) {
        const cost = job.inputs.reduce((sum, text) => sum + estimatedTokens(Buffer.byteLength(text)), 0)
        const place = await admit(job, cost, signal)
        return embedTexts(needs, job, model, place.signal).finally(place.done)
      },
    }
  return {
    ...engine,
    task: 'chat',
    async start(job, signal) {
      const request = textRequest(job, kind, model)
      const place = await admit(job, inputEstimate(job, manifest) + job.choices * job.outputTokensMax, signal)
      try {
        const run = await startText({ ...needs, kind }, job, request, place.signal)
        void run.ended.then(place.done)
        return run
      } catch (cause) {
        place.done()
        throw cause
      }
    },
  }
}
