// Stopping a node and letting it in again, as audits and the house ask for it.
import type { NodeId } from '../../../protocol/units.ts'

export interface SanctionCause {
  readonly by: 'audit' | 'house'
  /** in words, for its operator: what was found, and what to do */
  readonly reason: string
  /** JSON: what it was decided by */
  readonly evidence: object
}

export interface Sanctions {
  /** It is asked nothing from then on, also over its link. @returns false when it was suspended or revoked already */
  suspend(nodeId: NodeId, cause: SanctionCause): Promise<boolean>
  /** It goes on where it was stopped, in probation. @returns false when it was not suspended */
  reinstate(nodeId: NodeId, cause: SanctionCause): Promise<boolean>
}
