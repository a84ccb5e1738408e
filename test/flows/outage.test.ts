// What goes wrong on an operator's machine, through the real program on a real market: a full disk, a wrong clock, an authorisation that was taken back, a
// gateway that is away, a damaged store. Each is one sentence to the operator, and nothing is lost that can be kept.
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { loadWallets } from '../../gateway/local/secrets.ts'
import { readOwnWork } from '../../provider-node/receipts/own-work.ts'
import { readBacklog, receiptsFolder } from '../../provider-node/receipts/store.ts'
import { conserved } from '../support/conservation.ts'
import { eventually } from '../support/eventually.ts'
import { startMarket, type Consumer, type Market } from '../support/market.ts'
import { namespaceRefusal, openNamespace } from '../support/namespace.ts'
import { nodeProgram, type NodeProgram, type ServingNode } from '../support/node-program.ts'

const MODEL = 'souk/word-vectors'
const CALLS = 6
const HOUR_MS = 3_600_000
const DISK_BYTES = 1024 ** 2
const ALL_DAYS = { from: '2000-01-01', to: '9999-12-31' }
const CLOCK = new URL('../support/shifted-clock.mjs', import.meta.url).href
const diskRefusal = namespaceRefusal('disk')

let market: Market
let consumer: Consumer
let wallet: { SOUK_OPERATOR_KEY: string }
let program: NodeProgram
let node: ServingNode | null = null
beforeAll(async () => {
  market = await startMarket({ nodes: 0 })
  consumer = await market.consumer()
  wallet = { SOUK_OPERATOR_KEY: (await loadWallets(market.stateDir)).operator.privateKey }
  program = nodeProgram({ home: join(market.stateDir, 'node') })
  await joinAs(program)
})
afterAll(async () => {
  await node?.stop()
  await market?.stop()
})

async function joinAs(joining: NodeProgram): Promise<void> {
  await joining.tells(['init', '--gateway', market.url, '--model', 'word-vectors'])
  await joining.tells(['register'], wallet)
}

/** Starts, and serves: what isolates know of a node is some seconds old. */
async function serving(starting = program): Promise<ServingNode> {
  const started = await starting.start()
  await started.said('link_up')
  await market.routable([MODEL])
  await call()
  return started
}

