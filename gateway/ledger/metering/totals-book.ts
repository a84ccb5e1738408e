// Totals as they are written: in the batch of the lines they count, so exactly once, or anew for a whole day. What is written stands in totals-sql.ts.
import { addTotalsSql, setTotalsSql, type Statement } from './totals-sql.ts'

const prepared = (d1: D1Database, statements: readonly Statement[]): D1PreparedStatement[] =>
  statements.map(({ sql, values }) => d1.prepare(sql).bind(...values))

/** Statements of append, before its cursor moves; parameters as `addTotalsSql` says. */
export const addTotals = (d1: D1Database, ...rows: Parameters<typeof addTotalsSql>) =>
  prepared(d1, addTotalsSql(...rows))

/** Statements that sum one day anew. */
export const setTotals = (d1: D1Database, ...day: Parameters<typeof setTotalsSql>) => prepared(d1, setTotalsSql(...day))
