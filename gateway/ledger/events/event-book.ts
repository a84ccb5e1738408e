// Where guards leave what account owners are to be told: rows of the registry, each written once, from which webhooks are sent.
import { drizzle } from 'drizzle-orm/d1'
import { events } from '../../../db/money-schema.ts'
import type { AccountId } from '../../../protocol/units.ts'
import type { EventKind } from '../../../protocol/webhook.ts'
import type { AccountEvent } from './event-store.ts'

/** Of a guard, or of a cron. */
export type ToldEvent = Omit<AccountEvent, 'kind'> & { readonly kind: EventKind }

/** @throws what D1 throws; an event that is there already is no error */
export type Tell = (accountId: AccountId, event: ToldEvent) => Promise<void>

export function createEventBook(registry: D1Database): Tell {
  const db = drizzle(registry)
  return async (accountId, { id, kind, at, data }) => {
    const row = { id: `${accountId}:${id}`, accountId, kind, at, data: JSON.stringify(data) }
    await db.insert(events).values(row).onConflictDoNothing()
  }
}
