// The places of a quorum filled for one order: who sits there, or why nobody does.
import { NODE_PATHS } from '../../../protocol/node.ts'
import { GatewayError } from '../../core/errors.ts'
import type { Candidate, OrderDraft } from '../order.ts'
import { jurorsOf, type Bench } from './jurors.ts'

/** s after which a snapshot is another one */
const RETRY_SECONDS = 5

/** @throws GatewayError no_provider when too few fit, with how many do */
export function seated(ranked: readonly Candidate[], bench: Bench, draft: OrderDraft): readonly Candidate[] {
  const isText = draft.path === NODE_PATHS.chat || draft.path === NODE_PATHS.completions
  const spare = Math.max(bench.spare, draft.breadth ?? 0)
  const jurors = jurorsOf(ranked, { ...bench, spare }, isText)
  if (jurors.ok) return jurors.candidates
  const detail = `A quorum of ${bench.n} was asked for, and ${jurors.fitting} of its providers fit.`
  throw new GatewayError('no_provider', { retryAfterSeconds: RETRY_SECONDS, detail })
}
