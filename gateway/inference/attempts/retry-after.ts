// `Retry-After` of a node (RFC 9110, section 10.2.3), as far as it is believed (rule). Seconds or a date; whatever a node asks for, it is left
// alone for a few minutes at most, and what is neither is as good as nothing.

export const RETRY_AFTER = {
  /** ms a node may ask to be left alone: longer, and one word of it would keep it out of the market */
  mostMs: 300_000,
  /** characters of the header that are read: a date has 29 */
  characters: 40,
} as const

/** @example retryAfterMs("2", now) // 2_000; "Wed, 21 Oct 2015 07:28:00 GMT", in the past // 0; "soon" // null */
export function retryAfterMs(header: string | null, now: number): number | null {
  const said = header?.trim() ?? ''
  if (said === '' || said.length > RETRY_AFTER.characters) return null
  const ms = /^\d+$/.test(said) ? Number(said) * 1_000 : dateMs(said) - now
  return Number.isNaN(ms) ? null : Math.min(RETRY_AFTER.mostMs, Math.max(0, ms))
}

/** Of an IMF-fixdate, the one form of a date that is still sent; NaN for any other text, of which parsers make what they like. */
const dateMs = (text: string): number =>
  /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/.test(text) ? Date.parse(text) : Number.NaN
