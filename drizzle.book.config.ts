// Generates migrations/book from the book's tables: `npm run db:generate`. Landed migrations are never edited.
import { defineConfig } from 'drizzle-kit'

export default defineConfig({ dialect: 'sqlite', schema: './db/book-schema.ts', out: './migrations/book' })
