// One seed, one story: people move in, calls and money run while a random subset of everything fails, then the faults end, time passes, and
// the books are read. The same seed tells the same story byte for byte; the first broken promise ends it.
import { drawFaults, faultsToText, NO_FAULTS } from './faults.ts'
import { SimClient } from './clients.ts'
import { SimGateway } from './gateways.ts'
import { SimHouse } from './house.ts'
import { Inspector } from './inspector.ts'
import { Market } from './market.ts'
import { Random } from './random.ts'
import { START, withVirtualTimers, World } from './world.ts'

export interface Outcome {
  readonly seed: number
  readonly steps: number
  readonly calls: number
  readonly acknowledged: number
  readonly lines: number
  readonly faults: string
  /** sha256 of the log: the same story has the same */
  readonly hash: string
  /** the first broken promise; null when all held */
  readonly violation: string | null
}

const MINUTE_MS = 60_000
/** virtual time with faults, at most */
const TROUBLE_MS = 30 * MINUTE_MS
/** virtual time for everything to settle: longer than clocks are apart and back-offs last */
const CALM_MS = 8 * 60 * MINUTE_MS
const STEPS_MAX = 40_000

/** @param print every line of the story */
export async function simulate(seed: number, print: ((line: string) => void) | null = null): Promise<Outcome> {
  const world = new World(new Random(seed), print)
  const complain = console.error
  console.error = (text: unknown) => noteError(world, String(text))
  try {
    return await withVirtualTimers(world, () => story(seed, world))
  } finally {
    console.error = complain
  }
}

async function story(seed: number, world: World): Promise<Outcome> {
  const { random } = world
  const market = new Market(world)
  await market.settleIn()
  const inspector = new Inspector(market)
  inspector.look()
  const faults = drawFaults(random)
  world.log(`faults: ${faultsToText(faults)}`)
  market.network.faults = faults
  const actors = begin(market)
  await run(world, inspector, market, START + TROUBLE_MS, () => actors.every(({ isDone }) => isDone))
  world.log('the faults end')
  market.network.faults = NO_FAULTS
  // Who writes again finds the gap by itself; for who does not, the book is written again, as an admin would.
  if (market.hasLostBook)
    for (const guard of market.guards.values())
      world.after(0, `write ${guard.name} again`, () => void guard.invoke((account) => account.reproject()))
  await run(world, inspector, market, world.now + CALM_MS / 2)
  // Alarms alone must have done it, unless one was lost; then the daily tick is what is left.
  if (world.violation === null && faults.alarmLost === 0) inspector.lookAtTheEnd()
  for (const guard of market.guards.values()) world.after(0, `daily tick ${guard.name}`, () => guard.tick())
  await run(world, inspector, market, world.now + CALM_MS / 2)
  if (world.violation === null) inspector.lookAtTheEnd()
  market.close()
  const { calls } = market.truth
  return {
    seed,
    steps: world.steps,
    calls: calls.size,
    acknowledged: [...calls.values()].filter(({ acknowledged }) => acknowledged !== null).length,
    lines: [...inspector.views.values()].reduce((sum, { lines }) => sum + lines.length, 0),
    faults: faultsToText(faults),
    hash: world.logHash(),
    violation: world.violation,
  }
}

function begin(market: Market): { readonly isDone: boolean }[] {
  const { world } = market
  const { random } = world
  const gateways = [new SimGateway(market, 'gateway 1'), new SimGateway(market, 'gateway 2')]
  const clients = market.keys.map((key) => new SimClient(market, gateways, key, random.between(2, 6)))
  const house = new SimHouse(market, random.between(6, 20))
  const actors = [...clients, house]
  for (const account of market.guards.keys())
    if (random.chance(0.9))
      void house.grantTo(
        account,
        BigInt(random.between(10_000, random.pick([500_000, 20_000_000, 20_000_000, 20_000_000]))),
      )
  for (const actor of actors) void actor.live()
  if (market.network.faults.bookLost > 0)
    world.after(random.between(MINUTE_MS, 5 * MINUTE_MS), '', () => {
      if (market.network.faults.bookLost > 0) market.loseBook(random.below(market.books.length))
    })
  return actors
}

async function run(
  world: World,
  inspector: Inspector,
  market: Market,
  until: number,
  isOver: () => boolean = () => false,
): Promise<void> {
  const stepsMax = world.steps + STEPS_MAX
  while (world.violation === null && !isOver() && (await world.step(until))) {
    for (const n of market.lostBooks.splice(0)) inspector.books[n]?.forget()
    inspector.look()
    if (world.steps > stepsMax) return world.broken('liveness', 'the world does not come to rest')
  }
}

/** What the ledger logs is planned, or it is a bug. */
function noteError(world: World, text: string): void {
  const planned = /Planned:|no answer within|malformed JSON/.test(text)
  if (!planned) world.broken('an unplanned error', text.slice(0, 600))
}
