// What `npm start`, `npm test`, the checks and the deployment call first, so that each works on a fresh clone: plain JavaScript without
// dependencies. Promises that node_modules is what package-lock.json says, or stops with one sentence. npm writes its own record of a
// finished install (node_modules/.package-lock.json) last, so a half-done install is never taken for a whole one.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { join } from 'node:path'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/**
 * Installs what is missing, or ends the process with one sentence and exit code 1.
 * @param {string} [root] folder of package.json
 */
export function ensureInstalled(root = ROOT) {
  const sentence = install({ root, nodeVersion: process.versions.node, npmCi, say: (text) => console.error(text) })
  if (sentence === null) return
  console.error(sentence)
  process.exit(1)
}

/**
 * The decisions of {@link ensureInstalled}, its needs as arguments.
 * @param {{ root: string, nodeVersion: string, npmCi: (root: string) => boolean, say: (text: string) => void }} needs
 * @returns {string | null} why it cannot go on, in one sentence; null when everything is there
 */
export function install({ root, nodeVersion, npmCi, say }) {
  const wanted = readJson(join(root, 'package.json'))?.engines?.node ?? '>=20.18'
  if (!isAtLeast(nodeVersion, wanted))
    return `Souk needs Node.js ${wanted.replace('>=', '')} or newer; this is ${nodeVersion}.`
  const lock = readJson(join(root, 'package-lock.json'))
  if (lock === null) return 'package-lock.json is missing or unreadable: take it from the repository again.'
  if (missingPackage(lock, installed(root)) === null) return null
  say('Installing what package-lock.json names (once; this can take a minute) …')
  if (!npmCi(root)) return 'The packages could not be installed: run `npm ci` to see why, then try again.'
  const missing = missingPackage(lock, installed(root))
  return missing === null
    ? null
    : `npm ci ended well, but ${missing} is still missing: delete node_modules and try again.`
}

/**
 * The first package that is absent or another one than locked. Optional ones are another platform's binaries as often as not.
 * @param {{ packages?: Record<string, { version?: string, integrity?: string, optional?: boolean }> }} lock
 * @param {{ packages?: Record<string, { version?: string, integrity?: string }> } | null} record npm's record of what it installed
 * @returns {string | null}
 */
export function missingPackage(lock, record) {
  for (const [path, entry] of Object.entries(lock.packages ?? {})) {
    if (path === '' || entry.optional) continue
    const there = record?.packages?.[path]
    if (there?.version !== entry.version || there?.integrity !== entry.integrity) return path
  }
  return null
}

/** @example isAtLeast('20.9.0', '>=20.18') // false */
export function isAtLeast(version, wanted) {
  const numbers = (text) => text.replace(/^\D*/, '').split('.').map(Number)
  const have = numbers(version)
  for (const [i, need] of numbers(wanted).entries()) if ((have[i] ?? 0) !== need) return (have[i] ?? 0) > need
  return true
}

const installed = (root) => readJson(join(root, 'node_modules/.package-lock.json'))

/** The same npm that runs us, if one does; its output goes to stderr, so that stdout stays the caller's. */
function npmCi(root) {
  const args = ['ci', '--no-audit', '--no-fund', '--include=dev', '--include=optional', '--loglevel=error']
  const npm = process.env.npm_execpath
  const options = { cwd: root, stdio: ['ignore', 2, 2] }
  const { status } = npm?.endsWith('.js')
    ? spawnSync(process.execPath, [npm, ...args], options)
    : spawnSync('npm', args, { ...options, shell: process.platform === 'win32' })
  return status === 0
}

function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return null
  }
}
