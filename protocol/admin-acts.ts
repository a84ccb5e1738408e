// The acts of the admins' log (admin-log.ts), each put together with what came of it. Without schemas: the page that lists them stands before the chain is checked.
import type { AdminLogEntry } from './parameters.ts'

/** status of an act that is entered before it is done: what came of it stands in a later entry, or nobody came back to say it */
export const INTENDED = 0
/** action of an entry that says what came of an earlier one */
export const OUTCOME = 'outcome'

/** An act with what came of it. */
export interface AdminAct {
  /** its own: of acts before outcomes had entries, it says the outcome too */
  readonly entry: AdminLogEntry
  /** HTTP status of what came of it; null: no entry says it, so it may have been done or not */
  readonly status: number | null
  /** of a refusal, where it is known */
  readonly code: string | null
}

/** The target of an outcome: the entry it is of, and the code of a refusal. */
export const outcomeTarget = (seq: number, code: string | null): Record<string, string> => ({
  entry: String(seq),
  ...(code !== null && { code }),
})

/**
 * The acts of a part of the log, in its order. Outcomes are newer than their acts: of entries from the newest on, or up to it, nothing is missing.
 * @example adminActs([{ seq: 2, action: 'outcome', target: { entry: '1' }, status: 200, … }, { seq: 1, status: 0, … }]) // [{ entry: { seq: 1, … }, status: 200, code: null }]
 */
export function adminActs(entries: readonly AdminLogEntry[]): AdminAct[] {
  const outcomes = new Map(entries.filter(isOutcome).map((entry) => [entry.target.entry, entry]))
  return entries
    .filter((entry) => !isOutcome(entry))
    .map((entry) => {
      if (entry.status !== INTENDED) return { entry, status: entry.status, code: null }
      const outcome = outcomes.get(String(entry.seq))
      return { entry, status: outcome?.status ?? null, code: outcome?.target.code ?? null }
    })
}

const isOutcome = ({ action }: AdminLogEntry): boolean => action === OUTCOME
