// Where a page of a list begins, as a condition that an index finds at once. Written out as "earlier, or at the same time and smaller", SQLite would go
// through every row before it, and each page would cost more than the one before.
import { sql, type Column, type SQL } from 'drizzle-orm'

/** The last row of the page before. */
export interface Place {
  /** ms */
  readonly at: number
  readonly id: string
}

/** Of a list with the newest first. @param last null: it begins with the newest */
export const olderThan = (at: Column, id: Column, last: Place | null): SQL | undefined =>
  last === null ? undefined : sql`(${at}, ${id}) < (${last.at}, ${last.id})`

/** Of a list with the oldest first. */
export const newerThan = (at: Column, id: Column, last: Place | null): SQL | undefined =>
  last === null ? undefined : sql`(${at}, ${id}) > (${last.at}, ${last.id})`
