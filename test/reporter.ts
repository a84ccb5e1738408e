// Counts what a run did and hands the numbers and the names of what failed to test/run.mjs in a file, so that the summary comes last
// whatever else is printed. A file that could not be loaded, a failing hook and an unhandled error each count as one failure: they hid tests.
import { writeFileSync } from 'node:fs'
import type { Reporter, SerializedError, TestModule, TestRunEndReason } from 'vitest/node'

/** Environment variable that names the file to write. */
const REPORT = 'SOUK_TEST_REPORT'

export interface Counts {
  passed: number
  /** a line each: where, and the first line of why */
  failed: string[]
  skipped: string[]
}

export default class CountingReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[], reason: TestRunEndReason): void {
    const counts: Counts = { passed: 0, failed: unhandled.map((error) => line('outside of tests', error)), skipped: [] }
    for (const module of modules) countModule(module, counts)
    if (reason === 'interrupted' && counts.failed.length === 0) counts.failed.push('interrupted')
    const file = process.env[REPORT]
    if (file) writeFileSync(file, JSON.stringify(counts))
  }
}

function countModule(module: TestModule, counts: Counts): void {
  const where = module.relativeModuleId
  counts.failed.push(...module.errors().map((error) => line(where, error)))
  for (const suite of module.children.allSuites())
    counts.failed.push(...suite.errors().map((error) => line(`${where}: ${suite.fullName}`, error)))
  for (const test of module.children.allTests()) {
    const { state, errors } = test.result()
    const name = `${where}: ${test.fullName}`
    if (state === 'passed') counts.passed += 1
    else if (state === 'skipped') counts.skipped.push(name)
    // Failed, or still pending when the run ended: it did not pass.
    else counts.failed.push(line(name, errors?.[0]))
  }
}

const line = (where: string, error?: { readonly message: string }): string =>
  error ? `${where}: ${error.message.split('\n', 1)[0]}` : where
