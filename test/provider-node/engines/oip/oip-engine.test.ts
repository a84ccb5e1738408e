// The engine oip before a scripted server of the Open Inference Protocol: what is checked at start, what is sent in both forms, what is refused.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ModelManifest } from '../../../../protocol/model.ts'
import { stringsToBytes, type InferRequest, type Tensor, type TensorSpec } from '../../../../protocol/oip.ts'
import { readInferBody } from '../../../../protocol/oip-binary.ts'
import { HEADER_LENGTH } from '../../../../protocol/oip-framing.ts'
import { EngineRefusal, type TensorEngine } from '../../../../provider-node/engines/engine.ts'
import { createOipEngine } from '../../../../provider-node/engines/oip/oip-engine.ts'
import type { UpstreamOptions } from '../../../../provider-node/engines/upstream/front.ts'
import type { UpstreamLimits } from '../../../../provider-node/engines/upstream/limits.ts'
import {
  anObserver,
  aServer,
  json,
  limitsWith,
  type Reply,
  type ScriptedServer,
  until,
} from '../upstream/scripted-server.ts'

const INFO = 'GET /v2'
const METADATA = 'GET /v2/models/the-model'
const READY = 'GET /v2/models/the-model/ready'
const INFER = 'POST /v2/models/the-model/infer'
const never = new AbortController().signal

const spec = (name: string, datatype: TensorSpec['datatype'], ...shape: number[]): TensorSpec => ({
  name,
  datatype,
  shape,
})
const INPUTS = [spec('x', 'FP32', -1, 2), spec('words', 'BYTES', -1)]
const OUTPUTS = [spec('y', 'FP32', -1), spec('label', 'BYTES', -1)]
const aManifest = (overrides: Partial<ModelManifest> = {}): ModelManifest =>
  ModelManifest.parse({
    id: 'somebody/tensors',
    task: 'tensors',
    description: '',
    licence: 'MIT',
    files: { 'model.plan': 'a'.repeat(64) },
    tensors: { inputs: INPUTS, outputs: OUTPUTS, outputBytesMax: 64 },
    probes: [{ input: 'x' }],
    royaltyBps: 0,
    ...overrides,
  })

const floats = (name: string, shape: number[], ...values: number[]): Tensor => ({
  name,
  datatype: 'FP32',
  shape,
  data: new Uint8Array(Float32Array.from(values).buffer),
})
const words = (name: string, ...texts: string[]): Tensor => ({
  name,
  datatype: 'BYTES',
  shape: [texts.length],
  data: stringsToBytes(texts),
})
const aRequest = (overrides: Partial<InferRequest> = {}): InferRequest => ({
  modelName: 'somebody/tensors',
  inputs: [floats('x', [1, 2], 1, 2), words('words', 'a', 'é')],
  outputs: [],
  parameters: {},
  ...overrides,
})

let server: ScriptedServer
const engines: TensorEngine[] = []
beforeEach(async () => {
  server = await aServer()
  server.on(INFO, json({ name: 'triton', version: '2.60.0', extensions: ['classification', 'binary_tensor_data'] }))
  server.on(METADATA, json({ name: 'the-model', versions: ['1'], platform: 'onnx', inputs: INPUTS, outputs: OUTPUTS }))
  server.on(READY, (response) => void response.end())
  server.on(INFER, json(ANSWER))
})
afterEach(async () => {
  await Promise.all(engines.splice(0).map((engine) => engine.close()))
  await server.close()
})
const ANSWER = {
  model_name: 'the-model',
  model_version: '1',
  outputs: [
    { name: 'y', datatype: 'FP32', shape: [1], data: [3] },
    { name: 'label', datatype: 'BYTES', shape: [1], data: ['ok'] },
  ],
}

interface Overrides {
  readonly manifest?: Partial<ModelManifest>
  readonly options?: Partial<UpstreamOptions>
  readonly limits?: Partial<UpstreamLimits>
}
const observer = anObserver()
async function anEngine({ manifest, options, limits }: Overrides = {}): Promise<TensorEngine> {
  const engine = await createOipEngine(
    { manifest: aManifest(manifest), digest: 'b'.repeat(64), folder: '/nowhere' },
    {
      concurrencyMax: 2,
      queueMax: 2,
      upstream: { url: server.url, model: 'the-model', apiKey: null },
      now: Date.now,
      observe: observer.observe,
      ...options,
    },
    limitsWith(limits),
  )
  engines.push(engine)
  return engine
}
const infer = (engine: TensorEngine, request = aRequest(), signal = never) =>
  engine.infer({ account: 'a', startBy: Number.MAX_SAFE_INTEGER, request }, signal)
