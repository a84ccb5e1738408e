// The market as the inference room sees it: snapshots, with what this isolate has just seen itself beside them, and reports to the nodes' guards.
// An isolate may only judge worse: a node that failed here is treated as broken for a few seconds, before any guard or database knows. And it blames nobody
// for what struck many nodes at once. Behind calls it probes the broken offers that it reads of, so that they are back within seconds of their recovery.
import type { Instant, ModelId } from '../../protocol/units.ts'
import type { Clock } from '../core/clock.ts'
import { endingOf, isCorrelated, withEnding, type Ending } from './health/correlated.ts'
import { verdictOf } from './health/health.ts'
import type { HealthProbes } from './health/health-probe.ts'
import { createLocalView } from './local-view.ts'
import type { AttemptReport, Market } from './market-port.ts'
import type { NodeGuards } from './guard/node-guard.ts'
import { createSnapshots, type Snapshots } from './snapshot.ts'

/** broken offers probed behind one refresh of a snapshot; their guards pace them */
const PROBES_MAX = 3
/** models of which it is remembered that their broken offers were looked at */
const LOOKED_MAX = 1_000

export interface MarketNeeds {
  readonly db: D1Database
  readonly nodeGuards: NodeGuards
  readonly clock: Clock
  /** as createSnapshots takes it */
  readonly probationShare?: () => Promise<number>
  /** of a broken offer, behind a call; absent: it waits for its trial by a caller and for the cron */
  readonly probe?: HealthProbes['run']
}

/** One per isolate: it holds the isolate's caches. */
export function createMarket({ db, nodeGuards, clock, probe, probationShare }: MarketNeeds): Market {
  const snapshots = createSnapshots({ db, clock, ...(probationShare && { probationShare }) })
  const seen = createLocalView(clock)
  const withFault = createBlame(snapshots, clock)
  const probeBroken = probe ? createBrokenProbes(snapshots, probe) : null
  return {
    async snapshot(modelId, background) {
      const probed = (work: Promise<unknown>) => background(work.then(() => probeBroken?.(modelId)))
      const snapshot = await snapshots.get(modelId, probed)
      // One that was waited for was read by nobody's refresh behind.
      const probing = probeBroken?.(modelId)
      if (probing) background(probing)
      return snapshot && { ...snapshot, local: seen.of(modelId) }
    },
    async attemptStarted(nodeId, modelId, callId, attempt) {
      seen.started(nodeId, modelId, callId, attempt)
      await nodeGuards(nodeId).attemptStarted(nodeId, modelId, callId, attempt)
    },
    async attemptEnded(given) {
      const report = withFault(given)
      seen.ended(report)
      await nodeGuards(report.nodeId).attemptEnded(report)
    },
    models: () => snapshots.all(),
  }
}

/** The report as it goes out: without fault of the node when hardly anybody answers. */
function createBlame(snapshots: Snapshots, clock: Clock) {
  let endings: readonly Ending[] = []
  return (report: AttemptReport): AttemptReport => {
    const verdict = verdictOf(report)
    const offer = verdict && snapshots.peek(report.modelId)?.offers.find(({ nodeId }) => nodeId === report.nodeId)
    if (!offer) return report
    endings = withEnding(endings, endingOf(offer, verdict === 'failed', clock()))
    return verdict === 'failed' && isCorrelated(endings) ? { ...report, fault: 'none' } : report
  }
}

/** Once for each reading of a model's offers. */
function createBrokenProbes(snapshots: Snapshots, probe: HealthProbes['run']) {
  const looked = new Map<ModelId, Instant>()
  return (modelId: ModelId): Promise<unknown> | null => {
    const snapshot = snapshots.peek(modelId)
    if (!snapshot || looked.get(modelId) === snapshot.takenAt) return null
    if (looked.size >= LOOKED_MAX) looked.clear()
    looked.set(modelId, snapshot.takenAt)
    const broken = snapshot.offers.filter(({ breaker }) => breaker !== 'closed')
    if (broken.length === 0) return null
    // Another few each time: the cheapest ones come first in every snapshot.
    const from = broken.length > PROBES_MAX ? snapshot.takenAt % broken.length : 0
    const some = [...broken, ...broken].slice(from, from + Math.min(PROBES_MAX, broken.length))
    return Promise.all(some.map(({ nodeId }) => probe(nodeId, modelId)))
  }
}
