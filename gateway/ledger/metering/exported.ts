// Any of metering's answers as a file: `?format=csv` for a spreadsheet, `?format=json` the answer itself to be kept. The rows say the same as the answer.
import type { MiddlewareHandler } from 'hono'
import { z } from 'zod'
import { csvOf, type CsvCell } from '../../../protocol/csv.ts'
import type {
  LatencyView,
  Measures,
  MeteringReply,
  OperatorEarningsReply,
  RoyaltiesReply,
  SpendReply,
  TopReply,
} from '../../../protocol/metering.ts'
import type { AppEnv } from '../../core/principal.ts'

export interface Table {
  readonly header: readonly string[]
  readonly rows: readonly (readonly CsvCell[])[]
}

export const FormatQuery = z.object({ format: z.enum(['json', 'csv']).optional() })

/** Behind the query's check. @param schema of the answer */
export function exported<T>(name: string, schema: z.ZodType<T>, table: (reply: T) => Table): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    await next()
    const format = c.req.query('format')
    if (format === undefined || !c.res.ok) return
    const headers = {
      'content-disposition': `attachment; filename="souk-${name}.${format}"`,
      'cache-control': 'no-store',
    }
    if (format === 'json') for (const [header, value] of Object.entries(headers)) c.res.headers.set(header, value)
    else {
      const { header, rows } = table(schema.parse(await c.res.json()))
      const text = csvOf(header, rows)
      c.res = undefined
      c.res = c.body(text, 200, { ...headers, 'content-type': 'text/csv; charset=utf-8' })
    }
  }
}

const MEASURES = ['calls', 'errors', 'input_tokens', 'output_tokens', 'tensor_bytes', 'charge_usd'] as const
const measureCells = (row: Measures): CsvCell[] => [
  row.calls,
  row.errors,
  row.inputTokens,
  row.outputTokens,
  row.tensorBytes,
  row.charge,
]
const SHARES = ['operators_usd', 'authors_usd', 'house_usd'] as const
const shareCells = (row: { operators: string; authors: string; house: string }): CsvCell[] => [
  row.operators,
  row.authors,
  row.house,
]
const latencyNames = (name: string) => ['p50', 'p90', 'p99'].map((share) => `${name}_${share}_ms`)
const latencyCells = (view: LatencyView): CsvCell[] => (view ? [view.p50, view.p90, view.p99] : [null, null, null])

export const spendTable = ({ total, points, groups }: SpendReply): Table => ({
  header: ['section', 'at', 'id', ...MEASURES],
  rows: [
    ['total', null, null, ...measureCells(total)],
    ...points.map((point) => ['point', point.at, null, ...measureCells(point)]),
    ...groups.map((group) => ['group', null, group.id, ...measureCells(group)]),
  ],
})

export function meteringTable({ total, points, before }: MeteringReply): Table {
  const cells = (row: MeteringReply['total']) => [
    ...measureCells(row),
    ...shareCells(row),
    ...latencyCells(row.firstTokenMs),
    ...latencyCells(row.durationMs),
  ]
  const latencyColumns = [...latencyNames('first_token'), ...latencyNames('duration')]
  return {
    header: ['section', 'at', ...MEASURES, ...SHARES, ...latencyColumns],
    rows: [
      ['total', null, ...cells(total)],
      ...points.map((point) => ['point', point.at, ...cells(point)]),
      ['total before', null, ...cells(before.total)],
      ...before.points.map((point) => ['point before', point.at, ...cells(point)]),
    ],
  }
}

export const topTable = ({ data }: TopReply): Table => ({
  header: ['id', ...MEASURES, ...SHARES],
  rows: data.map((row) => [row.id, ...measureCells(row), ...shareCells(row)]),
})

export const royaltiesTable = ({ points, models }: RoyaltiesReply): Table => ({
  header: ['section', 'at', 'model', ...MEASURES, 'royalty_usd'],
  rows: [
    ...points.map((point) => ['point', point.at, null, ...measureCells(point), point.royalty]),
    ...models.map((model) => ['model', null, model.id, ...measureCells(model), model.royalty]),
  ],
})

export const earningsTable = ({ points, nodes, models }: OperatorEarningsReply): Table => ({
  header: ['section', 'at', 'id', ...MEASURES, 'earned_usd'],
  rows: [
    ...points.map((point) => ['point', point.at, null, ...measureCells(point), point.earned]),
    ...nodes.map((node) => ['node', null, node.id, ...measureCells(node), node.earned]),
    ...models.map((model) => ['model', null, model.id, ...measureCells(model), model.earned]),
  ],
})
