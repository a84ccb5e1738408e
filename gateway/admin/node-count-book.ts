// How many nodes stand where, for admins. Each count stops at a bound, so that no market is so large that looking at it costs more; what is counted lies in
// an index of its own.
import type { NodeState } from '../../protocol/node.ts'
import type { NodeCounts } from '../../protocol/metering.ts'

/** From so many on a count says "or more". */
const COUNTED_MAX = 10_000

/** Ids of nodes that should serve and do not answer: their link is gone, or not one live offer of theirs has an answering node behind it. */
export const SILENT_NODES = `
  SELECT id FROM nodes WHERE state IN ('active', 'probation') AND link_down_at IS NOT NULL
  UNION
  SELECT n.id FROM (SELECT DISTINCT node_id FROM offers WHERE breaker = 'open') AS b CROSS JOIN nodes AS n
  WHERE n.id = b.node_id AND n.state IN ('active', 'probation')
    AND NOT EXISTS (SELECT 1 FROM offers AS o WHERE o.node_id = n.id AND o.state = 'live' AND o.breaker <> 'open')`

const SHOWN = ['active', 'probation', 'pending', 'draining', 'suspended'] as const satisfies readonly NodeState[]
const COUNT = SHOWN.map(
  (state) => `(SELECT count(*) FROM (SELECT 1 FROM nodes WHERE state = '${state}' LIMIT ?1)) AS ${state}`,
)
const COUNTS = `
  WITH silent AS (SELECT n.state AS state FROM (${SILENT_NODES} LIMIT ?1) AS s CROSS JOIN nodes AS n WHERE n.id = s.id)
  SELECT ${COUNT.join(', ')},
    (SELECT count(*) FROM silent WHERE state = 'active') AS silentActive, (SELECT count(*) FROM silent WHERE state = 'probation') AS silentProbation`

type Row = Record<(typeof SHOWN)[number] | 'silentActive' | 'silentProbation', number>

export function createNodeCounts(registry: D1Database) {
  return async (): Promise<NodeCounts> => {
    const row = await registry.prepare(COUNTS).bind(COUNTED_MAX).first<Row>()
    const { active = 0, probation = 0, silentActive = 0, silentProbation = 0, ...rest } = row ?? ({} as Partial<Row>) // an aggregate always has its row
    const { pending = 0, draining = 0, suspended = 0 } = rest
    return {
      live: Math.max(0, active - silentActive),
      probation: Math.max(0, probation - silentProbation),
      silent: silentActive + silentProbation,
      ...{ pending, draining, suspended, countedMax: COUNTED_MAX },
    }
  }
}
