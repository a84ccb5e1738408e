// The crash loop: rounds of load on a real gateway, `kill -9` of its whole process group at a random moment, a start on the same state. At each
// death an outsider reads the files that are left; at the end everything is left alone to settle, read once more and held against what the
// clients were told. Then the reader itself is tested: copies are damaged, and each damage must be named.
import { randomInt } from 'node:crypto'
import type Database from 'libsql'
import { startFaultNode, type FaultNode } from '../support/fault-node.ts'
import { countingModel } from '../support/fault-node-words.ts'
import { startMarket, type Market } from '../support/market.ts'
import { checkAlways, checkSettled } from './checker.ts'
import { readDeadState } from './dead-state.ts'
import { startLoad, type History } from './histories.ts'

const ROUNDS = Number(process.argv[2] ?? 60)
const MODEL = countingModel('test/counter')
const CLIENTS_EACH = 4
const HOLD_MS = 3_000
/** ms of load at most before a kill */
const LIFE_MS = 3_000
/** ms in which everything must have settled: the hold, its alarm, and the credits and lines behind it */
const SETTLE_MS = HOLD_MS + 12_000

async function crashLoop(market: Market): Promise<number> {
  const started = Date.now()
  await market.publish(MODEL)
  const gateway = { gatewayUrl: market.url, chainId: market.gateway.chainId }
  const nodes = [
    await startFaultNode({ ...gateway, tokenMs: 5 }, MODEL),
    await startFaultNode({ ...gateway, tokenMs: 25 }, MODEL),
  ]
  await market.routable([MODEL.id])
  const consumers = [await market.consumer(), await market.consumer()]
  const load = startLoad(consumers, CLIENTS_EACH, () => market.url)
  const found: string[] = []
  for (let round = 1; round <= ROUNDS && found.length === 0; round++) {
    misbehave(nodes)
    await pause(randomInt(LIFE_MS))
    await market.killGateway()
    found.push(...checkAlways(readDeadState(market.stateDir)))
    await market.restartGateway()
    if (round % 10 === 0) console.log(`${round} rounds, ${told(load.histories)}, ${seconds(started)} s`)
  }
  for (const node of nodes) node.behaviour = { kind: 'honest' }
  await load.finish()
  await pause(SETTLE_MS)
  await market.runCrons()
  await market.killGateway()
  const dead = readDeadState(market.stateDir)
  found.push(
    ...checkAlways(dead),
    ...checkSettled(dead, load.histories),
    ...missedDamage(market.stateDir, load.histories),
  )
  await Promise.all(nodes.map((node) => node.stop()))
  await market.restartGateway()
  const calls = [...dead.guards.values()].flatMap(({ holds }) => holds)
  const charged = calls.filter(({ charge }) => (charge ?? 0n) > 0n).length
  const expired = calls.filter(({ state }) => state === 'expired').length
  console.log(
    `${ROUNDS} rounds, ${calls.length} calls held, ${charged} charged, ${expired} ended by their deadline; ${told(load.histories)}; ${found.length} findings; ${seconds(started)} s`,
  )
  for (const finding of found.slice(0, 20)) console.log(`  ${finding}`)
  if (expired === 0 || charged === 0) console.log('  the loop proved nothing: no call expired, or none was charged')
  return found.length === 0 && expired > 0 && charged > 0 ? 0 : 1
}

/** Each node is honest half of the time. */
function misbehave(nodes: readonly FaultNode[]): void {
  for (const node of nodes) {
    const faults = [
      { kind: 'cut', afterTokens: randomInt(1, 20) },
      { kind: 'stall', afterTokens: 3 },
    ] as const
    node.behaviour = faults[randomInt(4)] ?? { kind: 'honest' }
  }
}

/** Damages copies of the settled files, one way at a time. @returns what the reader did not notice */
function missedDamage(stateDir: string, histories: readonly History[]): string[] {
  return DAMAGES.flatMap(([name, damage]) => {
    let isDone = false
    const dead = readDeadState(stateDir, (_, db) => {
      if (!isDone) isDone = damage(db)
    })
    const isNoticed = checkAlways(dead).length + checkSettled(dead, histories).length > 0
    if (!isDone) return [`the damage "${name}" could not be done`]
    return isNoticed ? [] : [`the reader did not notice: ${name}`]
  })
}

type Damage = (db: Database.Database) => boolean

/** Changes rows of the file that has them; true when it was that file. */
const change =
  (table: string, statement: string): Damage =>
  (db) => {
    const has = db.prepare('SELECT count(*) AS n FROM sqlite_master WHERE name = ?').get(table) as { n: number } // one row by its count
    return has.n > 0 && db.prepare(statement).run().changes > 0
  }

const DAMAGES: readonly (readonly [string, Damage])[] = [
  ['a balance one nano higher', change('holds', 'UPDATE account SET balance_nanos = balance_nanos + 1 WHERE seq > 0')],
  ['a hold that leaked', change('holds', 'UPDATE account SET held_nanos = 1 WHERE balance_nanos > 0')],
  [
    'a charge that its line does not say',
    change(
      'holds',
      'UPDATE holds SET charge_nanos = charge_nanos + 1 WHERE call_id = (SELECT max(call_id) FROM holds WHERE charge_nanos > 0)',
    ),
  ],
  [
    'a line gone from a guard',
    change('holds', 'DELETE FROM lines WHERE seq = (SELECT max(seq) FROM lines) AND (SELECT count(*) FROM holds) > 0'),
  ],
  [
    'a word of a line changed',
    change(
      'holds',
      `UPDATE lines SET body = replace(body, '"complete"', '"compleat"') WHERE seq = (SELECT min(seq) FROM lines WHERE body LIKE '%"complete"%')`,
    ),
  ],
  [
    'a line gone from the book',
    change('rollups_hour', 'DELETE FROM lines WHERE rowid = (SELECT max(rowid) FROM lines)'),
  ],
  ['a leg gone from the book', change('rollups_hour', 'DELETE FROM legs WHERE rowid = (SELECT max(rowid) FROM legs)')],
  [
    'a rollup counted twice',
    change(
      'rollups_hour',
      'UPDATE rollups_hour SET calls = calls + 1 WHERE rowid = (SELECT max(rowid) FROM rollups_hour)',
    ),
  ],
]

function told(histories: readonly History[]): string {
  const wanted = histories.flatMap((history) => history.wanted)
  const acknowledged = wanted.filter((one) => one.acknowledged !== null)
  const repeated = wanted.filter((one) => one.sent > 1)
  return `${wanted.length} requests, ${acknowledged.length} acknowledged, ${repeated.length} sent more than once`
}

const seconds = (since: number): number => Math.round((Date.now() - since) / 1_000)
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

const market = await startMarket({
  nodes: 0,
  vars: { SOUK_HOLD_DEADLINE_MS: String(HOLD_MS), SOUK_TIMEOUTS: JSON.stringify({ progressMs: 100 }) },
})
try {
  process.exitCode = await crashLoop(market)
} finally {
  await market.stop()
}
