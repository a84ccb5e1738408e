// The sampled conformance cases of ONNX through the whole house: each graph published by an author, served by a node under a memory ceiling that
// holds a fraction of them at a time, admitted by its own probe, and asked by a consumer in JSON and in binary. What the runtime itself cannot
// do is skipped by name, with the runtime's own reason.
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { InferenceSession } from 'onnxruntime-node'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { publishModels, signIn } from '../../gateway/local/accounts.ts'
import { startNodeProcess } from '../../gateway/local/node-process.ts'
import { newWallet } from '../../gateway/local/secrets.ts'
import { ModelManifest } from '../../protocol/model.ts'
import { tensorBytes } from '../../protocol/oip.ts'
import { readInferAnswer, writeInferRequest } from '../../protocol/oip-client.ts'
import { HEADER_LENGTH } from '../../protocol/oip-framing.ts'
import { tensorToJson } from '../../protocol/oip-json.ts'
import { fromUsd } from '../../protocol/units.ts'
import { parseConfig } from '../../provider-node/config.ts'
import { saveConfig } from '../../provider-node/config-file.ts'
import { createIdentity } from '../../provider-node/identity.ts'
import { startMarket, type Consumer, type Market } from '../support/market.ts'
import { difference, readCase, specOf, type OnnxCase } from '../support/onnx-cases.ts'
import type { Vectors } from '../support/vector-files.ts'
import { describeVectors } from '../support/vectors.ts'

/** Sampled at onnx 1.22: 159 of its node cases and the 23 simple ones. */
const CASES = 182
/** Offers of one registration. */
const OFFERS = 100
const MEMORY = { model: 2_000_000, all: 50_000_000 }
const MINUTES = 60_000

/** What onnxruntime 1.30 cannot do, by its own words, or the protocol has no word for: case -> a part of the reason. */
const SKIPPED: Readonly<Record<string, string>> = {
  test_bernoulli_seed: 'Could not find an implementation for RandomUniformLike',
  test_cast_FLOAT16_to_FLOAT4E2M1: 'Failed to find kernel for Cast(25)',
  test_cast_FLOAT8E4M3FNUZ_to_FLOAT: 'Unsupported data type: 18',
  test_cast_FLOAT_to_FLOAT4E2M1: 'Could not find an implementation for Cast',
  test_cast_INT2_to_INT8: 'Unsupported data type: 25',
  test_cast_e8m0_FLOAT8E8M0_to_FLOAT: 'Unsupported data type: 26',
  test_castlike_BFLOAT16_to_FLOAT: 'Unsupported data type: 16',
  test_castlike_FLOAT16_to_FLOAT8E4M3FN: 'Unsupported data type: 17',
  test_castlike_FLOAT16_to_INT4: 'ONNX type 22',
  test_castlike_FLOAT8E4M3FNUZ_to_FLOAT16: 'Unsupported data type: 18',
  test_castlike_FLOAT8E5M2_to_FLOAT: 'Unsupported data type: 19',
  test_castlike_FLOAT_to_FLOAT4E2M1_expanded: 'Could not find an implementation for Cast',
  test_castlike_FLOAT_to_INT4: 'ONNX type 22',
  test_castlike_INT2_to_INT8_expanded: 'Unsupported data type: 25',
  test_castlike_UINT2_to_UINT8: 'Unsupported data type: 24',
  test_castlike_no_saturate_FLOAT16_to_FLOAT8E4M3FN_expanded: 'Unsupported data type: 17',
  test_castlike_no_saturate_FLOAT_to_FLOAT8E5M2FNUZ_expanded: 'Unsupported data type: 20',
  test_causal_conv_with_state_kernel_size_one_expanded:
    '/onnxruntime_src/onnxruntime/core/graph/model_load_utils.h:46 void onnxruntime::model_load_utils::ValidateOpse',
  test_causal_conv_with_state_with_bias:
    '/onnxruntime_src/onnxruntime/core/graph/model_load_utils.h:46 void onnxruntime::model_load_utils::ValidateOpse',
  test_dequantizelinear_e4m3fn_float16: 'Unsupported data type: 17',
  test_gru_batchwise:
    'Exception during initialization: /onnxruntime_src/onnxruntime/core/providers/cpu/rnn/deep_cpu_gru.h:56 onnxrun',
  test_image_decoder_decode_bmp_rgb: 'Could not find an implementation for ImageDecoder',
  test_linear_attention_decode_step_expanded:
    '/onnxruntime_src/onnxruntime/core/graph/model_load_utils.h:46 void onnxruntime::model_load_utils::ValidateOpse',
  test_linear_attention_gated_delta_expanded:
    '/onnxruntime_src/onnxruntime/core/graph/model_load_utils.h:46 void onnxruntime::model_load_utils::ValidateOpse',
  test_linear_attention_linear_t1_no_past_expanded:
    '/onnxruntime_src/onnxruntime/core/graph/model_load_utils.h:46 void onnxruntime::model_load_utils::ValidateOpse',
  test_quantizelinear_e5m2: 'Unsupported data type: 19',
  test_range_float16_type_positive_delta_expanded:
    '/onnxruntime_src/onnxruntime/core/graph/model_load_utils.h:46 void onnxruntime::model_load_utils::ValidateOpse',
  test_sequence_map_extract_shapes: 'is no tensor',
  test_gradient_of_add: 'Gradient(-1) is not a registered function',
  test_gradient_of_add_and_mul: 'Gradient(-1) is not a registered function',
}
/** Only where the machine has the locale that the graph names. */
const LOCALE = 'StringNormalizer::Locale'

