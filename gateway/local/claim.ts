// One market per state folder. The claim names the process that runs on it and the children that must not outlive it, because a market
// that was killed (`kill -9`) leaves its workerd behind, holding the port and the database files: the next start ends such leftovers.
// A process is ours only when its id and its whole command line agree, since ids are used again.
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { errno, ExpectedFailure } from './expected.ts'
import { makeFolder, readPrivate, writePrivate } from './private-file.ts'

const Process = z.object({ pid: z.number().int().positive(), command: z.string() })
const ClaimFile = z.object({ owner: Process, children: z.array(Process) })

export interface Claim {
  /** This child ends with us, or at the latest with the next start on this folder. */
  adopt(pid: number): void
  release(): void
}

/** ms a leftover gets to end by itself before it is killed */
const LEFTOVER_MS = 2_000

/** @throws ExpectedFailure when another market runs on this folder */
export async function claimState(stateDir: string): Promise<Claim> {
  makeFolder(stateDir)
  const path = join(stateDir, 'run.json')
  const before = readPrivate(path, ClaimFile)
  if (before !== null) {
    const { owner, children } = before
    if (isRunning(owner)) throw taken(stateDir, owner.pid)
    await Promise.all(children.filter(isRunning).map(end))
    rmSync(path, { force: true })
  }
  const claim = {
    owner: { pid: process.pid, command: commandOf(process.pid) },
    children: [] as z.infer<typeof Process>[],
  }
  try {
    writeFileSync(path, JSON.stringify(claim), { mode: 0o600, flag: 'wx' })
  } catch (cause) {
    if (errno(cause) === 'EEXIST') throw taken(stateDir, null)
    throw new ExpectedFailure(`The state folder ${stateDir} cannot be written: choose another with SOUK_STATE.`)
  }
  return {
    adopt(pid) {
      claim.children.push({ pid, command: commandOf(pid) })
      writePrivate(path, claim)
    },
    release: () => rmSync(path, { force: true }),
  }
}

/** Process ids of our children whose command line contains `part`. */
export function childrenRunning(part: string): number[] {
  return processes()
    .filter(({ pid, parent }) => parent === process.pid && commandOf(pid).includes(part))
    .map(({ pid }) => pid)
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (cause) {
    return errno(cause) === 'EPERM'
  }
}

const isRunning = ({ pid, command }: z.infer<typeof Process>): boolean => isAlive(pid) && commandOf(pid) === command

const taken = (stateDir: string, pid: number | null) =>
  new ExpectedFailure(
    `Another souk${pid === null ? '' : ` (process ${pid})`} already runs on ${stateDir}: stop it, or choose another folder with SOUK_STATE.`,
  )

async function end({ pid }: z.infer<typeof Process>): Promise<void> {
  signal(pid, 'SIGTERM')
  for (let waited = 0; waited < LEFTOVER_MS && isAlive(pid); waited += 50) await sleep(50)
  signal(pid, 'SIGKILL')
}

function signal(pid: number, name: 'SIGTERM' | 'SIGKILL'): void {
  try {
    process.kill(pid, name)
  } catch (cause) {
    if (errno(cause) !== 'ESRCH') throw cause
  }
}

/** '' when it cannot be known, as for a process that has just ended. */
function commandOf(pid: number): string {
  try {
    if (existsSync('/proc/self/cmdline'))
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
    return execFileSync('ps', ['-o', 'args=', '-p', String(pid)], { encoding: 'utf8' }).trim()
  } catch {
    return ''
  }
}

function processes(): { pid: number; parent: number }[] {
  if (!existsSync('/proc/self/stat')) {
    const lines = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' }).trim().split('\n')
    return lines.map((line) => line.trim().split(/\s+/).map(Number)).map(([pid = 0, parent = 0]) => ({ pid, parent }))
  }
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return pids.map((pid) => ({ pid: Number(pid), parent: parentOf(pid) }))
}

/** Field 4 of /proc/{pid}/stat (proc(5)); the name before it stands in parentheses and may contain anything. */
function parentOf(pid: string): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
  } catch {
    return 0
  }
}
