// What a check of the doctor says: one sentence of what is there, and where something is wrong one line of how to mend it. Sentences are for operators
// and name no secret; programs read the verdict and the check's name.

export type Verdict =
  | 'ok'
  /** worth knowing, and the node works all the same */
  | 'note'
  | 'wrong'
  /** could not be looked at, because something before it is wrong or not there yet */
  | 'skipped'

export interface Finding {
  readonly verdict: Verdict
  readonly says: string
  /** null: nothing needs to be done */
  readonly mend: string | null
}

export const ok = (says: string): Finding => ({ verdict: 'ok', says, mend: null })
export const note = (says: string, mend: string | null = null): Finding => ({ verdict: 'note', says, mend })
export const wrong = (says: string, mend: string): Finding => ({ verdict: 'wrong', says, mend })
export const skipped = (says: string): Finding => ({ verdict: 'skipped', says, mend: null })

/** A system's code for a failed call. @example 'ENOSPC' */
export const codeOf = (cause: unknown): string =>
  cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : 'unknown'

/** @example amount(7_000_000_000) // '7.0 GB' */
export function amount(bytes: number): string {
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(1)} GB`
  return bytes >= 1e6 ? `${Math.round(bytes / 1e6)} MB` : `${Math.ceil(bytes / 1e3)} kB`
}

/** @example span(94_000) // '94 s'; span(7_200_000) // '2 h' */
export function span(ms: number): string {
  const seconds = Math.round(Math.abs(ms) / 1_000)
  if (seconds < 120) return `${seconds} s`
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`
  return seconds < 172_800 ? `${Math.round(seconds / 3_600)} h` : `${Math.round(seconds / 86_400)} days`
}
