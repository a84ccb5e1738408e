// The Open Inference Protocol v2 (KServe's inference_rest.md, with Triton's binary tensor data): health and metadata for whoever asks, inference
// for who has a key. Routes parse, hold, run and answer; every decision is elsewhere. Errors have the protocol's shape (core/errors.ts).
import { Hono, type Context } from 'hono'
import { longSha256Hex } from '../../../protocol/canonical.ts'
import { OIP_LIMITS } from '../../../protocol/oip.ts'
import { readInferBody, type InferBody } from '../../../protocol/oip-binary.ts'
import { encodeRequest, headerBytesOf } from '../../../protocol/oip-canonical.ts'
import { BINARY_EXTENSION, HEADER_LENGTH } from '../../../protocol/oip-framing.ts'
import type { ProviderPreferences } from '../../../protocol/routing.ts'
import { isModelId, toUsd } from '../../../protocol/units.ts'
import { GatewayError } from '../../core/errors.ts'
import { IDEMPOTENCY_KEY } from '../../core/idempotency-key.ts'
import { readBytes } from '../../core/json-body.ts'
import { requireKey, type AppEnv } from '../../core/principal.ts'
import type { Snapshot } from '../../market/market-port.ts'
import { isServed } from '../../market/models/model-state.ts'
import { answererOf } from '../answerer.ts'
import { backgroundOf, callRoute, type InferenceNeeds } from '../call-route.ts'
import { runCall } from '../call.ts'
import { preferencesIn } from '../order/provider-header.ts'
import { isSameTensors } from '../quorum/agreement.ts'
import type { CapturedCall } from '../settle/settle.ts'
import { oipMetadata } from './oip-metadata.ts'
import { bodyOf, formHeaders, keepTensors } from './tensor-body.ts'
import { requireVersion, serveTensors, tensorDraft, tensorReply, VERSION, type TensorAnswer } from './tensors.ts'

/** What an Idempotency-Key is good for, once each. */
const INFER = 'POST /v2/models/infer'

/**
 * A model's id in one segment, its slash escaped: Hono finds a route first and unescapes then. Of `a%2Fb/ready` an author and a name could be read as
 * well, so the paths that end in a word come first.
 */
const ESCAPED = '/v2/models/:id{[^/]+%2[Ff][^/]+}'
const PLAIN = '/v2/models/:author/:name'
const paths = (rest: string) => [ESCAPED, PLAIN].flatMap((id) => [id + rest, `${id}/versions/:version${rest}`])

/** Mounted at the root: its paths begin with /v2, with and without a slash at the end of the first. */
export function createOipRoutes(needs: InferenceNeeds) {
  const server = { name: 'souk', version: VERSION, extensions: [BINARY_EXTENSION] }
  return new Hono<AppEnv>()
    .get('/v2', (c) => c.json(server))
    .get('/v2/', (c) => c.json(server))
    .get('/v2/health/live', (c) => c.json({ live: true }))
    .get('/v2/health/ready', (c) => c.json({ live: true, ready: true }))
    .on('POST', paths('/infer'), async (c) => {
      requireKey(c)
      return infer(c, needs, modelIdOf(c))
    })
    .on('GET', paths('/ready'), async (c) => {
      const { model, offers } = await modelOf(c, needs)
      const ready = isServed(model) && offers.length > 0
      return c.json({ name: model.id, ready }, ready ? 200 : 503)
    })
    .on('GET', paths(''), async (c) => c.json(oipMetadata((await modelOf(c, needs)).model)))
}

async function infer(c: Context<AppEnv>, needs: InferenceNeeds, id: string): Promise<Response> {
  const asked = await readInfer(c, id)
  const encoded = encodeRequest(asked.request)
  if (headerBytesOf(encoded) > OIP_LIMITS.headerBytes)
    throw new GatewayError('invalid_request', { param: 'parameters', detail: 'Parameters and names are too long.' })
  const { version = VERSION } = paramsOf(c)
  const preferences = preferencesIn(c.req.raw.headers)
  const draft = { ...tensorDraft(asked, encoded, version), preferences }
  const request = await fingerprint(c, asked, encoded, preferences)
  const ask = { route: INFER, model: id, request, draft }
  return callRoute(c, needs, ask, async (held) => {
    const { order } = held
    const reply = (call: CapturedCall<TensorAnswer>) => tensorReply(order, asked, call)
    const serve = serveTensors(asked, order.model, needs.timeouts)
    const keep = (captured: CapturedCall<TensorAnswer>) => keepTensors(captured, order, reply(captured))
    const call = await runCall(needs, order, serve, held.caller, keep, isSameTensors)
    const written = reply(call)
    return new Response(bodyOf(written), {
      headers: { ...formHeaders(written), ...held.headers(answererOf(call)), 'x-souk-cost': toUsd(call.chargeNanos) },
    })
  })
}

/** @throws GatewayError unsupported_media_type, body_too_large, invalid_json, invalid_request that names the tensor or the field */
async function readInfer(c: Context<AppEnv>, modelId: string): Promise<InferBody> {
  if (!/^application\/(json|octet-stream)\s*(;|$)/i.test(c.req.header('content-type') ?? ''))
    throw new GatewayError('unsupported_media_type', { detail: 'Or application/octet-stream, for binary tensors.' })
  if (!/^(identity)?$/i.test(c.req.header('content-encoding') ?? ''))
    throw new GatewayError('unsupported_media_type', { param: 'content-encoding', detail: 'Not compressed.' })
  const header = c.req.header(HEADER_LENGTH)
  if (header !== undefined && !/^\d{1,9}$/.test(header))
    throw new GatewayError('invalid_request', { param: HEADER_LENGTH, detail: 'It is a number of bytes.' })
  const body = await readBytes(c.req.raw, OIP_LIMITS.bodyBytes)
  const read = readInferBody(body, header === undefined ? null : Number(header), modelId)
  if (read.ok) return read.value
  const { code, param, detail } = read
  throw new GatewayError(code, { detail, ...(param === null ? {} : { param }) })
}

/** What must be the same in a repeat: the request in whichever form it came, and the form of the answer. Null when nobody will repeat it. */
async function fingerprint(
  c: Context<AppEnv>,
  { request, id, wantsBinary }: InferBody,
  encoded: Uint8Array,
  provider: ProviderPreferences | null,
) {
  if (c.req.header(IDEMPOTENCY_KEY) === undefined) return null
  const binary = request.outputs.length > 0 ? request.outputs.filter(wantsBinary) : wantsBinary('')
  return { request: await longSha256Hex(encoded), id, binary, ...(provider && { provider }) }
}

/** In whatever form the path has it: whether there is such a model is the market's to say. */
function modelIdOf(c: Context<AppEnv>): string {
  const { id, author = '', name = '' } = paramsOf(c)
  return id ?? `${author}/${name}`
}

/** @throws GatewayError model_not_found for a model or a version that is not there */
async function modelOf(c: Context<AppEnv>, needs: InferenceNeeds): Promise<Snapshot> {
  const id = modelIdOf(c)
  const { version = VERSION } = paramsOf(c)
  const snapshot = isModelId(id) ? await needs.market.snapshot(id, backgroundOf(c)) : null
  if (!snapshot) throw new GatewayError('model_not_found', { param: 'model', detail: 'See GET /v1/models.' })
  requireVersion(snapshot.model, version)
  return snapshot
}

/** Several paths have one handler, so Hono cannot say which parameters there are. */
const paramsOf = (c: Context<AppEnv>): Partial<Record<string, string>> => c.req.param()
