// The program as its operator meets it: a process of its own, its exit codes and sentences, and a gateway that checks what it is sent.
import { spawn, type ChildProcess } from 'node:child_process'
import { cp, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { verifyTypedData } from 'viem'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { bytesToHex, fromBase64url } from '../../protocol/canonical.ts'
import { importPublicKey } from '../../protocol/keys.ts'
import {
  nodeAuthorizationDomain,
  nodeAuthorizationTypes,
  RegisterNodeRequest,
  registrationClaims,
  type NodeView,
} from '../../protocol/node.ts'
import { verifyClaims } from '../../protocol/ticket.ts'
import { initCommand, runInit } from '../../provider-node/cli/init.ts'
import { parseOptions } from '../../provider-node/cli/options.ts'
import { homeFolder, loadConfig } from '../../provider-node/config.ts'
import { loadIdentity } from '../../provider-node/identity.ts'
import { loadModel } from '../../provider-node/model-store/check.ts'
import { aGateway, aTemporaryFolder, eventually, shippedFolder, type FakeGateway } from './builders.ts'
import { CHAIN_ID, openRegistration, operator, operatorKey } from './registration-gateway.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const PROGRAM = ['--import', 'tsx', 'provider-node/cli.ts']

interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

const children: ChildProcess[] = []
function launch(args: readonly string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, [...PROGRAM, ...args], {
    cwd: ROOT,
    env: { PATH: process.env.PATH, HOME: home, SOUK_NODE_HOME: join(home, 'node'), ...env },
  })
  children.push(child)
  const said = { out: '', err: '' }
  child.stdout.on('data', (chunk: Buffer) => (said.out += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (said.err += chunk.toString()))
  const ended = new Promise<Ended>((resolve) => child.on('close', (code) => resolve({ code, ...said })))
  return { child, said, ended }
}
const run = (args: readonly string[], env: Record<string, string> = {}): Promise<Ended> => launch(args, env).ended

let home = ''
let removeHome = () => Promise.resolve()
let gateway: FakeGateway
beforeEach(async () => {
  const folder = await aTemporaryFolder()
  home = folder.path
  removeHome = folder.remove
  gateway = await aGateway()
})
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  await gateway.close()
  await removeHome()
})

const nodeHome = () => join(home, 'node')
const initArgs = (args: readonly string[]) => ['--gateway', gateway.url, '--port', '0', ...args]
/** As a process where init is what is tested; in this one where it only prepares. */
const initProcess = (...args: string[]) => run(['init', ...initArgs(args)])
const init = (...args: string[]) =>
  runInit(parseOptions(initCommand.spec, initArgs(args)), {
    print: () => undefined,
    tell: () => undefined,
    env: { SOUK_NODE_HOME: nodeHome() },
  })

const NAMES =
  'init, register, start, status, models, price, drain, earnings, doctor, selftest, bench, publish, rotate-key, revoke'

const noAddress = (given: string) =>
  `souk-node: option --gateway needs an address, such as https://gateway.example, without a path: not "${given}"\n`

describe('souk-node', () => {
  it.each([
    [['--help'], 'Commands:'],
    [['init', '--help'], '--gateway URL'],
    [['register', '--help'], 'SOUK_OPERATOR_KEY'],
    [['start', '--help'], 'SIGTERM'],
  ])('%j explains itself', async (args, words) => {
    const { code, out } = await run(args)
    expect([code, out.includes(words)]).toEqual([0, true])
  })

  it.each([
    [['frobnicate'], `souk-node: unknown command "frobnicate": the commands are ${NAMES}\n`],
    [['init', '--frob'], 'souk-node: unknown option --frob: see souk-node init --help\n'],
    [['init', '--gateway'], 'souk-node: option --gateway needs a value: see souk-node init --help\n'],
    [['init', 'here'], 'souk-node: init takes no argument "here": see souk-node init --help\n'],
    [['init', '--port', '70000'], 'souk-node: option --port needs a number from 0 to 65535\n'],
    [['init', '--gateway', 'localhost:8787'], noAddress('localhost:8787')],
    [['init', '--gateway', 'https://souk.example/v1'], noAddress('https://souk.example/v1')],
    [['status', '--operator', '--gateway', 'souk.example'], noAddress('souk.example')],
    [['start', '--json=1'], 'souk-node: option --json takes no value: see souk-node start --help\n'],
  ])('%j is refused in one sentence with exit code 2', async (args, sentence) => {
    expect(await run(args)).toEqual({ code: 2, out: '', err: sentence })
  })
})