describeVectors('onnx', (vectors) => {
  const names = ['node', 'simple'].flatMap((kind) => vectors.list(kind).map((name) => [kind, name] as const))
  let market: Market
  let consumer: Consumer
  const served: OnnxCase[] = []
  const skipped: Record<string, string> = {}

  beforeAll(async () => {
    for (const [kind, name] of names) {
      const why = await runnable(vectors, kind, name)
      if ('graph' in why) served.push(why)
      else skipped[name] = why.why
    }
    market = await startMarket({ nodes: 0 })
    consumer = await market.consumer()
    const wallet = newWallet()
    const author = await signIn(market.url, wallet)
    const manifests = served.map(manifestOf)
    await publishModels(author, wallet, manifests)
    for (let start = 0; start < served.length; start += OFFERS)
      await aNodeFor(market, served.slice(start, start + OFFERS), manifests.slice(start, start + OFFERS), start)
    await admitted(market, manifests.length)
  }, 8 * MINUTES)
  afterAll(() => market?.stop())

  it('are all there, and only those are skipped that the runtime cannot do, each for its own reason', () => {
    expect(names).toHaveLength(CASES)
    expect(served.length + Object.keys(skipped).length).toBe(CASES)
    const unexpected = Object.entries(skipped).filter(
      ([name, why]) => !why.includes(LOCALE) && !why.includes(SKIPPED[name] ?? 'nothing'),
    )
    expect(unexpected).toEqual([])
    expect(Object.keys(SKIPPED).filter((name) => !(name in skipped))).toEqual([])
    console.log(`${served.length} of ${CASES} cases served; skipped: ${JSON.stringify(skipped, null, 1)}`)
  })

  it(
    'give the known outputs in JSON and in binary, for the price of their bytes',
    async () => {
      const wrong: string[] = []
      // Both forms while the model is loaded: most of the time goes into loading one after the other.
      for (const one of served)
        for (const form of ['JSON', 'binary'] as const) {
          const { outputs, cost } = await ask(market, consumer, one, form)
          const differences = one.outputs.map((expected) =>
            difference(
              outputs.find(({ name }) => name === expected.name),
              expected,
            ),
          )
          const found = differences.find((each) => each !== null)
          if (found) wrong.push(`${one.name} in ${form}: ${found}`)
          const bytes = BigInt(tensorBytes(one.inputs) + tensorBytes(outputs))
          expect([one.name, cost]).toEqual([one.name, (bytes * 1_000_000_000n + 999_999n) / 1_000_000n])
        }
      expect(wrong).toEqual([])
    },
    8 * MINUTES,
  )

  it('have no more of them loaded than the ceiling allows', async () => {
    for (const { endpoint } of nodes) {
      const Health = z.object({ models: z.array(z.object({ state: z.string() })) })
      const { models } = Health.parse(await (await fetch(`${endpoint}/healthz`)).json())
      const loaded = models.filter(({ state }) => state === 'loaded').length
      expect(loaded).toBeGreaterThan(0)
      expect(loaded * MEMORY.model).toBeLessThanOrEqual(MEMORY.all)
    }
  })
})

/** The case, when the runtime can open its graph and it is one of tensors; else why not, in the runtime's words where it has any. */
async function runnable(
  vectors: Vectors,
  kind: string,
  name: string,
): Promise<OnnxCase | { name: string; why: string }> {
  const path = (file: string) => `${kind}/${name}/${file}`
  try {
    await (await InferenceSession.create(vectors.bytes(path('model.onnx')), { logSeverityLevel: 4 })).release()
  } catch (cause) {
    return { name, why: cause instanceof Error ? cause.message : 'unknown' }
  }
  return readCase(name, (file) => (existsSync(join(vectors.folder, path(file))) ? vectors.bytes(path(file)) : null))
}

