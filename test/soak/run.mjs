// `npm run soak [-- minutes]`: installs what is missing, then runs the load (main.ts). Plain JavaScript, as every first step of a clone.
import { spawn } from 'node:child_process'
import { ensureReady } from '../../gateway/local/prepare.mjs'

ensureReady()
const main = new URL('main.ts', import.meta.url).pathname
const loop = spawn(process.execPath, ['--import', 'tsx', main, ...process.argv.slice(2)], { stdio: 'inherit' })
loop.on('exit', (code) => {
  process.exitCode = code ?? 1
})
