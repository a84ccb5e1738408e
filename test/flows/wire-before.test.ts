// The version before ours is still spoken: a frozen node of version 1 joins today's gateway, serves and is paid; a node from too far away is told so.
import { spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { jcs, sha256Hex } from '../../protocol/canonical.ts'
import { fromUsd } from '../../protocol/units.ts'
import { eventually } from '../support/eventually.ts'
import { countingModel } from '../support/fault-node-words.ts'
import { startMarket, type Market } from '../support/market.ts'

const MODEL = 'test/wire-before'
const FAR = 'test/wire-far'
const Line = z.union([
  z.object({ nodeId: z.string(), state: z.string(), reason: z.string().nullable() }),
  z.object({ call: z.string(), wire: z.string().nullable() }),
])
type Joined = Extract<z.infer<typeof Line>, { nodeId: string }>

let market: Market
const children: ChildProcess[] = []
beforeAll(async () => {
  market = await startMarket({ nodes: 0 })
  for (const id of [MODEL, FAR]) await market.publish(countingModel(id))
})
afterAll(async () => {
  for (const child of children) child.kill()
  await market?.stop()
})

/** @returns how it joined, and what it was asked, in which version, as it goes on */
async function startOldNode(model: string, wire?: number) {
  const digest = sha256Hex(jcs({ files: countingModel(model).files }))
  const { chainId } = market.gateway
  const options = { gatewayUrl: market.url, chainId, model, digest, wire }
  const file = fileURLToPath(new URL('../fixtures/node-of-wire-1.mjs', import.meta.url))
  const child = spawn(process.execPath, [file], {
    env: { ...process.env, WIRE1: JSON.stringify(options) },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  children.push(child)
  const versions: (string | null)[] = []
  const joined = await new Promise<Joined>((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the old node ended with ${code}`)))
    createInterface({ input: child.stdout }).on('line', (text) => {
      const line = Line.parse(JSON.parse(text))
      if ('nodeId' in line) resolve(line)
      else versions.push(line.wire)
    })
  })
  return { joined, versions }
}

describe('a node of version 1', () => {
  it('joins, is asked in version 1 alone, answers a call and is paid for it', async () => {
    const { joined, versions } = await startOldNode(MODEL)
    expect(joined).toMatchObject({ state: 'probation', reason: null })
    const [row] = await market.query('DB', 'SELECT wire_version FROM nodes WHERE id = ?', joined.nodeId)
    expect(row).toEqual({ wire_version: 1 })
    await market.routable([MODEL])
    const { key, client } = await market.consumer()
    const before = fromUsd((await client.account()).balance)
    const response = await fetch(`${market.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: MODEL, messages: [{ role: 'user', content: 'count 5' }] }),
    })
    expect(await response.json()).toMatchObject({ choices: [{ message: { content: 'n0 n1 n2 n3 n4 ' } }] })
    expect(before - fromUsd((await client.account()).balance)).toBeGreaterThan(0n)
    expect(new Set(versions)).toEqual(new Set(['1']))
    await eventually(20_000, async () => {
      const sum = "SELECT sum(amount_nanos) AS earned FROM legs WHERE role = 'operator'"
      const [paid] = await market.query('BOOK_0', sum)
      expect(Number(paid?.earned)).toBeGreaterThan(0)
    })
  })

  it('is told in words when its version lies too far away', async () => {
    const { joined } = await startOldNode(FAR, 4)
    expect(joined.state).toBe('pending')
    expect(joined.reason).toContain('It speaks version 4 of the wire; spoken here are 1 and 2.')
  })
})
