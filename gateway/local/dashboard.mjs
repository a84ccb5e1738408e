// Builds the dashboard where it is missing or older than its sources: before anything that starts a gateway, so that each works on a fresh clone. Plain
// JavaScript without dependencies of its own, like install.mjs, which runs before it.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
/** what the pages are made of */
const SOURCES = ['vite.config.ts', 'package-lock.json', 'gateway/dashboard', 'protocol']
const BUILT = join(ROOT, 'dist/dashboard')
/** the sources that the build was made of, beside it */
const STAMP = join(ROOT, 'dist/dashboard.sha256')

/** Builds what is missing, or ends the process with the bundler's words and exit code 1. */
export function ensureDashboard() {
  const sources = sourcesHash()
  if (existsSync(join(BUILT, 'index.html')) && existsSync(STAMP) && readFileSync(STAMP, 'utf8') === sources) return
  console.error('Building the dashboard (this takes some seconds) …')
  const vite = join(ROOT, 'node_modules/vite/bin/vite.js')
  const { status, stdout, stderr } = spawnSync(process.execPath, [vite, 'build', '--logLevel', 'warn'], {
    cwd: ROOT,
    encoding: 'utf8',
  })
  if (status !== 0) {
    console.error(`The dashboard cannot be built:\n${stdout}${stderr}`)
    process.exit(1)
  }
  writeFileSync(STAMP, sources)
}

function sourcesHash() {
  const hash = createHash('sha256')
  for (const source of SOURCES) {
    const path = join(ROOT, source)
    const files = source.includes('.')
      ? [path]
      : readdirSync(path, { recursive: true, withFileTypes: true })
          .filter((entry) => entry.isFile())
          .map((entry) => join(entry.parentPath, entry.name))
          .sort()
    for (const file of files) hash.update(`\0${file.slice(ROOT.length)}\0`).update(readFileSync(file))
  }
  return hash.digest('hex')
}
