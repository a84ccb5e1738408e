// Three projects: `workers` runs inside workerd with real D1 and Durable Objects; `node` runs what lives on Node.js; `flows` are stories
// on a whole market. Storage of the workers project is isolated per test file.
import { cloudflareTest, readD1Migrations } from '@cloudflare/vitest-pool-workers'
import type { Plugin } from 'esbuild'
import { builtinModules } from 'node:module'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import { openVectors, vectorsAreRequired } from './test/support/vector-files.ts'

const root = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const [registry, book] = await Promise.all([
  readD1Migrations(root('migrations/registry')),
  readD1Migrations(root('migrations/book')),
])

/** One for each core: a file waits for disks and other processes half of its time. Left to itself it is one fewer, which on two cores is one. */
const FILES_AT_ONCE = availableParallelism()

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

/** JSONTestSuite for workerd, which sees no files: base64 by name, since not every case is UTF-8. */
function jsonSuite(): string | null {
  const vectors = openVectors('jsontestsuite')
  if (!vectors) return null
  const cases = vectors.list('test_parsing').map((name) => [name, vectors.bytes(`test_parsing/${name}`)] as const)
  return JSON.stringify(Object.fromEntries(cases.map(([name, bytes]) => [name, Buffer.from(bytes).toString('base64')])))
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

/** The alias of wrangler.toml: siwe gets our stand-in for ethers in the tests too. */
const ethersStandIn: Plugin = {
  name: 'ethers-stand-in',
  setup(build) {
    build.onResolve({ filter: /^ethers$/ }, () => ({ path: root('gateway/auth/ethers.ts') }))
  },
}

/**
 * Packages of many small files, each made one file first: every test file loads the whole Worker anew, module by module. siwe also has to be made an ES
 * module.
 */
const BUNDLED = [
  'siwe',
  'fast-check',
  'zod',
  'hono',
  'hono/client',
  'hono/cookie',
  'hono/cors',
  'hono/route',
  'hono/secure-headers',
  'drizzle-orm',
  'drizzle-orm/batch',
  'drizzle-orm/d1',
  'drizzle-orm/sqlite-core',
  'viem',
  'viem/accounts',
  'viem/actions',
  'viem/siwe',
  'viem/utils',
  'jose',
  '@noble/curves/secp256k1.js',
  '@noble/hashes/hmac.js',
  '@noble/hashes/sha2.js',
  '@noble/hashes/utils.js',
  'canonicalize',
  'lossless-json',
]

/** workerd has no file system: what its tests read comes as a binding. */
const siweVectors = openVectors('siwe')
const oipVectors = openVectors('kserve-oip')
const SIWE_FILES = [
  'parsing_positive',
  'parsing_negative',
  'parsing_negative_objects',
  'verification_positive',
  'verification_negative',
  'eip1271',
]

export default defineConfig({
  test: {
    // What a passing test prints hides what a failing one says; `--silent=false` shows it.
    silent: 'passed-only',
    projects: [
      {
        // Not beside the packages: checkouts that share those would make the bundles anew under each other's tests.
        cacheDir: root('dist/vite'),
        plugins: [
          cloudflareTest({
            wrangler: { configPath: root('wrangler.toml') },
            miniflare: {
              // A second book: production has one until it is full.
              d1Databases: { BOOK_1: 'souk-book-1' },
              bindings: {
                ...SECRETS,
                SOUK_LOCAL: '1',
                SOUK_ADMINS: '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266',
                TEST_REGISTRY: registry,
                TEST_BOOK: book,
                TEST_SIWE_VECTORS:
                  siweVectors &&
                  JSON.stringify(Object.fromEntries(SIWE_FILES.map((f) => [f, siweVectors.json(`${f}.json`)]))),
                TEST_CI: vectorsAreRequired ? '1' : '0',
                TEST_JSON_SUITE: jsonSuite(),
                TEST_OIP_YAML: oipVectors?.text('specification/protocol/open_inference_rest.yaml') ?? null,
              },
            },
          }),
        ],
        test: {
          name: 'workers',
          maxWorkers: FILES_AT_ONCE,
          include: ['test/gateway/**/*.test.ts'],
          testTimeout: 30_000,
          setupFiles: [root('test/support/workers/migrations.ts')],
          deps: {
            optimizer: {
              ssr: {
                enabled: true,
                include: BUNDLED,
                esbuildOptions: { plugins: [ethersStandIn, nodeBuiltins] },
              },
            },
          },
        },
      },
      {
        test: {
          name: 'node',
          maxWorkers: FILES_AT_ONCE,
          environment: 'node',
          include: ['test/**/*.test.ts'],
          exclude: ['test/gateway/**', 'test/bench/**', 'test/flows/**'],
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
      {
        // Whole markets, after the rest: what they show is behaviour in time, and they wait for most of theirs, so that two fit on two cores.
        test: {
          name: 'flows',
          environment: 'node',
          include: ['test/flows/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          maxWorkers: FILES_AT_ONCE,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
})
