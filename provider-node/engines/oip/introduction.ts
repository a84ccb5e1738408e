// What a server of the Open Inference Protocol says of itself and of one model: asked at start, where a difference to the manifest is a sentence for
// the operator, and then as its health.
import { z } from 'zod'
import type { ModelManifest } from '../../../protocol/model.ts'
import { BINARY_EXTENSION } from '../../../protocol/oip-framing.ts'
import { OperatorError } from '../../operator-error.ts'
import { parsedJson, readWhole, UpstreamFault, type Upstream } from '../upstream/http.ts'
import type { UpstreamLimits } from '../upstream/limits.ts'
import { mismatch } from './specs.ts'

const ServerInfo = z.object({
  name: z.string().max(256).catch('unknown'),
  extensions: z.array(z.string().max(256)).max(256).catch([]),
})
const Described = z.object({
  name: z.string().max(1_024),
  datatype: z.string().max(64),
  // Some say -1 for what varies, some write numbers as text.
  shape: z.array(z.coerce.number().int().min(-1)).max(64),
})
const ModelInfo = z.object({ inputs: z.array(Described).max(256), outputs: z.array(Described).max(256) })

type Specs = NonNullable<ModelManifest['tensors']>

/** @throws OperatorError in one sentence */
export async function introduce(
  upstream: Upstream,
  base: string,
  path: string,
  specs: Specs,
  limits: UpstreamLimits,
): Promise<{ readonly name: string; readonly isBinary: boolean }> {
  const { signal } = new AbortController()
  const why = await lookAt(upstream, path, limits, signal)
  if (why !== null) throw new OperatorError(`the server ${base} does not serve ${path}: ${WORDS[why] ?? why}`)
  const model = await described(upstream, path, ModelInfo, limits, signal).catch((cause: unknown) => {
    throw new OperatorError(`the server ${base} does not describe ${path}: ${detailOf(cause)}`)
  })
  const wrong = mismatch(specs, model)
  if (wrong !== null) throw new OperatorError(`the server ${base} has another model at ${path}: ${wrong}`)
  // Servers that say nothing of themselves have no extension either.
  const server = await described(upstream, '', ServerInfo, limits, signal).catch(() => null)
  const name = (server?.name ?? 'unknown').replace(/[^\x20-\x7e]/g, '?').slice(0, 80)
  return { name, isBinary: server?.extensions.includes(BINARY_EXTENSION) ?? false }
}

const WORDS: Readonly<Record<string, string>> = {
  'status 401': 'it refuses the key of upstream.apiKeyEnv',
  'status 403': 'it refuses the key of upstream.apiKeyEnv',
  'status 404': 'it is not there (upstream.url ends with /v2 or before it)',
  'status 503': 'it is not ready',
}

/** Whether the model is ready. @returns null when it is, else why not, in a word */
export async function lookAt(
  upstream: Upstream,
  path: string,
  limits: UpstreamLimits,
  signal: AbortSignal,
): Promise<string | null> {
  try {
    const response = await upstream.send({ method: 'GET', path: `${path}/ready`, headMs: limits.lookMs, signal })
    const { statusCode = 0 } = response
    const body = await readWhole(response, limits.errorBytes, limits.lookMs)
    // The protocol has the answer in the status; some say it in the body too.
    const said = statusCode === 200 && body.byteLength > 0 ? Ready.safeParse(jsonOrNull(body)).data?.ready : undefined
    if (statusCode !== 200) return `status ${statusCode}`
    return said === false ? 'status 503' : null
  } catch (cause) {
    return detailOf(cause)
  }
}

const Ready = z.object({ ready: z.boolean().optional() })

async function described<T>(
  upstream: Upstream,
  path: string,
  schema: z.ZodType<T>,
  limits: UpstreamLimits,
  signal: AbortSignal,
): Promise<T> {
  const response = await upstream.send({ method: 'GET', path, headMs: limits.lookMs, signal })
  if (response.statusCode !== 200) {
    response.destroy()
    throw new UpstreamFault('garbage', `status ${response.statusCode ?? 0}`)
  }
  const parsed = schema.safeParse(parsedJson(await readWhole(response, limits.smallBytes, limits.lookMs)))
  if (!parsed.success) throw new UpstreamFault('garbage', 'description')
  return parsed.data
}

const detailOf = (cause: unknown): string =>
  cause instanceof UpstreamFault
    ? cause.kind === 'unreachable'
      ? `nobody answers there (${cause.detail})`
      : cause.detail
    : 'unknown'

function jsonOrNull(bytes: Uint8Array): unknown {
  try {
    return parsedJson(bytes)
  } catch {
    return null
  }
}
