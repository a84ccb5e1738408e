// Rows as a file that spreadsheets read (RFC 4180). What others wrote may stand in a cell, so one that a sheet would take for a formula is defused.

export type CsvCell = string | number | boolean | null

/**
 * @example csvOf(['node', 'calls'], [['=cmd()', 3]]) // "node,calls\r\n'=cmd(),3\r\n"
 * @param header of our own words
 */
export function csvOf(header: readonly string[], rows: readonly (readonly CsvCell[])[]): string {
  return [header, ...rows].map((cells) => `${cells.map(cellOf).join(',')}\r\n`).join('')
}

/** An amount is a number, though it is written as text. */
const NUMBER = /^-?\d{1,30}(\.\d{1,30})?$/
/** the signs in full width too, which some sheets read alike */
const FORMULA = /^[\s\p{Cc}]*[=+\-@\uFF1D\uFF0B\uFF0D\uFF20]|^[\t\r\n]/u

/** A number is no formula; a text that begins like one gets an apostrophe, as spreadsheets take it for text then. */
function cellOf(value: CsvCell): string {
  if (value === null) return ''
  if (typeof value !== 'string') return String(value)
  const safe = FORMULA.test(value) && !NUMBER.test(value) ? `'${value}` : value
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}
