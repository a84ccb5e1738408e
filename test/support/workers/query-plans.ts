// What a database is asked, caught on the way to it, and what of that goes through a large table from end to end: SQLite is asked how it would answer.
// Without ANALYZE a plan depends on the tables alone, so an empty database says what a full one would do.

export interface Asked {
  readonly sql: string
  readonly values: readonly unknown[]
}

/** The database, and all that it is asked. */
export function recording(d1: D1Database): { readonly database: D1Database; readonly asked: Asked[] } {
  const asked: Asked[] = []
  const prepare = (sql: string): D1PreparedStatement => {
    const statement = d1.prepare(sql)
    let entry: Asked = { sql, values: [] }
    asked.push(entry)
    const bind = statement.bind.bind(statement)
    statement.bind = (...values) => {
      const at = asked.indexOf(entry)
      entry = { sql, values }
      if (at >= 0) asked[at] = entry
      return bind(...values)
    }
    return statement
  }
  const database = { prepare, batch: d1.batch.bind(d1) } as unknown as D1Database // what our code uses of it
  return { database, asked }
}

/** Each statement once, however often it was sent. */
export const distinct = (asked: readonly Asked[]): Asked[] => [...new Map(asked.map((one) => [one.sql, one])).values()]

/** Rows of the plan, such as `SEARCH calls USING INDEX calls_node (node_id=?)`. */
export async function planOf(d1: D1Database, { sql, values }: Asked): Promise<string[]> {
  const explained = d1.prepare(`EXPLAIN QUERY PLAN ${sql}`).bind(...values)
  const { results } = await explained.all<{ detail: string }>()
  return results.map(({ detail }) => detail)
}

/**
 * What of a plan goes through one of these tables from end to end, as `SCAN calls <- SELECT …`. A page in an index's own order is none: it stops after
 * its rows, as long as nothing is filtered out on the way.
 */
export async function scansOf(d1: D1Database, asked: Asked, large: readonly string[]): Promise<string[]> {
  const sql = asked.sql.replace(/\s+/g, ' ').trim()
  const tables = tablesIn(sql, large)
  const plan = await planOf(d1, asked)
  const isInOrder = isPage(sql) && !plan.includes('USE TEMP B-TREE FOR ORDER BY')
  return plan.flatMap((detail) => {
    const [, name = ''] = /^SCAN (\w+)/.exec(detail) ?? []
    const table = tables.get(name)
    if (table === undefined || isInOrder) return []
    return [`${detail.replace(name, table)} <- ${sql.slice(0, 240)}`]
  })
}

/** Names by which the statement speaks of large tables -> the table. */
function tablesIn(sql: string, large: readonly string[]): ReadonlyMap<string, string> {
  const found = new Map(large.map((table) => [table, table]))
  const aliased = new RegExp(`\\b(${large.join('|')})"?\\s+(?:AS\\s+)?"?(\\w+)`, 'gi')
  for (const [, table = '', alias = ''] of sql.matchAll(aliased))
    if (!/^(where|on|set|order|group|limit|join|left|inner|cross|using|values|as|is|and|or|select)$/i.test(alias))
      found.set(alias, table)
  return found
}

/** So many rows in the order of an index, and nothing left out: its outermost part has a LIMIT and no condition. */
function isPage(sql: string): boolean {
  let outside = sql
  for (let before = ''; before !== outside;) {
    before = outside
    outside = outside.replace(/\([^()]*\)/g, '')
  }
  return /\blimit\b/i.test(outside) && !/\b(where|group by|distinct)\b/i.test(outside)
}
