// Lists as files for a spreadsheet (RFC 4180). What begins like a formula is made text: a name on a ledger is nobody's program.
import { save } from '../ui/download.ts'

/** @param fields in the order of the columns, which are named after them */
export function csv<Field extends string>(
  fields: readonly Field[],
  rows: readonly Readonly<Record<Field, string | number | null>>[],
): string {
  const lines = rows.map((row) => fields.map((field) => cell(row[field])).join(','))
  return [fields.join(','), ...lines, ''].join('\r\n')
}

function cell(value: string | number | null): string {
  const text = value === null ? '' : String(value)
  const isAmount = /^-?\d+(\.\d+)?$/.test(text)
  const defused = !isAmount && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(defused) ? `"${defused.replaceAll('"', '""')}"` : defused
}

export const saveCsv = (name: string, text: string): void =>
  save(new Blob([text], { type: 'text/csv;charset=utf-8' }), name)
