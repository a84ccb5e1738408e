// `npm run link-load [-- calls [n] | links [n]]`: installs what is missing, then runs the load (calls.ts), or the links that come back (links.ts). Plain JavaScript, as every first step of a clone.
import { spawn } from 'node:child_process'
import { ensureReady } from '../../gateway/local/prepare.mjs'

ensureReady()
const PARTS = ['calls', 'links']
const given = process.argv.slice(2)
const part = PARTS.find((name) => given.includes(name)) ?? 'calls'
const main = new URL(`${part}.ts`, import.meta.url).pathname
const args = given.filter((arg) => !PARTS.includes(arg))
const load = spawn(process.execPath, ['--import', 'tsx', main, ...args], { stdio: 'inherit' })
load.on('exit', (code) => {
  process.exitCode = code ?? 1
})
