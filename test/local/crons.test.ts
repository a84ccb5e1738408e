import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { isDue } from '../../gateway/local/cron.ts'
import { CONFIG_PATH } from '../../gateway/local/root.ts'
import { readConfig } from '../../gateway/local/wrangler-config.ts'

it('wrangler.toml names every cron there is work for, and each comes every minute', () => {
  const source = readFileSync(new URL('../../gateway/cron.ts', import.meta.url), 'utf8')
  const served = [...source.matchAll(/^ {2}'([^']+)': \[/gm)].map(([, cron]) => cron)
  const { triggers } = readConfig(CONFIG_PATH)
  expect(served).toHaveLength(3)
  expect(triggers.crons).toEqual(served)
  for (const cron of served)
    for (let minute = 0; minute < 60; minute++)
      expect(isDue(cron ?? '', new Date(Date.UTC(2026, 10, 21, 9, minute))), `${cron} at ${minute}`).toBe(true)
})
