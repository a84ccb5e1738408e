// A running node, a process of its own, and the operator's editor: models come and go with config.json, and calls of the others never notice.
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { z } from 'zod'
import { saveConfig } from '../../provider-node/config-file.ts'
import { createIdentity } from '../../provider-node/identity.ts'
import { aConfig, aGateway, aTemporaryFolder, eventually, shippedFolder, type FakeGateway } from './builders.ts'
import { aFileServer, anEntry, breaksAt, partly, serves, type FileServer } from './model-store/builders.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const FILES = ['config.json', 'model.onnx', 'tokenizer.json', 'tokenizer_config.json']

let home = ''
let remove = () => Promise.resolve()
let gateway: FakeGateway
let server: FileServer
let child: ChildProcess | null = null
beforeEach(async () => {
  const made = await aTemporaryFolder()
  home = made.path
  remove = made.remove
  gateway = await aGateway()
  server = await aFileServer(() => undefined)
})
afterEach(async () => {
  child?.kill('SIGKILL')
  await Promise.all([server.close(), gateway.close()])
  await remove()
})

const Line = z.looseObject({ event: z.string(), model: z.string().optional() })

async function start() {
  const lines: z.infer<typeof Line>[] = []
  const env = { PATH: process.env.PATH, SOUK_NODE_HOME: home, SOUK_NODE_MODEL_MIRROR: server.url }
  const started = spawn(process.execPath, ['--import', 'tsx', 'provider-node/cli.ts', 'start', '--json'], {
    cwd: ROOT,
    env,
  })
  child = started
  let text = ''
  started.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString()
    const whole = text.split('\n')
    text = whole.pop() ?? ''
    lines.push(...whole.map((line) => Line.parse(JSON.parse(line))))
  })
  const find = (event: string, model?: string) =>
    lines.find((line) => line.event === event && (model === undefined || line.model === model))
  await eventually(() => find('ready') !== undefined, 60_000)
  const url = z.string().parse(find('ready')?.url)
  const ended = new Promise<number | null>((resolve) => started.once('close', resolve))
  return { process: started, lines, find, url, ended }
}

const Health = z.object({
  status: z.string(),
  models: z.array(z.looseObject({ model: z.string(), state: z.string(), running: z.boolean() })),
})

it('follows its configuration: a model that is fetched over a line that breaks, one that goes, prices, and half a file', async () => {
  // word-vectors as a stranger's model: its manifest stands in a folder, its files come from the mirror, which breaks off once.
  const manifest = z
    .looseObject({})
    .parse(JSON.parse(readFileSync(join(shippedFolder('word-vectors'), 'manifest.json'), 'utf8')))
  const extra = Buffer.from('not the shipped model')
  const bytes = (name: string) =>
    name === 'extra.txt' ? extra : readFileSync(join(shippedFolder('word-vectors'), name))
  const all = [...FILES, 'extra.txt']
  const hash = (name: string) => createHash('sha256').update(bytes(name)).digest('hex')
  await mkdir(join(home, 'vectors'))
  const strangers = {
    ...manifest,
    id: 'stranger/vectors',
    licence: 'MIT',
    files: Object.fromEntries(all.map((name) => [name, hash(name)])),
  }
  const sizes = Object.fromEntries(all.map((name) => [name, bytes(name).byteLength]))
  await writeFile(join(home, 'vectors/manifest.json'), JSON.stringify({ ...strangers, sizes }))
  let hasBroken = false
  server.behave((request, response, asked) => {
    const name = asked.path.split('/').at(-1) ?? ''
    const isFirst = name === 'model.onnx' && !hasBroken
    if (isFirst) hasBroken = true
    const behaviour = isFirst ? breaksAt(bytes(name), 4_000_000) : serves(bytes(name))
    behaviour(request, response, asked)
  })

  await createIdentity(home)
  const config = aConfig(gateway.url, { models: [{ ...anEntry('tiny-chat'), licence: undefined }] })
  await saveConfig(home, config)
  const node = await start()
  const health = async () => Health.parse(await (await fetch(`${node.url}/healthz`)).json())
  expect((await health()).models).toMatchObject([{ model: 'souk/tiny-chat', state: 'loaded', running: true }])

  const models = [...config.models, anEntry('./vectors')]
  await saveConfig(home, { ...config, models: [...config.models, { ...anEntry('./vectors'), licence: undefined }] })
  await eventually(() => node.find('model_failed', './vectors') !== undefined)
  expect(node.find('model_failed')?.reason).toContain('write "licence": "MIT" into its entry')
  expect((await health()).status).toBe('ok')
  expect(server.asked).toEqual([])

  await saveConfig(home, { ...config, models })
  await eventually(() => node.find('model_loaded', 'stranger/vectors') !== undefined, 30_000)
  expect(server.asked.filter(({ path }) => path.endsWith('model.onnx')).map(({ range }) => range)).toEqual([
    undefined,
    partly(4_000_000),
  ])
  expect((await health()).models.map(({ model, state }) => [model, state])).toEqual([
    ['souk/tiny-chat', 'loaded'],
    ['stranger/vectors', 'loaded'],
  ])

  await writeFile(join(home, 'config.json'), '{"version": 1, "mod')
  await eventually(() => node.find('config_unreadable') !== undefined)
  expect((await health()).models).toHaveLength(2)

  await saveConfig(home, { ...config, name: 'another name', models: models.slice(1) })
  node.process.kill('SIGHUP')
  await eventually(() => node.find('model_removed', 'souk/tiny-chat') !== undefined)
  expect((await health()).models.map(({ model }) => model)).toEqual(['stranger/vectors'])
  expect(node.find('config_needs_restart')?.fields).toBe('name')
  expect(node.find('offers_not_told')).toMatchObject({ reason: 'the node is not registered', do: 'souk-node register' })

  node.process.kill('SIGTERM')
  expect(await node.ended).toBe(0)
}, 120_000)
