// `souk-node start` for a node behind its link, as a process of its own: what it says, whom it keeps out of its state folder, and that it goes.
import { spawn, type ChildProcess } from 'node:child_process'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { saveConfig } from '../../../provider-node/config-file.ts'
import { createIdentity } from '../../../provider-node/identity.ts'
import { startNode } from '../../../provider-node/node.ts'
import { aConfig, aTemporaryFolder, eventually, metric } from '../builders.ts'
import { aLinkGateway, type FakeLinkGateway } from '../link/fake-gateway.ts'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const MODELS = [{ folder: 'word-vectors', prices: { inputPerMillion: '1', outputPerMillion: '0', perCall: '0' } }]

let home = ''
let remove = () => Promise.resolve()
let gateway: FakeLinkGateway
const children: ChildProcess[] = []
beforeEach(async () => {
  ;({ path: home, remove } = await aTemporaryFolder())
  gateway = await aLinkGateway()
})
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  await gateway.close()
  await remove()
})

const aLinkConfig = (fields: object = {}) => {
  const { models: _, ...config } = aConfig(gateway.url, { endpoint: null, port: null, ...fields })
  return { ...config, models: MODELS }
}

function start(...args: string[]) {
  const child = spawn(process.execPath, ['--import', 'tsx', 'provider-node/cli.ts', 'start', '--home', home, ...args], {
    cwd: ROOT,
    env: { PATH: process.env.PATH, HOME: home },
  })
  children.push(child)
  const said = { out: '', err: '' }
  child.stdout.on('data', (chunk: Buffer) => (said.out += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (said.err += chunk.toString()))
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  const Line = z.looseObject({ event: z.string() })
  const lines = () =>
    said.out.split('\n').flatMap((line) => (line.startsWith('{') ? [Line.parse(JSON.parse(line))] : []))
  return { child, said, ended, find: (event: string) => lines().find((line) => line.event === event) }
}

describe('souk-node start, behind a link', () => {
  it('says how it is reached and when its link stands, keeps a second one out, and leaves its folder free', async () => {
    await createIdentity(home)
    await saveConfig(home, aLinkConfig({ nodeId: 'node_1' }))
    const link = `${gateway.url.replace('http', 'ws')}/link`
    const first = start('--json')
    await eventually(() => first.find('linked') !== undefined, 30_000)
    expect(first.find('ready')).toMatchObject({ url: null, link })
    expect(first.find('linked')).toMatchObject({ link })
    expect(first.find('link_up')).toMatchObject({ level: 'info', wire: 2, reconnected: 0 })
    const { pid } = first.child
    expect(JSON.parse(await readFile(join(home, 'running.json'), 'utf8'))).toMatchObject({ pid, url: null, link })
    const second = start()
    expect(await second.ended).toBe(1)
    expect(second.said.err).toMatch(
      new RegExp(`^souk-node: a souk-node serves from ${home} already \\(process ${pid} since .*, ${link}\\): stop it`),
    )
    first.child.kill('SIGTERM')
    expect(await first.ended).toBe(0)
    await expect(stat(join(home, 'running.json'))).rejects.toThrow('ENOENT')
    await eventually(() => gateway.links[0]?.closed?.code === 4000)
    expect(gateway.links[0]?.isDraining).toBe(true)
  }, 90_000)

  it('waits for its registration, and tells a person what to do', async () => {
    await createIdentity(home)
    await saveConfig(home, aLinkConfig())
    const node = start()
    await eventually(() => node.said.out.includes('ready'), 30_000)
    await eventually(() => node.said.out.includes('run souk-node register'))
    expect(node.said.out).toMatch(/^ready by its link to ws:\/\/127\.0\.0\.1:\d+\/link$/m)
    expect(gateway.asked).toEqual([])
  }, 60_000)

  it('takes the folder over from a process that was killed', async () => {
    await createIdentity(home)
    await saveConfig(home, aLinkConfig({ nodeId: 'node_1' }))
    const first = start('--json')
    await eventually(() => first.find('linked') !== undefined, 30_000)
    first.child.kill('SIGKILL')
    await first.ended
    const second = start('--json')
    await eventually(() => second.find('linked') !== undefined, 30_000)
  }, 90_000)
})

describe('a node behind a link', () => {
  it('listens too where its operator gave a port, for metrics and programs of their own', async () => {
    const identity = await createIdentity(home)
    const config = aConfig(gateway.url, {
      endpoint: null,
      port: 0,
      nodeId: 'node_1',
      models: MODELS.map((model) => ({ ...model, engine: 'onnx' as const, queueMax: 16, threads: 'auto' as const })),
    })
    const node = await startNode({ config, identity, home })
    try {
      await node.linked
      const url = node.url ?? ''
      expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
      expect(await metric({ url }, 'souk_node_link_up')).toBe(1)
      expect(await metric({ url }, 'souk_node_link_streams')).toBe(0)
    } finally {
      await node.stop()
    }
  })

  it('with an address needs a port, and is told so', async () => {
    const identity = await createIdentity(home)
    const config = aConfig(gateway.url, { port: null })
    await expect(startNode({ config, identity, home })).rejects.toThrow('a node with an "endpoint" needs a "port"')
  })
})