const modelId = (name: string) => `onnx/${name.toLowerCase()}`

function manifestOf(one: OnnxCase): ModelManifest {
  const json = (tensors: OnnxCase['inputs']) =>
    tensors.map((tensor) => {
      const data = tensorToJson(tensor)
      if (!data.ok) throw new Error(`${one.name} has no JSON form`)
      return { ...specOf(tensor), data: JSON.parse(data.value) as unknown } // all integers here are small
    })
  return ModelManifest.parse({
    id: modelId(one.name),
    task: 'tensors',
    description: `A conformance case of ONNX: ${one.name}.`,
    licence: 'Apache-2.0',
    files: { 'model.onnx': createHash('sha256').update(one.graph).digest('hex') },
    hardware: { memoryBytes: MEMORY.model },
    tensors: {
      inputs: one.inputs.map(specOf),
      outputs: one.outputs.map(specOf),
      outputBytesMax: Math.max(1, tensorBytes(one.outputs)),
    },
    probes: [{ inputs: json(one.inputs), outputs: json(one.outputs) }],
    royaltyBps: 100,
  })
}

async function aNodeFor(market: Market, cases: OnnxCase[], manifests: ModelManifest[], start: number): Promise<void> {
  const home = join(market.stateDir, `onnx-node-${start}`)
  await mkdir(home, { recursive: true })
  for (const [index, one] of cases.entries()) {
    const folder = join(home, one.name)
    await mkdir(folder)
    await writeFile(join(folder, 'model.onnx'), one.graph)
    await writeFile(join(folder, 'manifest.json'), JSON.stringify(manifests[index]))
  }
  await createIdentity(home)
  const prices = { inputPerMillion: '0', outputPerMillion: '0', bytesPerMillion: '1', perCall: '0' }
  const models = cases.map(({ name }) => ({
    folder: `./${name}`,
    licence: 'Apache-2.0',
    prices,
    executionProvider: 'cpu',
  }))
  const config = { version: 1, name: `onnx ${start}`, gateway: market.url, endpoint: null, host: '127.0.0.1', port: 0 }
  await saveConfig(home, parseConfig({ ...config, nodeId: null, memoryMaxBytes: MEMORY.all, models }, 'the test'))
  const operator = newWallet()
  const node = await startNodeProcess({ home, gatewayUrl: market.url, operator, name: `onnx ${start}` })
  nodes.push(node)
}
const nodes: Awaited<ReturnType<typeof startNodeProcess>>[] = []
afterAll(() => Promise.all(nodes.map((node) => node.stop())))

/** Every model has its offer live. The cron looks at a few a minute; here it is asked until all are done. */
async function admitted(market: Market, count: number): Promise<void> {
  const Count = z.object({ live: z.number() })
  for (let rounds = 0; rounds < 60; rounds++) {
    const [row] = await market.query('DB', "SELECT count(*) AS live FROM offers WHERE state = 'live'")
    if (Count.parse(row).live >= count) return
    await market.runCrons()
  }
  const left = await market.query('DB', "SELECT model_id, reason FROM offers WHERE state <> 'live' LIMIT 5")
  throw new Error(`not every model was admitted: ${JSON.stringify(left)}`)
}

async function ask({ url }: Market, { key }: Consumer, one: OnnxCase, form: 'JSON' | 'binary') {
  const isBinary = () => form === 'binary'
  const written = writeInferRequest({ inputs: one.inputs, outputs: [], parameters: {} }, { isBinary })
  if (!written.ok) throw new Error(`${one.name} cannot be written: ${written.detail}`)
  const { headerLength, pieces } = written.value
  const response = await fetch(`${url}/v2/models/${modelId(one.name)}/infer`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${key}`,
      'content-type': headerLength === null ? 'application/json' : 'application/octet-stream',
      ...(headerLength === null ? {} : { [HEADER_LENGTH]: String(headerLength) }),
    },
    body: Buffer.concat([...pieces]),
  })
  const body = new Uint8Array(await response.arrayBuffer())
  if (!response.ok) throw new Error(`${one.name}: ${response.status} ${new TextDecoder().decode(body)}`)
  const length = response.headers.get(HEADER_LENGTH)
  expect(length === null).toBe(form === 'JSON')
  const read = readInferAnswer(body, length === null ? null : Number(length))
  if (!read.ok) throw new Error(`${one.name}: ${read.detail}`)
  return { outputs: read.value.outputs, cost: fromUsd(response.headers.get('x-souk-cost') ?? '') }
}
