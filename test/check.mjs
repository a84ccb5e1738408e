// `npm run check`: what every commit must pass, in the order in which it is cheapest to fail. One line per step; the first failure
// prints its output and ends the run. `--no-tests` leaves out the unit tests, for CI, which runs the whole suite right after.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { ensureReady } from '../gateway/local/prepare.mjs'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const vitest = ['node_modules/vitest/vitest.mjs', 'run']
const tsc = (project) => ['node_modules/typescript/bin/tsc', '-p', project]

const STEPS = [
  ['format', ['node_modules/prettier/bin/prettier.cjs', '--check', '--log-level=warn', '.']],
  ['types: wire', tsc('tsconfig.wire.json')],
  ['types: workers', tsc('tsconfig.workers.json')],
  ['types: node', tsc('tsconfig.node.json')],
  ['types: simulator', tsc('tsconfig.simulation.json')],
  ['types: dashboard', tsc('tsconfig.dashboard.json')],
  ['lint', ['node_modules/eslint/bin/eslint.js', '.', '--max-warnings=0']],
  ['architecture', [...vitest, '--project=node', 'test/architecture.test.ts']],
]
const UNIT_TESTS = ['unit tests', [...vitest, '--exclude=test/flows/**', '--exclude=test/architecture.test.ts']]

ensureReady()
const steps = process.argv.includes('--no-tests') ? STEPS : [...STEPS, UNIT_TESTS]
for (const [name, args] of steps) {
  const startedMs = Date.now()
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: ROOT,
    encoding: 'utf8',
    maxBuffer: 256 * 1024 * 1024,
  })
  const seconds = ((Date.now() - startedMs) / 1000).toFixed(1)
  console.log(`${status === 0 ? 'ok    ' : 'FAILED'} ${name.padEnd(16)} ${seconds.padStart(6)} s`)
  if (status === 0) continue
  console.log(`${stdout}${stderr}`)
  process.exit(1)
}
