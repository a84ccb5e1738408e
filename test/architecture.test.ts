// Holds the tree against design.md: who may import whom, what is pure, how large and how named a file is, what stands where.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import {
  importsOf,
  importViolations,
  impurities,
  placeOf,
  RULES,
  shapeViolations,
  type SourceFile,
} from './support/architecture.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')
const SKIPPED = new Set(['node_modules', '.git', '.souk', '.wrangler', 'dist', 'coverage', 'migrations', 'models'])

function sources(folder = ''): SourceFile[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder ? `${folder}/${entry.name}` : entry.name
    if (entry.isDirectory()) return SKIPPED.has(entry.name) ? [] : sources(path)
    return /\.(ts|tsx|mts|mjs|js)$/.test(entry.name) ? [{ path, text: read(path) }] : []
  })
}
const files = sources()

describe('the house', () => {
  it('is there to be looked at', () => {
    expect(files.length).toBeGreaterThan(60)
    expect(files.flatMap(importsOf).length).toBeGreaterThan(200)
  })
  it('imports along the plan only', () => {
    expect(importViolations(files)).toEqual([])
  })
  it('takes clock and randomness as arguments, and its rules do no I/O', () => {
    expect(impurities(files)).toEqual([])
    expect(RULES.filter((rule) => !existsSync(join(ROOT, rule)))).toEqual([])
  })
  it('has small files with names that say something', () => {
    expect(shapeViolations(files)).toEqual([])
  })
  it('has a README with its decisions in every room', () => {
    const rooms = new Set(
      files.map(({ path }) =>
        path
          .split('/')
          .slice(0, path.startsWith('gateway/') ? 2 : 1)
          .join('/'),
      ),
    )
    const folders = [...rooms].filter((room) => !/\.(ts|mjs|js)$/.test(room))
    const lacking = folders.filter(
      (room) => !existsSync(join(ROOT, room, 'README.md')) || !/^## Decisions$/m.test(read(`${room}/README.md`)),
    )
    expect(lacking).toEqual([])
  })
  it('has a top level that fits on one screen', () => {
    const folders = ['contracts', 'db', 'gateway', 'migrations', 'protocol', 'provider-node', 'test']
    const texts = ['CONTRIBUTING.md', 'LICENSE', 'README.md', 'SECURITY.md']
    const config =
      /^(\.ci|\.git.*|\.prettier.*|\.editorconfig|\.npmrc|\.nvmrc|package(-lock)?\.json|wrangler\.toml|tsconfig.*\.json|.*\.config\.[jt]s)$/
    const madeHere = new Set(
      read('.gitignore')
        .split('\n')
        .map((line) => line.replace(/\/$/, '')),
    )
    const strangers = readdirSync(ROOT).filter(
      (name) => ![...folders, ...texts].includes(name) && !config.test(name) && !madeHere.has(name),
    )
    expect(strangers).toEqual([])
    expect(texts.filter((name) => !existsSync(join(ROOT, name)))).toEqual([])
  })
  it('never switches local development on in wrangler.toml', () => {
    const settings = read('wrangler.toml').replace(/#.*$/gm, '')
    expect(settings).toContain('SOUK_FEE_BPS')
    expect(settings).not.toContain('SOUK_LOCAL')
  })
})

describe('a planted import', () => {
  const violations = (path: string, text: string) => importViolations([{ path, text }])
  it.each([
    ['protocol/units.ts', "import { x } from '../gateway/core/errors.ts'"],
    ['protocol/units.ts', "import type { x } from '../db/schema.ts'"],
    ['protocol/units.ts', "import { readFileSync } from 'node:fs'"],
    ['db/schema.ts', "import { x } from '../gateway/ledger/calls/hold.ts'"],
    ['gateway/core/limits.ts', "import { x } from '../ledger/calls/hold.ts'"],
    ['gateway/core/env.ts', "import { AccountGuard } from '../ledger/guard/account-guard.ts'"],
    ['gateway/auth/sign-in.ts', "import { x } from '../ledger/account-port.ts'"],
    ['gateway/auth/sign-in.ts', "import type { x } from '../market/market-port.ts'"],
    ['gateway/link/direct.ts', "import { x } from '../market/choose.ts'"],
    ['gateway/market/market.ts', "import { x } from '../ledger/calls/hold.ts'"],
    ['gateway/ledger/calls/hold.ts', "export { x } from '../../inference/order/quote.ts'"],
    ['gateway/ledger/calls/hold.ts', "export * from '../../app.ts'"],
    ['gateway/inference/call.ts', "const x = await import('../services.ts')"],
    ['gateway/inference/call.ts', 'const x = await import(name)'],
    ['gateway/inference/call.ts', "let x: typeof import('../auth/sign-in.ts')"],
    ['gateway/inference/call.ts', "import '../index.ts'"],
    ['gateway/inference/call.ts', "import { createMarketRoutes } from '../market/routes.ts'"],
    ['gateway/inference/call.ts', "import { eq } from 'drizzle-orm'"],
    ['gateway/inference/call.ts', "import { x } from './routes.ts'"],
    ['gateway/inference/order/quote.ts', "import { x } from '../call.ts'"],
    ['gateway/market/market.ts', "import { NodeGuard } from './node-guard.ts'"],
    ['gateway/market/nodes/node-book.ts', "import { x } from '../../link/direct.ts'"],
    ['gateway/market/choose/choose.ts', "import { offers } from '../../db/schema.ts'"],
    ['gateway/auth/routes.ts', "import { accounts } from '../../db/schema.ts'"],
    ['gateway/dashboard/app.tsx', "import { createApp } from '../app.ts'"],
    ['gateway/local/start.mjs', "import { x } from '../services.ts'"],
    ['provider-node/server.ts', "import { x } from '../gateway/core/errors.ts'"],
    ['provider-node/server.ts', "new Worker(new URL('../gateway/core/errors.ts', import.meta.url))"],
    ['provider-node/server.ts', "import { DurableObject } from 'cloudflare:workers'"],
    ['gateway/payments/pay.ts', "import { x } from 'zod'"],
    ['gateway/ledger/calls/hold.ts', "import { x } from '../../payments/pay.ts'"],
    ['gateway/ledger/guard/outbox.ts', "import { x } from '../../notify/send.ts'"],
    ['gateway/notify/send.ts', "import { x } from '../market/choose.ts'"],
  ])('in %s is found: %s', (path, text) => {
    expect(violations(path, text)).toHaveLength(1)
  })
  it.each([
    ['protocol/units.ts', "import { z } from 'zod'"],
    ['gateway/core/env.ts', "import type { AccountGuard } from '../ledger/guard/account-guard.ts'"],
    ['gateway/auth/needs.ts', "import { type AccountPort } from '../ledger/account-port.ts'"],
    [
      'gateway/inference/call.ts',
      "import { choose } from '../market/choose.ts'\nimport { split } from '../ledger/calls/split.ts'",
    ],
    [
      'gateway/market/market.ts',
      "import { x } from '../link/direct.ts'\nimport type { NodeGuard } from './node-guard.ts'",
    ],
    ['gateway/market/nodes/node-book.ts', "import { eq } from 'drizzle-orm'"],
    ['gateway/services.ts', "import { x } from './market/market.ts'"],
    ['gateway/dashboard/app.tsx', "import type { AppType } from '../app.ts'"],
    [
      'gateway/ledger/calls/hold.ts',
      "// import { x } from '../../app.ts'\nconst text = \"import x from '../../app.ts'\"",
    ],
  ])('in %s is allowed: %s', (path, text) => {
    expect(violations(path, text)).toEqual([])
  })
  it('is found in a file that lies in no room', () => {
    expect(placeOf('scripts/x.ts')).toBeNull()
    expect(violations('scripts/x.ts', '')).toEqual(['scripts/x.ts: lies in no room'])
  })
})

describe('a planted file', () => {
  it.each([
    ['gateway/ledger/utils.ts', '// x'],
    ['gateway/helpers/x.ts', '// x'],
    ['gateway/ledger/index.ts', '// x'],
    ['gateway/ledger/all.ts', "// x\nexport * from './hold.ts'"],
    ['gateway/ledger/holdRules.ts', '// x'],
    ['gateway/ledger/calls/hold.ts', 'export const x = 1'],
    ['gateway/ledger/calls/hold.ts', '// x\n'.repeat(301)],
  ])('%s is found', (path, text) => {
    expect(shapeViolations([{ path, text }])).toHaveLength(1)
  })
  it('may have 300 lines', () => {
    expect(shapeViolations([{ path: 'gateway/ledger/calls/hold.ts', text: '// x\n'.repeat(300) }])).toEqual([])
  })
  it.each([
    ['gateway/ledger/calls/split.ts', 'export const x = async () => 1'],
    ['gateway/market/market.ts', 'export const x = () => Date.now()'],
    ['protocol/units.ts', 'export const x = Math.random()'],
  ])('%s with a clock, a die or I/O is found', (path, text) => {
    expect(impurities([{ path, text }])).toHaveLength(1)
  })
  it('may speak of the clock in a comment', () => {
    expect(impurities([{ path: 'protocol/units.ts', text: '// never Date.now()\nexport const x = 1' }])).toEqual([])
  })
})
