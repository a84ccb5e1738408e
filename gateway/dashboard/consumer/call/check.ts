// One thing that was checked in this browser, and the verdict of all of them together (pure). A check that could not be made is said to be open and
// is never counted as good.

export interface Check {
  /** what was looked at */
  readonly about: string
  /** open: it could not be checked, and `words` say why */
  readonly state: 'right' | 'wrong' | 'open'
  readonly words: string
}

export const ABOUT = {
  order: 'The gateway’s order',
  receipt: 'The node’s receipt',
  fit: 'Order and receipt',
  units: 'Units',
  price: 'Charge',
  split: 'Shares',
  journal: 'Journal',
} as const
/** without these there is no good verdict */
export const CORE = [ABOUT.order, ABOUT.receipt, ABOUT.fit] as const

export interface Verdict {
  readonly state: Check['state']
  readonly title: string
}

export const right = (about: string, words: string): Check => ({ about, state: 'right', words })
export const wrong = (about: string, words: string): Check => ({ about, state: 'wrong', words })
export const open = (about: string, words: string): Check => ({ about, state: 'open', words })

/** @param core what must have been checked for a good verdict */
export function verdictOf(checks: readonly Check[], core: readonly string[]): Verdict {
  const faults = checks.filter(({ state }) => state === 'wrong')
  if (faults.length > 0)
    return { state: 'wrong', title: faults.length === 1 ? 'One check failed' : `${faults.length} checks failed` }
  const isProved = core.every((about) => checks.some((check) => check.about === about && check.state === 'right'))
  if (!isProved) return { state: 'open', title: 'This call cannot be proved here' }
  const good = checks.filter(({ state }) => state === 'right').length
  return { state: 'right', title: `The receipt is genuine and fits the charge: ${good} checks passed` }
}
