// What belongs to this machine's node: its port, its process, its models, what computes them, the servers behind it, its receipts.
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { cp, mkdir, rm, truncate, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { DOCTOR_LIMITS } from '../../../provider-node/doctor/doctor-limits.ts'
import { checkModels, memoryFindings } from '../../../provider-node/doctor/models.ts'
import { checkPort } from '../../../provider-node/doctor/port.ts'
import { checkProcess } from '../../../provider-node/doctor/process.ts'
import { checkProviders, providerFindings } from '../../../provider-node/doctor/providers.ts'
import { checkUpstreams } from '../../../provider-node/doctor/upstreams.ts'
import { shippedFolder } from '../builders.ts'
import { aClaim, aPatient, said, type Patient } from './builders.ts'

const GATEWAY = 'https://gateway.example'
const undo: (() => Promise<unknown> | unknown)[] = []
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step()
})
const patientWith = async (fields: object = {}): Promise<Patient> => {
  const patient = await aPatient(GATEWAY, fields)
  undo.push(patient.remove)
  return patient
}
async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  undo.push(() => server.close())
  // It listens on a port, so its address is one of a network.
  return (server.address() as AddressInfo).port
}
/** A node's own page, or another's. */
async function healthPage(page: object): Promise<number> {
  const server = serve({ fetch: new Hono().get('/healthz', (c) => c.json(page)).fetch, hostname: '127.0.0.1', port: 0 })
  await new Promise((resolve) => server.once('listening', resolve))
  undo.push(() => server.close())
  return (server.address() as AddressInfo).port
}
const chat = (fields: object = {}) => ({
  folder: 'tiny-chat',
  prices: { inputPerMillion: '1', outputPerMillion: '1' },
  ...fields,
})

describe('checkPort', () => {
  it('is content with a node that listens nowhere, and with one that takes any port', async () => {
    expect(await said(checkPort, (await patientWith()).facts())).toEqual(['ok: it listens nowhere'])
    expect(await said(checkPort, (await patientWith({ port: 0 })).facts())).toEqual([
      'ok: it takes any free port of 127.0.0.1',
    ])
  })

  it('tells a free port, its own node, another node and another program apart', async () => {
    const port = await listening(createServer((socket) => socket.end('no http\n')))
    const patient = await patientWith({ port })
    expect((await said(checkPort, patient.facts()))[0]).toMatch(
      /^wrong: port \d+ on 127\.0\.0\.1 is held by another program -> stop it/,
    )
    const other = await patientWith({ port: await healthPage({ nodeKey: 'another' }) })
    expect((await said(checkPort, other.facts()))[0]).toContain('is held by another node')
    const ownPort = await healthPage({ nodeKey: patient.identity.nodeKey })
    const config = { ...patient.facts().config, port: ownPort }
    expect(await said(checkPort, patient.facts({ config: Object.assign({}, patient.facts().config, config) }))).toEqual(
      [`ok: this node listens on 127.0.0.1:${ownPort}`],
    )
    const free = await listening(createServer())
    await undo.pop()?.()
    expect((await said(checkPort, (await patientWith({ port: free })).facts()))[0]).toMatch(
      /^ok: port \d+ on 127\.0\.0\.1 is free/,
    )
  })

  it("tells of an address that is not this machine's", async () => {
    const patient = await patientWith({ port: 0, host: '203.0.113.7' })
    expect((await said(checkPort, patient.facts()))[0]).toMatch(/^wrong: 203\.0\.113\.7 is no address of this machine/)
  })

  it.each([
    ['http://node.example', '0.0.0.0', 'wrong', 'is not https'],
    ['https://node.example', '127.0.0.1', 'note', 'something on this machine must hand on'],
  ])('looks at the endpoint %s of a node that listens on %s', async (endpoint, host, verdict, words) => {
    const [sentence] = await said(checkPort, (await patientWith({ endpoint, host, port: 0 })).facts())
    expect([sentence?.split(':')[0], sentence?.includes(words)]).toEqual([verdict, true])
  })
})

