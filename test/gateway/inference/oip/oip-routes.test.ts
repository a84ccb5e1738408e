// The Open Inference surface as its clients see it: every answer as the published description says, every refusal by name.
import { createExecutionContext, env } from 'cloudflare:test'
import { beforeAll, describe, expect, it } from 'vitest'
import { createApp } from '../../../../gateway/app.ts'
import { createServices } from '../../../../gateway/services.ts'
import { OIP_LIMITS } from '../../../../protocol/oip.ts'
import { parseYaml, violations } from '../../../support/open-api.ts'
import { aModel } from '../../../support/workers/builders.ts'
import { describeBoundVectors } from '../../../support/workers/vectors.ts'
import { aHouse, type CallInit } from '../call-house.ts'
import { aTensorHouse, INFER, tensorModel, tensorNode } from '../tensor-house.ts'

const DIGEST = '1'.repeat(64)
const MODEL = '/v2/models/test/tensors'
const nobody = {}
const input = (over: object = {}) => ({ name: 'ids', datatype: 'INT64', shape: [1, 2], data: [[1, 2]], ...over })
const wordsInput = (over: object = {}) => ({ name: 'words', datatype: 'BYTES', shape: [1], data: ['one'], ...over })
const request = (over: object = {}) => ({ inputs: [input(), wordsInput()], ...over })

interface Refused {
  readonly error: string
  readonly code: string
  readonly param: string | null
  readonly requestId: string
}

describeBoundVectors('kserve-oip', env.TEST_OIP_YAML, (yaml) => {
  const description = parseYaml(yaml)
  const told = async (response: Response) => response.json<Record<string, unknown>>()

  it('the server says what it is', async () => {
    const house = await aTensorHouse()
    for (const path of ['/v2', '/v2/']) {
      const body = await told(await house.get(path, nobody))
      expect(violations(description, 'metadata_server_response', body)).toEqual([])
      expect(body).toEqual({ name: 'souk', version: '1', extensions: ['binary_tensor_data'] })
    }
  })

  it('and what its models take and give, also of those that take words', async () => {
    const house = await aTensorHouse()
    const body = await told(await house.get(MODEL, nobody))
    expect(violations(description, 'metadata_model_response', body)).toEqual([])
    expect(body).toEqual({
      name: 'test/tensors',
      versions: ['1', DIGEST],
      platform: 'onnx_onnxv1',
      inputs: tensorModel().manifest.tensors?.inputs,
      outputs: tensorModel().manifest.tensors?.outputs,
      properties: { task: 'tensors', digest: DIGEST, licence: 'Apache-2.0', output_bytes_max: '1000' },
    })
    const chat = await told(await (await aHouse({ nodes: [tensorNode()] })).get('/v2/models/test/echo', nobody))
    expect(violations(description, 'metadata_model_response', chat)).toEqual([])
    expect(chat).toMatchObject({ inputs: [], outputs: [], properties: { task: 'chat' } })
  })

  it('an answer in JSON is an inference_response, and the example of the description is a request', async () => {
    const house = await aTensorHouse()
    const { response } = await house.call(INFER, request({ id: '42', outputs: [{ name: 'ids' }, { name: 'scores' }] }))
    const body = await told(response)
    expect(violations(description, 'inference_response', body)).toEqual([])
    expect(body).toMatchObject({ id: '42', model_name: 'test/tensors', model_version: '1' })
    expect(body.outputs).toEqual([
      { name: 'ids', datatype: 'INT64', shape: [1, 2], data: [1, 2] },
      { name: 'scores', datatype: 'FP32', shape: [1], data: [3] },
    ])
    expect(violations(description, 'inference_request', request())).toEqual([])
  })

  it('a header before binary data is one too, but for the data that follow it', async () => {
    const house = await aTensorHouse()
    const { response } = await house.call(INFER, request({ parameters: { binary_data_output: true } }))
    expect(response.headers.get('content-type')).toBe('application/octet-stream')
    const bytes = new Uint8Array(await response.arrayBuffer())
    const length = Number(response.headers.get('inference-header-content-length'))
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(0, length))) as object
    expect(violations(description, 'inference_response', header)).toEqual([
      'inference_response.outputs.0.data is missing',
      'inference_response.outputs.1.data is missing',
      'inference_response.outputs.2.data is missing',
    ])
    expect(bytes.byteLength - length).toBe(16 + 7 + 4)
  })

  it('every refusal is an error of the protocol', async () => {
    const house = await aTensorHouse()
    const refusals: [string, Response][] = [
      ['metadata_model_error_response', await house.get('/v2/models/test/none', nobody)],
      ['inference_error_response', (await house.call(INFER, '{')).response],
      ['inference_error_response', (await house.call(INFER, request({ inputs: [input()] }))).response],
      ['inference_error_response', (await house.call('/v2/models/test/none/infer', request())).response],
    ]
    for (const [schema, response] of refusals) {
      const body = await told(response)
      expect(violations(description, schema, body)).toEqual([])
      expect(body).toMatchObject({ error: expect.any(String) as string, requestId: 'req_test' })
    }
  })
})

