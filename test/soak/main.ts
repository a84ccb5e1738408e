// `npm run soak [-- minutes]`: a node as its operator runs it, under mixed load with cancels for minutes. It must keep its memory, lose no slot,
// tear no answer and have no fault of its own; what was measured is printed, and a breach ends with exit code 1.
import { readFile } from 'node:fs/promises'
import { setTimeout as wait } from 'node:timers/promises'
import { saveConfig } from '../../provider-node/config-file.ts'
import { createIdentity } from '../../provider-node/identity.ts'
import { loadModel } from '../../provider-node/model-store/check.ts'
import { aConfig, aGateway, aTemporaryFolder, shippedFolder } from '../provider-node/builders.ts'
import { startCommand } from '../support/command.ts'
import { client, type Seen, type Target } from './load.ts'

const minutes = Number(process.argv[2] ?? 30)
/** clients at the same time: more than the engines compute at once, so that calls wait */
const CLIENTS = 24
const SAMPLE_MS = 2_000
/** of the resident memory's median in the second quarter of the run: what the last quarter may be */
const GROWTH_MAX = 1.1
const GROWTH_BYTES = 16 * 1024 * 1024

interface Sample {
  readonly at: number
  readonly residentBytes: number
}

const gateway = await aGateway()
const home = await aTemporaryFolder()
const identity = await createIdentity(home.path)
const models = ['tiny-chat', 'word-vectors', 'language-id']
const prices = { inputPerMillion: '1', outputPerMillion: '1', perCall: '0' }
await saveConfig(
  home.path,
  aConfig(gateway.url, {
    models: models.map((folder) => ({ folder, prices, engine: 'onnx', queueMax: 16, threads: 'auto' })),
  }),
)
const node = startCommand(['--import', 'tsx', 'provider-node/cli.ts', 'start', '--home', home.path, '--json'])
const url = /"url":"(http[^"]+)"/.exec(await node.said('"ready"'))?.[1] ?? ''
const [chat, embeddings, languages] = await Promise.all(models.map((name) => loadModel(shippedFolder(name))))
if (!chat || !embeddings || !languages) throw new Error('a model is missing')
const target: Target = { url, nodeKey: identity.nodeKey, gateway, chat, embeddings, languages }

const counts: Record<Seen, number> = { whole: 0, left: 0, busy: 0, refused: 0, torn: 0, failed: 0 }
const noted = (seen: Seen, why: string | null) => {
  counts[seen] += 1
  if (why !== null) console.log(`${seen}: ${why}`)
}
const until = Date.now() + minutes * 60_000
const clients = Array.from({ length: CLIENTS }, (_, seed) => client(target, seed + 1, until, noted))
const samples = await sampled(until)
await Promise.all(clients)
const problems = [...(await stuckSlots()), ...faults(), ...growth(samples)]
await report()
node.signal('SIGTERM')
const { code } = await node.ended
if (code !== 0) problems.push(`the node ended with ${code}`)
await gateway.close()
await home.remove()
for (const problem of problems) console.error(`FAILED: ${problem}`)
process.exitCode = problems.length === 0 ? 0 : 1

async function sampled(end: number): Promise<Sample[]> {
  const taken: Sample[] = []
  for (let next = Date.now(); Date.now() < end; next += SAMPLE_MS) {
    taken.push({ at: Date.now(), residentBytes: await residentBytes() })
    if (taken.length % 30 === 0)
      console.log(`${Math.round((end - Date.now()) / 1_000)} s to go: ${JSON.stringify(counts)}`)
    await wait(Math.max(0, next + SAMPLE_MS - Date.now()))
  }
  return taken
}

/** Linux alone tells it from outside. */
async function residentBytes(): Promise<number> {
  const status = await readFile(`/proc/${node.pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) * 1024
}

async function metricSum(name: string): Promise<number> {
  const page = await (await fetch(`${url}/metrics`)).text()
  const lines = page.split('\n').filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
  if (lines.length === 0) throw new Error(`the node has no metric ${name}`)
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
}

/** Nobody asks any more, so nobody may be waiting or computed for. */
async function stuckSlots(): Promise<string[]> {
  const left = async () => (await metricSum('souk_node_in_flight')) + (await metricSum('souk_node_queue_depth'))
  const end = Date.now() + 10_000
  while ((await left()) > 0 && Date.now() < end) await wait(100)
  const stuck = await left()
  return stuck > 0 ? [`${stuck} slots are still taken ten seconds after the last client left`] : []
}

function faults(): string[] {
  const { whole, left, torn, failed } = counts
  return [
    ...(torn > 0 ? [`${torn} answers were torn`] : []),
    ...(failed > 0 ? [`${failed} calls failed by the node's own fault`] : []),
    // A load that does nothing would find nothing.
    ...(whole < 20 * minutes || left < 5 * minutes ? ['hardly anything was served or left: this was no load'] : []),
  ]
}

function growth(all: readonly Sample[]): string[] {
  const [second, last] = [quarter(all, 1), quarter(all, 3)]
  const limit = Math.max(second * GROWTH_MAX, second + GROWTH_BYTES)
  return last > limit ? [`memory grew from ${mebibytes(second)} to ${mebibytes(last)} MiB`] : []
}

/** Median of a quarter of the run. */
function quarter(all: readonly Sample[], index: number): number {
  const size = Math.floor(all.length / 4)
  const bytes = all.slice(index * size, (index + 1) * size).map(({ residentBytes: resident }) => resident)
  return bytes.sort((a, b) => a - b)[Math.floor(bytes.length / 2)] ?? 0
}

async function report(): Promise<void> {
  const tokens = await metricSum('souk_node_tokens_total')
  const quarters = [0, 1, 2, 3].map((index) => mebibytes(quarter(samples, index))).join(' / ')
  console.log(`${minutes} minutes, ${CLIENTS} clients: ${JSON.stringify(counts)}, ${tokens} tokens`)
  console.log(`resident memory, median of each quarter: ${quarters} MiB`)
}

function mebibytes(bytes: number): number {
  return Math.round(bytes / 1024 / 1024)
}
