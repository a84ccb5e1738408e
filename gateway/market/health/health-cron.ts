// Every minute: a bounded number of offers that are broken, or that no caller has asked for a while, are probed side by side; and old rows of five minutes leave.
// When hardly anybody answers, the fault is the gateway's, and none of the nodes hears of it.
import { logError } from '../../core/errors.ts'
import { endingOf, isCorrelated } from './correlated.ts'
import { createHealthBook } from './health-book.ts'
import { createHealthProbes, type HealthProbeNeeds, type SentProbe } from './health-probe.ts'

/** probes in one minute: each is some six requests, and a Worker makes a bounded number of them */
const PROBES_MAX = 20

/** @returns the job; it never throws for a node's sake */
export function createHealthCron(needs: HealthProbeNeeds): () => Promise<void> {
  const probes = createHealthProbes(needs)
  const book = createHealthBook(needs.db)
  return async () => {
    await book.purge(needs.clock())
    const due = await probes.due(PROBES_MAX, needs.clock())
    const sent = await settled(due.map(({ nodeId, modelId }) => probes.send(nodeId, modelId)))
    const told = withoutBlame(
      sent.flatMap((probe) => probe ?? []),
      needs,
    )
    await settled(told.map((probe) => probes.tell(probe)))
  }
}

function withoutBlame(sent: readonly SentProbe[], { clock }: HealthProbeNeeds): readonly SentProbe[] {
  const at = clock()
  // One that is known to fail, and does, is no news of the others.
  const heard = sent.filter(({ offer, report: { outcome } }) =>
    offer.breaker === 'closed' ? outcome !== 'away' : outcome === 'served',
  )
  const endings = heard.map(({ offer, report }) => endingOf(offer, report.outcome === 'failed', at))
  if (!isCorrelated(endings)) return sent
  return sent.map((probe) =>
    probe.report.outcome === 'failed' ? { ...probe, report: { ...probe.report, outcome: 'away' } } : probe,
  )
}

async function settled<T>(work: readonly Promise<T>[]): Promise<T[]> {
  const outcomes = await Promise.allSettled(work)
  return outcomes.flatMap((outcome) => {
    if (outcome.status === 'fulfilled') return [outcome.value]
    logError(outcome.reason, null)
    return []
  })
}