const refusalOf = (work: Promise<unknown>): Promise<EngineRefusal> =>
  work.then(
    () => Promise.reject(new Error('it was not refused')),
    (cause: unknown) => (cause instanceof EngineRefusal ? cause : Promise.reject(new Error(String(cause)))),
  )
const lastAsked = () => {
  const asked = server.askedFor(INFER).at(-1)
  if (!asked) throw new Error('nothing was asked')
  return asked
}

describe('at start', () => {
  it('says which server it stands before, and in which form it speaks', async () => {
    expect((await anEngine()).describe()).toMatchObject({
      engine: 'oip',
      server: 'triton',
      upstreamModel: 'the-model',
      form: 'binary',
    })
    server.on(INFO, json({}, 404))
    expect((await anEngine()).describe()).toMatchObject({ server: 'unknown', form: 'json' })
  })

  it('takes a version, a name with a slash, and the address with /v2', async () => {
    const metadata = json({ inputs: INPUTS, outputs: OUTPUTS })
    server.on('GET /v2/models/a%2Fb/versions/3', metadata)
    server.on('GET /v2/models/a%2Fb/versions/3/ready', json({ name: 'a/b', ready: true }))
    const upstream = { url: `${server.url}/v2`, model: 'a/b/versions/3', apiKey: null }
    await anEngine({ options: { upstream } })
    expect(server.askedFor('GET /v2/models/a%2Fb/versions/3')).toHaveLength(1)
  })

  const described = (inputs: object[], outputs: object[] = OUTPUTS) => json({ inputs, outputs })
  const [X, WORDS] = [INPUTS[0], INPUTS[1]] as [TensorSpec, TensorSpec] // both are written above
  const mismatches: readonly [string, Reply, RegExp][] = [
    ['an input less', described([X]), /it has no input "words"/],
    ['an input more', described([...INPUTS, spec('mask', 'BOOL', 1)]), /needs an input "mask"/],
    ['another type', described([{ ...X, datatype: 'FP64' }, WORDS]), /input "x" is FP64, in the manifest FP32/],
    ['another rank', described([{ ...X, shape: [2] }, WORDS]), /shape \[2\], in the manifest \[-1, 2\]/],
    ['a narrower input', described([{ ...X, shape: [1, 2] }, WORDS]), /shape \[1, 2\]/],
    ['another size', described([{ ...X, shape: [-1, 3] }, WORDS]), /shape \[-1, 3\]/],
    ['an output less', described(INPUTS, OUTPUTS.slice(1)), /it has no output "y"/],
    ['another output', described(INPUTS, [{ ...OUTPUTS[0], datatype: 'INT8' }]), /output "y" is INT8/],
    ['no description', json({ hello: 1 }), /does not describe/],
    ['no JSON', (response) => void response.end('<html>'), /does not describe .*json/],
  ]
  it.each(mismatches)('refuses a server with %s in one sentence', async (_, reply, sentence) => {
    server.on(METADATA, reply)
    await expect(anEngine()).rejects.toMatchObject({ name: 'OperatorError', message: expect.stringMatching(sentence) })
  })

  it('takes a server whose sizes vary where the manifest names them, and outputs nobody asks for', async () => {
    const wider = INPUTS.map((input) => ({ ...input, shape: input.shape.map(() => '-1') }))
    server.on(METADATA, described(wider, [...OUTPUTS, spec('more', 'FP16', 1)]))
    await anEngine()
  })

  const refusals: readonly [string, Reply, RegExp][] = [
    ['is not ready', (response) => void response.writeHead(503).end(), /it is not ready/],
    ['says that it is not', json({ ready: false }), /it is not ready/],
    ['does not know the model', json({}, 404), /it is not there/],
    ['refuses the key', json({}, 401), /refuses the key/],
    ['says nothing', () => {}, /head/],
  ]
  it.each(refusals)('refuses a server that %s', async (what, reply, sentence) => {
    server.on(READY, reply)
    await expect(anEngine({ limits: what === 'says nothing' ? { lookMs: 200 } : {} })).rejects.toMatchObject({
      name: 'OperatorError',
      message: expect.stringMatching(sentence),
    })
  })

  it('refuses what the configuration or the manifest lacks', async () => {
    await expect(anEngine({ options: { upstream: null } })).rejects.toThrow('needs "upstream"')
    await expect(anEngine({ manifest: { task: 'chat' } })).rejects.toThrow('has no task chat')
    await expect(anEngine({ manifest: { tensors: undefined } })).rejects.toThrow('its manifest has no tensors')
    const upstream = { url: 'http://127.0.0.1:1', model: 'the-model', apiKey: null }
    await expect(anEngine({ options: { upstream } })).rejects.toThrow('nobody answers there (ECONNREFUSED)')
  })
})

