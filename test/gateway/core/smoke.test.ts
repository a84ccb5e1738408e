import { env } from 'cloudflare:workers'
import { expect, it } from 'vitest'

it('has both databases migrated', async () => {
  expect((await env.DB.prepare('SELECT count(*) AS n FROM accounts').first<{ n: number }>())?.n).toBe(0)
  expect((await env.BOOK_0.prepare('SELECT count(*) AS n FROM lines').first<{ n: number }>())?.n).toBe(0)
})
