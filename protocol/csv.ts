// Rows as a file that spreadsheets read (RFC 4180). What others wrote may stand in a cell, so one that a sheet would take for a formula is defused.

/**
 * @example csvOf(['node', 'calls'], [['=cmd()', 3]]) // "node,calls\r\n'=cmd(),3\r\n"
 * @param header of our own words
 */
export function csvOf(
  header: readonly string[],
  rows: readonly (readonly (string | number | boolean | null)[])[],
): string {
  return [header, ...rows].map((cells) => `${cells.map(cellOf).join(',')}\r\n`).join('')
}

/** A number is no formula; a text that begins like one gets an apostrophe, as spreadsheets take it for text then. */
function cellOf(value: string | number | boolean | null): string {
  if (value === null) return ''
  if (typeof value !== 'string') return String(value)
  const safe = /^[\s\p{Cc}]*[=+\-@]/u.test(value) || /^[\t\r\n]/.test(value) ? `'${value}` : value
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}
