// What callers are told of a model's state: refused when nobody may be served with it, warned by headers when its author has deprecated it. Calls under
// way when the state changes end as they would have.
import { GatewayError } from '../../core/errors.ts'
import type { Model } from '../../market/market-port.ts'
import { isServed, stateDetail } from '../../market/models/model-state.ts'

/** Of the market's words, the code of each state nobody is served in. RFC 7725 says that 451 goes with an explanation. */
export function requireServed(model: Model): void {
  if (isServed(model)) return
  const code = model.state === 'blocked' ? 'model_blocked' : 'model_withdrawn'
  throw new GatewayError(code, { param: 'model', detail: stateDetail(model) || undefined })
}

export const DEPRECATION_HEADERS = ['deprecation', 'x-souk-deprecated'] as const

/** RFC 9745 (`deprecation: @` and the second it began), and why in words. Empty for a model that is not deprecated. */
export function deprecationHeaders(model: Model): Record<string, string> {
  if (model.state !== 'deprecated') return {}
  const since = Math.floor((model.stateAt ?? model.createdAt) / 1_000)
  return {
    deprecation: `@${since}`,
    'x-souk-deprecated': headerText(stateDetail(model) || 'Its author has deprecated it.'),
  }
}

/** Header values are ASCII on one line: every other character is written as in a URL. */
const headerText = (text: string): string => text.replaceAll(/[^\x20-\x7e]/gu, escaped)

function escaped(character: string): string {
  if (/\s/.test(character)) return ' '
  try {
    return encodeURIComponent(character)
  } catch {
    // Half of a pair, which is no character.
    return '?'
  }
}