describe('checkProcess', () => {
  const running = async (note: unknown) => {
    const patient = await patientWith()
    await writeFile(join(patient.home, 'running.json'), typeof note === 'string' ? note : JSON.stringify(note))
    return patient.facts()
  }
  const gone = 2 ** 22 + 1

  it.each([['half of it {'], [aClaim({ pid: gone })], [{}]])('does not take %j for a running node', async (note) => {
    expect(await said(checkProcess, await running(note))).toEqual([
      'wrong: no node runs on this state folder: nothing is served -> souk-node start',
    ])
  })

  it('only notes it of a node that is not registered yet', async () => {
    const fresh = await patientWith({ nodeId: null })
    expect(await said(checkProcess, fresh.facts())).toEqual([
      'note: no node runs on this state folder -> souk-node start',
    ])
  })

  it('believes a living process that listens nowhere', async () => {
    expect(await said(checkProcess, await running(aClaim()))).toEqual([
      `ok: a node runs (process ${process.ppid}) and is starting`,
    ])
  })

  it.each([
    [{ status: 'ok', models: [{ model: 'souk/a', state: 'loaded' }] }, 'ok', 'serves souk/a'],
    [{ status: 'draining', models: [] }, 'note', 'is draining'],
    [{ status: 'failed', models: [{ model: 'souk/a', state: 'failed' }] }, 'wrong', 'could not load souk/a'],
    [{ status: 'failed', models: [] }, 'wrong', 'says it is failed'],
    [{ what: 1 }, 'wrong', 'does not answer at'],
  ])('asks one that listens how it is: %j', async (page, verdict, words) => {
    const facts = await running(aClaim({ url: `http://127.0.0.1:${await healthPage(page)}` }))
    const [sentence] = await said(checkProcess, facts)
    expect([sentence?.split(':')[0], sentence?.includes(words)]).toEqual([verdict, true])
  })
})

describe('checkModels', () => {
  it('is content with what is there', async () => {
    const sentences = await said(checkModels, (await patientWith()).facts())
    expect(sentences).toEqual([
      'ok: souk/word-vectors: its files are there',
      expect.stringMatching(/^ok: all models together need \d+ MB of 16\.0 GB/),
    ])
    expect((await said(checkModels, (await patientWith()).facts({ isDeep: true })))[0]).toBe(
      'ok: souk/word-vectors: its files are there, and are those of its manifest',
    )
  })

  const copied = async () => {
    const patient = await patientWith({ models: [chat({ folder: './mine' })] })
    const folder = join(patient.home, 'mine')
    await cp(shippedFolder('word-vectors'), folder, { recursive: true })
    return { patient, folder }
  }

  it('tells of a file that is away, of one that broke off, and with --deep of one that was changed', async () => {
    const { patient, folder } = await copied()
    await writeFile(join(folder, 'tokenizer.json'), '{}')
    const [shallow] = await said(checkModels, patient.facts())
    expect(shallow).toMatch(/^(ok: .* its files are there|wrong: .* tokenizer\.json has not the size)/)
    const [deep] = await said(checkModels, patient.facts({ isDeep: true }))
    expect(deep).toContain('tokenizer.json is not the file of its manifest')
    await rm(join(folder, 'model.onnx'))
    expect((await said(checkModels, patient.facts()))[0]).toBe(
      `wrong: souk/word-vectors: model.onnx is missing, and its manifest names no source -> put it into ${folder}`,
    )
    await rm(join(folder, 'manifest.json'))
    expect((await said(checkModels, patient.facts()))[0]).toContain('manifest.json is missing')
  })

  it('tells of a file that is shorter than its manifest says, without reading it', async () => {
    const patient = await patientWith({ models: [chat({ folder: './mine', licence: 'MIT' })] })
    const folder = join(patient.home, 'mine')
    await mkdir(folder)
    const manifest = {
      id: 'me/mine',
      task: 'chat',
      description: 'x',
      licence: 'MIT',
      files: { 'model.onnx': 'a'.repeat(64) },
      sizes: { 'model.onnx': 10 },
      contextTokens: 8,
      outputTokensMax: 8,
      probes: [{ input: 'x' }],
      royaltyBps: 0,
    }
    await writeFile(join(folder, 'manifest.json'), JSON.stringify(manifest))
    await writeFile(join(folder, 'model.onnx'), '0123456789')
    expect((await said(checkModels, patient.facts()))[0]).toBe('ok: me/mine: its files are there')
    await truncate(join(folder, 'model.onnx'), 9)
    expect((await said(checkModels, patient.facts()))[0]).toBe(
      `wrong: me/mine: the file model.onnx has not the size its manifest says -> delete ${join(folder, 'model.onnx')} to have it fetched again`,
    )
  })

  it('tells of a licence that was not accepted, of what is still to be fetched, and of a disk without room for it', async () => {
    const open = await patientWith({ models: [chat({ folder: 'ocr' })] })
    expect((await said(checkModels, open.facts()))[0]).toContain('is under the licence MIT')
    const accepted = await patientWith({ models: [chat({ folder: 'ocr', licence: 'MIT' })] })
    const [first, second] = await said(checkModels, accepted.facts({ freeBytes: () => Promise.resolve(1e6) }))
    expect(first).toMatch(/^note: souk\/ocr: .* will be fetched at the next start$/)
    expect(second).toMatch(/^wrong: .* of models are still to be fetched, and 1 MB are free -> free/)
  })
})