describe('an inference', () => {
  it.each(['binary', 'json'])('in its %s form gives the tensors as they are', async (form) => {
    if (form === 'json') server.on(INFO, json({ name: 'plain', extensions: [] }))
    const answer = await infer(await anEngine(), aRequest({ parameters: { priority: 3 } }))
    expect(answer).toEqual({ modelName: 'somebody/tensors', outputs: [floats('y', [1], 3), words('label', 'ok')] })
    const { headers, bytes, json: body } = lastAsked()
    const length = headers[HEADER_LENGTH]
    expect(length !== undefined).toBe(form === 'binary')
    const read = readInferBody(Uint8Array.from(bytes), length === undefined ? null : Number(length), 'somebody/tensors')
    if (!read.ok) throw new Error(read.detail)
    expect(read.value.request).toEqual(aRequest({ outputs: ['y', 'label'], parameters: { priority: 3 } }))
    expect(read.value.wantsBinary('y')).toBe(form === 'binary')
    if (form === 'json') expect(JSON.stringify(body)).not.toContain('binary')
  })

  it('reads binary outputs, and those in JSON beside them', async () => {
    const header = JSON.stringify({
      model_name: 'the-model',
      outputs: [{ name: 'y', datatype: 'FP32', shape: [2], parameters: { binary_data_size: 8 } }, ANSWER.outputs[1]],
    })
    server.on(INFER, (response) => {
      response.setHeader(HEADER_LENGTH, String(Buffer.byteLength(header)))
      response.end(Buffer.concat([Buffer.from(header), Buffer.from(Float32Array.of(1.5, -2).buffer)]))
    })
    expect((await infer(await anEngine())).outputs).toEqual([floats('y', [2], 1.5, -2), words('label', 'ok')])
  })

  it('gives the outputs asked for, in that order', async () => {
    const { outputs } = await infer(await anEngine(), aRequest({ outputs: ['label', 'y'] }))
    expect(outputs.map(({ name }) => name)).toEqual(['label', 'y'])
    expect((await infer(await anEngine(), aRequest({ outputs: ['label'] }))).outputs).toHaveLength(1)
  })

  const x = floats('x', [1, 2], 1, 2)
  const refused: readonly [string, Partial<InferRequest>, RegExp][] = [
    ['an unknown input', { inputs: [x, words('words', 'a'), words('more', 'b')] }, /no input "more"/],
    ['a missing input', { inputs: [x] }, /"words" is missing/],
    ['an input twice', { inputs: [x, x, words('words', 'a')] }, /"x" stands there twice/],
    ['another type', { inputs: [words('x', 'a'), words('words', 'a')] }, /"x" is FP32, not BYTES/],
    ['another shape', { inputs: [floats('x', [1, 3], 1, 2, 3), words('words', 'a')] }, /"x" has the shape \[-1, 2\]/],
    ['an unknown output', { outputs: ['z'] }, /no output "z"/],
    ['an output twice', { outputs: ['y', 'y'] }, /"y" stands there twice/],
  ]
  it.each(refused)('refuses %s by its name, and asks nobody', async (_, overrides, sentence) => {
    const refusal = await refusalOf(infer(await anEngine(), aRequest(overrides)))
    expect([refusal.code, sentence.test(refusal.message)]).toEqual(['bad_request', true])
    expect(server.askedFor(INFER)).toHaveLength(0)
  })

  it('refuses for a server of JSON alone what JSON cannot say: another node may take it', async () => {
    server.on(INFO, json({ extensions: [] }))
    const raw: Tensor = { ...words('words', 'a'), data: stringsToBytes([Uint8Array.of(0xff)]) }
    const refusal = await refusalOf(infer(await anEngine(), aRequest({ inputs: [x, raw] })))
    expect([refusal.code, refusal.message.includes('"words"')]).toEqual(['unsupported_parameter', true])
  })

  const y = { name: 'y', datatype: 'FP32', shape: [1], data: [3] }
  const label = ANSWER.outputs[1]
  const evil: readonly [string, Reply, string][] = [
    ['400', json({ error: 'your secret' }, 400), 'bad_request'],
    ['429', json({}, 429), 'busy'],
    ['503', json({}, 503), 'busy'],
    ['404', json({}, 404), 'internal'],
    ['500', json({ error: 'your secret' }, 500), 'internal'],
    ['a redirect', (response) => void response.writeHead(302, { location: '/elsewhere' }).end(), 'internal'],
    ['no JSON', (response) => void response.end('<html>'), 'internal'],
    ['no outputs', json({ outputs: [] }), 'internal'],
    ['an output less', json({ outputs: [y] }), 'internal'],
    ['another type', json({ outputs: [{ ...y, datatype: 'FP64' }, label] }), 'internal'],
    ['another rank', json({ outputs: [{ ...y, shape: [1, 1] }, label] }), 'internal'],
    ['a shape that is not its data', json({ outputs: [{ ...y, shape: [2] }, label] }), 'internal'],
    [
      'more bytes than the manifest allows',
      json({ outputs: [{ ...y, shape: [17], data: Array(17).fill(1) }, label] }),
      'internal',
    ],
    [
      'a length behind the body',
      (response) => void response.writeHead(200, { [HEADER_LENGTH]: '999999' }).end('{}'),
      'internal',
    ],
    [
      'a length that is none',
      (response) => void response.writeHead(200, { [HEADER_LENGTH]: '-1' }).end('{}'),
      'internal',
    ],
    ['a body without end', (response) => void response.end(' '.repeat(400_000)), 'internal'],
    [
      'a cut body',
      (response) => void response.writeHead(200, { 'content-length': 99 }).write('{', () => response.destroy()),
      'internal',
    ],
    ['nothing', () => {}, 'internal'],
  ]
  it.each(evil)('is refused when the server answers %s', async (what, reply, code) => {
    server.on(INFER, reply)
    const engine = await anEngine({ limits: what === 'nothing' ? { answerMs: 300 } : {} })
    const refusal = await refusalOf(infer(engine))
    expect(refusal.code).toBe(code)
    expect(JSON.stringify([refusal.message, refusal.options, observer.warnings])).not.toContain('secret')
    expect(engine.load()).toEqual({ inFlight: 0, waiting: 0 })
    expect(server.asked.some(({ path }) => path === '/elsewhere')).toBe(false)
  })

  it('whose caller leaves ends there within a second', async () => {
    server.on(INFER, () => {})
    const engine = await anEngine()
    const caller = new AbortController()
    const refused = refusalOf(infer(engine, aRequest(), caller.signal))
    await until(() => server.askedFor(INFER).length).toBe(1)
    const leftAt = Date.now()
    caller.abort()
    expect((await refused).code).toBe('internal')
    await until(() => lastAsked().hungUpAt ?? null).not.toBeNull()
    expect((lastAsked().hungUpAt ?? Infinity) - leftAt).toBeLessThan(1_000)
  })

  it('waits for its turn, and a full queue refuses at once', async () => {
    const waiting: (() => void)[] = []
    server.on(INFER, (response, asked, request) =>
      new Promise<void>((resolve) => waiting.push(resolve)).then(() => json(ANSWER)(response, asked, request)),
    )
    const engine = await anEngine({ options: { concurrencyMax: 1, queueMax: 1 } })
    const calls = [infer(engine), infer(engine)]
    await until(() => engine.load()).toEqual({ inFlight: 1, waiting: 1 })
    expect((await refusalOf(infer(engine))).code).toBe('busy')
    for (let call = 0; call < 2; call++) {
      await until(() => waiting.length).toBe(1)
      waiting.pop()?.()
    }
    expect((await Promise.all(calls)).map(({ outputs }) => outputs.length)).toEqual([2, 2])
  })

  it('is sent elsewhere while the server is gone, which comes back by itself', async () => {
    const engine = await anEngine({ limits: { downMs: { first: 200, last: 200 }, healthMs: 60_000 } })
    await server.down()
    expect([(await refusalOf(infer(engine))).code, (await refusalOf(infer(engine))).code]).toEqual(['internal', 'busy'])
    expect(engine.isRunning()).toBe(true)
    await server.up()
    await expect
      .poll(
        () =>
          infer(engine).then(
            () => 'served',
            () => 'refused',
          ),
        { timeout: 5_000 },
      )
      .toBe('served')
  })
})
