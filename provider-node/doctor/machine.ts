// This machine and the state folder: what can be known without the gateway, and without the configuration.
import { randomUUID } from 'node:crypto'
import { rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DOCTOR_LIMITS } from './doctor-limits.ts'
import type { Check } from './facts.ts'
import { amount, codeOf, ok, wrong, type Finding } from './finding.ts'

/** As package.json says it. */
const NODE_LEAST = { major: 20, minor: 18 } as const

export const checkNodeVersion: Check = ({ nodeVersion }) => {
  const [, major = 0, minor = 0] = (/^v(\d+)\.(\d+)/.exec(nodeVersion) ?? []).map(Number)
  const isEnough = major > NODE_LEAST.major || (major === NODE_LEAST.major && minor >= NODE_LEAST.minor)
  const least = `${NODE_LEAST.major}.${NODE_LEAST.minor}`
  return Promise.resolve([
    isEnough
      ? ok(`Node.js ${nodeVersion}`)
      : wrong(`Node.js ${nodeVersion} is too old: ${least} is needed`, 'install Node.js 20 or 22 from nodejs.org'),
  ])
}

/** Exists, is private, takes what is written, and has room. */
export const checkFolder: Check = async ({ home, platform, freeBytes }) => {
  const info = await stat(home).catch(() => null)
  if (!info) return [wrong(`there is no state folder ${home}`, `run souk-node init --home ${home}`)]
  if (!info.isDirectory()) return [wrong(`${home} is a file, not a folder`, 'name another folder with --home')]
  const findings: Finding[] = []
  if (platform !== 'win32' && (info.mode & 0o077) !== 0)
    findings.push(wrong(`others on this machine can look into ${home}`, `chmod 700 ${home}`))
  const refused = await writeTrial(home)
  if (refused !== null)
    return [...findings, wrong(`nothing can be written into ${home} (${refused})`, howToWrite(refused, home))]
  const free = await freeBytes(home)
  if (free < DOCTOR_LIMITS.diskBytes)
    return [
      ...findings,
      wrong(
        `the disk of ${home} is full: ${amount(free)} are left`,
        'free some space: receipts that cannot be kept are work that is not paid',
      ),
    ]
  return findings.length > 0 ? findings : [ok(`${home}, private, ${amount(free)} free`)]
}

/** @returns the system's code when it is refused */
async function writeTrial(home: string): Promise<string | null> {
  const trial = join(home, `doctor-${randomUUID()}.tmp`)
  try {
    await writeFile(trial, 'written by souk-node doctor, and may be deleted\n', { mode: 0o600, flag: 'wx' })
    return null
  } catch (cause) {
    return codeOf(cause)
  } finally {
    await rm(trial, { force: true }).catch(() => undefined)
  }
}

function howToWrite(code: string, home: string): string {
  if (code === 'ENOSPC' || code === 'EDQUOT') return 'free some space on its disk'
  if (code === 'EROFS') return 'its disk is read-only: mount it for writing, or name another folder with --home'
  if (code === 'EACCES' || code === 'EPERM')
    return `run this as the user the node runs as, or chown that user to ${home}`
  return 'look at its disk: the system refuses to write'
}
