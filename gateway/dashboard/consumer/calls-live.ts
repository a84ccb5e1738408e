// A list of calls to which new ones come on top while somebody reads it (pure): the pages that were read stay as they are, what is new stands before them.
import type { UsageCall } from '../../../protocol/ledger.ts'

export interface CallPage {
  readonly data: UsageCall[]
  readonly nextCursor: string | null
}

/**
 * @param pages as they were read, newest first
 * @param newest the first page as it is now
 * @returns the calls that are not in `pages` yet; `gap` when more came than one page holds, so that the list must be read again
 */
export function newCalls(pages: readonly CallPage[], newest: CallPage): readonly UsageCall[] | 'gap' {
  const known = new Set(pages.flatMap(({ data }) => data.map(({ id }) => id)))
  const fresh = newest.data.filter(({ id }) => !known.has(id))
  const isJoined = fresh.length < newest.data.length || newest.nextCursor === null || known.size === 0
  return isJoined ? fresh : 'gap'
}

/** The same pages with these calls in their places: by the time a call began, so that a long one may come to stand below shorter ones. */
export function withNew(pages: readonly CallPage[], fresh: readonly UsageCall[]): CallPage[] {
  const [first, ...rest] = pages
  return first && fresh.length > 0 ? [{ ...first, data: [...fresh, ...first.data].sort(byStart) }, ...rest] : [...pages]
}

const byStart = (a: UsageCall, b: UsageCall): number =>
  a.startedAt === b.startedAt ? (a.id < b.id ? 1 : -1) : a.startedAt < b.startedAt ? 1 : -1