describe('memoryFindings', () => {
  it.each([
    [[8], null, 16, 'ok'],
    [[8, 8], null, 16, 'ok'],
    [[8, 9], null, 16, 'wrong'],
    [[17], null, 16, 'wrong'],
    [[8, 9], 10, 16, 'note'],
    [[11], 10, 16, 'wrong'],
    [[8, 9], 20, 16, 'note'],
  ])('of models with %j bytes, a ceiling of %s and a machine with %i', (sizes, most, machine, verdict) => {
    const models = sizes.map((bytes, index) => ({ id: `me/${index}`, bytes }))
    expect(memoryFindings(models, most, machine).map((finding) => finding.verdict)).toEqual([verdict])
  })

  it('says nothing when nothing is loaded here', () => {
    expect(memoryFindings([], null, 1)).toEqual([])
  })
})

describe('execution providers', () => {
  it('are tried on a graph of this node', { timeout: 30_000 }, async () => {
    const sentences = await said(checkProviders, (await patientWith()).facts())
    expect(sentences[0]).toMatch(/^ok: computed by cpu/)
  })

  it('that were asked for and do not work are wrong', () => {
    const unusable = [
      { provider: 'cuda', cause: 'no \u001b[31mdriver' },
      { provider: 'webgpu', cause: 'no card' },
    ]
    const says = providerFindings({ wanted: ['cuda', 'npu'], strange: ['npu'], usable: ['cpu'], unusable }).map(
      ({ verdict, says }) => `${verdict}: ${says}`,
    )
    expect(says).toEqual([
      'wrong: there is no execution provider npu in this runtime: cpu computes in its place',
      'wrong: cuda does not work: no  [31mdriver; cpu computes in its place',
      'ok: computed by cpu',
      'note: without a graphics card: webgpu does not work here',
    ])
  })
})

describe('checkUpstreams', () => {
  const behind = (port: number, fields: object = {}) =>
    patientWith({
      models: [chat({ engine: 'openai', upstream: { url: `http://127.0.0.1:${port}`, model: 'big', ...fields } })],
    })

  it('says which server has which model, and what is wrong where one has not', async () => {
    const server = serve({
      fetch: new Hono().get('/v1/models', (c) => c.json({ object: 'list', data: [{ id: 'big', owned_by: 'vllm' }] }))
        .fetch,
      hostname: '127.0.0.1',
      port: 0,
    })
    await new Promise((resolve) => server.once('listening', resolve))
    undo.push(() => server.close())
    const { port } = server.address() as AddressInfo
    expect(await said(checkUpstreams, (await behind(port)).facts())).toEqual([
      `ok: souk/tiny-chat: vllm at http://127.0.0.1:${port} has big`,
    ])
    expect((await said(checkUpstreams, (await behind(port, { model: 'small' })).facts()))[0]).toContain(
      'has no model small: it has big',
    )
    expect((await said(checkUpstreams, (await behind(port, { apiKeyEnv: 'AWAY' })).facts()))[0]).toContain(
      'the environment has no variable AWAY',
    )
  })

  it('tells of a server that is not there', async () => {
    const free = await listening(createServer())
    await undo.pop()?.()
    expect((await said(checkUpstreams, (await behind(free)).facts()))[0]).toMatch(
      /^wrong: the server .* nobody answers there \(ECONNREFUSED\) -> start that server/,
    )
  })
})

describe('limits of the doctor', () => {
  it('leave all checks together below half a minute', () => {
    const { checkMs, slowMs, gatewayMs, providerMs } = DOCTOR_LIMITS
    expect(checkMs + Math.max(slowMs, gatewayMs)).toBeLessThan(30_000)
    expect(providerMs * 3).toBeLessThanOrEqual(slowMs)
  })
})
