// `npm run simulate`: installs what is missing, then simulates.
import { spawn } from 'node:child_process'
import { ensureInstalled } from '../../gateway/local/install.mjs'

await ensureInstalled()
const main = new URL('main.ts', import.meta.url)
const simulation = spawn(process.execPath, ['--import', 'tsx', main.pathname, ...process.argv.slice(2)], {
  stdio: 'inherit',
})
simulation.on('exit', (code) => process.exit(code ?? 1))
