// CSV that spreadsheets may open: whatever names hold, no cell is run as a formula, and every cell comes back as it was.
import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { ROOT } from '../../gateway/local/root.ts'
import { csvOf } from '../../protocol/csv.ts'
import { CSV_FILES } from '../support/csv-files.ts'
import { faultsOf, HOSTILE_CELLS, isFormula, readCsv } from '../support/hostile-cells.ts'
import { describeVectors } from '../support/vectors.ts'

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

describe('a row', () => {
  it('holds every hostile cell, and is read again as it was', () => {
    const rows = HOSTILE_CELLS.map((one, n) => [n, one, 'between', one, true, null])
    const text = csvOf(['n', 'first', 'between', 'second', 'is', 'nothing'], rows)
    expect(faultsOf(text, [...HOSTILE_CELLS, 'between', 'true', ''])).toEqual([])
    const firstOf = readCsv(text).map((row) => row.slice(1, 4))
    expect(firstOf.slice(1)).toEqual(
      HOSTILE_CELLS.map((one) => [isFormula(one) ? `'${one}` : one, 'between', isFormula(one) ? `'${one}` : one]),
    )
  })
})

describeVectors('naughty-strings', (vectors) => {
  it('stand in cells as they are', () => {
    const strings = z.array(z.string()).parse(vectors.json('blns.json'))
    const text = csvOf(
      ['n', 'string', 'next'],
      strings.map((one, n) => [n, one, 'x']),
    )
    expect(strings.length).toBeGreaterThan(400)
    expect(faultsOf(text, strings)).toEqual([])
    expect(readCsv(text)).toHaveLength(strings.length + 1)
  })
})

describe('every file for a spreadsheet', () => {
  const sources = ['gateway', 'protocol', 'provider-node'].flatMap((room) =>
    readdirSync(join(ROOT, room), { recursive: true, encoding: 'utf8' })
      .filter((file) => /\.(tsx?|mjs)$/.test(file) && !file.includes('node_modules'))
      .map((file) => ({ file: join(room, file), text: readFileSync(join(ROOT, room, file), 'utf8') })),
  )
  const found = (what: RegExp) => sources.flatMap(({ text }) => [...text.matchAll(what)].map(([, name = '']) => name))

  it('is in the list, by where it is made and under its name', () => {
    const makers = sources.filter(({ text }) => SAYS_CSV.test(text)).map(({ file }) => file)
    expect(makers.sort()).toEqual(Object.keys(CSV_FILES).sort())
    const named = [...found(/\basFile\('([\w-]+)'/g), ...found(/\bexported\('([\w-]+)'/g)]
    const listed = ['gateway/admin/list-routes.ts', 'gateway/ledger/metering/exported.ts']
    expect(named.sort()).toEqual(listed.flatMap((file) => CSV_FILES[file] ?? []).sort())
  })

  it('is made of cells that are no formulas', () => {
    for (const file of Object.keys(CSV_FILES))
      expect(sources.find((one) => one.file === file)?.text, file).toMatch(/\b(csvOf|statementCsv|payoutCsv)\(/)
    for (const file of ['protocol/statement-csv.ts', 'gateway/ledger/payouts/payout-file.ts'])
      expect(sources.find((one) => one.file === file)?.text, file).toContain('return csvOf(')
  })

  it('is made by one function: nobody puts cells together by hand', () => {
    const joiners = sources.filter(({ text }) => JOINS_CELLS.test(text)).map(({ file }) => basename(file))
    expect(joiners.sort()).toEqual(Object.keys(JOINERS).sort())
  })

  it.each([
    [SAYS_CSV, "c.header('content-type', 'text/csv')"],
    [SAYS_CSV, "new Blob([text], { type: 'text/csv;charset=utf-8' })"],
    [SAYS_CSV, "'content-type': 'text/tab-separated-values'"],
    [SAYS_CSV, "type: 'application/vnd.ms-excel'"],
    [JOINS_CELLS, "rows.map((row) => row.join(',')).join('\\n')"],
    [JOINS_CELLS, "cells.join(';')"],
    [JOINS_CELLS, "cells.join('\\t')"],
    [JOINS_CELLS, 'text += `${id},${name}\\n`'],
  ])('is found where it is planted: %s in %s', (what, text) => expect(text).toMatch(what))
})

/** The browser names what it only fetches by its file's name; who makes one says what it is. */
const SAYS_CSV = /text\/csv|tab-separated|ms-excel|spreadsheetml/
const JOINS_CELLS = /\.join\((['"`])(,|;|\\t)\1\)|\$\{[^{}]+\}[,;\t]\$\{[^{}]+\}/
/** Who joins something by commas that is no row, and what it is. */
const JOINERS: Readonly<Record<string, string>> = {
  'csv.ts': 'the one function',
  'tensors.ts': 'nodes in a parameter of the answer',
  'tensor-fields.ts': 'JSON',
  'graph-signature.ts': 'a tensor’s shape',
  'metrics.ts': 'labels of Prometheus',
}
