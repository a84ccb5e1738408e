// The places of a quorum filled for one order: who sits there, or why nobody does.
import { OIP_LIMITS } from '../../../protocol/oip.ts'
import { GatewayError } from '../../core/errors.ts'
import { LIMITS } from '../../core/limits.ts'
import type { Candidate, OrderDraft } from '../order/order.ts'
import { jurorsOf, type Bench } from './jurors.ts'

/** s after which a snapshot is another one */
const RETRY_SECONDS = 5

/** @throws GatewayError no_provider when too few fit, with how many do; invalid_request when their answers are too large to be held together */
export function seated(ranked: readonly Candidate[], bench: Bench, draft: OrderDraft): readonly Candidate[] {
  const isDrawn = draft.text?.isGreedy === false
  const spare = Math.max(bench.spare, draft.breadth ?? 0)
  const jurors = jurorsOf(ranked, { ...bench, spare }, isDrawn)
  if (jurors.ok) {
    requireComparable(jurors.candidates, bench)
    return jurors.candidates
  }
  const detail = `A quorum of ${bench.n} was asked for, and ${jurors.fitting} of its providers fit.`
  throw new GatewayError('no_provider', { retryAfterSeconds: RETRY_SECONDS, detail })
}

/** All answers wait for each other. Those of words are bounded where they are read. */
function requireComparable([first]: readonly Candidate[], { n }: Bench): void {
  const outputBytes = Math.min(first?.model.manifest.tensors?.outputBytesMax ?? 0, OIP_LIMITS.bodyBytes)
  if (outputBytes * n <= LIMITS.comparedBytes) return
  const detail = `Answers of this model may have ${outputBytes} bytes: at most ${Math.floor(LIMITS.comparedBytes / outputBytes)} can be compared.`
  throw new GatewayError('invalid_request', { param: 'provider.quorum', detail })
}
