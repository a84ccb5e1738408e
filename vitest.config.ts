// Two projects: `workers` runs inside workerd with real D1 and Durable Objects; `node` runs what lives on Node.js and the flows,
// which start the whole market. Storage of the workers project is isolated per test file.
import { cloudflareTest, readD1Migrations } from '@cloudflare/vitest-pool-workers'
import type { Plugin } from 'esbuild'
import { builtinModules } from 'node:module'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import { vectorsAreRequired } from './test/support/vector-files.ts'

const root = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const [registry, book] = await Promise.all([
  readD1Migrations(root('migrations/registry')),
  readD1Migrations(root('migrations/book')),
])

/** Well-known test secrets: they sign nothing outside the tests. */
const SECRETS = {
  SOUK_KEY_SECRET: 'dGVzdC1zZWNyZXQtdGVzdC1zZWNyZXQtdGVzdC1zZWNyZXQ',
  SOUK_SIGNING_KEY: JSON.stringify({
    kty: 'OKP',
    crv: 'Ed25519',
    x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo',
    d: 'nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A',
  }),
}

/** siwe is CommonJS and requires node's built-in modules by their bare names: workerd has them as ES modules under `node:`. */
const nodeBuiltins: Plugin = {
  name: 'node-builtins',
  setup(build) {
    const bare = new Set(builtinModules)
    build.onResolve({ filter: /^(node:)?[a-z/_]+$/ }, ({ path, kind }) => {
      const name = path.replace(/^node:/, '')
      if (!bare.has(name)) return null
      return kind === 'require-call'
        ? { path: `node:${name}`, namespace: 'node-require' }
        : { path: `node:${name}`, external: true }
    })
    build.onLoad({ filter: /.*/, namespace: 'node-require' }, ({ path }) => ({
      contents: `import builtin from '${path}'; module.exports = builtin`,
      loader: 'js',
    }))
  },
}

export default defineConfig({
  test: {
    projects: [
      {
        plugins: [
          cloudflareTest({
            wrangler: { configPath: root('wrangler.toml') },
            miniflare: {
              bindings: {
                ...SECRETS,
                SOUK_LOCAL: '1',
                SOUK_ADMINS: '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266',
                TEST_REGISTRY: registry,
                TEST_BOOK: book,
                TEST_CI: vectorsAreRequired ? '1' : '0',
              },
            },
          }),
        ],
        test: {
          name: 'workers',
          include: ['test/gateway/**/*.test.ts'],
          setupFiles: [root('test/support/workers/migrations.ts')],
          deps: {
            optimizer: { ssr: { enabled: true, include: ['siwe'], esbuildOptions: { plugins: [nodeBuiltins] } } },
          },
        },
      },
      {
        test: {
          name: 'node',
          environment: 'node',
          include: ['test/**/*.test.ts'],
          exclude: ['test/gateway/**', 'test/bench/**'],
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
})
