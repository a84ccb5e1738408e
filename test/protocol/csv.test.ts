// CSV that spreadsheets may open: whatever names hold, no cell is run as a formula, and every cell comes back as it was.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ROOT } from '../../gateway/local/root.ts'
import { csvOf } from '../../protocol/csv.ts'

const cell = (value: string | number | boolean | null) => csvOf(['a'], [[value]]).slice('a\r\n'.length, -2)

describe('a cell', () => {
  it.each([
    '=1+1',
    '+1+1',
    '-1+1',
    '@SUM(A1)',
    '\t=1',
    '\r=1',
    '\n=1',
    ' =1',
    '\u0000=1',
    '＝1',
    '=',
    '-',
    '+44 123',
    '-0x1',
    '=@',
  ])('that begins like a formula is text: %j', (text) => {
    expect(cell(text).replace(/^"/, '')).toBe(`'${text}`.concat(cell(text).endsWith('"') ? '"' : ''))
  })

  it.each(['-0.000000001', '-5', '0.5', 'node', 'a=b', '🙂', 'مرحبا', '1-1', ''])('that is none stays: %j', (text) => {
    expect(cell(text)).toBe(text)
  })

  it.each([
    [null, ''],
    [-3, '-3'],
    [true, 'true'],
    ['a,b', '"a,b"'],
    ['a"b', '"a""b"'],
    ['a\r\nb', '"a\r\nb"'],
    ['=HYPERLINK("x","y")', '"\'=HYPERLINK(""x"",""y"")"'],
  ])('%j is written as %s', (value, text) => {
    expect(cell(value)).toBe(text)
  })
})

it('ends every row as RFC 4180 says', () => {
  expect(csvOf(['a', 'b'], [[1, 'x']])).toBe('a,b\r\n1,x\r\n')
})

describe('every file for a spreadsheet', () => {
  /** Those that make one answer or save it: what the browser only fetches is named `.csv` as well, and made by one of these. */
  const makers = ['gateway', 'protocol', 'provider-node'].flatMap((room) =>
    readdirSync(join(ROOT, room), { recursive: true, encoding: 'utf8' })
      .filter((file) => /\.tsx?$/.test(file))
      .map((file) => ({ file: join(room, file), text: readFileSync(join(ROOT, room, file), 'utf8') }))
      .filter(({ text }) => text.includes('text/csv')),
  )

  it('is made of cells that are no formulas', () => {
    expect(makers.length).toBeGreaterThanOrEqual(5)
    const others = makers.filter(({ text }) => !/\b(csvOf|statementCsv|payoutCsv)\(/.test(text))
    expect(others.map(({ file }) => file)).toEqual([])
    for (const file of ['protocol/statement-csv.ts', 'gateway/ledger/payouts/payout-file.ts'])
      expect(readFileSync(join(ROOT, file), 'utf8')).toContain('return csvOf(')
  })
})
