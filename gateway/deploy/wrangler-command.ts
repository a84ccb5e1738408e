// wrangler as a command: its answer is what it printed, its failure is one sentence with its first error.
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { ExpectedFailure, oneLine } from '../local/expected.ts'
import { ROOT } from '../local/root.ts'

/** @returns what it printed on stdout @throws WranglerFailure */
export type WranglerCommand = (args: readonly string[]) => Promise<string>

export class WranglerFailure extends ExpectedFailure {
  constructor(
    message: string,
    /** everything it printed */
    readonly output: string,
  ) {
    super(message)
  }
}

/** ms; migrations of a large database take their time */
const TIMEOUT_MS = 600_000

export function wranglerCommand(configPath: string): WranglerCommand {
  const program = join(ROOT, 'node_modules/wrangler/bin/wrangler.js')
  const env = { ...process.env, CI: 'true', WRANGLER_SEND_METRICS: 'false', WRANGLER_HIDE_BANNER: 'true' }
  const options = { cwd: ROOT, env, timeout: TIMEOUT_MS, maxBuffer: 64 * 1024 * 1024 }
  return (args) =>
    new Promise((resolve, reject) => {
      execFile(process.execPath, [program, ...args, '--config', configPath], options, (error, stdout, stderr) => {
        const output = stripVTControlCharacters(`${stderr}\n${stdout}`)
        if (error === null) return resolve(stripVTControlCharacters(stdout))
        const why = /✘ \[ERROR\] (.+)/.exec(output)?.[1] ?? oneLine(error)
        reject(new WranglerFailure(`wrangler ${args.slice(0, 3).join(' ')} failed: ${why.trim()}`, output))
      })
    })
}
