// `npm run bench`: installs what is missing, then measures. `-- --quick` is the short form that CI runs.
import { spawn } from 'node:child_process'
import { ensureInstalled } from '../../gateway/local/install.mjs'

await ensureInstalled()
const main = new URL('main.ts', import.meta.url)
const bench = spawn(process.execPath, ['--import', 'tsx', main.pathname, ...process.argv.slice(2)], {
  stdio: 'inherit',
})
bench.on('exit', (code) => process.exit(code ?? 1))
