// The wire's version: what gateway and node say they speak, and what comes of it. Each accepts its own version and the one before, so either
// side can be updated first. Version 1: tickets, receipts, HTTPS. Version 2 adds the link (link.ts) and what a node's key may ask (operator.ts).
export const WIRE_VERSION = 2
/** Header of every request and answer between gateway and node: one whole number. */
export const WIRE_HEADER = 'souk-wire'
/** What who says nothing speaks: the first release. */
const UNSAID = 1

/**
 * The version two sides speak with each other: the lower one, when each accepts it; null when they cannot.
 * @param header of the other side
 * @example negotiateWire('1') // 1; negotiateWire('3') // 2: the other side accepts the one before its own; negotiateWire('4') // null
 */
export function negotiateWire(header: string | null | undefined, own: number = WIRE_VERSION): number | null {
  const theirs = header === null || header === undefined ? UNSAID : /^[1-9]\d{0,3}$/.test(header) ? Number(header) : 0
  if (theirs === 0 || Math.abs(theirs - own) > 1) return null
  return Math.min(theirs, own)
}
