// Counts what a run did and hands the numbers to test/run.mjs in a file, so that the summary is the last line whatever else is
// printed. A file that could not be loaded, a failing hook and an unhandled error each count as one failure: they hid tests.
import { writeFileSync } from 'node:fs'
import type { Reporter, SerializedError, TestModule, TestRunEndReason } from 'vitest/node'

/** Environment variable that names the file to write. */
const REPORT = 'SOUK_TEST_REPORT'

export interface Counts {
  passed: number
  failed: number
  skipped: string[]
}

export default class CountingReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[], reason: TestRunEndReason): void {
    const counts: Counts = { passed: 0, failed: unhandled.length, skipped: [] }
    for (const module of modules) countModule(module, counts)
    if (reason === 'interrupted' && counts.failed === 0) counts.failed = 1
    const file = process.env[REPORT]
    if (file) writeFileSync(file, JSON.stringify(counts))
  }
}

function countModule(module: TestModule, counts: Counts): void {
  counts.failed += module.errors().length
  for (const suite of module.children.allSuites()) counts.failed += suite.errors().length
  for (const test of module.children.allTests()) {
    const { state } = test.result()
    if (state === 'passed') counts.passed += 1
    else if (state === 'skipped') counts.skipped.push(`${module.relativeModuleId}: ${test.fullName}`)
    // Failed, or still pending when the run ended: it did not pass.
    else counts.failed += 1
  }
}