/** @returns the call's id */
async function call(): Promise<string> {
  let callId: string | null = null
  // A node that was just registered again is tried by the gateway first.
  await eventually(30_000, async () => {
    const response = await ask()
    const text = await response.text()
    expect([response.status, response.ok ? '' : text]).toEqual([200, ''])
    callId = response.headers.get('x-souk-call-id')
  })
  return callId ?? ''
}
const ask = () =>
  fetch(`${market.directUrl}/v1/embeddings`, {
    method: 'POST',
    headers: { authorization: `Bearer ${consumer.key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: MODEL, input: 'frog' }),
  })
const calls = () => Promise.all(Array.from({ length: CALLS }, call))

const Doctor = z.object({ findings: z.array(z.object({ check: z.string(), verdict: z.string(), says: z.string() })) })
/** What is wrong, as the doctor says it, or what else is worth a look. */
async function doctor(wanted: 'wrong' | 'note', env = {}): Promise<string[]> {
  const { stdout } = await program.run(['doctor', '--json'], env)
  return Doctor.parse(JSON.parse(stdout)).findings.flatMap(({ verdict, says }) => (verdict === wanted ? [says] : []))
}

async function stopped(): Promise<void> {
  const ended = await node?.stop()
  node = null
  expect([ended?.code, ended?.stderr]).toEqual([0, ''])
}

/** Of each call, whether the gateway has its receipt. */
async function states(callIds: readonly string[], home = program.home): Promise<Set<string | undefined>> {
  const known = new Map((await readOwnWork(home, ALL_DAYS)).map(({ callId, state }) => [callId, state]))
  return new Set(callIds.map((callId) => known.get(callId)))
}

describe('a clock that is an hour', () => {
  it.each([
    ['ahead', HOUR_MS],
    ['behind', -HOUR_MS],
  ])('%s: no link, one sentence that says how far, and the doctor says it too', async (side, offMs) => {
    const env = { NODE_OPTIONS: `--import ${CLOCK}`, SOUK_CLOCK_OFF_MS: String(offMs) }
    node = await program.start(env)
    // Where the gateway's answers carry a date, as in production, the node compares it itself and says how far to the second.
    const { message } = await node.said('link_refused')
    expect(message).toMatch(/clock is (about )?(60 min|59 min \d+ s|60 min \d+ s) (ahead|behind).*: set it right/)
    expect(message).toContain(side)
    const findings = await doctor('wrong', env)
    expect(findings.filter((says) => says.startsWith("this machine's clock is "))).toHaveLength(1)
    expect(node.lines('link_up')).toEqual([])
    await stopped()
  })

  it('wrong is all there was to mend: with the right time it serves', async () => {
    node = await serving()
    expect(await doctor('wrong')).toEqual([])
  })
})

describe('an authorisation that is taken back', () => {
  it('ends the link in one sentence and keeps calls away, until the wallet gives it again', async () => {
    await program.tells(['revoke'], wallet)
    const before = await readBacklog(program.home)
    expect(before.waiting).toBeGreaterThan(0)
    expect(await node?.said('link_down')).toMatchObject({
      why: 'revoked',
      message: expect.stringMatching(/souk-node register authorises it again/),
    })
    expect((await ask()).status).toBe(503)
    const status = (await program.tells(['status'])).replaceAll(/\s+/g, ' ')
    expect(status).toMatch(/took this node.s authorisation back: register it again/)
    // What it had served is handed in all the same.
    await stopped()
    expect(await readBacklog(program.home)).toMatchObject({ waiting: 0, rejected: 0 })
    await program.tells(['register'], wallet)
    node = await serving()
  })
})

describe('a gateway that is away, and a store that is damaged meanwhile', () => {
  let served: string[] = []

  it('loses nothing over a restart of the node, which says what it knows', async () => {
    served = await calls()
    await market.killGateway()
    await node?.said('link_down')
    await stopped()
    const { waiting } = await readBacklog(program.home)
    expect(await states(served)).toEqual(new Set(['waiting']))

    node = await program.start()
    expect(await node.said('link_down')).toMatchObject({ why: 'unreachable', message: expect.any(String) })
    const status = await program.tells(['status'])
    expect(status).toMatch(new RegExp(`^receipts {3}${waiting} waiting, the oldest for .+; 0 refused`, 'm'))
    expect(status.replaceAll(/\s+/g, ' ')).toContain("The gateway's part is missing")
    expect((await doctor('wrong')).join('; ')).toContain('no connection to')
    await stopped()
    expect((await readBacklog(program.home)).waiting).toBe(waiting)
  })

  it('saves every receipt that can be read, says which file is damaged, and hands in the rest when the gateway is back', async () => {
    const { waiting } = await readBacklog(program.home)
    const folder = receiptsFolder(program.home)
    const name = (await readdir(folder)).filter((file) => /^segment-\d+\.log$/.test(file)).sort()[0] ?? ''
    const bytes = await readFile(join(folder, name))
    // In the middle of a record, where a disk would have it.
    bytes.set([bytes.readUInt8(200) ^ 0xff], 200)
    await writeFile(join(folder, name), bytes)
    node = await program.start()
    expect(await node.said('receipts_damaged')).toMatchObject({
      file: name,
      reason: expect.stringContaining(`it is kept as "${name}.damaged"`),
    })
    expect((await readBacklog(program.home)).waiting).toBe(waiting - 1)
    expect((await doctor('note')).join('; ')).toContain('1 file of receipts could not be read whole')

    await market.restartGateway()
    await node.said('link_up')
    await eventually(30_000, async () => expect((await readBacklog(program.home)).waiting).toBe(0))
    expect((await readBacklog(program.home)).rejected).toBe(0)
    const known = await states(served)
    known.delete(undefined)
    expect(known).toEqual(new Set(['taken']))
    // Whoever was answered had paid by then: a receipt that is gone takes nobody's money along.
    await eventually(30_000, async () => {
      const paid = await market.query('BOOK_0', "SELECT id FROM calls WHERE outcome = 'complete' AND charge_nanos > 0")
      const ids = new Set(paid.map(({ id }) => id))
      expect(served.filter((callId) => !ids.has(callId))).toEqual([])
    })
    await conserved(market)
    await stopped()
  })
})

const small = diskRefusal === null ? 'of one megabyte' : `that this machine does not let us make: ${diskRefusal}`

describe(`a full disk, ${small}`, () => {
  it('stops no call, is one sentence, and what it did not take is handed in from memory', async () => {
    if (diskRefusal !== null) return void console.log(`Not shown here: ${diskRefusal}`)
    const home = join(market.stateDir, 'small')
    await mkdir(home)
    const namespace = await openNamespace({ disk: { path: home, bytes: DISK_BYTES } })
    try {
      const onSmall = nodeProgram({ home, enter: namespace.enter })
      await joinAs(onSmall)
      node = await serving(onSmall)
      const filler = namespace.inside(join(home, 'filler'))
      await fill(filler)
      const served = await calls()
      expect(await node.said('receipts_not_written')).toMatchObject({
        code: 'ENOSPC',
        reason: expect.stringMatching(/^The disk is full: make room on it\./),
      })
      expect(node.lines('receipts_not_written')).toHaveLength(1)

      await rm(filler)
      await node.said('receipts_written_again')
      expect(await states(served, namespace.inside(home))).toEqual(new Set(['waiting']))
      await fill(filler)
      const more = await calls()
      await node.said('receipts_not_written', 2)
      await stopped()
      await rm(filler)
      // From memory, while the disk was full: nothing of it waits.
      expect(await readBacklog(namespace.inside(home))).toMatchObject({ waiting: 0, rejected: 0 })
      node = await serving(onSmall)
      await stopped()
      expect(more).toHaveLength(CALLS)
    } finally {
      await node?.stop()
      await namespace.close()
    }
  })
})

/** To the last byte. */
async function fill(path: string): Promise<void> {
  const full = await writeFile(path, Buffer.alloc(DISK_BYTES)).catch((cause: unknown) => cause)
  expect(full).toMatchObject({ code: 'ENOSPC' })
}
