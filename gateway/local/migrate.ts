// Migrations of every D1 binding, as `wrangler d1 migrations apply` does it: the same table, the same order, each file once.
import type { D1Database } from '@cloudflare/workers-types/experimental'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { unstable_splitSqlQuery } from 'wrangler'
import { ExpectedFailure, oneLine } from './expected.ts'
import type { WranglerConfig } from './wrangler-config.ts'

/** @returns how many files were applied @throws ExpectedFailure naming the file that failed; it then left nothing behind */
export async function migrate(
  config: WranglerConfig,
  configPath: string,
  database: (binding: string) => Promise<D1Database>,
): Promise<number> {
  let applied = 0
  for (const { binding, migrations_dir, migrations_table } of config.d1_databases) {
    if (migrations_dir === undefined) continue
    applied += await apply(
      await database(binding),
      join(dirname(configPath), migrations_dir),
      migrations_table ?? 'd1_migrations',
    )
  }
  return applied
}

async function apply(db: D1Database, folder: string, table: string): Promise<number> {
  await db.exec(
    `CREATE TABLE IF NOT EXISTS ${table}(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL)`,
  )
  const { results } = await db.prepare(`SELECT name FROM ${table}`).all<{ name: string }>()
  const known = new Set(results.map(({ name }) => name))
  const files = readdirSync(folder).filter((name) => name.endsWith('.sql') && !known.has(name))
  for (const name of files.sort()) {
    const statements = unstable_splitSqlQuery(readFileSync(join(folder, name), 'utf8')).filter((sql) => sql.trim())
    const mark = db.prepare(`INSERT INTO ${table} (name) VALUES (?)`).bind(name)
    try {
      await db.batch([...statements.map((sql) => db.prepare(sql)), mark])
    } catch (cause) {
      throw new ExpectedFailure(`The migration ${join(folder, name)} failed: ${oneLine(cause)}`)
    }
  }
  return files.length
}
