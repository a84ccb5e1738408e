// Models of a server of the Open Inference Protocol beside the node: Triton, KServe, OpenVINO Model Server. What that server says of the model must be
// what the manifest says, so that a caller gets what was offered; tensors travel in its binary form where it has one, else in JSON.
import type { LoadedModel } from '../../model-store/manifest.ts'
import { OperatorError } from '../../operator-error.ts'
import { EngineRefusal, type TensorEngine } from '../engine.ts'
import { tensorBytes } from '../../../protocol/oip.ts'
import { HONOURS_NOTHING } from '../honours.ts'
import { bearerHeader, upstreamBase } from '../upstream/address.ts'
import { createFront, type UpstreamOptions } from '../upstream/front.ts'
import { createUpstream } from '../upstream/http.ts'
import { UPSTREAM_LIMITS, type UpstreamLimits } from '../upstream/limits.ts'
import { introduce, lookAt } from './introduction.ts'
import { inferOnce } from './infer-call.ts'
import { wantedOutputs, wrongInputs } from './specs.ts'

/**
 * `upstream.model` is the name, or `name/versions/3`.
 * @throws OperatorError when the server is not there, not ready, or its model is another
 */
export async function createOipEngine(
  { manifest }: LoadedModel,
  options: UpstreamOptions,
  limits: UpstreamLimits = UPSTREAM_LIMITS,
): Promise<TensorEngine> {
  const { upstream: address } = options
  const { id, task, tensors: specs } = manifest
  if (!address) throw new OperatorError(`model ${id} needs "upstream" in config.json: a server and its model`)
  if (task === 'chat' || task === 'embeddings')
    throw new OperatorError(`model ${id} cannot be served: the engine oip has no task ${task}`)
  if (!specs) throw new OperatorError(`model ${id} cannot be served: its manifest has no tensors`)
  const base = upstreamBase(address.url, 'v2')
  const upstream = createUpstream(base, bearerHeader(address.apiKey), limits.connectMs)
  const path = pathOf(address.model)
  const { isBinary, name } = await introduce(upstream, base, path, specs, limits).catch((cause: unknown) => {
    upstream.close()
    throw cause
  })
  const description = {
    engine: 'oip',
    server: name,
    upstream: new URL(base).host,
    upstreamModel: address.model,
    form: isBinary ? 'binary' : 'json',
  }
  const honours = HONOURS_NOTHING
  const look = (signal: AbortSignal) => lookAt(upstream, path, limits, signal)
  const { engine, needs, admit } = createFront({ upstream, manifest, limits, options, description, honours, look })
  return {
    ...engine,
    task,
    async infer(job, signal) {
      const { inputs } = job.request
      const wanted = wantedOutputs(job.request.outputs, specs.outputs)
      const wrong = wrongInputs(inputs, specs.inputs) ?? (typeof wanted === 'string' ? wanted : null)
      if (wrong !== null || typeof wanted === 'string') throw new EngineRefusal('bad_request', wrong ?? '')
      const place = await admit(job, tensorBytes(inputs), signal)
      const request = { ...job.request, outputs: wanted }
      return inferOnce(needs, { request, path, isBinary, specs }, place.signal).finally(place.done)
    },
  }
}

/** @example pathOf('author/name/versions/3') // '/models/author%2Fname/versions/3' */
function pathOf(model: string): string {
  const [, name = model, version] = /^(.+)\/versions\/([^/]+)$/.exec(model) ?? []
  return `/models/${encodeURIComponent(name)}${version === undefined ? '' : `/versions/${encodeURIComponent(version)}`}`
}