describe('what others have written', () => {
  it('moves no terminal, neither in an answer nor in a refusal', async () => {
    const folder = join(home, 'a\u001b[2Jb')
    const made = await run(['init', '--home', folder])
    expect([made.code, made.out.includes('\u001b'), made.out.includes('a [2Jb')]).toEqual([0, false, true])
    const again = await run(['init', '--home', folder])
    expect([again.code, again.err.includes('\u001b'), again.err.includes('a [2Jb')]).toEqual([1, false, true])
  })
})

describe('souk-node init', () => {
  it('makes keys only the owner can read, and a configuration to edit; it says what to do next and no secret', async () => {
    const { code, out } = await initProcess('--endpoint', 'https://node.example/', '--name', 'mine')
    expect(code).toBe(0)
    expect((await stat(join(nodeHome(), 'keys.json'))).mode & 0o777).toBe(0o600)
    const identity = await loadIdentity(nodeHome())
    expect(out).toContain(identity.nodeKey)
    expect(out).toContain('souk-node register')
    const keys = z.object({ nodeKey: z.object({ d: z.string() }), settlementKey: z.string() })
    const secrets = keys.parse(JSON.parse(await readFile(join(nodeHome(), 'keys.json'), 'utf8')))
    for (const secret of [secrets.nodeKey.d, secrets.settlementKey]) expect(out).not.toContain(secret)
    const config = await loadConfig(nodeHome(), {})
    expect(config).toMatchObject({ name: 'mine', gateway: gateway.url, endpoint: 'https://node.example', nodeId: null })
    expect(
      config.models.map(({ folder, prices }) => [
        folder,
        prices.inputPerMillion,
        prices.outputPerMillion,
        prices.bytesPerMillion,
      ]),
    ).toEqual([
      ['tiny-chat', '0.05', '0.20', undefined],
      ['word-vectors', '0.01', '0', undefined],
      ['language-id', '0', '0', '0.01'],
    ])
  })

  it('shows the licence of each model, and writes down only what was accepted', async () => {
    const open = await initProcess('--model', 'tiny-chat', '--model', 'ocr')
    expect(open.out).toContain('tiny-chat  (Apache-2.0 AND LicenseRef-WordNet-3.0)\n')
    expect(open.out).toContain('ocr  (MIT, not accepted yet)\n')
    expect(open.out).toContain('if you accept it, add "licence": "MIT" to its entry')
    const start = await run(['start'])
    expect([start.code, start.err]).toEqual([
      1,
      'souk-node: the model souk/ocr is under the licence MIT: read it, and if you accept it write "licence": "MIT" into its entry in config.json\n',
    ])
    await rm(nodeHome(), { recursive: true })
    const accepted = await initProcess('--model', 'tiny-chat', '--model', 'ocr', '--accept-licence', 'MIT')
    expect(accepted.out).not.toContain('not accepted')
    const { models } = await loadConfig(nodeHome(), {})
    expect(models.map(({ folder, licence }) => [folder, licence])).toEqual([
      ['tiny-chat', undefined],
      ['ocr', 'MIT'],
    ])
  })

  it.skipIf(process.platform === 'win32')('leaves no half keys where nothing more can be written', async () => {
    // Files may be made and stay empty, as on a full disk.
    const full = spawn('sh', ['-c', 'ulimit -f 0; exec "$0" "$@"', process.execPath, ...PROGRAM, 'init'], {
      cwd: ROOT,
      env: { PATH: process.env.PATH, SOUK_NODE_HOME: nodeHome(), TSX_DISABLE_CACHE: '1' },
    })
    children.push(full)
    let err = ''
    full.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()))
    const code = await new Promise((resolve) => full.on('close', resolve))
    expect([code, err]).toEqual([1, `souk-node: ${join(nodeHome(), 'keys.json')} cannot be written (EFBIG)\n`])
    expect(await readdir(nodeHome())).toEqual([])
    expect((await initProcess()).code).toBe(0)
  })

  it('takes no file for its own that it cannot read, and leaves it there', async () => {
    await mkdir(join(nodeHome(), 'config.json'), { recursive: true })
    expect((await initProcess()).err).toBe(
      `souk-node: there is a node in ${nodeHome()} already: edit its config.json\n`,
    )
  })

  it('stands in its usual folder where the variable for another is empty', () => {
    expect(homeFolder(undefined, { SOUK_NODE_HOME: '' })).toBe(resolve('souk-node'))
  })

  it('never overwrites a node', async () => {
    await init()
    const before = await readFile(join(nodeHome(), 'keys.json'), 'utf8')
    const again = await initProcess()
    expect([again.code, again.err]).toEqual([
      1,
      `souk-node: there is a node in ${nodeHome()} already: edit its config.json\n`,
    ])
    expect(await readFile(join(nodeHome(), 'keys.json'), 'utf8')).toBe(before)
  })

  it('takes the environment over the file', async () => {
    await init()
    const overrides = { SOUK_NODE_PORT: '1234', SOUK_NODE_ENDPOINT: 'https://other.example', SOUK_NODE_NAME: 'other' }
    expect(await loadConfig(nodeHome(), overrides)).toMatchObject({
      port: 1234,
      endpoint: 'https://other.example',
      name: 'other',
    })
    await expect(loadConfig(nodeHome(), { SOUK_NODE_PORT: 'x' })).rejects.toThrow(
      /^SOUK_NODE_PORT is not valid: port: /,
    )
  })

  it('refuses keys that others can read', async () => {
    await init()
    await writeFile(join(nodeHome(), 'open'), '')
    const file = join(nodeHome(), 'keys.json')
    const keys = await readFile(file, 'utf8')
    await rm(file)
    await writeFile(file, keys, { mode: 0o644 })
    await expect(loadIdentity(nodeHome())).rejects.toThrow(`run chmod 600 ${file}`)
  })
})

