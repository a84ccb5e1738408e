// A whole market for stories: a real gateway process and real provider nodes, on ports of the system's choice, in a state folder of its
// own. Everything a person would do goes through the public API; only `query` looks behind it.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { publishModels, shippedManifests, signIn } from '../../gateway/local/accounts.ts'
import { startNodeProcess, type NodeProcess } from '../../gateway/local/node-process.ts'
import { routable } from '../../gateway/local/routable.ts'
import { loadWallets, newWallet, type DevWallet } from '../../gateway/local/secrets.ts'
import type { CreateKeyRequest } from '../../protocol/auth.ts'
import type { Client } from '../../protocol/client.ts'
import type { ModelManifest } from '../../protocol/model.ts'
import { privateKeyToAccount } from 'viem/accounts'
import { z } from 'zod'
import { spawnGateway, type GatewayHandle } from './gateway-process.ts'

export interface MarketOptions {
  /** over wrangler.toml, such as SOUK_HOLD_DEADLINE_MS */
  readonly vars?: Readonly<Record<string, string>>
  /** provider nodes with the shipped models; default 1 */
  readonly nodes?: number
  /** default: a new one, removed by `stop` */
  readonly stateDir?: string
}

export interface Consumer {
  readonly wallet: DevWallet
  readonly client: Client
  readonly accountId: string
  /** the API key */
  readonly key: string
}

export interface Market {
  /** the gateway that runs now */
  readonly gateway: GatewayHandle
  readonly url: string
  readonly directUrl: string
  readonly stateDir: string
  readonly nodes: readonly NodeProcess[]
  readonly models: readonly string[]
  readonly admin: Client
  /** by the admin */
  publish(manifest: ModelManifest): Promise<void>
  /** A fresh wallet, signed in, with a key; with the faucet's credit unless told otherwise. */
  consumer(options?: { credit?: boolean; key?: Partial<z.input<typeof CreateKeyRequest>> }): Promise<Consumer>
  query: GatewayHandle['query']
  runCrons(): Promise<void>
  /** One more node; `models` are folders, default the shipped ones. Resolves when it serves, not when it is routable. */
  startNode(options?: { models?: readonly string[]; name?: string; isLinked?: boolean }): Promise<NodeProcess>
  /** Every model, or those named, has a node that passed its probes. */
  routable(models?: readonly string[]): Promise<void>
  /** `kill -9` of the gateway with its workerd; the nodes live on. */
  killGateway(): Promise<void>
  /** Starts it again on the same state and port. */
  restartGateway(vars?: Readonly<Record<string, string>>): Promise<void>
  stop(): Promise<void>
}

export async function startMarket(options: MarketOptions = {}): Promise<Market> {
  const stateDir = options.stateDir ?? (await mkdtemp(join(tmpdir(), 'souk-market-')))
  const wallets = await loadWallets(stateDir)
  const vars = { SOUK_ADMINS: wallets.admin.address, ...options.vars }
  const manifests = shippedManifests()
  const models = manifests.map(({ id }) => id)
  const nodes: NodeProcess[] = []
  let gateway = await spawnGateway({ stateDir, port: 0, vars })
  const stop = async () => {
    await Promise.all(nodes.map((node) => node.stop()))
    await gateway.stop()
    if (options.stateDir === undefined) await rm(stateDir, { recursive: true, force: true })
  }
  try {
    const admin = await signIn(gateway.url, wallets.admin)
    await publishModels(admin, wallets.admin, manifests)
    const startNode: Market['startNode'] = async (wanted = {}) => {
      const { models: folders, name = `node ${nodes.length + 1}`, isLinked = false } = wanted
      const home = join(stateDir, nodes.length === 0 ? 'node' : `node-${nodes.length + 1}`)
      const operator = wallets.operator
      const asked = { home, gatewayUrl: gateway.url, operator, name, isLinked, ...(folders ? { models: folders } : {}) }
      const node = await startNodeProcess(asked)
      nodes.push(node)
      return node
    }
    for (let i = 0; i < (options.nodes ?? 1); i++) await startNode()
    if (nodes.length > 0) await routable(gateway.url, models, nodes[0]?.exited)
    return {
      get gateway() {
        return gateway
      },
      get url() {
        return gateway.url
      },
      get directUrl() {
        return gateway.directUrl
      },
      stateDir,
      nodes,
      models,
      admin,
      publish: async (manifest) =>
        void (await admin.publishModel(manifest, privateKeyToAccount(wallets.admin.privateKey))),
      consumer: (wanted) => newConsumer(gateway.url, wanted),
      query: (binding, sql, ...values) => gateway.query(binding, sql, ...values),
      runCrons: () => gateway.runCrons(),
      startNode,
      routable: (wanted = models) => routable(gateway.url, wanted),
      killGateway: () => gateway.kill(),
      async restartGateway(changed = {}) {
        const port = Number(new URL(gateway.url).port)
        gateway = await spawnGateway({ stateDir, port, vars: { ...vars, ...changed } })
      },
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

async function newConsumer(
  url: string,
  { credit = true, key: limits = {} }: { credit?: boolean; key?: Partial<z.input<typeof CreateKeyRequest>> } = {},
): Promise<Consumer> {
  const wallet = newWallet()
  const client = await signIn(url, wallet)
  if (credit) await client.send('POST', '/api/faucet', z.unknown(), {})
  const { accountId } = await client.account()
  const { key } = await client.createKey({ name: 'test', ...limits })
  return { wallet, client, accountId, key }
}
