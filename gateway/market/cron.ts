// Every minute: nodes that wait for their proof or their probes get another try, a bounded number of them, side by side.
import { logError } from '../core/errors.ts'
import { createNodeBook } from './nodes/node-book.ts'
import type { NodeGuards } from './guard/node-guard.ts'
import type { ProbeNeeds } from './admission/probe.ts'
import { reviewNode } from './admission/review.ts'

/** nodes tried in one minute */
const NODES_MAX = 10

export interface MarketCronNeeds extends ProbeNeeds {
  readonly db: D1Database
  readonly nodeGuards: NodeGuards
  readonly proofMs?: number
}

/** @returns the job; it never throws for a node's sake */
export function createMarketCron(needs: MarketCronNeeds): () => Promise<void> {
  const book = createNodeBook(needs.db)
  return async () => {
    const waiting = await book.waiting(NODES_MAX, needs.clock())
    const reviews = await Promise.allSettled(
      waiting.map((nodeId) => reviewNode({ ...needs, book }, nodeId, { proveAgain: false })),
    )
    for (const review of reviews) if (review.status === 'rejected') logError(review.reason, null)
  }
}
