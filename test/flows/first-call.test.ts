// A new operator's first five minutes, through the real program in an empty folder: three commands, no port, no address, and a stranger's call is served and paid. Everything
// that was typed and said, help included, is the record beside this file: a changed word is a changed line there. What the machine makes up (keys, times, speeds) stands as <a word>.
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { newWallet } from '../../gateway/local/secrets.ts'
import { fromUsd } from '../../protocol/units.ts'
import { startCommand, type RunningCommand } from '../support/command.ts'
import { eventually } from '../support/eventually.ts'
import { startMarket, type Market } from '../support/market.ts'

const TSX = import.meta.resolve('tsx')
const CLI = fileURLToPath(new URL('../../provider-node/cli.ts', import.meta.url))
const FIVE_MINUTES_MS = 300_000
const wallet = newWallet()

let market: Market
let folder: string
let running: RunningCommand | null = null
beforeAll(async () => {
  market = await startMarket({ nodes: 0 })
  folder = await mkdtemp(join(tmpdir(), 'souk-operator-'))
})
afterAll(async () => {
  running?.signal('SIGTERM')
  await running?.ended
  await market?.stop()
  if (folder) await rm(folder, { recursive: true, force: true })
})

const start = (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
  startCommand(['--import', TSX, CLI, ...args], env, folder)

const record: string[] = []
const RECORD = 'first-call.record.txt'

/** What a command said, as a record of typing it. Whatever it was, it is no failure. */
async function typed(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string> {
  const { code, stdout, stderr } = await start(args, env).ended
  expect([args, code, stderr]).toEqual([args, 0, ''])
  const names = Object.keys(env).map((name) => `${name}=0x... `)
  return `$ ${names.join('')}souk-node ${plain(args.join(' '))}\n${plain(stdout)}`
}

const type = async (args: readonly string[], env?: Readonly<Record<string, string>>): Promise<void> =>
  void record.push(await typed(args, env))

function plain(text: string): string {
  const named = text
    .replaceAll(market.url, '<gateway>')
    .replaceAll(market.url.replace('http', 'ws'), '<gateway, ws>')
    .replaceAll(folder, '<folder>')
    .replaceAll(wallet.address, '<wallet>')
  return MADE_UP.reduce((known, [pattern, word]) => known.replace(pattern, word), named)
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')
    .trim()
}

const MADE_UP: readonly (readonly [RegExp, string])[] = [
  [/node_[a-z0-9]{16}/g, '<node>'],
  [/call_[a-z0-9]{26}/g, '<call>'],
  [/0x[0-9a-fA-F]{40}/g, '<address>'],
  [/(?<![\w-])[A-Za-z0-9_-]{43}(?![\w-])/g, '<node key>'],
  [/\d{4}-\d\d-\d\d \d\d:\d\d UTC \([^)]+\)/g, '<time>'],
  [/\d{4}-\d\d-\d\d/g, '<day>'],
  [/(?<=process +)\d+/g, '<pid>'],
  [/(?<=last call +)\d+ (s|min) ago/g, '<a while> ago'],
  [/(?<=first answer after )\d+ ms, [\d.]+/g, '<so many> ms, <so many>'],
  [/^( {2}(?:5 min|30 min|day) +\d+ +\d+ +\d+) .*$/gm, '$1 <speeds>'],
  [/(?<=answers in |\/\S+ {2})\d+ ms/g, '<so many> ms'],
  [/(?<=ms=)\d+/g, '<so many>'],
  // A busy machine's disk, which the node tells of and an operator reads elsewhere.
  [/^.*receipt disk (slow|fast again).*\n/gm, ''],
  [/Node\.js v[\d.]+/g, 'Node.js <version>'],
  [/[\d.]+ [GT]B(?= free| of memory)/g, '<so much>'],
  [/\d+ receipts? waits? to be handed in|no receipts wait/g, '<receipts>'],
  // What computes is this machine's matter, and so is who was asked how often before it served.
  [/^(ok|note) +providers.*\n( {10,}.*\n)*/gm, ''],
  [/^warn: provider unusable.*\n/gm, ''],
  [/^call model=.*\n/gm, ''],
  // All at once, in no order.
  [/^model unloaded model=.*\n/gm, ''],
  [/threads=\d+ /g, ''],
  // Where a line is wrapped depends on how long folder and address are.
  [/\n {21}(?=\S)/g, ' '],
]

/** Every command there is, as the overview lists them. */
const commandsIn = (overview: string): string[] =>
  [...overview.matchAll(/^ {2}([a-z-]+(?: [a-z]+)?) {2,}\S/gm)].map(([, name = '']) => name)

const Status = z.object({
  status: z.object({ traffic: z.object({ hour: z.object({ calls: z.number(), earned: z.string() }) }) }),
  receipts: z.object({ waiting: z.number() }),
})

describe('a new operator, from nothing to the first paid call', () => {
  it('takes three commands and less than five minutes', async () => {
    const begun = Date.now()
    await type(['init', '--gateway', market.url, '--name', 'my first node'])
    await type(['register'], { SOUK_OPERATOR_KEY: wallet.privateKey })
    running = start(['start'])
    await running.said('ready')
    await market.routable()
    const { key } = await market.consumer()
    const response = await fetch(`${market.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        model: 'souk/tiny-chat',
        messages: [{ role: 'user', content: 'What is the capital of France?' }],
      }),
    })
    expect(await response.json()).toMatchObject({
      choices: [{ message: { content: 'The capital of France is Paris.' }, finish_reason: 'stop' }],
    })
    await eventually(60_000, async () => {
      const { stdout } = await start(['status', '--json']).ended
      const { status, receipts } = Status.parse(JSON.parse(stdout))
      expect(status.traffic.hour.calls).toBe(1)
      expect(fromUsd(status.traffic.hour.earned)).toBeGreaterThan(0n)
      expect(receipts.waiting).toBe(0)
    })
    expect(Date.now() - begun).toBeLessThan(FIVE_MINUTES_MS)
    expect(await readdir(folder)).toEqual(['souk-node'])
  })

  it('is told by every other command what it would want to know next', async () => {
    for (const line of LATER) await type(line.split(' '))
    // The node has told its changed price as well, in its own time.
    await running?.said('offers told')
    running?.signal('SIGTERM')
    const { code, stdout } = (await running?.ended) ?? { code: null, stdout: '' }
    expect(code).toBe(0)
    record.push(`$ souk-node start\n${plain(stdout)}`)
  })

  it('is told by each command how it is used', async () => {
    const overview = await typed(['--help'])
    const commands = commandsIn(overview)
    expect(commands.length).toBeGreaterThan(15)
    record.push(overview)
    const help = (command: string) => typed(['help', ...command.split(' ')])
    for (let from = 0; from < commands.length; from += 4)
      record.push(...(await Promise.all(commands.slice(from, from + 4).map(help))))
  })

  it('has read what stands in the record', async () => {
    await expect(`${record.join('\n\n')}\n`).toMatchFileSnapshot(RECORD)
  })
})

/** What an operator types who has earned for the first time. */
const LATER = [
  'status',
  'earnings',
  'models list',
  'price',
  'price souk/tiny-chat --input 0.04 --output 0.15 --dry-run',
  'price souk/tiny-chat --input 0.04 --output 0.15',
  'selftest',
  'doctor',
  'drain',
  'drain --undo',
] as const
