// Words and numbers as a terminal shows them (rules): columns that line up, dollars without idle zeros, times as people say them.

/** Lines of columns, two spaces apart: the first one to the left, numbers to the right. @param rows the first one is the head */
export function table(rows: readonly (readonly string[])[], left: readonly number[] = [0]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)))
  return rows.map((row) =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0
        return left.includes(column) ? cell.padEnd(width) : cell.padStart(width)
      })
      .join('  ')
      .trimEnd(),
  )
}

/** @example dollars('0.050000000') // '0.05'; dollars('2.000000000') // '2' */
export const dollars = (usd: string): string => (usd.includes('.') ? usd.replace(/0+$/, '').replace(/\.$/, '') : usd)

/** @example count(1234567) // '1,234,567' */
export const count = (number: number): string => number.toLocaleString('en-US')

/** @example bytes(1_500_000) // '1.5 MB' */
export function bytes(size: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'] as const
  const step = size < 1_000 ? 0 : Math.min(4, Math.floor(Math.log10(size) / 3))
  const shown = size / 1_000 ** step
  return `${step === 0 || shown >= 100 ? Math.round(shown) : shown.toFixed(1)} ${units[step]}`
}

/** A span in its largest unit. @param ms below zero counts as none @example span(90_000) // '2 min' */
export function span(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000))
  if (seconds < 90) return `${seconds} s`
  if (seconds < 5_400) return `${Math.round(seconds / 60)} min`
  if (seconds < 129_600) return `${Math.round(seconds / 3_600)} h`
  return `${Math.round(seconds / 86_400)} days`
}

/** @example since('2026-01-01T00:00:00Z', now) // 'since 2026-01-01 00:00 UTC (5 min)' */
export const since = (iso: string, nowMs: number): string =>
  `since ${iso.slice(0, 16).replace('T', ' ')} UTC (${span(nowMs - Date.parse(iso))})`
