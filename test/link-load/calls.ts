// `npm run link-load -- calls [n] [--seed s] [--fault swap|lose|end|credit] [--resident]`: ten thousand calls over one real link, 64 at once, with cancels, slow readers, and a wire that is cut
// again and again. Every call must be whole, cancelled by us or failed with a lost link, nothing may be left on either side, and memory must not go on growing; a breach ends with 1.
import { setTimeout as wait } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { join } from 'node:path'
import { z } from 'zod'
import { createIdentity } from '../../provider-node/identity.ts'
import { callOf, type Ending, type Outcome } from './caller.ts'
import { startHouse } from './house.ts'
import { openHeap, type Heap } from './heap.ts'
import { watchMemory, type MemoryWatch } from './memory.ts'
import { spawnLoadNode } from './node-process.ts'
import { startWire, type Cut } from './wire.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: 'string', default: '1' },
    fault: { type: 'string' },
    resident: { type: 'boolean', default: false },
  },
})
const CALLS = Number(positionals[0] ?? 10_000)
const SEED = Number(values.seed)
const AT_ONCE = 64
/** calls between two cuts */
const CALLS_A_CUT = 400
/** ways a link is lost, in turns: the gateway ends it, the gateway asks for a new one, the line breaks, one side alone hears of it, nobody does */
const LOSSES = ['drop', 'drain', 'both', 'node', 'gateway', 'silent'] as const
/** ms after a loss within which a call may fail by it: the node finds out that the line is dead */
const LOSS_MS = 10_000
/** Of the third quarter's resident memory: what the last one may be. Over ten thousand calls workerd was seen to grow by less and less; a slow leak needs a longer run to be seen. */
const GROWTH_MAX = 1.1
/** What the Worker's objects take at a quiet moment, against the end of the first fifth: nothing of any call may be referred to. */
const HEAP_MAX = 1.1
const LEGS = 5
/** ms after which nobody waits any more for a caller who stopped reading: longer than the door's STALL_MS (worker.ts) */
const STALLS_MS = 6_000
const GROWTH_MEBIBYTES = 24
/** fewer calls say nothing of memory */
const TELLING_CALLS = 5_000

const GuardState = z.object({
  streams: z.number(),
  busyLinks: z.number(),
  answerBytes: z.number(),
  bodyBytes: z.number(),
  watches: z.number(),
})

const house = await startHouse(!values.resident)
const { directUrl } = house.gateway
const wire = await startWire(directUrl)
const home = join(house.stateDir, 'node')
const identity = await createIdentity(home)
const [nodeId = ''] = await house.register([identity.nodeKey])
/** ms since the Unix epoch; `to` null: it has not come back */
const losses: { readonly from: number; to: number | null; readonly why: string }[] = []
let ups = 0
const node = spawnLoadNode({ gateway: wire.url, home, nodeId }, ({ isUp, why }) => {
  if (!isUp) return void losses.push({ from: Date.now(), to: null, why })
  ups += 1
  for (const loss of losses) loss.to ??= Date.now()
})
await until(() => ups > 0, 'the first link')
if (values.fault !== undefined) await fetch(`${directUrl}/load/fault?fault=${values.fault}`, { method: 'POST' })

const outcomes: Outcome[] = []
let begun = 0
const startedAt = Date.now()
const memory = { workerd: watchMemory(house.pid), node: watchMemory(node.pid) }
const heap = values.resident ? null : await openHeap(await house.gateway.mf.getInspectorURL())
/** KiB after each leg, with no call under way */
const heaps: number[] = []
const cutting = cutAgainAndAgain()
let pausedMs = 0
for (let leg = 1; leg <= LEGS; leg++) {
  await Promise.all(Array.from({ length: AT_ONCE }, () => caller((CALLS * leg) / LEGS)))
  const since = Date.now()
  if (heap) heaps.push(await quietHeap(heap))
  pausedMs += Date.now() - since
}
const seconds = (Date.now() - startedAt - pausedMs) / 1_000
await cutting
heap?.close()
const problems = [...faults(), ...(await leftBehind()), ...growth()]
report()
await node.stop()
await wire.close()
await house.stop()
for (const problem of problems.slice(0, 20)) console.error(`FAILED: ${problem}`)
process.exitCode = problems.length === 0 ? 0 : 1

async function caller(until: number): Promise<void> {
  while (begun < until) outcomes.push(await callOf(`${directUrl}/load/call?node=${nodeId}`, SEED, begun++))
}