describe('souk-node register', () => {
  it('signs in, authorises both keys, registers the offers, and keeps the id', async () => {
    const seen = openRegistration(gateway, { now: 'pending' })
    await init('--endpoint', 'https://node.example')
    const { code, out, err } = await run(['register'], { SOUK_OPERATOR_KEY: operatorKey })
    expect([code, err]).toEqual([0, ''])
    expect(out).toContain('state  pending: the endpoint did not answer yet')
    expect(out).not.toContain(operatorKey)
    expect(seen.signedIn).toBe(true)

    const registration = RegisterNodeRequest.parse(seen.registration)
    const identity = await loadIdentity(nodeHome())
    expect(registration).toMatchObject({ nodeKey: identity.nodeKey, endpoint: 'https://node.example' })
    const signature = z.templateLiteral(['0x', z.string()]).parse(registration.signature)
    const isAuthorised = await verifyTypedData({
      address: operator.address,
      domain: nodeAuthorizationDomain(CHAIN_ID),
      types: nodeAuthorizationTypes,
      primaryType: 'NodeAuthorization',
      message: {
        operator: operator.address,
        nodeKey: `0x${bytesToHex(fromBase64url(identity.nodeKey))}`,
        settlementKey: identity.settlementAddress,
        deadline: BigInt(registration.deadline),
      },
      signature,
    })
    expect(isAuthorised).toBe(true)
    const key = await importPublicKey(identity.nodeKey)
    const proof = await verifyClaims(registration.nodeProof, 'souk-registration', z.unknown(), () =>
      Promise.resolve(key),
    )
    expect(proof).toEqual({ ok: true, value: registrationClaims(registration) })
    const { digest } = await loadModel(shippedFolder('tiny-chat'))
    expect(registration.offers[0]).toMatchObject({ model: 'souk/tiny-chat', digest, contextTokens: 512 })
    expect((await loadConfig(nodeHome(), {})).nodeId).toBe('node_0123456789abcdef')
  })

  it('signs until an hour from now by the clock of the gateway, whatever that of this machine says', async () => {
    const seen = openRegistration(gateway, { now: 'pending' })
    await init('--model', 'word-vectors')
    const clock = new URL('../support/shifted-clock.mjs', import.meta.url).href
    const env = { NODE_OPTIONS: `--import ${clock}`, SOUK_CLOCK_OFF_MS: String(-7_200_000) }
    expect(await run(['register'], { ...env, SOUK_OPERATOR_KEY: operatorKey })).toMatchObject({ code: 0, err: '' })
    const leftMs = (seen.registration?.deadline ?? 0) * 1_000 - Date.now()
    expect(leftMs).toBeGreaterThan(3_000_000)
    expect(leftMs).toBeLessThanOrEqual(3_600_000)
  })

  it('takes the wallet key from a file', async () => {
    openRegistration(gateway, { now: 'active' })
    await init('--endpoint', 'https://node.example')
    await writeFile(join(home, 'wallet'), `${operatorKey.slice(2)}\n`)
    const { code, out } = await run(['register', '--json', '--wallet-key-file', join(home, 'wallet')])
    expect([code, z.object({ state: z.string() }).parse(JSON.parse(out)).state]).toEqual([0, 'active'])
  })

  it.each([
    ['no wallet', {}, 'set SOUK_OPERATOR_KEY or give --wallet-key-file, or have a browser wallet sign: --browser'],
    [
      'a wrong wallet key',
      { SOUK_OPERATOR_KEY: `0x${'z'.repeat(64)}` },
      'the wallet key is not a private key of 64 hexadecimal digits',
    ],
    ['zero', { SOUK_OPERATOR_KEY: '0'.repeat(64) }, 'the wallet key is not a private key of 64 hexadecimal digits'],
    [
      'no gateway',
      {
        SOUK_OPERATOR_KEY: operatorKey,
        SOUK_NODE_ENDPOINT: 'https://n.example',
        SOUK_NODE_GATEWAY: 'http://127.0.0.1:1',
      },
      'the gateway http://127.0.0.1:1 does not answer',
    ],
    [
      'a server that is no gateway',
      { SOUK_OPERATOR_KEY: operatorKey, SOUK_NODE_ENDPOINT: 'https://n.example' },
      'http://127.0.0.1:',
    ],
  ])('says in one sentence what is wrong: %s', async (_, env, sentence) => {
    await init()
    const { code, err } = await run(['register'], env)
    expect(code).toBe(1)
    expect(err.startsWith(`souk-node: ${sentence}`)).toBe(true)
    expect(err.trim().split('\n')).toHaveLength(1)
  })
})

