// `npm run link-load [-- calls [n]]`: installs what is missing, then runs the load (calls.ts). Plain JavaScript, as every first step of a clone.
import { spawn } from 'node:child_process'
import { ensureInstalled } from '../../gateway/local/install.mjs'

await ensureInstalled()
const main = new URL('calls.ts', import.meta.url).pathname
const args = process.argv.slice(2).filter((arg) => arg !== 'calls')
const load = spawn(process.execPath, ['--import', 'tsx', main, ...args], { stdio: 'inherit' })
load.on('exit', (code) => {
  process.exitCode = code ?? 1
})
