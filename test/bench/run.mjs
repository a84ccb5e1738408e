// `npm run bench`: installs what is missing, then measures: calls (main.ts), then journals (journal.ts). `-- journal` measures journals alone,
// `-- --quick` is the short form that CI runs.
import { spawn } from 'node:child_process'
import { ensureInstalled } from '../../gateway/local/install.mjs'

await ensureInstalled()
const args = process.argv.slice(2)
const parts = args.includes('journal') ? ['journal.ts'] : ['main.ts', 'journal.ts']
for (const part of parts) {
  const bench = spawn(process.execPath, ['--import', 'tsx', new URL(part, import.meta.url).pathname, ...args], {
    stdio: 'inherit',
  })
  const code = await new Promise((resolve) => bench.on('exit', resolve))
  if (code !== 0) process.exit(code ?? 1)
}
