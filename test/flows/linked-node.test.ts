// A node that owns no listening socket, on a real market: the real program behind its own link, the real gateway, text, vectors and tensors, and a gateway
// that goes and comes back under both.
import { readdir, readFile, readlink } from 'node:fs/promises'
import { platform } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { NodeProcess } from '../../gateway/local/node-process.ts'
import { eventually } from '../support/eventually.ts'
import { startMarket, type Consumer, type Market } from '../support/market.ts'

const PARIS = 'The capital of France is Paris.'
const QUESTION = { model: 'souk/tiny-chat', messages: [{ role: 'user', content: 'What is the capital of France?' }] }

let market: Market
let node: NodeProcess
let consumer: Consumer
beforeAll(async () => {
  market = await startMarket({ nodes: 0 })
  node = await market.startNode({ isLinked: true })
  await market.routable()
  consumer = await market.consumer()
})
afterAll(() => market?.stop())

const post = (path: string, body: object) =>
  fetch(`${market.url}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${consumer.key}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })

const Chat = z.object({ choices: z.tuple([z.object({ message: z.object({ content: z.string() }) })]) })
async function ask(): Promise<string> {
  const body: unknown = await (await post('/v1/chat/completions', QUESTION)).json()
  const parsed = Chat.safeParse(body)
  if (!parsed.success) throw new Error(`no answer: ${JSON.stringify(body)}`)
  return parsed.data.choices[0].message.content
}

describe('a node behind its own link', () => {
  it('is registered without an address', () => {
    expect(node.endpoint).toBe('link')
  })

  it.runIf(platform() === 'linux')('owns no listening socket', async () => {
    expect(await listeningSockets(node.pid)).toEqual([])
  })

  it('answers chats, whole and streamed', async () => {
    expect(await ask()).toBe(PARIS)
    const text = await (await post('/v1/chat/completions', { ...QUESTION, stream: true })).text()
    expect(text).toContain('data: [DONE]')
  })

  it('answers embeddings and tensors', async () => {
    const vectors = await post('/v1/embeddings', { model: 'souk/word-vectors', input: ['frog', 'toad'] })
    expect([vectors.status, await vectors.json()]).toMatchObject([200, { data: [{ index: 0 }, { index: 1 }] }])
    const input = { name: 'text', datatype: 'BYTES', shape: [1], data: ['Where is the library?'] }
    const answer = await post('/v2/models/souk%2Flanguage-id/infer', { inputs: [input] })
    expect([answer.status, await answer.json()]).toMatchObject([200, { model_name: 'souk/language-id' }])
  })

  it('answers as many callers at once as its model takes, over its one socket', async () => {
    expect(new Set(await Promise.all(Array.from({ length: 12 }, ask)))).toEqual(new Set([PARIS]))
  })

  it('comes back by itself when the gateway has gone and is there again', async () => {
    await market.killGateway()
    await market.restartGateway()
    await eventually(90_000, async () => expect(await linkUps()).toBe(2))
    expect(await ask()).toBe(PARIS)
  })
})

/** How often the node has said that its link stands. */
async function linkUps(): Promise<number> {
  const log = await readFile(join(market.stateDir, 'node.log'), 'utf8')
  return log.split('\n').filter((line) => line.includes('"event":"link_up"')).length
}

/** Local addresses of the TCP sockets of a process that listen, from /proc (proc_net(5): state 0A). */
async function listeningSockets(pid: number): Promise<string[]> {
  const inodes = new Set<string>()
  for (const fd of await readdir(`/proc/${pid}/fd`)) {
    const target = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')
    const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1]
    if (inode) inodes.add(inode)
  }
  expect(inodes.size).toBeGreaterThan(0)
  const tables = await Promise.all(
    ['tcp', 'tcp6'].map((name) => readFile(`/proc/${pid}/net/${name}`, 'utf8').catch(() => '')),
  )
  const rows = tables.flatMap((table) => table.split('\n').slice(1)).map((row) => row.trim().split(/\s+/))
  return rows
    .filter(([, , , state, , , , , , inode]) => state === '0A' && inodes.has(inode ?? ''))
    .map(([, local]) => local ?? '')
}
