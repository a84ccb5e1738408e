// `npm run bench -- link`: what the link costs against HTTPS (here HTTP: no TLS on one machine). Two nodes of the same program before the same counting server and the same
// graph, one reached at its address, one by its link, through the whole gateway (hold, relay, settle), in turns within one run. The ratios are the result.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { z } from 'zod'
import { startGateway, type Gateway } from '../../gateway/local/gateway.ts'
import { routable } from '../../gateway/local/routable.ts'
import { sha256Hex } from '../../protocol/canonical.ts'
import { createClient } from '../../protocol/client.ts'
import { ModelManifest } from '../../protocol/model.ts'
import { writeInferRequest } from '../../protocol/oip-client.ts'
import { HEADER_LENGTH } from '../../protocol/oip-framing.ts'
import { saveConfig } from '../../provider-node/config-file.ts'
import { storedConfig } from '../../provider-node/config.ts'
import { identity } from '../provider-node/graphs.ts'
import { aCountingServer, countingEntry } from '../support/counting-server.ts'
import { countingModel } from '../support/fault-node-words.ts'
import { nodeProgram, type ServingNode } from '../support/node-program.ts'
import { drive, percentile, type Measured, type Target } from './load.ts'

const isQuick = process.argv.includes('--quick')
const ROUNDS = isQuick ? 2 : 5
const ROUND_MS = isQuick ? 1_000 : 3_000
const CONNECTIONS = [1, 16]
const TOKENS = 16
const LONG_TOKENS = 2_000
const TENSOR_BYTES = 4 * 1024 * 1024
const TENSOR_CALLS = isQuick ? 2 : 10
const WAYS = ['https', 'link'] as const
type Way = (typeof WAYS)[number]

/** One wallet for both nodes and what they serve: a handle belongs to one account. */
const operatorKey = generatePrivateKey()
const operator = privateKeyToAccount(operatorKey)

const stateDir = await mkdtemp(join(tmpdir(), 'souk-bench-link-'))
const server = await aCountingServer()
const nodes: ServingNode[] = []
let gateway: Gateway | null = null
try {
  gateway = await startGateway({ stateDir: join(stateDir, 'gateway'), port: 0 })
  for (const way of WAYS) nodes.push(await startNode(way, gateway))
  await routable(
    gateway.url,
    WAYS.flatMap((way) => [textModel(way), tensorModel(way)]),
  )
  const key = await aKey(gateway.url)
  for (const connections of CONNECTIONS) await compareText(gateway.directUrl, key, connections)
  await compareLongStreams(gateway.directUrl, key)
  await compareTensors(gateway.directUrl, key)
} finally {
  for (const node of nodes) await node.stop()
  await gateway?.stop()
  await server.close()
  await rm(stateDir, { recursive: true, force: true })
}

function textModel(way: Way): string {
  return `bench/${way}-counter`
}
function tensorModel(way: Way): string {
  return `bench/${way}-copy`
}

/** One node with its two models, each model its own, so that a call names the way it takes. */
async function startNode(way: Way, { url }: Gateway): Promise<ServingNode> {
  const home = join(stateDir, way)
  const author = await createClient({ url }).signIn(operator)
  const { folder, manifest } = await copyFolder(way)
  for (const model of [countingModel(textModel(way)), manifest]) await author.publishModel(model, operator)
  const program = nodeProgram({ home })
  const port = way === 'https' ? await freePort() : null
  const address = port === null ? [] : ['--endpoint', `http://127.0.0.1:${port}`, '--port', String(port)]
  await program.tells(['init', '--gateway', url, '--name', way, ...address])
  const stored = await storedConfig(home)
  const prices = { inputPerMillion: '0', outputPerMillion: '0', bytesPerMillion: '0.05', perCall: '0' }
  const models = [
    await countingEntry(join(stateDir, `${way}-models`), textModel(way), server, 64),
    { folder, licence: 'Apache-2.0', prices },
  ]
  await saveConfig(home, { ...stored, models })
  await program.tells(['register'], { SOUK_OPERATOR_KEY: operatorKey })
  return program.start()
}

/** Gives back what it gets. Its file differs by way, for one digest is one model. */
async function copyFolder(way: Way): Promise<{ folder: string; manifest: ModelManifest }> {
  const graph = identity('FP32', [way])
  const probe = (name: string) => [{ name, datatype: 'FP32', shape: [3], data: [1, 2, 3] }]
  const spec = (name: string) => [{ name, datatype: 'FP32', shape: [-1] }]
  const manifest = ModelManifest.parse({
    ...{ id: tensorModel(way), task: 'tensors', description: 'gives back what it gets', licence: 'Apache-2.0' },
    files: { 'model.onnx': sha256Hex(graph) },
    tensors: { inputs: spec('x'), outputs: spec('y'), outputBytesMax: 16 * 1024 ** 2 },
    probes: [{ inputs: probe('x'), outputs: probe('y') }],
    royaltyBps: 0,
  })
  const folder = join(stateDir, `${way}-copy`)
  await mkdir(folder)
  await writeFile(join(folder, 'manifest.json'), JSON.stringify(manifest))
  await writeFile(join(folder, 'model.onnx'), graph)
  return { folder, manifest }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => resolve(typeof address === 'object' ? (address?.port ?? 0) : 0))
    })
  })
}