describe('a model is found', () => {
  it.each([
    '/v2/models/test/tensors',
    '/v2/models/test%2Ftensors',
    '/v2/models/test%2ftensors',
    '/v2/models/test/tensors/versions/1',
    '/v2/models/test%2Ftensors/versions/1',
    `/v2/models/test/tensors/versions/${DIGEST}`,
  ])('%s', async (path) => {
    const house = await aTensorHouse()
    expect(await (await house.get(path, nobody)).json()).toMatchObject({ name: 'test/tensors' })
    expect(await (await house.get(`${path}/ready`, nobody)).json()).toEqual({ name: 'test/tensors', ready: true })
    expect((await house.call(`${path}/infer`, request())).response.status).toBe(200)
  })

  it.each([
    '/v2/models/test/other',
    '/v2/models/tensors',
    '/v2/models/test%252Ftensors',
    '/v2/models/test/tensors/versions/2',
    '/v2/models/test%2Ftensors/versions/01',
    `/v2/models/test/tensors/versions/${DIGEST.slice(1)}`,
  ])('%s: not', async (path) => {
    const house = await aTensorHouse()
    for (const response of [
      await house.get(path, nobody),
      await house.get(`${path}/ready`, nobody),
      (await house.call(`${path}/infer`, request())).response,
    ]) {
      expect(response.status).toBe(404)
    }
    expect(house.sent).toEqual([])
  })

  it('but not ready while nobody offers it', async () => {
    const house = await aHouse({ nodes: [], model: tensorModel() })
    const response = await house.get(`${MODEL}/ready`, nobody)
    expect([response.status, await response.json()]).toEqual([503, { name: 'test/tensors', ready: false }])
    expect((await house.call(INFER, request())).response.status).toBe(503)
  })
})

