// One inference before a server of the Open Inference Protocol: the request in its form, the answer held against the manifest before anybody is paid
// for it. A caller who leaves ends the connection.
import type { IncomingMessage } from 'node:http'
import type { ModelManifest } from '../../../protocol/model.ts'
import { OIP_LIMITS, tensorBytes, type InferAnswer, type InferRequest, type Tensor } from '../../../protocol/oip.ts'
import { readInferAnswer, writeInferRequest } from '../../../protocol/oip-client.ts'
import { HEADER_LENGTH } from '../../../protocol/oip-framing.ts'
import { EngineRefusal } from '../engine.ts'
import type { CallNeeds } from '../upstream/front.ts'
import { readWhole, UpstreamFault } from '../upstream/http.ts'
import { commonVerdict, left, refusalOf, tell } from '../upstream/verdict.ts'
import { unfit } from './specs.ts'

export interface InferOnce {
  readonly request: InferRequest
  readonly path: string
  readonly isBinary: boolean
  readonly specs: NonNullable<ModelManifest['tensors']>
}

/** Characters of JSON per byte of a tensor: a half has 2 bytes and up to 20 characters, and some servers put spaces between. */
const JSON_PER_BYTE = 16
/** bytes of JSON that are read at most, whatever the manifest allows */
const JSON_BYTES_MAX = 256 * 1024 * 1024

/** @throws EngineRefusal */
export async function inferOnce(needs: CallNeeds, call: InferOnce, signal: AbortSignal): Promise<InferAnswer> {
  const { health, limits, manifest } = needs
  try {
    const response = await send(needs, call, signal)
    if (response.statusCode !== 200) throw await refusal(needs, response)
    const { outputBytesMax } = call.specs
    const tensors = call.isBinary ? outputBytesMax : Math.min(outputBytesMax * JSON_PER_BYTE, JSON_BYTES_MAX)
    const bytesMax = OIP_LIMITS.headerBytes + tensors
    const body = await readWhole(response, bytesMax, limits.answerMs)
    const read = readInferAnswer(body, headerLength(response))
    if (!read.ok) throw new UpstreamFault('garbage', 'answer')
    const outputs = checked(read.value.outputs, call)
    health.worked()
    return { modelName: manifest.id, outputs }
  } catch (cause) {
    if (signal.aborted) throw left()
    throw refusalOf(cause, health)
  }
}

async function send(
  { upstream, limits }: CallNeeds,
  { request, path, isBinary }: InferOnce,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const written = writeInferRequest(request, { isBinary: () => isBinary })
  // Only JSON has no word for it, and only this server knows nothing but JSON: another node may take it.
  if (!written.ok) throw new EngineRefusal('unsupported_parameter', written.detail ?? 'A tensor has no JSON form.')
  const { headerLength: length, pieces } = written.value
  const form = length === null ? 'application/json' : 'application/octet-stream'
  return upstream.send({
    method: 'POST',
    path: `${path}/infer`,
    headers: { 'content-type': form, ...(length === null ? {} : { [HEADER_LENGTH]: String(length) }) },
    body: Buffer.concat([...pieces]),
    headMs: limits.answerMs,
    signal,
  })
}

async function refusal({ limits, now, health }: CallNeeds, response: IncomingMessage): Promise<EngineRefusal> {
  const { statusCode = 0, headers } = response
  // Nothing of it is passed on; read, so that the connection can be used again.
  await readWhole(response, limits.errorBytes, limits.gapMs).catch(() => undefined)
  const facts = { retryAfter: headers['retry-after'] ?? null, now: now(), secondsMax: limits.retryAfterSeconds }
  const common = commonVerdict(statusCode, facts)
  if (common) return tell(common, health)
  return new EngineRefusal('bad_request', 'The server behind this model refused the tensors.')
}

function headerLength({ headers }: IncomingMessage): number | null {
  const said = headers[HEADER_LENGTH]
  if (said === undefined) return null
  if (typeof said !== 'string' || !/^\d{1,9}$/.test(said)) throw new UpstreamFault('garbage', 'header length')
  return Number(said)
}

/** In the order asked for; more than was asked for is left out. @throws UpstreamFault for what is not the manifest's */
function checked(outputs: readonly Tensor[], { request, specs }: InferOnce): Tensor[] {
  const isPlain = Object.keys(request.parameters).length === 0
  const wanted = request.outputs.map((name) => {
    const tensor = outputs.find((output) => output.name === name)
    const spec = specs.outputs.find((output) => output.name === name)
    // A parameter may ask for another shape: the best three labels, say.
    const fits = tensor && spec && (isPlain ? unfit(tensor, spec) === null : tensor.datatype === spec.datatype)
    if (!fits) throw new UpstreamFault('garbage', 'outputs')
    return tensor
  })
  if (tensorBytes(wanted) > specs.outputBytesMax) throw new UpstreamFault('too_large', 'outputs')
  return wanted
}
