// The whole market on one machine: gateway, crons, a node with its models, three development wallets, a key that works. Says what it is
// doing while it starts, then one screen; Ctrl-C stops everything. Nothing is set up behind the gateway's back: see accounts.ts.
import { join, relative, resolve } from 'node:path'
import { SoukError } from '../../protocol/client.ts'
import { apiKey, fillUp, publishModels, shippedManifests, signIn } from './accounts.ts'
import { ExpectedFailure, report } from './expected.ts'
import { startGateway, type Gateway } from './gateway.ts'
import { startNodeProcess, type NodeProcess } from './node-process.ts'
import { writePrivate } from './private-file.ts'
import { CONFIG_PATH, ROOT } from './root.ts'
import { routable } from './routable.ts'
import { welcome } from './screen.ts'
import { loadWallets } from './secrets.ts'
import { onStopSignal } from './signals.ts'

const PORT = 8787

let isStopping = false
let gateway: Gateway | null = null
let node: NodeProcess | null = null

const say = (text: string) => console.log(`  ${text}`)

async function start(): Promise<void> {
  const stateDir = resolve(ROOT, process.env.SOUK_STATE || '.souk')
  const port = readPort(process.env.SOUK_PORT)
  const manifests = shippedManifests()
  say('building and starting the gateway …')
  const wallets = await loadWallets(stateDir)
  const configPath = resolve(process.env.SOUK_CONFIG || CONFIG_PATH)
  gateway = await startGateway({ stateDir, port, configPath, vars: { SOUK_ADMINS: wallets.admin.address } })
  const { url, directUrl, chainId, adopt } = gateway
  say(`publishing ${manifests.map(({ id }) => id).join(', ')} …`)
  await publishModels(await signIn(url, wallets.admin), wallets.admin, manifests)
  say('starting a node: checking and loading its models …')
  const home = join(stateDir, 'node')
  node = await startNodeProcess({ home, gatewayUrl: url, operator: wallets.operator, name: 'local', onSpawn: adopt })
  say('signing in, filling up, making a key …')
  const consumer = await signIn(url, wallets.consumer)
  const balance = await fillUp(consumer)
  const key = await apiKey(url, consumer, stateDir)
  say('waiting until the gateway has checked the node …')
  const models = manifests.map(({ id }) => id)
  await routable(url, models, node.exited)
  const { id, endpoint, pid } = node
  const nodes = [{ id, endpoint, pid }]
  const dev = { gatewayUrl: url, directUrl, apiKey: key, wallets, nodes, models, chain: { id: chainId } }
  writePrivate(join(stateDir, 'dev.json'), dev)
  console.log(welcome({ ...dev, balance, stateDir: shortest(stateDir) }))
  void gateway.died.then(() => fail('The gateway ended unexpectedly.'))
  void node.exited.then((sentence) => fail(`The node ended unexpectedly: ${sentence}`))
}

async function stop(code: number): Promise<void> {
  if (isStopping) return
  isStopping = true
  if (node) say('stopping the node …')
  await node?.stop()
  await gateway?.stop()
  process.exit(code)
}

/** After Ctrl-C everything ends at once; what ends then is no failure. */
async function fail(sentence: string): Promise<void> {
  await new Promise((done) => setTimeout(done, 300))
  if (isStopping) return
  console.error(`\n${sentence}`)
  await stop(1)
}

function readPort(text: string | undefined): number {
  const port = text === undefined || text === '' ? PORT : Number(text)
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port
  throw new ExpectedFailure(`SOUK_PORT is "${text}", but a port is a number from 0 to 65535.`)
}

function shortest(path: string): string {
  const near = relative(process.cwd(), path)
  return near.startsWith('..') ? path : near || '.'
}

/** npm passes SIGTERM to a shell that may not pass it on; a market whose npm is gone must not go on. */
function stopWithNpm(): void {
  if (process.env.npm_lifecycle_event !== 'start') return
  const parent = process.ppid
  setInterval(() => {
    if (process.ppid !== parent) void stop(0)
  }, 1_000).unref()
}

onStopSignal(() => void stop(0))
stopWithNpm()
try {
  await start()
} catch (error) {
  const isRefusal = error instanceof SoukError
  if (!isStopping) report(isRefusal ? new ExpectedFailure(`The gateway refused: ${error.message}`) : error)
  await stop(1)
}