describe('souk-node start', () => {
  const ready = /^\{.*"event":"ready","url":"(http:[^"]+)"/m

  it('serves, greets the gateway until it may work, and ends with 0 on SIGTERM', async () => {
    const state: { now: NodeView['state'] } = { now: 'pending' }
    const seen = openRegistration(gateway, state)
    await init('--endpoint', 'https://node.example')
    const { child, said, ended } = launch(['start', '--json'])
    await eventually(() => ready.test(said.out), 30_000)
    const url = ready.exec(said.out)?.[1] ?? ''
    expect((await fetch(`${url}/healthz`)).status).toBe(200)
    expect(seen.hellos).toHaveLength(0)

    // Registered by another process while it runs: it notices.
    await run(['register'], { SOUK_OPERATOR_KEY: operatorKey })
    await eventually(() => seen.hellos.length === 1)
    const key = await importPublicKey((await loadIdentity(nodeHome())).nodeKey)
    const claims = await verifyClaims(seen.hellos[0] ?? '', 'souk-hello', z.unknown(), () => Promise.resolve(key))
    expect(claims).toMatchObject({ ok: true, value: { use: 'souk-hello', nodeId: 'node_0123456789abcdef' } })
    state.now = 'probation'
    await eventually(() => said.out.includes('"state":"probation"'))

    child.kill('SIGTERM')
    const { code, out, err } = await ended
    expect([code, err]).toEqual([0, ''])
    for (const line of out.trim().split('\n')) expect(() => JSON.parse(line)).not.toThrow()
  })

  it('prints progress and one ready line for people', async () => {
    await init('--model', 'word-vectors')
    const { child, said, ended } = launch(['start'])
    await eventually(
      () => /^ready http:\/\/127\.0\.0\.1:\d+ by its link to ws:\/\/127\.0\.0\.1:\d+\/link$/m.test(said.out),
      30_000,
    )
    expect(said.out).toContain('model loaded model=souk/word-vectors')
    child.kill('SIGINT')
    expect((await ended).code).toBe(0)
  })

  it('names a missing model file and does not start', async () => {
    await cp(shippedFolder('word-vectors'), join(home, 'word-vectors'), { recursive: true })
    await init('--model', join(home, 'word-vectors'))
    await rm(join(home, 'word-vectors', 'model.onnx'))
    expect(await run(['start'])).toMatchObject({
      code: 1,
      err: 'souk-node: model file word-vectors/model.onnx is missing\n',
    })
  })

  it('says that there is no node yet', async () => {
    expect(await run(['start'])).toMatchObject({
      code: 1,
      err: `souk-node: there is no node in ${nodeHome()}: run souk-node init\n`,
    })
  })
})
