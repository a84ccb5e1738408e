// Every test file in workerd starts with all databases migrated and empty. `cloudflare:test` would load the whole Worker, which most rules do not need.
import { env } from 'cloudflare:workers'

for (const [db, migrations] of [
  [env.DB, env.TEST_REGISTRY],
  [env.BOOK_0, env.TEST_BOOK],
  [env.BOOK_1, env.TEST_BOOK],
] as const)
  await db.batch(migrations.flatMap(({ queries }) => queries).map((query) => db.prepare(query)))
