// `npm run bench`: installs what is missing, then measures every part in turn; `-- choose`, `-- main`, `-- link`, `-- journal`, `-- batching`, `-- generation`, `-- dashboard` that one alone.
// `-- --quick` is the short form that CI runs.
import { spawn } from 'node:child_process'
import { ensureReady } from '../../gateway/local/prepare.mjs'

ensureReady()
const args = process.argv.slice(2)
const PARTS = ['choose', 'main', 'link', 'journal', 'batching', 'generation', 'dashboard']
const asked = PARTS.filter((part) => args.includes(part))
for (const part of asked.length > 0 ? asked : PARTS) {
  const bench = spawn(process.execPath, ['--import', 'tsx', new URL(`${part}.ts`, import.meta.url).pathname, ...args], {
    stdio: 'inherit',
  })
  const code = await new Promise((resolve) => bench.on('exit', resolve))
  if (code !== 0) process.exit(code ?? 1)
}
