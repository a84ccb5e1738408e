// `souk-node publish` as an author meets it: from a folder of files to what the gateway is sent, each refusal before that, and what is printed.
import { createHash } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { recoverTypedDataAddress } from 'viem'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { ModelManifest } from '../../../protocol/model.ts'
import {
  modelDigest,
  ModelStateRequest,
  publicationOf,
  PublishRequest,
  type ModelView,
} from '../../../protocol/publish.ts'
import { parseOptions } from '../../../provider-node/cli/options.ts'
import { publishCommand } from '../../../provider-node/cli/publish.ts'
import { aGateway, aTemporaryFolder, type FakeGateway } from '../builders.ts'
import { identity, sum, zeros } from '../graphs.ts'
import { CHAIN_ID, openRegistration, operator, operatorKey } from '../registration-gateway.ts'

let folder = ''
let remove = () => Promise.resolve()
let gateway: FakeGateway
const published: PublishRequest[] = []
const states: { path: string; request: ModelStateRequest }[] = []
let refusal: Response | null = null

beforeEach(async () => {
  const temporary = await aTemporaryFolder()
  folder = join(temporary.path, 'model')
  remove = temporary.remove
  await mkdir(folder)
  gateway = await aGateway()
  openRegistration(gateway, { now: 'pending' })
  published.length = states.length = 0
  refusal = null
  gateway.app.post('/api/models', async (c) => {
    const request = PublishRequest.parse(await c.req.json())
    published.push(request)
    return refusal ?? c.json(viewOf(request.manifest), 201)
  })
  gateway.app.put('/api/models/:author/:name/state', async (c) => {
    const request = ModelStateRequest.parse(await c.req.json())
    states.push({ path: c.req.path, request })
    const manifest = { ...ModelManifest.parse(CHAT), id: `${c.req.param('author')}/${c.req.param('name')}` }
    return c.json({ ...viewOf(manifest), ...request })
  })
})
afterEach(async () => {
  await gateway.close()
  await remove()
})

function viewOf(manifest: ModelManifest): ModelView {
  const { probes: _probes, ...shown } = manifest
  const standing = { state: 'active', reason: null, replacedBy: null, stateAt: null } as const
  const author = { authorAccountId: 'a'.repeat(16), publishedBy: operator.address }
  const { id, royaltyBps } = manifest
  return {
    id,
    royaltyBps,
    digest: modelDigest(manifest),
    manifest: shown,
    ...standing,
    ...author,
    createdAt: new Date().toISOString(),
  }
}

const CHAT = {
  id: 'me/chat',
  task: 'chat',
  description: '',
  licence: 'MIT',
  files: { a: '0'.repeat(64) },
  probes: [{ input: 'hello', contains: 'hello' }],
  royaltyBps: 0,
}
const NAMED = ['--id', 'me/graph', '--licence', 'MIT']

async function publish(...args: string[]) {
  const said: { out: string[]; err: string[] } = { out: [], err: [] }
  const env = {
    SOUK_OPERATOR_KEY: operatorKey,
    SOUK_NODE_GATEWAY: gateway.url,
    SOUK_NODE_HOME: join(folder, 'no-node'),
  }
  const options = parseOptions(publishCommand.spec, args)
  const terminal = {
    print: (line: string) => void said.out.push(line),
    tell: (line: string) => void said.err.push(line),
    env,
  }
  await publishCommand.run(options, terminal, () => new Promise(() => undefined))
  return { out: said.out.join('\n'), err: said.err.join('\n') }
}
const graphFolder = (graph: Uint8Array = sum()) => writeFile(join(folder, 'model.onnx'), graph)
const written = async () => ModelManifest.parse(JSON.parse(await readFile(join(folder, 'manifest.json'), 'utf8')))

