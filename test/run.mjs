// `npm test`: installs what is missing, runs every project of vitest (arguments are passed on), lists what was skipped and what failed, and ends
// with the line `N passed, N failed, N skipped`. Plain JavaScript without dependencies: it is the first thing a fresh clone runs.
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ensureReady } from '../gateway/local/prepare.mjs'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
/** Longer than the whole suite may take on two cores: a run that hangs is ended and counted as failed. */
const MINUTES_MAX = 38
const NAMES_SHOWN_MAX = 100

ensureReady()
const folder = mkdtempSync(join(tmpdir(), 'souk-test-'))
const report = join(folder, 'counts.json')
const status = await runVitest(process.argv.slice(2), report)
process.exitCode = summarise(readCounts(report), status)
rmSync(folder, { recursive: true, force: true })

/** Ends with vitest's exit status, null when it had to be killed. */
function runVitest(args, reportFile) {
  const reporters = ['--reporter=default', '--reporter=./test/reporter.ts']
  const child = spawn(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', ...reporters, ...args], {
    cwd: ROOT,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, SOUK_TEST_REPORT: reportFile },
  })
  const watchdog = setTimeout(() => {
    console.log(`The tests took longer than ${MINUTES_MAX} minutes and were ended.`)
    child.kill('SIGKILL')
  }, MINUTES_MAX * 60_000)
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))
  return new Promise((resolve) => {
    child.on('close', (code) => {
      clearTimeout(watchdog)
      resolve(code)
    })
    child.on('error', () => resolve(null))
  })
}

/** What the reporter counted; null when vitest ended before it could. */
function readCounts(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return null
  }
}

/** Prints what was skipped, what failed, and the last line. Returns the exit code: 0 only when tests ran and none failed. */
function summarise(counts, exitStatus) {
  const { passed, failed, skipped } = counts ?? { passed: 0, failed: [], skipped: [] }
  if (failed.length === 0 && passed === 0) failed.push('no test passed')
  if (failed.length === 0 && exitStatus !== 0) failed.push(`no test, yet vitest ended with status ${exitStatus}`)
  list('Skipped', skipped)
  list('Failed', failed)
  console.log(`\n${passed} passed, ${failed.length} failed, ${skipped.length} skipped`)
  return failed.length === 0 ? 0 : 1
}

function list(title, names) {
  if (names.length > 0) console.log(`\n${title}:`)
  for (const name of names.slice(0, NAMES_SHOWN_MAX)) console.log(`  ${name}`)
  if (names.length > NAMES_SHOWN_MAX) console.log(`  … and ${names.length - NAMES_SHOWN_MAX} more`)
}