async function aKey(url: string): Promise<string> {
  const consumer = await createClient({ url }).signIn(privateKeyToAccount(generatePrivateKey()))
  await consumer.send('POST', '/api/faucet', z.unknown(), {})
  return (await consumer.createKey({ name: 'bench' })).key
}

function textTarget(base: string, key: string, way: Way, tokens: number): Target {
  const messages = [{ role: 'user', content: `count ${tokens}` }]
  return {
    name: way,
    url: `${base}/v1/chat/completions`,
    headers: { authorization: `Bearer ${key}` },
    body: JSON.stringify({ model: textModel(way), stream: true, max_tokens: tokens + 1, messages }),
  }
}

async function compareText(base: string, key: string, connections: number): Promise<void> {
  const rounds: Record<Way, Measured[]> = { https: [], link: [] }
  for (const way of WAYS) await drive(textTarget(base, key, way, TOKENS), connections, 500)
  for (let round = 0; round < ROUNDS; round++)
    for (const way of WAYS) rounds[way].push(await drive(textTarget(base, key, way, TOKENS), connections, ROUND_MS))
  const rate = (way: Way) => median(rounds[way].map(({ calls, seconds }) => calls / seconds))
  const first = (way: Way, share: number) =>
    percentile(
      rounds[way].flatMap(({ firstTokenMs }) => firstTokenMs),
      share,
    )
  console.log(
    `\n${connections} at once, ${ROUNDS} rounds of ${ROUND_MS / 1_000} s in turns, ${TOKENS} tokens an answer`,
  )
  for (const way of WAYS) {
    const failed = rounds[way].reduce((sum, round) => sum + round.failed, 0)
    const cells = [`${rate(way).toFixed(0)} calls/s`, `first token p50 ${first(way, 0.5).toFixed(1)} ms`]
    console.log(`  ${way.padEnd(6)} ${cells.join(', ')}, p99 ${first(way, 0.99).toFixed(1)} ms, failed ${failed}`)
    if (failed > 0) process.exitCode = 1
  }
  const times = `${ratio(rate('link'), rate('https'))} of the calls/s`
  console.log(`  link ÷ https: ${times}, ${ratio(first('link', 0.5), first('https', 0.5))} × the first token`)
}

async function compareLongStreams(base: string, key: string): Promise<void> {
  const seconds: Record<Way, number[]> = { https: [], link: [] }
  for (let round = 0; round < ROUNDS; round++)
    for (const way of WAYS) {
      const startedAt = performance.now()
      const { url, headers, body } = textTarget(base, key, way, LONG_TOKENS)
      const text = await (
        await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body })
      ).text()
      if (!text.includes('data: [DONE]')) process.exitCode = 1
      seconds[way].push((performance.now() - startedAt) / 1_000)
    }
  tell(`one stream of ${LONG_TOKENS} tokens`, (way) => LONG_TOKENS / median(seconds[way]), 'tokens/s')
}

async function compareTensors(base: string, key: string): Promise<void> {
  const values = new Float32Array(TENSOR_BYTES / 4).fill(1)
  const data = new Uint8Array(values.buffer)
  const inputs = [{ name: 'x', datatype: 'FP32' as const, shape: [values.length], data }]
  const written = writeInferRequest({ inputs, outputs: [], parameters: {} }, { isBinary: () => true })
  if (!written.ok) throw new Error('it cannot be written')
  const { headerLength, pieces } = written.value
  const body = Buffer.concat([...pieces])
  const headers = { 'content-type': 'application/octet-stream', [HEADER_LENGTH]: String(headerLength) }
  const seconds: Record<Way, number[]> = { https: [], link: [] }
  for (let call = 0; call < TENSOR_CALLS; call++)
    for (const way of WAYS) {
      const startedAt = performance.now()
      const response = await fetch(`${base}/v2/models/${tensorModel(way)}/infer`, {
        method: 'POST',
        headers: { authorization: `Bearer ${key}`, ...headers },
        body,
      })
      const answer = await response.arrayBuffer()
      if (!response.ok || !response.headers.has(HEADER_LENGTH) || answer.byteLength < TENSOR_BYTES) process.exitCode = 1
      seconds[way].push((performance.now() - startedAt) / 1_000)
    }
  const megabytes = (2 * TENSOR_BYTES) / 1e6
  tell(`${TENSOR_BYTES / 1024 ** 2} MiB of tensors there and back`, (way) => megabytes / median(seconds[way]), 'MB/s')
}

function tell(what: string, speed: (way: Way) => number, unit: string): void {
  const both = WAYS.map((way) => `${way} ${speed(way).toFixed(0)} ${unit}`).join(', ')
  console.log(`\n${what}: ${both}; link ÷ https ${ratio(speed('link'), speed('https'))}`)
}

function median(values: readonly number[]): number {
  return percentile(values, 0.5)
}
function ratio(a: number, b: number): string {
  return (a / b).toFixed(2)
}
