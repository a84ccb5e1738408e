// What the operator is told of the link: each trouble once and not once per try, and its end. A link that is accepted and dropped again and again is
// told as that after some times, until it has stood for long.
import type { Log } from '../log.ts'
import { LINK_LIMITS } from './link-limits.ts'
import type { Verdict } from './verdict.ts'

export interface LinkLog {
  /** @param reconnected how often it has come back, 0 the first time */
  up(fields: { wire: number; reconnected: number }): void
  /** It has stood for {@link LINK_LIMITS.steadyMs}. */
  steady(): void
  /** @param isSteady whether it had stood for long */
  down(verdict: Verdict, isSteady: boolean): void
  /** There is none yet. */
  refused(verdict: Verdict): void
}

export function createLinkLog(log: Log, now: () => number): LinkLog {
  /** troubles told since the link last stood for long */
  const told = new Set<string>()
  let quickDrops = 0
  let downAt: number | null = null
  const isQuiet = () => quickDrops >= LINK_LIMITS.quickDrops
  const downMs = (): Record<string, number> => (downAt === null ? {} : { downMs: now() - downAt })
  let last: { wire: number; reconnected: number } | null = null
  return {
    up(fields) {
      last = fields
      if (isQuiet()) return
      log('info', 'link_up', { ...fields, ...downMs() })
      told.clear()
      downAt = null
    },
    steady() {
      if (isQuiet() && last) log('info', 'link_up', { ...last, ...downMs() })
      told.clear()
      quickDrops = 0
      downAt = null
    },
    down({ why, message }, isSteady) {
      downAt ??= now()
      if (isQuiet() && !isSteady) return
      quickDrops = isSteady ? 0 : quickDrops + 1
      const more: Record<string, string> = isQuiet()
        ? { again: 'this goes on: it is told again when the link has stood for a minute' }
        : {}
      log('warn', 'link_down', { why, message, ...more })
      told.add(why)
    },
    refused({ why, message }) {
      downAt ??= now()
      if (told.has(why)) return
      told.add(why)
      log('warn', why === 'unreachable' ? 'link_down' : 'link_refused', { why, message })
    },
  }
}
