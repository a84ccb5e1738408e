// What a person does on a fresh clone: start, copy the curl line, stop, start again. Two starts in one story, since each costs seconds.
import { execFile } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { signIn } from '../../gateway/local/accounts.ts'
import { ROOT } from '../../gateway/local/root.ts'
import { DevWallets } from '../../gateway/local/secrets.ts'
import { fromUsd } from '../../protocol/units.ts'
import { runCommand, startCommand, type RunningCommand } from '../support/command.ts'

const START = 'gateway/local/start.mjs'

const Dev = z.strictObject({
  gatewayUrl: z.url(),
  directUrl: z.url(),
  apiKey: z.string().startsWith('sk-souk-'),
  wallets: DevWallets,
  nodes: z.array(z.object({ id: z.string(), endpoint: z.url(), pid: z.number() })).length(1),
  models: z.array(z.string()),
  chain: z.object({ id: z.number() }),
})

describe('npm start', () => {
  let stateDir: string
  const running: RunningCommand[] = []
  const start = async () => {
    const market = startCommand([START], { SOUK_STATE: stateDir, SOUK_PORT: '0' })
    running.push(market)
    const screen = await market.said('Ctrl-C stops everything')
    const dev = Dev.parse(JSON.parse(await readFile(join(stateDir, 'dev.json'), 'utf8')))
    return { market, screen, dev }
  }
  const balanceOf = async (dev: z.infer<typeof Dev>) =>
    fromUsd((await (await signIn(dev.gatewayUrl, dev.wallets.consumer)).account()).balance)

  beforeEach(async () => {
    stateDir = await mkdtemp(join(tmpdir(), 'souk-start-'))
  })
  afterEach(async () => {
    for (const market of running.splice(0)) market.signal('SIGKILL')
    await rm(stateDir, { recursive: true, force: true })
  })

  it('prints a curl line that works, stops on SIGTERM with 0, and finds yesterday’s balance and key', async () => {
    const first = await start()
    expect((await stat(join(stateDir, 'dev.json'))).mode & 0o777).toBe(0o600)
    expect(first.dev.models).toEqual(expect.arrayContaining(['souk/tiny-chat', 'souk/word-vectors']))
    const before = await balanceOf(first.dev)

    const page = await fetch(/^ +dashboard +(\S+)/m.exec(first.screen)?.[1] ?? 'no dashboard')
    expect([page.status, page.headers.get('content-type')]).toEqual([200, expect.stringContaining('text/html')])

    const answer = await printedCurl(first.screen)
    expect(answer.text).toContain('Paris')
    expect(answer.events.at(-1)).toBe('[DONE]')
    expect(answer.cost).toBeGreaterThan(0n)
    const after = await balanceOf(first.dev)
    expect(before - after).toBe(answer.cost)

    first.market.signal('SIGTERM')
    const { code, stderr, stdout } = await first.market.ended
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toContain('stopping the node')
    await expect(stat(join(stateDir, 'run.json'))).rejects.toThrow('ENOENT')
    expect(() => process.kill(first.dev.nodes[0]?.pid ?? 0, 0)).toThrow('ESRCH')

    const second = await start()
    expect(second.dev.apiKey).toBe(first.dev.apiKey)
    expect(second.dev.nodes[0]?.id).toBe(first.dev.nodes[0]?.id)
    expect(second.dev.nodes[0]?.endpoint).toBe(first.dev.nodes[0]?.endpoint)
    expect(await balanceOf(second.dev)).toBe(after)
    expect((await printedCurl(second.screen)).text).toContain('Paris')

    const third = await runCommand([START], { SOUK_STATE: stateDir, SOUK_PORT: '0' })
    expect(third.stderr.trim()).toBe(
      `Another souk (process ${second.market.pid}) already runs on ${stateDir}: stop it, or choose another folder with SOUK_STATE.`,
    )
    expect(third.code).toBe(1)
    second.market.signal('SIGINT')
    expect((await second.market.ended).code).toBe(0)
  }, 180_000)

  it('ends with 1 and says so when the node dies', async () => {
    const { market, dev } = await start()
    process.kill(dev.nodes[0]?.pid ?? 0, 'SIGKILL')
    const { code, stderr } = await market.ended
    expect(stderr).toContain('The node ended unexpectedly')
    expect(code).toBe(1)
  }, 120_000)

  it('names a missing model file', async () => {
    const folder = join(stateDir, 'tiny-chat')
    await cp(join(ROOT, 'provider-node/models/tiny-chat'), folder, { recursive: true })
    const home = ['--home', join(stateDir, 'node'), '--port', '0', '--model', folder]
    const made = await runCommand(['--import', 'tsx', 'provider-node/cli.ts', 'init', ...home])
    expect(made).toMatchObject({ code: 0, stderr: '' })
    await rm(join(folder, 'model.onnx'))
    const { code, stderr } = await runCommand([START], { SOUK_STATE: stateDir, SOUK_PORT: '0' })
    expect(stderr.trim()).toBe('The node did not start: model file tiny-chat/model.onnx is missing')
    expect(code).toBe(1)
  }, 120_000)
})

/** Runs the line as it was printed, in a shell. */
async function printedCurl(screen: string): Promise<{ text: string; events: string[]; cost: bigint }> {
  const line = /^ +(curl .+)$/m.exec(screen)?.[1]
  if (line === undefined) throw new Error('no curl line was printed')
  const { stdout } = await promisify(execFile)('sh', ['-c', `${line} --silent --show-error`])
  const events = [...stdout.matchAll(/^data: (.+)$/gm)].map(([, data = '']) => data)
  const chunks = events.filter((data) => data !== '[DONE]').map((data) => Chunk.parse(JSON.parse(data)))
  const text = chunks.map(({ choices }) => choices[0]?.delta?.content ?? '').join('')
  const cost = chunks.map(({ usage }) => usage?.cost).findLast((amount) => amount !== undefined)
  return { text, events, cost: fromUsd(cost ?? '0') }
}

const Chunk = z.object({
  choices: z.array(z.object({ delta: z.object({ content: z.string().nullish() }).optional() })),
  usage: z.object({ cost: z.string() }).nullish(),
})
