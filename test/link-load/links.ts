// `npm run link-load -- links [n]`: a deployment of the gateway drops every link at once; a thousand nodes come back by the product's own client. All must be back soon after the
// gateway is, and must not knock in a crowd: tries and arrivals of each second are printed, and a breach ends with 1. Judged are the tries, for here, unlike at the edge, whoever knocks while the
// one gateway starts is let in with all others when it is there.
import { setTimeout as wait } from 'node:timers/promises'
import { LINK } from '../../protocol/link.ts'
import { createIdentity } from '../../provider-node/identity.ts'
import { createLink, systemClock, type Link } from '../../provider-node/link/link-client.ts'
import { aTemporaryFolder } from '../provider-node/builders.ts'
import { startHouse } from './house.ts'

const LINKS = Number(process.argv[2] ?? 1_000)
/** ms from the gateway's return until 99 of 100 links stand; and until the last does, whose pauses were drawn long: the longest pause there is */
const BACK_MS = 30_000
const LAST_MS = LINK.pauseMs.last
/** Share of the links that may knock in one second: a fifth by the first pause, drawn over five seconds, and a tenth of those who were refused, over ten. */
const CROWD_MAX = 0.3
/** links opened at once in the beginning, and ms between two such groups: how they first came is not what is asked */
const GROUP = 20
const GROUP_MS = 200
/** A link counts as steady after a minute; its node's clock goes on by most of it, within what the gateway allows clocks to differ. */
const SHIFT_MS = 50_000
const STEADY_MS = 12_000

const house = await startHouse()
const home = await aTemporaryFolder()
const links: Link[] = []
let shiftMs = 0
/** ms since the Unix epoch, one for each try, and for each time a link stood */
let tries: number[] = []
let arrivals: number[] = []
const problems: string[] = []
try {
  const identities = await Promise.all(Array.from({ length: LINKS }, (_, n) => createIdentity(home.path, `${n}.json`)))
  const ids = await house.register(identities.map(({ nodeKey }) => nodeKey))
  for (const [n, identity] of identities.entries()) {
    links.push(linkOf(identity, ids[n] ?? ''))
    if (n % GROUP === GROUP - 1) await wait(GROUP_MS)
  }
  await allUp(120_000)
  console.log(`${LINKS} links stand`)
  await wait(STEADY_MS)
  shiftMs = SHIFT_MS
  tries = []
  arrivals = []
  const droppedAt = Date.now()
  await house.restart()
  const backAt = Date.now()
  await allUp(LAST_MS + BACK_MS)
  report(droppedAt, backAt)
} finally {
  await Promise.all(links.map((link) => link.close(0)))
  await house.stop()
  await home.remove()
}
for (const problem of problems) console.error(`FAILED: ${problem}`)
process.exit(problems.length === 0 ? 0 : 1)

function linkOf(identity: Awaited<ReturnType<typeof createIdentity>>, nodeId: string): Link {
  return createLink({
    gateway: house.gateway.url,
    identity,
    // Asked once for each try.
    nodeId: () => {
      tries.push(Date.now())
      return Promise.resolve(nodeId)
    },
    serve: () => Promise.resolve(new Response(null, { status: 503 })),
    metrics: { watch: () => undefined, reconnected: () => undefined, bytes: () => undefined },
    log: () => undefined,
    clock: systemClock(() => Date.now() + shiftMs),
    up: () => arrivals.push(Date.now()),
  })
}

async function allUp(limitMs: number): Promise<void> {
  const until = Date.now() + limitMs
  const missing = () => links.filter((link) => !link.isUp()).length
  while (missing() > 0 && Date.now() < until) await wait(50)
  if (missing() > 0) problems.push(`${missing()} of ${LINKS} links do not stand after ${limitMs / 1_000} s`)
}

function report(droppedAt: number, backAt: number): void {
  const knocks = bySecond(tries, droppedAt)
  const peak = Math.max(...knocks.values())
  const inOrder = [...arrivals].sort((a, b) => a - b)
  const mostMs = (inOrder[Math.ceil(LINKS * 0.99) - 1] ?? Number.POSITIVE_INFINITY) - backAt
  const lastMs = (inOrder.at(-1) ?? Number.POSITIVE_INFINITY) - backAt
  console.log(`the gateway was away for ${inSeconds(backAt - droppedAt)}`)
  console.log(`tries by second since all were dropped: ${listed(knocks)}`)
  console.log(`arrivals by second: ${listed(bySecond(arrivals, droppedAt))}`)
  const back = `99 of 100 back ${inSeconds(mostMs)} after the gateway, the last ${inSeconds(lastMs)}`
  console.log(`${back}; most tries in one second: ${peak} of ${LINKS}`)
  if (mostMs > BACK_MS) problems.push(`99 of 100 links were back only ${inSeconds(mostMs)} after the gateway`)
  if (lastMs > LAST_MS) problems.push(`the last came ${inSeconds(lastMs)} after the gateway`)
  // And chance: four times the square root of what is expected.
  const most = LINKS * CROWD_MAX + 4 * Math.sqrt(LINKS * CROWD_MAX)
  if (peak > most) problems.push(`${peak} of ${LINKS} knocked within one second`)
}

function inSeconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`
}

function bySecond(times: readonly number[], from: number): Map<number, number> {
  const seconds = new Map<number, number>()
  for (const at of times) {
    const second = Math.floor((at - from) / 1_000)
    seconds.set(second, (seconds.get(second) ?? 0) + 1)
  }
  return seconds
}

function listed(seconds: ReadonlyMap<number, number>): string {
  const inOrder = [...seconds].sort(([a], [b]) => a - b)
  return inOrder.map(([second, count]) => `${second} s: ${count}`).join(', ')
}
