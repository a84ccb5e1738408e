// `npm run pictures`: installs what is missing, then takes the README's pictures of the dashboard (main.ts). Plain JavaScript, as every first step of a clone.
import { spawn } from 'node:child_process'
import { ensureReady } from '../../gateway/local/prepare.mjs'

ensureReady()
const main = new URL('main.ts', import.meta.url).pathname
const program = spawn(process.execPath, ['--import', 'tsx', main, ...process.argv.slice(2)], { stdio: 'inherit' })
program.on('exit', (code) => {
  process.exitCode = code ?? 1
})
