// Every minute: new events become deliveries, and what is due is sent, side by side, so that a receiver that does not answer delays its own
// messages and nobody else's. A run that is lost leaves its claims to end by themselves; the next one goes on.
import { logError } from '../core/errors.ts'
import { createDeliveryBook, type Claimed, type DeliveryBook } from './delivery-book.ts'
import { NOTIFY } from './limits.ts'
import { newDeliveryId } from './message.ts'
import { send, type SendNeeds } from './send.ts'

export interface NotifyCronNeeds extends SendNeeds {
  /** the registry */
  readonly db: D1Database
}

/** @returns the run; it gives how many messages it tried to send */
export function createNotifyCron(needs: NotifyCronNeeds): () => Promise<number> {
  const book = createDeliveryBook(needs.db)
  return async () => {
    try {
      await spread(book, needs)
    } catch (error) {
      // What was spread before can be sent all the same.
      logError(error, null)
    }
    const due = await book.claimDue(needs.clock())
    await inLanes(due, NOTIFY.lanes, (claimed) => sendOne(claimed, book, needs))
    return due.length
  }
}

async function spread(book: DeliveryBook, { clock, random }: NotifyCronNeeds): Promise<void> {
  for (let page = 0; page < NOTIFY.spreadPages; page++) {
    const events = await book.spread(() => newDeliveryId(random), clock())
    if (events < NOTIFY.spreadRows) return
  }
}

async function sendOne(claimed: Claimed, book: DeliveryBook, needs: NotifyCronNeeds): Promise<void> {
  try {
    await send(claimed, book, needs)
  } catch (error) {
    // It was sent, perhaps, and not written down: its claim ends, and it is sent again.
    logError(error, null)
  }
}

/** Each lane takes the next one when it is done with its own. */
async function inLanes<T>(items: readonly T[], lanes: number, work: (item: T) => Promise<void>): Promise<void> {
  const rest = items.values()
  const lane = async () => {
    for (const item of rest) await work(item)
  }
  await Promise.all(Array.from({ length: Math.min(lanes, items.length) }, lane))
}
