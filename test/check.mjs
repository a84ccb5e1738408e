// `npm run check`: what every commit must pass, as many steps at once as there are cores, the longest first and then what is cheapest
// to fail. One line per step; the first failure prints its output and ends the run. `--no-tests` leaves out the unit tests, for CI, which runs the whole suite right after.
import { spawn } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { ensureReady } from '../gateway/local/prepare.mjs'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const vitest = ['node_modules/vitest/vitest.mjs', 'run']
const tsc = (project) => ['node_modules/typescript/bin/tsc', '-p', project]

const STEPS = [
  ['lint', ['node_modules/eslint/bin/eslint.js', '.', '--max-warnings=0']],
  ['format', ['node_modules/prettier/bin/prettier.cjs', '--check', '--log-level=warn', '.']],
  ['types: wire', tsc('tsconfig.wire.json')],
  ['types: workers', tsc('tsconfig.workers.json')],
  ['types: node', tsc('tsconfig.node.json')],
  ['types: simulator', tsc('tsconfig.simulation.json')],
  ['types: dashboard', tsc('tsconfig.dashboard.json')],
  ['architecture', [...vitest, '--project=node', 'test/architecture.test.ts']],
]
const UNIT_TESTS = ['unit tests', [...vitest, '--exclude=test/flows/**', '--exclude=test/architecture.test.ts']]

ensureReady()
const steps = process.argv.includes('--no-tests') ? STEPS : [...STEPS, UNIT_TESTS]
const running = new Set()

/** @returns what it printed when it failed, else null */
async function outcome([name, args]) {
  const startedMs = Date.now()
  const step = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] })
  running.add(step)
  const said = []
  for (const stream of [step.stdout, step.stderr]) stream.on('data', (data) => said.push(data))
  const status = await new Promise((resolve) => step.once('close', resolve))
  running.delete(step)
  const seconds = ((Date.now() - startedMs) / 1000).toFixed(1)
  console.log(`${status === 0 ? 'ok    ' : 'FAILED'} ${name.padEnd(16)} ${seconds.padStart(6)} s`)
  return status === 0 ? null : Buffer.concat(said).toString()
}

/** One after the other from the same list; a core each. */
async function work() {
  for (let step = steps.shift(); step !== undefined; step = steps.shift()) {
    const complaint = await outcome(step)
    if (complaint === null) continue
    console.log(complaint)
    for (const other of running) other.kill()
    process.exit(1)
  }
}
await Promise.all(Array.from({ length: availableParallelism() }, work))
