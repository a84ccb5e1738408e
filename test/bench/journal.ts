// `npm run bench -- journal`: what a long journal costs to export and to verify. The export is the real one: workerd, the account's guard with its
// SQLite file, HTTP; the verifier is the bundled souk-verify in a process of its own. Both should take time in proportion to the length, and the
// same memory for any length. Times on shared machines are noise; the ratios within one run are the result.
import { execFileSync, spawn } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ReadableStream } from 'node:stream/web'
import { fileURLToPath } from 'node:url'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { z } from 'zod'
import { childrenRunning } from '../../gateway/local/claim.ts'
import { startGateway } from '../../gateway/local/gateway.ts'
import { createClient } from '../../protocol/client.ts'
import { AccountIdText } from '../../protocol/fields.ts'
import { openSeeding, PROVEN_EVERY } from './journal-seed.ts'
import { watchCost, type ProcessCost } from './process-cost.ts'

const isQuick = process.argv.includes('--quick')
const LENGTHS = isQuick ? [5_000, 10_000, 20_000] : [250_000, 500_000, 1_000_000]
/** ms an export may take */
const EXPORT_MS = 1_200_000

interface Measured {
  readonly lines: number
  readonly megabytes: number
  readonly export: Cost
  readonly verify: Cost
}
interface Cost extends ProcessCost {
  /** by the clock */
  readonly seconds: number
}

const stateDir = await mkdtemp(join(tmpdir(), 'souk-bench-journal-'))
const wallet = privateKeyToAccount(generatePrivateKey())
try {
  const verifier = join(stateDir, 'souk-verify.mjs')
  execFileSync(process.execPath, [fileURLToPath(new URL('../../gateway/verify/build.mjs', import.meta.url)), verifier])
  const accountId = await withGateway(async ({ client }) => {
    await client.send('POST', '/api/faucet', z.unknown(), {})
    return (await client.send('GET', '/api/account', z.object({ accountId: AccountIdText }))).accountId
  })
  const { SOUK_SIGNING_KEY } = z
    .object({ SOUK_SIGNING_KEY: z.string() })
    .parse(JSON.parse(await readFile(join(stateDir, 'secrets.json'), 'utf8')))
  const seeding = await openSeeding(stateDir, accountId, SOUK_SIGNING_KEY)
  console.log(
    `journals of ${LENGTHS.join(', ')} transfers, tickets and receipts kept of every ${PROVEN_EVERY}th call\n`,
  )
  console.log('     lines      MB    export       CPU        peak    verify       CPU        peak')
  const measured: Measured[] = []
  for (const lines of LENGTHS) {
    await seeding.growTo(lines)
    measured.push(await measure(lines, verifier))
    console.log(rowOf(measured.at(-1)))
  }
  tellRatios(measured)
} finally {
  await rm(stateDir, { recursive: true, force: true })
}

async function withGateway<T>(
  work: (running: { url: string; token: string; client: Client }) => Promise<T>,
): Promise<T> {
  const gateway = await startGateway({ stateDir, port: 0 })
  try {
    const client = await createClient({ url: gateway.url }).signIn(wallet)
    return await work({ url: gateway.directUrl, token: client.token ?? '', client })
  } finally {
    await gateway.stop()
  }
}
type Client = Awaited<ReturnType<ReturnType<typeof createClient>['signIn']>>

async function measure(lines: number, verifier: string): Promise<Measured> {
  const file = join(stateDir, 'journal.ndjson')
  const exported = await withGateway(({ url, token }) => exportTo(file, url, token))
  const { size } = await stat(file)
  return { lines, megabytes: size / 1e6, export: exported, verify: await verifyFile(verifier, file) }
}

async function exportTo(file: string, url: string, token: string): Promise<Cost> {
  const workerd = childrenRunning('workerd')
  const cost = watchCost(workerd)
  const startedAt = performance.now()
  const response = await fetch(`${url}/api/journal?format=ndjson`, {
    headers: { authorization: `Bearer ${token}` },
    signal: AbortSignal.timeout(EXPORT_MS),
  })
  if (!response.ok || !response.body) throw new Error(`the export answered ${response.status}`)
  // The same streams under two names.
  await pipeline(Readable.fromWeb(response.body as ReadableStream<Uint8Array>), createWriteStream(file))
  return { seconds: (performance.now() - startedAt) / 1000, ...cost.stop() }
}

async function verifyFile(verifier: string, file: string): Promise<Cost> {
  const startedAt = performance.now()
  const child = spawn(process.execPath, [verifier, file], { stdio: ['ignore', 'pipe', 'inherit'] })
  const watched = watchCost(child.pid === undefined ? [] : [child.pid])
  let out = ''
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
  const cost = { seconds: (performance.now() - startedAt) / 1000, ...watched.stop() }
  if (code === 0) return cost
  console.log(out)
  throw new Error('the exported journal does not verify')
}

function rowOf(measured: Measured | undefined): string {
  if (!measured) return ''
  const { lines, megabytes, export: out, verify } = measured
  const cost = ({ seconds, cpuSeconds, peakMegabytes }: Cost) =>
    `${seconds.toFixed(1).padStart(7)} s ${cpuSeconds.toFixed(1).padStart(7)} s ${peakMegabytes.toFixed(0).padStart(8)} MB`
  return `${String(lines).padStart(10)} ${megabytes.toFixed(0).padStart(7)} ${cost(out)} ${cost(verify)}`
}

/** 1.00: time in proportion to the length; memory the same. */
function tellRatios(measured: readonly Measured[]): void {
  const [first] = measured
  if (!first) return
  console.log('\nprocessor time per line, and peak memory, as ratios to the shortest')
  for (const one of measured) {
    const perLine = (of: (m: Measured) => Cost) => of(one).cpuSeconds / one.lines / (of(first).cpuSeconds / first.lines)
    const peak = (of: (m: Measured) => Cost) => of(one).peakMegabytes / of(first).peakMegabytes
    const [out, verify] = [(m: Measured) => m.export, (m: Measured) => m.verify]
    console.log(
      `${(one.lines / first.lines).toFixed(0).padStart(4)} × the lines: export ${perLine(out).toFixed(2)} × the time, ${peak(out).toFixed(2)} × the memory; ` +
        `verify ${perLine(verify).toFixed(2)} × the time, ${peak(verify).toFixed(2)} × the memory`,
    )
  }
}
