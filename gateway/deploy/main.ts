// The command line of the deployment: `--dry-run`, `--config <wrangler.toml>`, `--outdir <folder>`. One sentence and exit code 1 for what
// a person can mend.
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { ExpectedFailure, oneLine, report } from '../local/expected.ts'
import { CONFIG_PATH, ROOT } from '../local/root.ts'
import { deploy, dryRun } from './deploy.ts'
import { wranglerCommand } from './wrangler-command.ts'

try {
  const options = readOptions()
  const needs = {
    configPath: resolve(options.config ?? CONFIG_PATH),
    outDir: resolve(options.outdir ?? join(ROOT, 'dist/gateway')),
    stateDir: resolve(ROOT, process.env.SOUK_STATE || '.souk'),
    say: (text: string) => console.log(text),
  }
  if (options['dry-run']) await dryRun(needs)
  else await deploy({ ...needs, wrangler: wranglerCommand(needs.configPath), fetch })
} catch (error) {
  process.exitCode = report(error)
}

function readOptions() {
  try {
    const string = { type: 'string' } as const
    return parseArgs({ options: { 'dry-run': { type: 'boolean' }, config: string, outdir: string } }).values
  } catch (cause) {
    throw new ExpectedFailure(`${oneLine(cause)}\nUsage: npm run deploy [-- --dry-run]`)
  }
}
