// Lists that the page has read as files for a spreadsheet.
import { csvOf } from '../../../protocol/csv.ts'
import { save } from '../ui/download.ts'

/** @param fields in the order of the columns, which are named after them */
export function saveCsv<Field extends string>(
  name: string,
  fields: readonly Field[],
  rows: readonly Readonly<Record<Field, string | number | null>>[],
): void {
  const text = csvOf(
    fields,
    rows.map((row) => fields.map((field) => row[field])),
  )
  save(new Blob([text], { type: 'text/csv;charset=utf-8' }), name)
}
