// An author's story on the real market: a graph in a folder becomes a model by one command, a node serves it, a consumer calls it, and the author earns
// the royalty to the nano; then it is withdrawn, taken back, and blocked by the house.
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { signIn } from '../../gateway/local/accounts.ts'
import { loadWallets, newWallet } from '../../gateway/local/secrets.ts'
import { fromUsd } from '../../protocol/units.ts'
import { sum } from '../provider-node/graphs.ts'
import { startCommand } from '../support/command.ts'
import { eventually } from '../support/eventually.ts'
import { startMarket, type Consumer, type Market } from '../support/market.ts'

const TSX = import.meta.resolve('tsx')
const CLI = fileURLToPath(new URL('../../provider-node/cli.ts', import.meta.url))
const MODEL = 'adder/sum'
const ROYALTY_BPS = 250n
/** A snapshot is fresh for five seconds, and the call that finds it old still sees it. */
const SEEN_MS = 20_000
const author = newWallet()

let market: Market
let consumer: Consumer
let folder: string
let home: string
beforeAll(async () => {
  market = await startMarket({ nodes: 0 })
  consumer = await market.consumer()
  folder = join(market.stateDir, 'sum')
  home = join(market.stateDir, 'node')
  await mkdir(folder)
  await writeFile(join(folder, 'model.onnx'), sum())
})
afterAll(() => market?.stop())

const start = (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
  startCommand(['--import', TSX, CLI, ...args], { SOUK_NODE_GATEWAY: market.url, ...env }, market.stateDir)
async function run(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const { code, stdout, stderr } = await start(args, env).ended
  expect(code, stderr).toBe(0)
  return stdout
}
const publish = (...args: string[]) => run(['publish', ...args], { SOUK_OPERATOR_KEY: author.privateKey })

const tensor = (name: string, ...data: number[]) => ({ name, datatype: 'FP32', shape: [1, data.length], data })
const call = () =>
  fetch(`${market.url}/v2/models/${MODEL}/infer`, {
    method: 'POST',
    headers: { authorization: `Bearer ${consumer.key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ inputs: [tensor('a', 1, 2, 3), tensor('b', 10, 20, 30)] }),
  })
const Refused = z.object({ code: z.string(), error: z.string() })
/** The answer that is of this status, as text. */
async function becomes(status: number): Promise<string> {
  let text = ''
  await eventually(SEEN_MS, async () => {
    const response = await call()
    text = await response.text()
    expect(response.status).toBe(status)
  })
  return text
}

describe('an author', () => {
  it('publishes from a folder, and earns the royalty of a call to the nano', async () => {
    const said = await publish('sum', '--id', MODEL, '--licence', 'MIT', '--royalty-bps', String(ROYALTY_BPS))
    expect(said).toContain('royalty  2.5 % of what callers pay: of $1 it is $0.025, paid to your account')
    await run([
      'init',
      '--home',
      home,
      '--gateway',
      market.url,
      '--endpoint',
      'http://127.0.0.1:9999',
      '--port',
      '0',
      '--model',
      folder,
      '--accept-licence',
      'MIT',
    ])
    await market.startNode()
    await market.routable([MODEL])

    const response = await call()
    const { outputs } = z
      .object({ outputs: z.array(z.object({ name: z.string(), data: z.array(z.number()) })) })
      .parse(await response.json())
    expect(outputs).toEqual([
      expect.objectContaining({ name: 'sum', data: [11, 22, 33] }),
      expect.objectContaining({ name: 'difference', data: [-9, -18, -27] }),
    ])
    const cost = fromUsd(response.headers.get('x-souk-cost') ?? '')
    const royalty = (cost * ROYALTY_BPS) / 10_000n
    expect(royalty).toBeGreaterThan(0n)
    const client = await signIn(market.url, author)
    await eventually(SEEN_MS, async () => expect(fromUsd((await client.account()).balance)).toBe(royalty))
  })

  it('cannot be robbed: the same graph, renamed and with junk beside it, is refused to another wallet', async () => {
    const stolen = join(market.stateDir, 'stolen')
    await mkdir(stolen)
    await writeFile(join(stolen, 'mine.onnx'), sum())
    await writeFile(join(stolen, 'junk.txt'), 'junk')
    const { code, stderr } = await start(['publish', stolen, '--id', 'thief/sum', '--licence', 'MIT'], {
      SOUK_OPERATOR_KEY: newWallet().privateKey,
    }).ended
    expect(code).toBe(1)
    expect(stderr).toContain(`"mine.onnx" is a file of the model "${MODEL}", whose author published it first.`)
  })

  it('warns of it, withdraws it, and takes that back', async () => {
    await publish('--state', 'deprecated', '--model', MODEL, '--reason', 'It only adds')
    await eventually(SEEN_MS, async () => expect((await call()).headers.get('x-souk-deprecated')).toBe('It only adds.'))
    await publish('--state', 'withdrawn', '--model', MODEL, '--reason', 'Wrong weights')
    expect(Refused.parse(JSON.parse(await becomes(410)))).toMatchObject({
      code: 'model_withdrawn',
      error: expect.stringContaining('Wrong weights'),
    })
    const { held } = await consumer.client.account()
    expect(fromUsd(held)).toBe(0n)
    await publish('--state', 'active', '--model', MODEL)
    await market.runCrons()
    await market.routable([MODEL])
    await becomes(200)
  })

  it('of a blocked model: callers hear 451 and why, nobody may offer it, and the node that has it unloads it', async () => {
    await market.admin.setModelState(MODEL, { state: 'blocked', reason: 'By order of a court' })
    expect(Refused.parse(JSON.parse(await becomes(451)))).toMatchObject({
      code: 'model_blocked',
      error: expect.stringContaining('By order of a court'),
    })
    const [node] = market.nodes
    await node?.stop()
    const { operator } = await loadWallets(market.stateDir)
    const register = await start(['register', '--home', home], {
      SOUK_OPERATOR_KEY: operator.privateKey,
      SOUK_NODE_ENDPOINT: 'http://127.0.0.1:9999',
    }).ended
    expect(register.code).toBe(1)
    expect(register.stderr).toContain('By order of a court')
    const running = start(['start', '--home', home, '--json'], { SOUK_NODE_PORT: '0' })
    await running.said('"model_blocked"')
    await running.said('"model_removed"')
    running.signal('SIGTERM')
    await running.ended
  })
})
