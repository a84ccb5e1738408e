// Whether lines of a journal are what they must be: one after the other, each hashed with the one before it, canonical, about this account,
// its legs summing to zero, and never a balance below zero. A rule: guards check their own lines with it, and verification the book's.
import { jcs } from '../../../protocol/canonical.ts'
import { deltaOf, hashLine, readLine, sumLegs, type ChainedLine } from '../../../protocol/journal.ts'
import { nanos, toUsd, type AccountId, type Nanos } from '../../../protocol/units.ts'
import type { Breach } from './self-check-port.ts'

/** Up to where everything was right. */
export interface CheckedPoint {
  readonly seq: number
  readonly hash: string
  readonly balanceNanos: Nanos
}

/** The first line that is wrong, and the last point before it. */
export function checkLines(
  lines: readonly ChainedLine[],
  account: AccountId,
  start: CheckedPoint,
): { readonly point: CheckedPoint; readonly breach: Breach | null } {
  let point = start
  for (const line of lines) {
    const wrong = whyWrong(line, account, point)
    if (typeof wrong === 'string')
      return { point, breach: { kind: 'chain', at: String(point.seq + 1), detail: `Line ${point.seq + 1} ${wrong}.` } }
    const balanceNanos = nanos(point.balanceNanos + wrong.deltaNanos)
    if (balanceNanos < 0n) {
      const detail = `After line ${line.seq} the balance was ${toUsd(balanceNanos)} dollars.`
      return { point, breach: { kind: 'balance', at: String(line.seq), detail } }
    }
    point = { seq: line.seq, hash: line.hash, balanceNanos }
  }
  return { point, breach: null }
}

/** The line's delta, or in words what is wrong with it. */
export function whyWrong(
  { seq, prevHash, hash, body }: ChainedLine,
  account: AccountId,
  before: Pick<CheckedPoint, 'seq' | 'hash'>,
): string | { readonly deltaNanos: Nanos } {
  if (seq !== before.seq + 1) return 'is missing'
  if (prevHash !== before.hash) return 'does not follow the line before it'
  if (hash !== hashLine(prevHash, body)) return 'is not what was hashed'
  const parsed = readLine(body)
  if (!parsed.ok || jcs(JSON.parse(body)) !== body) return 'is not canonical'
  const { line } = parsed
  if (line.seq !== seq || line.account !== account) return 'belongs to another place'
  if (sumLegs(line.legs) !== 0n) return 'has legs that do not sum to zero'
  if (line.deltaNanos !== deltaOf(line, account)) return 'says another delta than its legs'
  return { deltaNanos: line.deltaNanos }
}
