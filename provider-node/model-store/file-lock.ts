// One program at a time writes a file, also when two nodes share a folder. The lock is a file beside it, made in one step; its holder touches it
// while it works, so one that nobody touches any more was left by a program that is gone, and is taken over.
import { randomUUID } from 'node:crypto'
import { open, readFile, rename, rm, stat, utimes } from 'node:fs/promises'
import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { sentenceFor } from '../operator-error.ts'
import { STORE_LIMITS } from './store-limits.ts'

export interface FileLock {
  /** false when another program has taken it over: what follows must not be written */
  isOurs(): Promise<boolean>
  release(): Promise<void>
}

/** Waits until nobody else holds it. @param onWait told once, when somebody does @throws the signal's reason; OperatorError */
export async function lockFile(
  path: string,
  signal: AbortSignal,
  onWait: () => void = () => undefined,
): Promise<FileLock> {
  const content = JSON.stringify({ token: randomUUID(), pid: process.pid, host: hostname() })
  let isTold = false
  while (!(await created(path, content))) {
    signal.throwIfAborted()
    if (await isAbandoned(path)) {
      // Renaming has one winner: whoever comes second finds no file, and both try to make theirs.
      const aside = `${path}.${randomUUID()}`
      if (
        await rename(path, aside).then(
          () => true,
          () => false,
        )
      )
        await rm(aside, { force: true })
      continue
    }
    if (!isTold) onWait()
    isTold = true
    await sleep(STORE_LIMITS.lockLookMs, undefined, { signal })
  }
  const isOurs = async () => (await readFile(path, 'utf8').catch(() => null)) === content
  const touch = () =>
    void isOurs()
      .then((ours) => (ours ? utimes(path, new Date(), new Date()) : undefined))
      .catch(() => undefined)
  const beat = setInterval(touch, STORE_LIMITS.lockStaleMs / 5)
  beat.unref()
  return {
    isOurs,
    async release() {
      clearInterval(beat)
      if (await isOurs()) await rm(path, { force: true })
    },
  }
}

async function created(path: string, content: string): Promise<boolean> {
  try {
    const file = await open(path, 'wx', 0o600)
    await file.writeFile(content).finally(() => file.close())
    return true
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'EEXIST') return false
    throw sentenceFor(`${path} cannot be made`, cause)
  }
}

/** Not touched for long, or made on this machine by a process that is gone. */
async function isAbandoned(path: string): Promise<boolean> {
  const info = await stat(path).catch(() => null)
  if (!info) return false
  if (Date.now() - info.mtimeMs > STORE_LIMITS.lockStaleMs) return true
  const holder = parsed(await readFile(path, 'utf8').catch(() => ''))
  return holder !== null && holder.host === hostname() && !isAlive(holder.pid)
}

function parsed(text: string): { pid: number; host: string } | null {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null || !('pid' in value) || !('host' in value)) return null
    return typeof value.pid === 'number' && typeof value.host === 'string' ? { pid: value.pid, host: value.host } : null
  } catch {
    return null
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (cause) {
    return !(cause instanceof Error && 'code' in cause && cause.code === 'ESRCH')
  }
}