describe('a call is refused', () => {
  const octets = { headers: { 'content-type': 'application/octet-stream' } }
  const wrong = (over: object) => request({ inputs: [input(over), wordsInput()] })
  it.each<[string, unknown, CallInit, number, string, string | null, string]>([
    [
      'for another media type',
      request(),
      { headers: { 'content-type': 'text/plain' } },
      415,
      'unsupported_media_type',
      null,
      'octet-stream',
    ],
    [
      'for a compressed body',
      request(),
      { headers: { 'content-encoding': 'gzip' } },
      415,
      'unsupported_media_type',
      'content-encoding',
      'Not compressed.',
    ],
    ['for no JSON', '{', {}, 400, 'invalid_json', null, 'It is no JSON.'],
    ['for no UTF-8', new Uint8Array([0xff]), octets, 400, 'invalid_json', null, 'It is not UTF-8.'],
    [
      'for a header length that is none',
      request(),
      { headers: { 'inference-header-content-length': '1e1' } },
      400,
      'invalid_request',
      'inference-header-content-length',
      '',
    ],
    [
      'for a header longer than the body',
      request(),
      { headers: { 'inference-header-content-length': '9999' } },
      400,
      'invalid_request',
      'inference-header-content-length',
      '',
    ],
    [
      'for an unknown field',
      request({ model_name: 'x' }),
      {},
      400,
      'invalid_request',
      'model_name',
      'Unknown field "model_name"',
    ],
    [
      'for an input that is not the model’s',
      request({ inputs: [input(), wordsInput(), input({ name: 'more' })] }),
      {},
      400,
      'invalid_request',
      'more',
      'The model has no input "more".',
    ],
    [
      'for an input that is missing',
      request({ inputs: [input()] }),
      {},
      400,
      'invalid_request',
      'words',
      'The input "words" is missing.',
    ],
    [
      'for another type',
      wrong({ datatype: 'INT32' }),
      {},
      400,
      'invalid_request',
      'ids',
      '"ids" is INT32, and the model’s is INT64.',
    ],
    [
      'for another rank',
      wrong({ shape: [2], data: [1, 2] }),
      {},
      400,
      'invalid_request',
      'ids',
      '"ids" has shape [2], and the model’s is [-1, 2].',
    ],
    [
      'for another size',
      wrong({ shape: [2, 1], data: [1, 2] }),
      {},
      400,
      'invalid_request',
      'ids',
      '"ids" has shape [2, 1]',
    ],
    [
      'for data that do not fit',
      wrong({ data: [1] }),
      {},
      400,
      'invalid_request',
      'ids',
      '"ids": its data has 1 elements',
    ],
    [
      'for an output that is not the model’s',
      request({ outputs: [{ name: 'none' }] }),
      {},
      400,
      'invalid_request',
      'none',
      'The model has no output "none".',
    ],
    ['without a key', request(), { headers: { authorization: '' } }, 401, 'missing_api_key', null, ''],
  ])('%s', async (_, body, init, status, code, param, detail) => {
    const house = await aTensorHouse()
    const { response } = await house.call(INFER, body, init)
    const refused = await response.json<Refused>()
    expect([response.status, refused.code, refused.param]).toEqual([status, code, param])
    expect(refused.error).toContain(detail)
    expect(house.sent).toEqual([])
    expect((await house.account.balance()).heldNanos).toBe(0n)
  })

  it('for a body of one byte more than it may have', async () => {
    const house = await aTensorHouse()
    const text = JSON.stringify(request())
    const padded = (size: number) => text + ' '.repeat(size - text.length)
    expect((await house.call(INFER, padded(OIP_LIMITS.bodyBytes))).response.status).toBe(200)
    expect((await house.call(INFER, padded(OIP_LIMITS.bodyBytes + 1))).response.status).toBe(413)
  })

  it('for parameters that no node could read', async () => {
    const house = await aTensorHouse()
    const parameters = Object.fromEntries(Array.from({ length: 64 }, (_, i) => [`p${i}`, 'x'.repeat(4_090)]))
    const { response } = await house.call(INFER, { ...request(), parameters })
    expect([response.status, await response.json()]).toMatchObject([400, { param: 'parameters' }])
    expect(house.sent).toEqual([])
    const { p0: _, ...fewer } = parameters
    expect((await house.call(INFER, { ...request(), parameters: fewer })).response.status).toBe(200)
  })

  it('for a model of words, and for one that says nothing of its tensors', async () => {
    const words = await aHouse({ nodes: [tensorNode()] })
    const { response } = await words.call('/v2/models/test/echo/infer', request())
    expect(await response.json()).toMatchObject({ code: 'unsupported_model_task', param: 'model' })
    const { tensors: _, ...silent } = tensorModel().manifest
    const house = await aTensorHouse({ model: aModel(silent) })
    expect((await house.call(INFER, request())).response.status).toBe(400)
  })
})

describe('in the whole gateway', () => {
  let fetch: (path: string, init?: RequestInit) => Promise<Response>
  beforeAll(async () => {
    const app = createApp(await createServices(env))
    fetch = async (path, init) =>
      app.fetch(new Request(`https://gateway.test${path}`, init), env, createExecutionContext())
  })

  it.each(['/v2', '/v2/', '/v2/health/live', '/v2/health/ready'])('%s is open to everybody', async (path) => {
    const response = await fetch(path, { headers: { origin: 'https://any.example' } })
    expect(response.status).toBe(200)
    expect(response.headers.get('access-control-allow-origin')).toBe('*')
    expect(response.headers.get('access-control-expose-headers')).toContain('inference-header-content-length')
  })

  it('a page may ask before it calls', async () => {
    const headers = { origin: 'https://any.example', 'access-control-request-method': 'POST' }
    const response = await fetch(INFER, { method: 'OPTIONS', headers })
    expect(response.status).toBe(204)
    expect(response.headers.get('access-control-allow-origin')).toBe('*')
  })

  it.each<[string, RequestInit, number, string]>([
    [INFER, { method: 'POST', headers: { authorization: 'Bearer sk-souk-invented' } }, 401, 'invalid_api_key'],
    ['/v2/nothing', {}, 404, 'not_found'],
    ['/v2/models/test/none', {}, 404, 'model_not_found'],
  ])('a refusal of %s has the protocol’s shape', async (path, init, status, code) => {
    const response = await fetch(path, init)
    expect(response.status).toBe(status)
    expect(await response.json()).toMatchObject({ error: expect.any(String) as string, code })
  })

  it('and one of /v1 has OpenAI’s', async () => {
    expect(await (await fetch('/v1/nothing')).json()).toMatchObject({ error: { code: 'not_found' } })
  })
})
