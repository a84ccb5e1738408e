// Stopping a node and letting it in again (flow). The registry decides; the node's link is closed at once, and isolates see the new state within the age of
// their snapshots. A guard that does not answer stops nobody from being suspended.
import { base64url } from '../../../protocol/canonical.ts'
import { LINK_CLOSE } from '../../../protocol/link.ts'
import type { RandomBytes } from '../../../protocol/units.ts'
import type { Clock } from '../../core/clock.ts'
import { logError } from '../../core/errors.ts'
import type { NodeGuards } from '../guard/node-guard.ts'
import { createSanctionBook } from './sanction-book.ts'
import type { Sanctions } from './sanction-port.ts'

export interface SanctionNeeds {
  /** the registry */
  readonly db: D1Database
  readonly nodeGuards: NodeGuards
  readonly clock: Clock
  readonly random: RandomBytes
}

/** bytes of a sanction's id */
const ID_BYTES = 15

export function createSanctions({ db, nodeGuards, clock, random }: SanctionNeeds): Sanctions {
  const book = createSanctionBook(db)
  const newId = () => `sanction_${base64url(random(ID_BYTES))}`
  return {
    async suspend(nodeId, cause) {
      if (!(await book.suspend(newId(), nodeId, cause, clock()))) return false
      // The reason is told to whoever tries to link again; a close has little room.
      await nodeGuards(nodeId)
        .dropLink(LINK_CLOSE.revoked, 'It was suspended.')
        .catch((error: unknown) => logError(error, null))
      return true
    },

    async reinstate(nodeId, cause) {
      if (!(await book.isSuspended(nodeId))) return false
      // First the guard: what it has counted would make the node active at once.
      await nodeGuards(nodeId).beginProbation(nodeId)
      return book.reinstate(newId(), nodeId, cause, clock())
    },
  }
}