describe('souk-node publish', () => {
  it('makes the manifest of a graph: hashes, sizes, what it takes and gives, and a known answer; the wallet signs all of it', async () => {
    await graphFolder()
    await writeFile(join(folder, 'README.md'), 'of the folder, not of the model')
    const { out } = await publish(folder, ...NAMED, '--royalty-bps', '250', '--source', 'https://files.example/a')
    const manifest = await written()
    const sha256 = createHash('sha256').update(sum()).digest('hex')
    expect(manifest).toMatchObject({
      id: 'me/graph',
      task: 'tensors',
      files: { 'model.onnx': sha256 },
      royaltyBps: 250,
    })
    expect(Object.keys(manifest.files)).toEqual(['model.onnx'])
    expect(manifest.sizes).toEqual({ 'model.onnx': sum().byteLength })
    expect(manifest.tensors?.inputs).toContainEqual({ name: 'a', datatype: 'FP32', shape: [-1, -1] })
    expect(manifest.probes).toEqual([
      {
        inputs: [
          { name: 'a', datatype: 'FP32', shape: [1, 1], data: [1] },
          { name: 'b', datatype: 'FP32', shape: [1, 1], data: [1] },
        ],
        outputs: [
          { name: 'sum', datatype: 'FP32', shape: [1, 1], data: [2] },
          { name: 'difference', datatype: 'FP32', shape: [1, 1], data: [0] },
        ],
      },
    ])
    const [request] = published
    expect(request?.manifest).toEqual(manifest)
    const signed = publicationOf(manifest, operator.address, request?.deadline ?? 0, CHAIN_ID)
    const signature = z.templateLiteral(['0x', z.string()]).parse(request?.signature)
    expect(await recoverTypedDataAddress({ ...signed, signature })).toBe(operator.address)
    expect(out).toContain(`digest   ${modelDigest(manifest)}`)
    expect(out).toContain('royalty  2.5 % of what callers pay: of $1 it is $0.025, paid to your account')
  })

  it('publishes again what it has written, and what the author changes in it', async () => {
    await graphFolder()
    await publish(folder, ...NAMED, '--royalty-bps', '250')
    await publish(folder, '--royalty-bps', '100', '--description', 'adds')
    expect(published.map(({ manifest: { royaltyBps, description } }) => [royaltyBps, description])).toEqual([
      [250, ''],
      [100, 'adds'],
    ])
    expect(await written()).toEqual(published[1]?.manifest)
  })

  it('prints one JSON value, and the rest on standard error', async () => {
    await graphFolder()
    const { out, err } = await publish(folder, ...NAMED, '--json')
    expect(JSON.parse(out)).toMatchObject({ published: true, id: 'me/graph', state: 'active' })
    expect(err).toContain('warning: no sources')
    expect(err).not.toContain(operatorKey.slice(2, 20))
  })

  it('in a dry run asks nobody, writes nothing and needs no wallet', async () => {
    await graphFolder()
    const options = parseOptions(publishCommand.spec, [folder, ...NAMED, '--dry-run', '--json'])
    const lines: string[] = []
    const terminal = { print: (line: string) => void lines.push(line), tell: () => undefined, env: {} }
    await publishCommand.run(options, terminal, () => new Promise(() => undefined))
    expect(JSON.parse(lines.join(''))).toMatchObject({ published: false, manifest: { id: 'me/graph' } })
    await expect(readFile(join(folder, 'manifest.json'))).rejects.toThrow('ENOENT')
    expect(published).toEqual([])
  })

  it.each<[string, string[], string, number]>([
    ['without a folder', [], 'publish needs FOLDER, or --state', 2],
    [
      'with a royalty that is no number',
      ['.', '--royalty-bps', '5001'],
      'option --royalty-bps needs a number from 0 to 5000',
      2,
    ],
    ['with a state and a folder', ['.', '--state', 'withdrawn'], 'option --state takes no FOLDER', 2],
    ['with a reason and no state', ['.', '--reason', 'x'], 'option --reason goes with --state', 2],
    [
      'with a state and an option of files',
      ['--state', 'withdrawn', '--licence', 'MIT'],
      'option --licence goes with FOLDER',
      2,
    ],
    ['with a flag of files and a state', ['--state', 'withdrawn', '--dry-run'], 'option --dry-run goes with FOLDER', 2],
    [
      'with a state that is none',
      ['--state', 'gone', '--model', 'a/b'],
      'option --state needs one of active, deprecated',
      2,
    ],
    ['with a state of nothing', ['--state', 'withdrawn'], 'option --state needs --model AUTHOR/NAME', 2],
    ['with a state of no name', ['--state', 'withdrawn', '--model', 'ab'], '--model ab is no name', 2],
    [
      'to an address that is none',
      ['--state', 'withdrawn', '--model', 'a/b', '--gateway', 'x'],
      'option --gateway needs an address',
      2,
    ],
  ])('is not understood %s', async (_, args, message, exitCode) => {
    await expect(publish(...args)).rejects.toMatchObject({ message: expect.stringContaining(message), exitCode })
    expect([published, states]).toEqual([[], []])
  })

  it.each<[string, () => Promise<void>, string[], string]>([
    ['an empty folder', async () => undefined, NAMED, 'there are no files of a model in'],
    ['no name', () => graphFolder(), ['--licence', 'MIT'], 'the model needs a name: give --id author/name'],
    ['no licence', () => graphFolder(), ['--id', 'me/graph'], 'the model needs a licence'],
    [
      'a licence that is no expression',
      () => graphFolder(),
      ['--id', 'me/graph', '--licence', 'see LICENSE'],
      '"see LICENSE" is no SPDX expression',
    ],
    ['a source that is not HTTPS', () => graphFolder(), [...NAMED, '--source', 'http://files.example'], 'sources.0'],
    [
      'a task nobody can guess',
      async () => {
        await graphFolder()
        await writeFile(join(folder, 'tokenizer.json'), '{}')
      },
      NAMED,
      'what does it do?',
    ],
    ['a graph that is none', () => graphFolder(new Uint8Array([1, 2, 3])), NAMED, 'cannot be described'],
    ['a manifest that is no JSON', () => writeFile(join(folder, 'manifest.json'), '{'), NAMED, 'is not valid JSON'],
    [
      'a file that is not there',
      () => writeFile(join(folder, 'manifest.json'), JSON.stringify(CHAT)),
      [],
      'a is missing: its manifest names it',
    ],
    [
      'an unknown field',
      async () => {
        await graphFolder()
        await writeFile(join(folder, 'manifest.json'), JSON.stringify({ colour: 1, task: 'tensors' }))
      },
      NAMED,
      'colour',
    ],
    [
      'probes that were skipped before there are any',
      () => graphFolder(),
      [...NAMED, '--skip-probes'],
      'its probes are still to be recorded',
    ],
    ['a name in capitals', () => graphFolder(), ['--id', 'Me/Graph', '--licence', 'MIT'], 'author/name in lower case'],
  ])('refuses %s, before anything is sent', async (_, prepare, args, message) => {
    await prepare()
    await expect(publish(folder, ...args)).rejects.toThrow(message)
    expect(published).toEqual([])
  })

  it('refuses an answer that its own model does not give, and says which', async () => {
    await graphFolder()
    await publish(folder, ...NAMED)
    const manifest = await written()
    const text = JSON.stringify(manifest).replace('"data":[2]', '"data":[3]')
    await writeFile(join(folder, 'manifest.json'), text)
    await expect(publish(folder)).rejects.toThrow('probe 1 of me/graph: output "sum" has another value at element 0')
    // Who knows better may say so.
    await publish(folder, '--skip-probes')
    expect(published).toHaveLength(2)
  })

  it('refuses a graph whose weights lie in a file that the manifest does not name', async () => {
    const { aGraphWithData } = await import('./graph-with-data.ts')
    await writeFile(join(folder, 'model.onnx'), aGraphWithData('weights.bin'))
    await writeFile(join(folder, 'manifest.json'), JSON.stringify({ files: { 'model.onnx': '' }, task: 'tensors' }))
    await writeFile(join(folder, 'weights.bin'), new Uint8Array(4))
    await expect(publish(folder, ...NAMED)).rejects.toThrow('takes weights from "weights.bin"')
  })

  it('warns of a licence that looks like a slip of the pen', async () => {
    await graphFolder(identity('FP32'))
    const { err } = await publish(folder, '--id', 'me/graph', '--licence', 'Apache2 AND LicenseRef-Mine')
    expect(err).toContain('Apache2 is no SPDX licence that this program knows: did you mean Apache-2.0?')
    expect(err).not.toContain('LicenseRef-Mine is')
  })

  it('says that a probe must be written when no output is small enough', async () => {
    await graphFolder(zeros())
    const probes = [
      {
        inputs: [{ name: 'n', datatype: 'INT64', shape: [1], data: [1025] }],
        outputs: [{ name: 'to be recorded', datatype: 'BOOL', shape: [0], data: [] }],
      },
    ]
    await writeFile(join(folder, 'manifest.json'), JSON.stringify({ probes }))
    await expect(publish(folder, ...NAMED)).rejects.toThrow('no output is small enough to be a known answer')
  })

  it('passes on the gateway’s sentence, and says when nobody answers', async () => {
    await graphFolder()
    const error = {
      code: 'conflict',
      message: 'These files are the model "x/y".',
      type: 'conflict_error',
      param: null,
      requestId: null,
    }
    refusal = Response.json({ error }, { status: 409 })
    await expect(publish(folder, ...NAMED)).rejects.toThrow(
      'the gateway refused: These files are the model "x/y". (conflict)',
    )
    await expect(publish(folder, ...NAMED, '--gateway', 'http://127.0.0.1:1')).rejects.toThrow('does not answer')
  })
})

describe('souk-node publish --state', () => {
  it('says it of the model, with the reason and what to use instead', async () => {
    const args = ['--state', 'deprecated', '--model', 'me/chat', '--reason', 'Too small', '--replaced-by', 'me/chat-v2']
    const { out } = await publish(...args)
    expect(states).toEqual([
      {
        path: '/api/models/me/chat/state',
        request: { state: 'deprecated', reason: 'Too small', replacedBy: 'me/chat-v2' },
      },
    ])
    expect(out).toBe('me/chat is deprecated: Too small\ncallers and operators are told to use me/chat-v2')
  })

  it('prints the gateway’s answer as one JSON value', async () => {
    const { out } = await publish('--state', 'withdrawn', '--model', 'me/chat', '--json')
    expect(JSON.parse(out)).toMatchObject({ id: 'me/chat', state: 'withdrawn' })
  })
})
