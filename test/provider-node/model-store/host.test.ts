// A node's models as a live list: entries of the configuration come, change and go, and what serves goes on serving.
import { appendFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { OfferRequest } from '../../../protocol/node.ts'
import type { ModelConfig } from '../../../provider-node/config.ts'
import type { TextEngine } from '../../../provider-node/engines/engine.ts'
import { createMetrics } from '../../../provider-node/metrics.ts'
import { createModelMetrics } from '../../../provider-node/model-metrics.ts'
import { createModelHost, type HostNeeds, type ModelHost } from '../../../provider-node/model-store/host.ts'
import { OperatorError } from '../../../provider-node/operator-error.ts'
import { aTemporaryFolder, eventually } from '../builders.ts'
import { answerOf, aJob, aTextsJob } from '../jobs.ts'
import {
  aFakeEngine,
  aFileServer,
  aLog,
  aManifest,
  anEntry,
  asEngine,
  serves,
  someBytes,
  writeModel,
  type FakeEngine,
} from './builders.ts'

const never = new AbortController().signal

let home = ''
let remove = () => Promise.resolve()
const hosts: ModelHost[] = []
beforeEach(async () => {
  const made = await aTemporaryFolder()
  home = made.path
  remove = made.remove
})
afterEach(async () => {
  for (const host of hosts.splice(0)) await host.close()
  await remove()
})

/** A folder `./name` of 1,000 bytes: 2,000 of memory. */
async function aModel(name: string, over: object = {}): Promise<ModelConfig> {
  const files = { 'model.onnx': someBytes(1_000) }
  await writeModel(join(home, name), aManifest(files, { id: `somebody/${name}`, ...over }), files)
  return anEntry(`./${name}`)
}

interface TestHost {
  readonly host: ModelHost
  readonly log: ReturnType<typeof aLog>
  /** engines opened, by model */
  readonly opened: Map<string, FakeEngine[]>
  /** what the gateway was told, change by change */
  readonly told: readonly (readonly OfferRequest[])[]
  readonly metrics: () => string
  apply(...models: ModelConfig[]): Promise<void>
}

async function aHost(
  models: ModelConfig[],
  memoryMaxBytes: number | null = null,
  over: Partial<HostNeeds> = {},
): Promise<TestHost> {
  const log = aLog()
  const opened = new Map<string, FakeEngine[]>()
  const metrics = createMetrics()
  let host: ModelHost | null = null
  const told: (readonly OfferRequest[])[] = []
  const needs: HostNeeds = {
    offersChanged: (offers) => Promise.resolve(void told.push(offers)),
    ...{ home, env: {}, log: log.log, now: Date.now, metrics: createModelMetrics(metrics, () => host) },
    createEngine: ({ manifest: { id } }) => {
      const engine = aFakeEngine()
      opened.set(id, [...(opened.get(id) ?? []), engine])
      return Promise.resolve(asEngine(engine))
    },
    ...over,
  }
  const made = await createModelHost({ models, memoryMaxBytes }, needs)
  host = made
  hosts.push(made)
  const apply = (...changed: ModelConfig[]) => made.apply({ models: changed, memoryMaxBytes })
  return { host: made, log, opened, told, metrics: () => metrics.text(), apply }
}

const served = ({ host }: TestHost) => host.models().map(({ manifest }) => manifest.id)
const states = ({ host }: TestHost) => host.status().map(({ model, state }) => [model, state])
function engineOf({ host }: TestHost, id: string): TextEngine {
  const engine = host.models().find(({ manifest }) => manifest.id === id)?.engine
  if (engine?.task !== 'chat') throw new Error(`${id} is not served`)
  return engine
}

describe('at the start', () => {
  it('everything is loaded, or nothing is left open', async () => {
    const [a, b] = [await aModel('a'), await aModel('b')]
    const one = await aHost([a, b])
    expect(states(one)).toEqual([
      ['somebody/a', 'loaded'],
      ['somebody/b', 'loaded'],
    ])
    await appendFile(join(home, 'b/model.onnx'), 'x')
    const opened: FakeEngine[] = []
    const createEngine: HostNeeds['createEngine'] = () => {
      opened.push(aFakeEngine())
      return Promise.resolve(asEngine(opened.at(-1) ?? aFakeEngine()))
    }
    await expect(aHost([a, b], null, { createEngine })).rejects.toThrow('its sha256 differs')
    expect(opened.map((engine) => engine.isClosed())).toEqual([true])
  })

  it('one model is served once', async () => {
    const a = await aModel('a')
    await aModel('b', { id: 'somebody/a' })
    await expect(aHost([a, a])).rejects.toThrow('is configured twice: one node serves it once')
    await expect(aHost([a, anEntry('./b')])).rejects.toThrow('the model somebody/a is configured twice')
  })

  it.each([
    [2_000, null],
    [1_999, 'the model somebody/a needs 1 MB of memory and memoryMaxBytes is 1 MB'],
  ])('a model of 2,000 bytes of memory below a ceiling of %i', async (max, sentence) => {
    const a = await aModel('a')
    if (sentence === null) expect(states(await aHost([a], max))).toEqual([['somebody/a', 'loaded']])
    else await expect(aHost([a], max)).rejects.toThrow(sentence)
  })

  it('what has no room is checked and waits on the disk for its first call', async () => {
    const models = [await aModel('a'), await aModel('b')]
    const node = await aHost(models, 2_000)
    expect(states(node)).toEqual([
      ['somebody/a', 'loaded'],
      ['somebody/b', 'unloaded'],
    ])
    const run = await engineOf(node, 'somebody/b').start(aJob('x'), never)
    expect(states(node).map(([, state]) => state)).toEqual(['unloaded', 'loaded'])
    node.opened.get('somebody/b')?.[0]?.finish()
    await run.ended
    expect(node.metrics()).toContain('souk_node_model_unloads_total{model="somebody/a"} 1')
    await appendFile(join(home, 'b/model.onnx'), 'x')
    await expect(aHost(models, 2_000)).rejects.toThrow('model file b/model.onnx is not the file of its manifest')
  })

  it('files that are changed on the disk while a model is unloaded are never loaded', async () => {
    const node = await aHost([await aModel('a'), await aModel('b')], 2_000)
    await writeFile(join(home, 'b/model.onnx'), someBytes(1_000))
    await expect(engineOf(node, 'somebody/b').start(aJob('x'), never)).rejects.toMatchObject({ code: 'internal' })
    expect(node.opened.get('somebody/b')).toBeUndefined()
    expect(node.log.of('model_failed')[0]?.fields.reason).toContain('its sha256 differs')
    expect(states(node)[1]).toEqual(['somebody/b', 'failed'])
  })
})

describe('while it runs', () => {
  it('an entry that is added is loaded, one that is removed is closed, and the rest is not touched', async () => {
    const [a, b, c] = [await aModel('a'), await aModel('b'), await aModel('c')]
    const node = await aHost([a, b])
    await node.apply(b, c)
    expect(served(node)).toEqual(['somebody/b', 'somebody/c'])
    expect(node.opened.get('somebody/a')?.[0]?.isClosed()).toBe(true)
    expect(node.opened.get('somebody/b')).toHaveLength(1)
    expect(node.log.of('offers_changed')).toHaveLength(1)
    await node.apply(b, c)
    expect([node.opened.get('somebody/b')?.length, node.log.of('offers_changed').length]).toEqual([1, 1])
  })

  it('a removed model finishes its calls, while nobody finds it any more', async () => {
    const [a, b] = [await aModel('a'), await aModel('b')]
    const node = await aHost([a, b])
    const run = await engineOf(node, 'somebody/a').start(aJob('x'), never)
    const applied = node.apply(b)
    await new Promise((resolve) => setTimeout(resolve, 120))
    expect([served(node), states(node).at(-1)]).toEqual([['somebody/b'], ['somebody/a', 'draining']])
    expect(node.opened.get('somebody/a')?.[0]?.isClosed()).toBe(false)
    node.opened.get('somebody/a')?.[0]?.finish()
    await run.ended
    await applied
    expect([node.opened.get('somebody/a')?.[0]?.isClosed(), states(node)]).toEqual([true, [['somebody/b', 'loaded']]])
  })

  it('an entry that fails is one warning, and harms no other; it is tried again when the configuration is read again', async () => {
    const [a, b] = [await aModel('a'), await aModel('b')]
    const node = await aHost([a])
    await appendFile(join(home, 'b/model.onnx'), 'x')
    await node.apply(a, b, anEntry('./nowhere'))
    expect([served(node), states(node)]).toEqual([
      ['somebody/a'],
      [
        ['somebody/a', 'loaded'],
        ['b', 'failed'],
        ['nowhere', 'failed'],
      ],
    ])
    expect(node.log.of('model_failed').filter(({ fields }) => fields.model === './nowhere')).toHaveLength(1)
    await aModel('b')
    await node.apply(a, b)
    expect(served(node)).toEqual(['somebody/a', 'somebody/b'])
  })

  it('a changed entry takes the place of the old one when it is loaded, and not before; the old one ends its calls', async () => {
    const a = await aModel('a')
    const node = await aHost([a])
    const before = engineOf(node, 'somebody/a')
    const run = await before.start(aJob('x'), never)
    const applied = node.apply({ ...a, threads: 3 })
    await eventually(() => engineOf(node, 'somebody/a') !== before)
    expect(states(node)).toEqual([
      ['somebody/a', 'loaded'],
      ['somebody/a', 'draining'],
    ])
    expect(node.metrics().match(/^souk_node_in_flight\{/gm)).toHaveLength(1)
    node.opened.get('somebody/a')?.[0]?.finish()
    await run.ended
    await applied
    expect(node.opened.get('somebody/a')?.map((engine) => engine.isClosed())).toEqual([true, false])
  })

  it('a changed entry that cannot be loaded leaves the old one serving', async () => {
    const a = await aModel('a')
    let isBroken = false
    const [first, second] = [aFakeEngine(), aFakeEngine()]
    const createEngine: HostNeeds['createEngine'] = (_, { executionProvider }) =>
      isBroken
        ? Promise.reject(new OperatorError('no such provider'))
        : Promise.resolve(asEngine(executionProvider ? second : first))
    const node = await aHost([a], null, { createEngine })
    isBroken = true
    await node.apply({ ...a, executionProvider: 'warp' })
    const run = await engineOf(node, 'somebody/a').start(aJob('x'), never)
    first.finish()
    await run.ended
    expect(node.log.of('model_failed').at(-1)?.fields).toEqual({ model: 'somebody/a', reason: 'no such provider' })
    expect(first.isClosed()).toBe(false)
    isBroken = false
    await node.apply({ ...a, executionProvider: 'warp' })
    expect(states(node)).toEqual([['somebody/a', 'loaded']])
  })

  it('prices reload nothing, and are told to the gateway', async () => {
    const a = await aModel('a')
    const node = await aHost([a])
    await node.apply({ ...a, prices: { ...a.prices, outputPerMillion: '9' } })
    expect(node.opened.get('somebody/a')).toHaveLength(1)
    expect(node.told).toMatchObject([[{ model: 'somebody/a', prices: { outputPerMillion: '9' } }]])
  })

  it('a manifest that names other files is another model: loaded, and swapped', async () => {
    const a = await aModel('a')
    const node = await aHost([a])
    const [{ digest } = { digest: '' }] = node.host.models()
    await aModel('a')
    await node.apply(a)
    expect(node.host.models()[0]?.digest).not.toBe(digest)
    expect(node.opened.get('somebody/a')?.map((engine) => engine.isClosed())).toEqual([true, false])
  })

  it('a download that is under way neither holds up what else changes, nor survives its entry', async () => {
    const [a, c] = [await aModel('a'), await aModel('c')]
    const bytes = someBytes(1_000)
    await writeModel(join(home, 'slow'), aManifest({ 'model.onnx': bytes }, { id: 'somebody/slow' }))
    const server = await aFileServer((_, response) => {
      response.writeHead(200, { 'content-length': 1_000 })
      response.write(bytes.subarray(0, 10))
    })
    const node = await aHost([a], null, { env: { SOUK_NODE_MODEL_MIRROR: server.url } })
    const first = node.apply(a, anEntry('./slow'))
    await eventually(() => server.asked.length === 1)
    expect(states(node)[1]).toEqual(['slow', 'loading'])
    const second = node.apply(a, anEntry('./slow'), c)
    await eventually(() => served(node).includes('somebody/c'))
    await eventually(async () => (await stat(join(home, 'slow/model.onnx.part'))).size === 10)
    await node.apply(a, c)
    await Promise.all([first, second])
    expect(node.log.of('model_failed')).toEqual([])
    // And what came of it is used when it is wanted again.
    server.behave(serves(bytes))
    await node.apply(a, c, anEntry('./slow'))
    expect([served(node).at(-1), server.asked.at(-1)?.range]).toEqual(['somebody/slow', 'bytes=10-'])
    await server.close()
  })

  it('a model that dies is told, one that was removed is not', async () => {
    const [a, b] = [await aModel('a'), await aModel('b')]
    const node = await aHost([a, b])
    let told = ''
    void node.host.died.then((sentence) => (told = sentence))
    await node.apply(a)
    node.opened.get('somebody/b')?.[0]?.die('late')
    await new Promise((resolve) => setImmediate(resolve))
    expect(told).toBe('')
    node.opened.get('somebody/a')?.[0]?.die('its thread ended')
    expect(await node.host.died).toBe('the model somebody/a died: its thread ended')
  })
})

it('real models share a memory that holds one of them, and answer as if each had its own', async () => {
  const [chat, vectors] = [anEntry('tiny-chat'), anEntry('word-vectors')].map((entry) => ({
    ...entry,
    licence: undefined,
  }))
  if (!chat || !vectors) throw new Error('both are needed')
  const node = await aHost([chat, vectors], 30_000_000, { createEngine: undefined })
  const ask = () => answerOf(engineOf(node, 'souk/tiny-chat'), aJob('What is the capital of France?'))
  const embed = async () => {
    const engine = node.host.models()[1]?.engine
    if (engine?.task !== 'embeddings') throw new Error('not an embedding engine')
    return (await engine.embed(aTextsJob(['a cat']), never)).vectors[0]
  }
  const first = [await ask(), await embed()] as const
  const second = [await ask(), await embed()] as const
  expect(first[0].text).toContain('Paris')
  expect([second[0].text, second[1]]).toEqual([first[0].text, first[1]])
  expect(node.log.of('model_unloaded').map(({ fields }) => fields.model)).toEqual([
    'souk/tiny-chat',
    'souk/word-vectors',
    'souk/tiny-chat',
  ])
  expect(node.host.memory.usedBytes()).toBeLessThanOrEqual(30_000_000)
})
