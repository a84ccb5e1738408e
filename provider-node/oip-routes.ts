// The Open Inference Protocol v2 on the node's own port, for the operator's own programs: health and metadata are open, inference needs the own
// token. The gateway does not come this way: its orders are on `/v2/infer` (infer-route.ts), in one canonical form.
import { Hono, type Context } from 'hono'
import { OIP_LIMITS } from '../protocol/oip.ts'
import { readInferBody, writeInferAnswer } from '../protocol/oip-binary.ts'
import { BINARY_EXTENSION, HEADER_LENGTH } from '../protocol/oip-framing.ts'
import { acceptOwnInfer } from './call.ts'
import { infer } from './infer-route.ts'
import type { ServedModel } from './node-metrics.ts'
import { NodeRefusal } from './refusal.ts'
import type { NodeEnv, ServerNeeds } from './server.ts'

/** The files of a model never change under one name. */
const VERSION = '1'

/** Mounted at /v2. */
export function createOipRoutes(needs: ServerNeeds): Hono<NodeEnv> {
  const app = new Hono<NodeEnv>()
  app.get('/', (c) => c.json({ name: 'souk-node', version: VERSION, extensions: [BINARY_EXTENSION] }))
  app.get('/health/live', (c) => c.json({ live: true }))
  app.get('/health/ready', (c) => {
    const isReady = !needs.isDraining() && needs.models().every(({ engine }) => engine.isRunning())
    return c.json({ live: isReady }, isReady ? 200 : 503)
  })
  // A model's name has a slash, plain or escaped; Hono unescapes a segment after it has found the route. The escaped form comes first: otherwise
  // `/models/a%2Fb/ready` is the model `ready` of the author `a/b`.
  for (const name of ['/models/:id', '/models/:author/:name'])
    for (const path of [name, `${name}/versions/:version`]) {
      app.get(path, (c) => c.json(metadata(modelOf(c, needs))))
      app.get(`${path}/ready`, (c) => {
        const { manifest, engine } = modelOf(c, needs)
        return c.json({ name: manifest.id, ready: engine.isRunning() }, engine.isRunning() ? 200 : 503)
      })
      app.post(`${path}/infer`, (c) => inferred(c, needs, modelOf(c, needs)))
    }
  return app
}

/** @throws NodeRefusal `model_not_loaded` */
function modelOf(c: Context<NodeEnv>, { models }: ServerNeeds): ServedModel {
  const { author, name, id = `${author}/${name}`, version = VERSION } = c.req.param() as Record<string, string>
  const model = models().find(({ manifest }) => manifest.id === id)
  if (!model || (version !== VERSION && version !== model.digest))
    throw new NodeRefusal('model_not_loaded', 'This node does not serve that model.')
  return model
}

const metadata = ({ manifest }: ServedModel) => ({
  name: manifest.id,
  versions: [VERSION],
  platform: 'onnx_onnxv1',
  inputs: manifest.tensors?.inputs ?? [],
  outputs: manifest.tensors?.outputs ?? [],
})

async function inferred(c: Context<NodeEnv>, needs: ServerNeeds, { manifest }: ServedModel): Promise<Response> {
  if (needs.isDraining()) throw new NodeRefusal('draining', 'This node is stopping.')
  const header = c.req.header(HEADER_LENGTH)
  if (header !== undefined && !/^\d{1,9}$/.test(header))
    throw new NodeRefusal('bad_request', `The header ${HEADER_LENGTH} is no length.`)
  const call = await acceptOwnInfer(c, needs, OIP_LIMITS.bodyBytes, (bytes) => {
    const read = readInferBody(bytes, header === undefined ? null : Number(header), manifest.id)
    if (!read.ok) throw new NodeRefusal('bad_request', `Not valid: ${read.detail}`.slice(0, 500))
    return { body: read.value, model: manifest.id }
  })
  const { request, id, wantsBinary } = call.body
  const { answer } = await infer(needs, { ...call, body: request })
  const written = writeInferAnswer({ ...answer, modelVersion: VERSION, id, parameters: {}, wantsBinary })
  if (!written.ok) throw new NodeRefusal('bad_request', written.detail ?? 'That output has no JSON form.')
  const { headerLength, pieces } = written.value
  const body = new Blob([...pieces].map((piece) => Uint8Array.from(piece)))
  if (headerLength !== null) c.header(HEADER_LENGTH, String(headerLength))
  c.header('content-type', headerLength === null ? 'application/json' : 'application/octet-stream')
  return c.body(await body.arrayBuffer())
}
