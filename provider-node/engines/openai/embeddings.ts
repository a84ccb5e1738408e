// Vectors from an OpenAI-compatible server, in the order of their texts, of the length the manifest says, with finite numbers only. Shortening is
// done here as the wire says it (cut, then brought to length 1), since not every server can.
import type { EmbeddingJob, Vectors } from '../engine.ts'
import { EngineRefusal } from '../engine.ts'
import type { CallNeeds } from '../upstream/front.ts'
import { parsedJson, readWhole, UpstreamFault } from '../upstream/http.ts'
import { estimatedTokens } from '../upstream/limits.ts'
import { left, refusalOf, tell } from '../upstream/verdict.ts'
import { verdictOf } from './errors.ts'
import { errorOfBody, VectorReply } from './events.ts'

/** bytes of one number in an answer, with its comma: sixteen digits and an exponent are 24 */
const NUMBER_BYTES = 32

/** @throws EngineRefusal */
export async function embedTexts(
  needs: CallNeeds,
  job: EmbeddingJob,
  model: string,
  signal: AbortSignal,
): Promise<Vectors> {
  const { manifest, health } = needs
  const { dimensions } = job
  if (dimensions !== null && dimensions !== manifest.dimensions && !mayShorten(dimensions, manifest))
    throw new EngineRefusal('unsupported_parameter', 'This model does not give vectors of so many dimensions.')
  try {
    const { data, usage } = await ask(needs, job.inputs, model, signal)
    const vectors = inOrder(data, job.inputs.length, manifest.dimensions)
    const estimate = estimatedTokens(job.inputs.reduce((sum, text) => sum + Buffer.byteLength(text), 0))
    const most = job.inputs.length * manifest.contextTokens
    health.worked()
    return {
      vectors: vectors.map((vector) => shaped(vector, dimensions, manifest.isNormalised ?? false)),
      inputTokens: Math.min(usage?.prompt_tokens ?? estimate, most),
    }
  } catch (cause) {
    if (signal.aborted) throw left()
    throw refusalOf(cause, health)
  }
}

const mayShorten = (wanted: number, { dimensions, dimensionsMin }: CallNeeds['manifest']): boolean =>
  dimensionsMin !== undefined && wanted >= dimensionsMin && (dimensions === undefined || wanted <= dimensions)

async function ask(
  { upstream, limits, manifest, health, now }: CallNeeds,
  inputs: readonly string[],
  model: string,
  signal: AbortSignal,
) {
  const response = await upstream.send({
    method: 'POST',
    path: '/embeddings',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model, input: inputs, encoding_format: 'float' }),
    headMs: limits.answerMs,
    signal,
  })
  if (response.statusCode !== 200) {
    const body = await readWhole(response, limits.errorBytes, limits.gapMs).catch(() => new Uint8Array())
    const facts = {
      retryAfter: response.headers['retry-after'] ?? null,
      now: now(),
      secondsMax: limits.retryAfterSeconds,
    }
    throw tell(verdictOf(response.statusCode ?? 0, errorOfBody(body), facts), health)
  }
  const bytesMax = limits.errorBytes + inputs.length * (manifest.dimensions ?? 65_536) * NUMBER_BYTES
  const parsed = VectorReply.safeParse(parsedJson(await readWhole(response, bytesMax, limits.answerMs)))
  if (!parsed.success) throw new UpstreamFault('garbage', 'vectors')
  return parsed.data
}

/** @throws UpstreamFault when one is missing, twice there, or of another length */
function inOrder(
  data: readonly { readonly index: number; readonly embedding: readonly number[] }[],
  count: number,
  dimensions: number | undefined,
): (readonly number[])[] {
  const vectors = Array.from({ length: count }, (_, index) => data.find((item) => item.index === index)?.embedding)
  const length = dimensions ?? vectors[0]?.length
  const whole = vectors.filter((vector) => vector !== undefined).filter((vector) => vector.length === length)
  if (whole.length !== count || data.length !== count) throw new UpstreamFault('garbage', 'vectors')
  return whole
}

function shaped(vector: readonly number[], dimensions: number | null, isNormalised: boolean): number[] {
  const isShorter = dimensions !== null && dimensions < vector.length
  const cut = isShorter ? vector.slice(0, dimensions) : vector
  const length = isShorter || isNormalised ? Math.hypot(...cut) : 1
  return cut.map((value) => Math.fround(length === 0 ? value : value / length))
}
