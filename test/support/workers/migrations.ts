// Every test file in workerd starts with all databases migrated and empty.
import { applyD1Migrations, env } from 'cloudflare:test'

await applyD1Migrations(env.DB, env.TEST_REGISTRY)
await applyD1Migrations(env.BOOK_0, env.TEST_BOOK)
await applyD1Migrations(env.BOOK_1, env.TEST_BOOK)
