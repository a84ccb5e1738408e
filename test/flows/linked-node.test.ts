// A node that owns no listening socket, on a real market: the real program behind its own link, in a network namespace of its own where the machine allows
// it, the real gateway, text, vectors and tensors; callers who leave, a gateway that is killed under running streams, and a node that is told to stop.
// What was signed before all that is taken in the end, and everything was paid once.
import { mkdir, readdir, readFile, readlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { signIn } from '../../gateway/local/accounts.ts'
import { loadWallets } from '../../gateway/local/secrets.ts'
import { sha256Hex } from '../../protocol/canonical.ts'
import { LINK_ENDPOINT } from '../../protocol/link.ts'
import { ModelManifest } from '../../protocol/model.ts'
import { NodeView } from '../../protocol/node.ts'
import { readInferAnswer, writeInferRequest } from '../../protocol/oip-client.ts'
import { HEADER_LENGTH } from '../../protocol/oip-framing.ts'
import { fromUsd } from '../../protocol/units.ts'
import { saveConfig } from '../../provider-node/config-file.ts'
import { storedConfig } from '../../provider-node/config.ts'
import { readOwnWork } from '../../provider-node/receipts/own-work.ts'
import { readBacklog } from '../../provider-node/receipts/store.ts'
import { identity } from '../provider-node/graphs.ts'
import { aCountingServer, counted, countingEntry, type CountingServer } from '../support/counting-server.ts'
import { conserved, sumOf } from '../support/conservation.ts'
import { eventually } from '../support/eventually.ts'
import { countingModel } from '../support/fault-node-words.ts'
import { startMarket, type Consumer, type Market } from '../support/market.ts'
import { namespaceRefusal, openNamespace, type Namespace } from '../support/namespace.ts'
import { nodeProgram, type NodeProgram, type ServingNode } from '../support/node-program.ts'

const COUNTER = 'test/linked-counter'
const COPY = 'test/copy'
/** long enough for the largest call on a busy machine, short enough to be waited for */
const HOLD_MS = 12_000
/** calls the node computes at the same time; none may wait beyond them */
const PLACES = 16
const PARIS = 'The capital of France is Paris.'
const QUESTION = { model: 'souk/tiny-chat', messages: [{ role: 'user', content: 'What is the capital of France?' }] }
const ALL_DAYS = { from: '2000-01-01', to: '9999-12-31' }
const refusal = namespaceRefusal('network')

let market: Market
let server: CountingServer
let namespace: Namespace | null = null
let program: NodeProgram
let node: ServingNode
let consumer: Consumer
let granted: bigint
beforeAll(async () => {
  const vars = { SOUK_HOLD_DEADLINE_MS: String(HOLD_MS), SOUK_TIMEOUTS: JSON.stringify({ progressMs: 150 }) }
  ;[market, server] = await Promise.all([startMarket({ nodes: 0, vars }), aCountingServer()])
  const copy = copyModel()
  for (const manifest of [countingModel(COUNTER), copy.manifest]) await market.publish(manifest)
  const ports = [Number(new URL(market.url).port), server.port]
  if (refusal === null) namespace = await openNamespace({ doors: ports })
  program = nodeProgram({ home: join(market.stateDir, 'node'), enter: namespace?.enter ?? [] })
  await setUp(copy)
  node = await program.start()
  await market.routable([...market.models, COUNTER, COPY])
  consumer = await market.consumer()
  granted = await balance()
})
afterAll(async () => {
  await node?.stop()
  await namespace?.close()
  await server?.close()
  await market?.stop()
})

/** The operator's first two commands, and two more models in the file. */
async function setUp({ manifest, graph }: ReturnType<typeof copyModel>): Promise<void> {
  await program.tells(['init', '--gateway', market.url, '--name', 'behind a router'])
  const folder = join(market.stateDir, 'copy')
  await mkdir(folder)
  await writeFile(join(folder, 'manifest.json'), JSON.stringify(manifest))
  await writeFile(join(folder, 'model.onnx'), graph)
  const prices = { inputPerMillion: '0', outputPerMillion: '0', bytesPerMillion: '0.05', perCall: '0.000001' }
  const stored = await storedConfig(program.home)
  const more = [
    await countingEntry(market.stateDir, COUNTER, server, PLACES),
    { folder, licence: 'Apache-2.0', prices },
  ]
  await saveConfig(program.home, { ...stored, models: [...stored.models, ...more] })
  const { privateKey } = (await loadWallets(market.stateDir)).operator
  const registered = await program.tells(['register', '--json'], { SOUK_OPERATOR_KEY: privateKey })
  expect(NodeView.parse(JSON.parse(registered)).endpoint).toBe(LINK_ENDPOINT)
}

/** Gives back what it gets: a body that is large both ways. */
function copyModel() {
  const graph = identity('FP32')
  const probe = (name: string) => [{ name, datatype: 'FP32', shape: [3], data: [1, 2, 3] }]
  const spec = (name: string) => [{ name, datatype: 'FP32', shape: [-1] }]
  const manifest = ModelManifest.parse({
    ...{ id: COPY, task: 'tensors', description: 'gives back what it gets', licence: 'Apache-2.0', royaltyBps: 0 },
    files: { 'model.onnx': sha256Hex(graph) },
    tensors: { inputs: spec('x'), outputs: spec('y'), outputBytesMax: 16 * 1024 ** 2 },
    probes: [{ inputs: probe('x'), outputs: probe('y') }],
  })
  return { manifest, graph }
}

const balance = async () => fromUsd((await consumer.client.account()).balance)

const post = (path: string, body: object, signal?: AbortSignal) =>
  fetch(`${market.directUrl}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${consumer.key}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
    ...(signal ? { signal } : {}),
  })

const Chat = z.object({ choices: z.tuple([z.object({ message: z.object({ content: z.string() }) })]) })
async function ask(): Promise<string> {
  const body: unknown = await (await post('/v1/chat/completions', QUESTION)).json()
  const parsed = Chat.safeParse(body)
  if (!parsed.success) throw new Error(`no answer: ${JSON.stringify(body)}`)
  return parsed.data.choices[0].message.content
}

interface Stream {
  readonly callId: string
  /** words that have come */
  words(): number
  leave(): void
  /** what the caller has in the end */
  readonly end: Promise<{ readonly text: string; readonly isWhole: boolean }>
}

async function stream(words: number): Promise<Stream> {
  const leaving = new AbortController()
  const asked = { model: COUNTER, stream: true, messages: [{ role: 'user', content: `count ${words}` }] }
  const response = await taken(() => post('/v1/chat/completions', asked, leaving.signal))
  let raw = ''
  const text = () => [...raw.matchAll(/"content":"((?:n\d+ )+)"/g)].map(([, word]) => word).join('')
  const read = async () => {
    const decoder = new TextDecoder()
    // The types of the platform leave out that a body can be iterated.
    for await (const part of response.body as unknown as AsyncIterable<Uint8Array>)
      raw += decoder.decode(part, { stream: true })
  }
  const end = read()
    .catch(() => undefined)
    .then(() => ({ text: text(), isWhole: raw.includes('data: [DONE]') }))
  return {
    callId: response.headers.get('x-souk-call-id') ?? '',
    words: () => text().split(' ').length - 1,
    leave: () => leaving.abort(),
    end,
  }
}

/** A call that was refused before it began cost nothing, and a caller tries again: on a busy machine a node may not accept within its second. */
async function taken(call: () => Promise<Response>): Promise<Response> {
  let response: Response | null = null
  await eventually(30_000, async () => {
    response = await call()
    expect([response.status, response.ok ? '' : await response.text()]).toEqual([200, ''])
  })
  if (!response) throw new Error('nobody answered')
  return response
}

const begun = (streams: readonly Stream[], words = 1) =>
  eventually(20_000, () => Promise.resolve(streams.forEach((one) => expect(one.words()).toBeGreaterThanOrEqual(words))))

/** Every call that a caller was given a number of has its end in the book, and nothing is set aside any more. */
async function settled(callIds: readonly string[]): Promise<Map<string, { outcome: string; charge: number }>> {
  const rows = new Map<string, { outcome: string; charge: number }>()
  await eventually(HOLD_MS + 30_000, async () => {
    expect((await consumer.client.account()).held).toBe('0.000000000')
    const found = await market.query('BOOK_0', 'SELECT * FROM calls WHERE account_id = ?', consumer.accountId)
    for (const { id, outcome, charge_nanos: charge } of found)
      rows.set(String(id), { outcome: String(outcome), charge: Number(charge) })
    for (const callId of callIds) expect(rows.has(callId)).toBe(true)
  })
  return rows
}

const where =
  refusal === null
    ? 'in a network of its own'
    : `in everybody's network, since this machine allows no other: ${refusal}`

describe(`a node behind its own link, ${where}`, () => {
  it('owns no listening socket', async () => {
    if (process.platform !== 'linux') return void console.log('There is no /proc to look at.')
    expect(await listeningSockets(node.pid)).toEqual([])
  })

  it.runIf(refusal === null)(
    'finds nothing in its network but loopback and the doors to its gateway and its model',
    async () => {
      const devices = (await readFile(`/proc/${node.pid}/net/dev`, 'utf8')).split('\n').slice(2)
      expect(devices.map((line) => line.split(':')[0]?.trim()).filter(Boolean)).toEqual(['lo'])
      const rows = await socketRows(node.pid)
      const listening = rows.filter(({ isListening }) => isListening).map(({ port }) => port)
      expect(new Set(listening)).toEqual(new Set([Number(new URL(market.url).port), server.port]))
    },
  )

  it('answers chats, embeddings and tensors', async () => {
    expect(await ask()).toBe(PARIS)
    const text = await (await post('/v1/chat/completions', { ...QUESTION, stream: true })).text()
    expect(text).toContain('data: [DONE]')
    const vectors = await post('/v1/embeddings', { model: 'souk/word-vectors', input: ['frog', 'toad'] })
    expect([vectors.status, await vectors.json()]).toMatchObject([200, { data: [{ index: 0 }, { index: 1 }] }])
    const input = { name: 'text', datatype: 'BYTES', shape: [1], data: ['Where is the library?'] }
    const answer = await post('/v2/models/souk%2Flanguage-id/infer', { inputs: [input] })
    expect([answer.status, await answer.json()]).toMatchObject([200, { model_name: 'souk/language-id' }])
  })

  it.each([3, 3 * 1024 ** 2])('carries %i numbers there and back, in binary', async (count) => {
    const numbers = Float32Array.from({ length: count }, (_, index) => index)
    const sent = new Uint8Array(numbers.buffer)
    const inputs = [{ name: 'x', datatype: 'FP32' as const, shape: [count], data: sent }]
    const written = writeInferRequest({ inputs, outputs: [], parameters: {} }, { isBinary: () => true })
    if (!written.ok) throw new Error('it cannot be written')
    const response = await fetch(`${market.directUrl}/v2/models/${COPY}/infer`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${consumer.key}`,
        'content-type': 'application/octet-stream',
        [HEADER_LENGTH]: String(written.value.headerLength),
      },
      body: Buffer.concat([...written.value.pieces]),
    })
    const body = new Uint8Array(await response.arrayBuffer())
    expect([response.status, response.ok ? '' : new TextDecoder().decode(body)]).toEqual([200, ''])
    const read = readInferAnswer(body, Number(response.headers.get(HEADER_LENGTH)))
    expect(read.ok && Buffer.from(read.value.outputs[0]?.data ?? []).equals(sent)).toBe(true)
  })

  it('keeps as many streams at once apart as it has places, over its one socket', async () => {
    server.wordMs = 20
    const streams = await Promise.all(Array.from({ length: PLACES }, (_, index) => stream(20 + index)))
    const ends = await Promise.all(streams.map(({ end }) => end))
    expect(ends).toEqual(ends.map((_, index) => ({ text: counted(20 + index), isWhole: true })))
  })

  it('is told when callers leave in the middle, and has all its places free again', async () => {
    server.wordMs = 50
    const before = server.hungUp()
    const left = await Promise.all(Array.from({ length: PLACES }, () => stream(2_000)))
    await begun(left, 3)
    for (const one of left) one.leave()
    await eventually(10_000, () => Promise.resolve(expect(server.hungUp()).toBeGreaterThanOrEqual(before + PLACES)))
    const next = await Promise.all(Array.from({ length: PLACES }, () => stream(30)))
    expect((await Promise.all(next.map(({ end }) => end))).map(({ isWhole }) => isWhole)).toEqual(next.map(() => true))
    const rows = await settled(left.map(({ callId }) => callId))
    for (const { callId } of left)
      expect([rows.get(callId)?.outcome, (rows.get(callId)?.charge ?? 0) > 0]).toEqual(['cancelled', true])
  })
})

describe('a gateway that goes, and is there again', () => {
  it('killed under running streams: the node comes back by itself, every call ends, every receipt is taken, nothing is paid twice', async () => {
    server.wordMs = 50
    const before = server.hungUp()
    const streams = await Promise.all(Array.from({ length: 8 }, () => stream(400)))
    const quick = await stream(2)
    expect((await quick.end).isWhole).toBe(true)
    await begun(streams, 5)
    await market.killGateway()
    const ends = await Promise.all(streams.map(({ end }) => end))
    expect(ends.map(({ isWhole }) => isWhole)).toEqual(streams.map(() => false))
    // What nobody can get any more is not computed on.
    await eventually(10_000, () =>
      Promise.resolve(expect(server.hungUp()).toBeGreaterThanOrEqual(before + streams.length)),
    )
    expect((await readBacklog(program.home)).waiting).toBeGreaterThanOrEqual(streams.length)
    await cameBack('killed', 2, () => market.restartGateway())
    const rows = await settled([...streams, quick].map(({ callId }) => callId))
    expect(rows.get(quick.callId)).toMatchObject({ outcome: 'complete' })
    for (const { callId } of streams) expect(rows.get(callId)?.outcome).toBe('expired')
    await eventually(20_000, async () => {
      const states = new Map((await readOwnWork(program.home, ALL_DAYS)).map(({ callId, state }) => [callId, state]))
      for (const { callId } of [...streams, quick]) expect([callId, states.get(callId)]).toEqual([callId, 'taken'])
    })
  })

  it('stopped as for an update: the node comes back by itself, and serves', async () => {
    await cameBack('stopped', 3, async () => {
      await market.gateway.stop()
      await market.restartGateway()
    })
  })
})

/** @param standing links the node has had by then */
async function cameBack(how: string, standing: number, restart: () => Promise<void>): Promise<void> {
  await restart()
  const ready = Date.now()
  await node.said('link_up', standing)
  const tookMs = Date.now() - ready
  // A link that was away for long is shown as such, and what isolates know of it is some seconds old.
  await eventually(30_000, async () => expect(await ask()).toBe(PARIS))
  console.log(`The link stood again ${tookMs} ms after the gateway that was ${how} answered again.`)
}

describe('a node that is told to stop', () => {
  it('ends running streams whole, hands in what it signed, and leaves', async () => {
    server.wordMs = 50
    const streams = await Promise.all([40, 41, 42].map(stream))
    await begun(streams, 3)
    const { code, stderr } = await node.stop()
    expect([code, stderr]).toEqual([0, ''])
    const ends = await Promise.all(streams.map(({ end }) => end))
    expect(ends).toEqual([40, 41, 42].map((words) => ({ text: counted(words), isWhole: true })))
    const own = await readOwnWork(program.home, ALL_DAYS)
    expect(own.length).toBeGreaterThan(40)
    expect(new Set(own.map(({ state }) => state))).toEqual(new Set(['taken']))
    expect(await readBacklog(program.home)).toEqual({ waiting: 0, oldestAt: null, rejected: 0 })
  })

  it('and the money of the whole story is all there, once', async () => {
    await settled([])
    await market.runCrons()
    const operator = await signIn(market.url, (await loadWallets(market.stateDir)).operator)
    await eventually(30_000, async () => {
      const sums = await conserved(market)
      expect(await balance()).toBe(granted + sumOf(sums, 'payer'))
      const { balance: free, vesting } = await operator.account()
      expect(fromUsd(free) + fromUsd(vesting)).toBe(sumOf(sums, 'operator'))
    })
  })
})

interface SocketRow {
  readonly inode: string
  readonly port: number
  readonly isListening: boolean
}

/** TCP sockets of a process's network (proc_net(5): state 0A listens). */
async function socketRows(pid: number): Promise<SocketRow[]> {
  const tables = await Promise.all(
    ['tcp', 'tcp6'].map((name) => readFile(`/proc/${pid}/net/${name}`, 'utf8').catch(() => '')),
  )
  const rows = tables.flatMap((table) => table.trim().split('\n').slice(1)).map((row) => row.trim().split(/\s+/))
  return rows.map(([, local = '', , state, , , , , , inode = '']) => ({
    inode,
    port: Number.parseInt(local.split(':')[1] ?? '', 16),
    isListening: state === '0A',
  }))
}

/** Sockets of a process that listen: TCP by their port, unix by their path (flag 00010000). */
async function listeningSockets(pid: number): Promise<(number | string)[]> {
  const inodes = new Set<string>()
  for (const fd of await readdir(`/proc/${pid}/fd`)) {
    const target = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')
    const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1]
    if (inode) inodes.add(inode)
  }
  expect(inodes.size).toBeGreaterThan(0)
  const tcp = (await socketRows(pid)).filter(({ inode, isListening }) => isListening && inodes.has(inode))
  const unix = (await readFile(`/proc/${pid}/net/unix`, 'utf8')).trim().split('\n').slice(1)
  const named = unix.map((row) => row.trim().split(/\s+/)).filter(([, , , flags]) => flags === '00010000')
  const own = named.filter(([, , , , , , inode]) => inodes.has(inode ?? ''))
  return [...tcp.map(({ port }) => port), ...own.map(([, , , , , , , path]) => path ?? '(no name)')]
}
