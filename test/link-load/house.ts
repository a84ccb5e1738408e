// The gateway of the load: the product's Worker with a door beside it (worker.ts), in a workerd of its own, and nodes that stand in its registry as if they had been registered.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { childrenRunning } from '../../gateway/local/claim.ts'
import { startGateway, type Gateway } from '../../gateway/local/gateway.ts'
import { LINK_ENDPOINT } from '../../protocol/link.ts'
import { newNodeId, type NodeId } from '../../protocol/units.ts'
import { configWithEntry } from '../support/config-with-entry.ts'

export interface House {
  readonly gateway: Gateway
  /** of workerd */
  readonly pid: number
  /** a folder of its own, removed in the end */
  readonly stateDir: string
  /** @param nodeKeys base64url @returns an id for each, in order */
  register(nodeKeys: readonly string[]): Promise<NodeId[]>
  /** Ends workerd and starts it again on the same port and state, as a deployment does. */
  restart(): Promise<void>
  stop(): Promise<void>
}

/** rows in one batch of statements */
const BATCH = 100

export async function startHouse(hasInspector = false): Promise<House> {
  const stateDir = await mkdtemp(join(tmpdir(), 'souk-link-load-'))
  const configPath = fileURLToPath(new URL('wrangler.link-load.toml', import.meta.url))
  await writeFile(configPath, await configWithEntry('worker.ts'))
  let gateway = await startGateway({ stateDir, port: 0, configPath, hasInspector })
  return {
    get gateway() {
      return gateway
    },
    get pid() {
      return childrenRunning('workerd')[0] ?? 0
    },
    stateDir,
    async register(nodeKeys) {
      const db = await gateway.database('DB')
      const insert =
        db.prepare(`INSERT INTO nodes (id, name, operator_account_id, operator_address, node_key, settlement_key, endpoint, wire_version, state,
        created_at) VALUES (?, 'under load', 'acct', '', ?, '', '${LINK_ENDPOINT}', 2, 'active', 0)`)
      const rows = nodeKeys.map((nodeKey) => ({
        nodeKey,
        id: newNodeId((bytes) => crypto.getRandomValues(new Uint8Array(bytes))),
      }))
      for (let from = 0; from < rows.length; from += BATCH)
        await db.batch(rows.slice(from, from + BATCH).map(({ id, nodeKey }) => insert.bind(id, nodeKey)))
      return rows.map(({ id }) => id)
    },
    async restart() {
      const port = Number(new URL(gateway.url).port)
      await gateway.stop()
      gateway = await startGateway({ stateDir, port, configPath, hasInspector })
    },
    async stop() {
      await gateway.stop()
      await rm(configPath, { force: true })
      await rm(stateDir, { recursive: true, force: true })
    },
  }
}
