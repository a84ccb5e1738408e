// Generates migrations/registry from the registry's tables: `npm run db:generate`. Landed migrations are never edited.
import { defineConfig } from 'drizzle-kit'

export default defineConfig({
  dialect: 'sqlite',
  schema: [
    './db/schema.ts',
    './db/sign-in-schema.ts',
    './db/money-schema.ts',
    './db/market-schema.ts',
    './db/admin-schema.ts',
  ],
  out: './migrations/registry',
})