async function cutAgainAndAgain(): Promise<void> {
  for (let cut = 1; cut * CALLS_A_CUT < CALLS; cut++) {
    while (outcomes.length < cut * CALLS_A_CUT) await wait(10)
    const how = LOSSES[(cut - 1) % LOSSES.length] ?? 'drop'
    const before = ups
    losses.push({ from: Date.now(), to: null, why: how })
    await lose(how)
    await until(() => ups > before, `the link after "${how}"`)
  }
}

async function lose(how: (typeof LOSSES)[number]): Promise<void> {
  if (how !== 'drop' && how !== 'drain') return wire.cut(how satisfies Cut)
  await fetch(`${directUrl}/load/${how}?node=${nodeId}`, { method: 'POST' })
}

async function until(isSo: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const late = Date.now() + 60_000
  while (!(await isSo())) {
    if (Date.now() > late) throw new Error(`${what} did not come within a minute`)
    await wait(20)
  }
}

function count(ending: Ending): number {
  return outcomes.filter((outcome) => outcome.ending === ending).length
}

function faults(): string[] {
  const wrong = outcomes.filter(({ ending }) => ending === 'wrong' || ending === 'stuck')
  const unexplained = outcomes.filter((outcome) => outcome.ending === 'failed' && !isExplained(outcome))
  const told = [...wrong, ...unexplained].map(({ ending, why }) => `${ending}: ${why ?? ''}`)
  // A load that does nothing would find nothing.
  const hardly = count('whole') < CALLS * 0.7 || count('cancelled') < CALLS * 0.03
  return hardly ? [...told, 'hardly anything was answered or cancelled: this was no load'] : told
}

/** A call fails by a link that was lost while it was under way, and by nothing else. */
function isExplained({ from, to }: Outcome): boolean {
  return losses.some((loss) => loss.from <= to && Math.min((loss.to ?? Infinity) + 1_000, loss.from + LOSS_MS) >= from)
}

/** Nobody asks any more, so nothing may be held. */
async function leftBehind(): Promise<string[]> {
  const look = async () => {
    const guards = GuardState.parse(await (await fetch(`${directUrl}/load/state`)).json())
    const { open, streams } = await node.state()
    return { ...guards, 'calls open at the node': open, 'streams of the node': streams }
  }
  const late = Date.now() + 10_000
  let left = await look()
  while (Object.values(left).some((held) => held > 0) && Date.now() < late) {
    await wait(100)
    left = await look()
  }
  return Object.entries(left).flatMap(([what, held]) => (held > 0 ? [`left behind: ${held} ${what}`] : []))
}

async function quietHeap(heap: Heap): Promise<number> {
  await leftBehind()
  await wait(STALLS_MS)
  return heap.collected()
}

function growth(): string[] {
  const [first = 0] = heaps
  const last = heaps.at(-1) ?? 0
  const kept = last > first * HEAP_MAX ? [`what the Worker refers to grew from ${first} to ${last} KiB`] : []
  return [...kept, ...residentGrowth()]
}

function residentGrowth(): string[] {
  return Object.entries(memory).flatMap(([name, watch]: [string, MemoryWatch]) => {
    watch.stop()
    const [, , third = 0, last = 0] = watch.quarters()
    const most = Math.max(third * GROWTH_MAX, third + GROWTH_MEBIBYTES)
    const isGrown = values.resident && CALLS >= TELLING_CALLS && last > most
    return isGrown ? [`the memory of ${name} grew from ${third} to ${last} MiB`] : []
  })
}

function report(): void {
  const bytes = outcomes.reduce((sum, outcome) => sum + outcome.bytes, 0)
  const endings = ['whole', 'cancelled', 'failed', 'wrong', 'stuck'] as const
  console.log(
    `${CALLS} calls over one link, ${AT_ONCE} at once, seed ${SEED}: ${endings.map((ending) => `${count(ending)} ${ending}`).join(', ')}`,
  )
  console.log(
    `${(CALLS / seconds).toFixed(0)} calls/s, ${(bytes / seconds / 1e6).toFixed(1)} MB/s, ${seconds.toFixed(0)} s; ${ups - 1} reconnects; ${outcomes.reduce((sum, { away }) => sum + away, 0)} tries found no link, ${outcomes.reduce((sum, { closed }) => sum + closed, 0)} a kept connection that had just been closed; they were made again`,
  )
  console.log(`the Worker's objects after a collection, after each fifth: ${heaps.join(' / ')} KiB`)
  console.log(
    `resident memory, median of each quarter: workerd ${memory.workerd.quarters().join(' / ')} MiB, node ${memory.node.quarters().join(' / ')} MiB`,
  )
}
