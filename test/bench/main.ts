// What the gateway costs with hold and capture on: requests a second and added time to first token, as ratios to a bare Hono proxy in the same
// workerd (direct socket) and to the node itself, all measured in turns within one run; and the D1 statements a warm call makes before its
// first byte. Times on shared machines are noise; the ratios are the result.
import type { ChildProcess } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { z } from 'zod'
import { createClient } from '../../protocol/client.ts'
import { startGateway, type Gateway } from '../../gateway/local/gateway.ts'
import { configWithEntry } from '../support/config-with-entry.ts'
import { countingModel } from '../support/fault-node-words.ts'
import { spawnFaultNode } from '../support/fault-node-process.ts'
import { drive, percentile, type Measured, type Target } from './load.ts'

const isQuick = process.argv.includes('--quick')
const ROUNDS = isQuick ? 2 : 5
const ROUND_MS = isQuick ? 1_000 : 3_000
const CONNECTIONS = [1, 16]
const TOKENS = 16
const MODEL = 'bench/counter'
const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))

const stateDir = await mkdtemp(join(tmpdir(), 'souk-bench-'))
const configPath = here('wrangler.bench.toml')
let gateway: Gateway | null = null
let node: ChildProcess | null = null
try {
  await writeFile(configPath, await configWithEntry('worker.ts'))
  const admin = privateKeyToAccount(generatePrivateKey())
  gateway = await startGateway({ stateDir, port: 0, configPath, vars: { SOUK_ADMINS: admin.address } })
  const adminClient = await createClient({ url: gateway.url }).signIn(admin)
  await adminClient.publishModel(countingModel(MODEL), admin)
  const started = await spawnFaultNode({ gatewayUrl: gateway.url, chainId: gateway.chainId, model: MODEL })
  node = started.process
  const targets = await makeTargets(gateway, started.endpoint)
  await countStatements(targets.gateway)
  for (const connections of CONNECTIONS) await compare(targets, connections)
} finally {
  node?.kill('SIGTERM')
  await gateway?.stop()
  await rm(configPath, { force: true })
  await rm(stateDir, { recursive: true, force: true })
}

async function makeTargets(gateway: Gateway, endpoint: string) {
  const consumer = await createClient({ url: gateway.url }).signIn(privateKeyToAccount(generatePrivateKey()))
  await consumer.send('POST', '/api/faucet', z.unknown(), {})
  const { key } = await consumer.createKey({ name: 'bench' })
  const body = JSON.stringify({
    model: MODEL,
    stream: true,
    max_tokens: 64,
    messages: [{ role: 'user', content: `count ${TOKENS}` }],
  })
  const path = '/v1/chat/completions'
  const ticket = `Souk ${unsignedTicket()}`
  return {
    node: { name: 'node itself', url: endpoint + path, headers: { authorization: ticket }, body },
    proxy: {
      name: 'bare proxy',
      url: `${gateway.directUrl}/bench/proxy`,
      headers: { authorization: ticket, 'x-bench-to': endpoint + path },
      body,
    },
    gateway: { name: 'gateway', url: gateway.directUrl + path, headers: { authorization: `Bearer ${key}` }, body },
  } satisfies Record<string, Target>
}

/** Our test node reads a ticket's claims and leaves its signature to real nodes, so that the three targets do the same work there. */
function unsignedTicket(): string {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const prices = { input: '0', output: '0', cachedInput: '0', bytes: '0', perCall: '0' }
  const ids = {
    iss: 'bench',
    aud: 'bench',
    jti: 'bench',
    callId: 'bench',
    model: MODEL,
    modelDigest: '0'.repeat(64),
    path: '',
    salt: 'AAAA',
  }
  const claims = {
    ...ids,
    iat: 0,
    exp: 0,
    attempt: 0,
    inputTokensMax: 1,
    outputTokensMax: 1,
    prices,
    bodySha256: '',
    pseudonym: '',
  }
  return `${part({ alg: 'none' })}.${part(claims)}.`
}

/** One call at a time on a warm isolate. A refresh of the snapshot, every 5 s behind a call, would be counted too. */
async function countStatements(target: Target): Promise<void> {
  const CALLS = 50
  const counts: number[] = []
  for (let i = 0; i < CALLS + 5; i++) {
    const response = await fetch(target.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...target.headers },
      body: target.body,
    })
    await response.text()
    if (i >= 5) counts.push(z.coerce.number().parse(response.headers.get('x-bench-statements')))
  }
  const sum = counts.reduce((total, count) => total + count, 0)
  console.log(
    `D1 statements before the first byte, ${counts.length} calls on a warm isolate: ${sum} (most in one call: ${Math.max(...counts)})`,
  )
}

async function compare(targets: Record<'node' | 'proxy' | 'gateway', Target>, connections: number): Promise<void> {
  const names = ['node', 'proxy', 'gateway'] as const
  const rounds: Record<(typeof names)[number], Measured[]> = { node: [], proxy: [], gateway: [] }
  for (const name of names) await drive(targets[name], connections, 300)
  for (let round = 0; round < ROUNDS; round++) {
    for (const name of names) rounds[name].push(await drive(targets[name], connections, ROUND_MS))
  }
  console.log(
    `\n${connections} connection${connections > 1 ? 's' : ''}, ${ROUNDS} rounds of ${ROUND_MS / 1000} s each in turns, ${TOKENS} tokens an answer`,
  )
  console.log('                calls/s   first token p50   p99      failed')
  const rate = (name: (typeof names)[number]) => median(rounds[name].map((m) => m.calls / m.seconds))
  const first = (name: (typeof names)[number], p: number) =>
    percentile(
      rounds[name].flatMap((m) => m.firstTokenMs),
      p,
    )
  for (const name of names) {
    const failed = rounds[name].reduce((sum, m) => sum + m.failed, 0)
    const cells = [
      rate(name).toFixed(0).padStart(7),
      `${first(name, 0.5).toFixed(2)} ms`.padStart(17),
      `${first(name, 0.99).toFixed(1)} ms`.padStart(9),
    ]
    console.log(`${targets[name].name.padEnd(14)} ${cells.join(' ')} ${String(failed).padStart(8)}`)
    if (failed > 0) process.exitCode = 1
  }
  const added = first('gateway', 0.5) - first('proxy', 0.5)
  console.log(
    `gateway ÷ bare proxy: ${(rate('gateway') / rate('proxy')).toFixed(2)} of the calls/s, ${(first('gateway', 0.5) / first('proxy', 0.5)).toFixed(2)} × the first token (+${added.toFixed(2)} ms)`,
  )
  console.log(
    `gateway ÷ node itself: ${(rate('gateway') / rate('node')).toFixed(2)} of the calls/s, ${(first('gateway', 0.5) / first('node', 0.5)).toFixed(2)} × the first token`,
  )
}

function median(values: number[]): number {
  return percentile(values, 0.5)
}
