// What one choice costs: offers of one model, from ten to ten thousand, a tenth of them full, some broken, some unknown. Processor time of this process, since the
// clock on the wall also counts what others do on a shared machine; and the ratio to a naive choice of the same offers (choose-naive.ts), in turns within one run.
// The long form fails when ten thousand take a millisecond or more at the 99th percentile, or when both do not choose alike.
import { rank } from '../../gateway/market/choose/choose.ts'
import { seededRandom } from '../../protocol/replay.ts'
import { prepared } from '../../gateway/market/choose/prepared.ts'
import { NO_WISHES, type Wishes } from '../../gateway/market/choose/wishes.ts'
import { instant, newNodeId, tokens } from '../../protocol/units.ts'
import { anOffer } from '../gateway/market/builders.ts'
import { rankNaively } from './choose-naive.ts'
import { percentile } from './load.ts'

const isQuick = process.argv.includes('--quick')
const SIZES = isQuick ? [10, 10_000] : [10, 100, 1_000, 10_000]
const ROUNDS = isQuick ? 300 : 3_000
/** a naive choice for so many fast ones: it takes its time */
const NAIVE_EVERY = 50
const LIMIT_MS = 1
const NOW = instant(1_000_000)
const ESTIMATE = { inputTokens: tokens(1_000), outputTokens: tokens(500) }

const WISHES: [string, Wishes | undefined][] = [
  ['without wishes', undefined],
  ['sorted by price', { ...NO_WISHES, sort: 'price' }],
  ['fast, near and pinned ones', { ...NO_WISHES, maxLatencyMs: 400, callerRegion: 'EU', mustBePinned: true }],
]

console.log('one choice          offers   p50        p99        most       naive p50  naive ÷ ours')
for (const size of SIZES) measure(size, manyOffers(size), WISHES[0])
for (const wish of WISHES.slice(1)) measure(10_000, manyOffers(10_000), wish)
measurePreparation(10_000)

function measure(size: number, offers: ReturnType<typeof manyOffers>, wish: (typeof WISHES)[number] | undefined): void {
  const [words = '', wishes] = wish ?? []
  const [ours, naive]: [number[], number[]] = [[], []]
  for (let round = -ROUNDS / 4; round < ROUNDS; round++) {
    const input = { seed: `round ${round}`, now: NOW, estimate: ESTIMATE, ...(wishes && { wishes }) }
    const mine = timed(() => rank(offers, input))
    if (round >= 0) ours.push(mine.ms)
    if (wishes || round % NAIVE_EVERY !== 0) continue
    const reference = timed(() => rankNaively(offers, input))
    naive.push(reference.ms)
    if (reference.result.order.join() !== mine.result.order.join()) fail(`another choice than the naive one (${size})`)
  }
  const [p50, p99, most] = [0.5, 0.99, 1].map((p) => percentile(ours, p))
  const naiveP50 = percentile(naive, 0.5)
  const cells = [p50, p99, most].map((ms) => `${(ms ?? 0).toFixed(3)} ms`.padEnd(10))
  const ratio = wishes ? '' : `${naiveP50.toFixed(2)} ms`.padEnd(10) + ` ${(naiveP50 / (p50 ?? 1)).toFixed(0)}`
  console.log(`${words.padEnd(27)}${String(size).padEnd(8)}${cells.join(' ')} ${ratio}`)
  if (!isQuick && !wishes && (p99 ?? 0) >= LIMIT_MS) fail(`${size} offers took ${p99} ms at the 99th percentile`)
}

/** Once for every snapshot, behind the call that finds it old. */
function measurePreparation(size: number): void {
  const offers = manyOffers(size)
  const times = Array.from({ length: isQuick ? 3 : 20 }, () => timed(() => prepared([...offers])).ms)
  console.log(`a snapshot of ${size} offers is prepared in ${percentile(times, 0.5).toFixed(1)} ms, once`)
}

function timed<T>(work: () => T): { readonly ms: number; readonly result: T } {
  const before = process.cpuUsage()
  const result = work()
  const { user, system } = process.cpuUsage(before)
  return { ms: (user + system) / 1_000, result }
}

function manyOffers(size: number) {
  const random = seededRandom(`offers ${size}`)
  const bytes = (length: number) => Uint8Array.from({ length }, () => Math.floor(random() * 256))
  return Array.from({ length: size }, () =>
    anOffer({
      nodeId: newNodeId(bytes),
      usd: (5 + random() * 10).toFixed(4),
      success: random() < 0.1 ? null : 0.5 + random() / 2,
      firstTokenMs: random() < 0.1 ? null : Math.floor(50 + random() * 500),
      unitsPerSecond: 20 + random() * 50,
      nodeState: random() < 0.1 ? 'probation' : 'active',
      inFlight: random() < 0.1 ? 4 : 0,
      breaker: random() < 0.05 ? 'open' : 'closed',
      region: random() < 0.5 ? 'EU' : 'NA',
      trust: random() < 0.05 ? 0.4 : 1,
    }),
  )
}

function fail(words: string): void {
  console.error(words)
  process.exitCode = 1
}
