// One process serves from a state folder: two would hand in one receipt twice and take each other's link. The one that runs leaves a note there, running.json,
// and touches it while it lives, so that a note whose process is gone, or that nobody touches any more, is taken over at once.
import { randomUUID } from 'node:crypto'
import { link, open, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { OperatorError, sentenceFor } from './operator-error.ts'

export const CLAIM_FILE = 'running.json'

export const Claim = z.object({
  pid: z.number().int().min(1),
  /** of the machine or container it runs on */
  host: z.string(),
  startedAt: z.string(),
  /** where it listens; null: nowhere, or not yet */
  url: z.string().nullable(),
  /** where its link goes; null: it has none, or not yet */
  link: z.string().nullable(),
})
export type Claim = z.infer<typeof Claim>

export interface HeldClaim {
  /** Says in the note how the node is reached. */
  tell(reach: Pick<Claim, 'url' | 'link'>): Promise<void>
  release(): Promise<void>
}

/** ms between two touches, and ms after which a note that nobody touches is nobody's: a process with the same number may live by then */
const TOUCH_MS = 2_000
const STALE_MS = 15_000

/** @throws OperatorError that says who runs already, or that the folder cannot be written */
export async function claimHome(home: string, now: () => number): Promise<HeldClaim> {
  const path = join(home, CLAIM_FILE)
  let claim: Claim = {
    pid: process.pid,
    host: hostname(),
    startedAt: new Date(now()).toISOString(),
    url: null,
    link: null,
  }
  while (!(await created(path, claim))) {
    const text = await readText(path)
    const other = await readClaim(home, now)
    if (other) throw new OperatorError(sentenceOf(other, home))
    await setAside(path, text)
  }
  const touch = () => void utimes(path, new Date(now()), new Date(now())).catch(() => undefined)
  const beat = setInterval(touch, TOUCH_MS)
  beat.unref()
  const isOurs = async () => (await readText(path)) === textOf(claim)
  return {
    async tell(reach) {
      if (!(await isOurs())) return
      const changed = { ...claim, ...reach }
      const draft = `${path}.${randomUUID()}`
      // A disk that is full by now stops no node that serves: the note then does not say how it is reached.
      const isWritten = await writeFile(draft, textOf(changed), { mode: 0o600 })
        .then(() => rename(draft, path))
        .then(() => true)
        .catch(() => false)
      if (isWritten) claim = changed
      else await rm(draft, { force: true })
    },
    async release() {
      clearInterval(beat)
      if (await isOurs()) await rm(path, { force: true })
    },
  }
}

/** Who serves from this folder now; null: nobody. */
export async function readClaim(home: string, now: () => number = Date.now): Promise<Claim | null> {
  const path = join(home, CLAIM_FILE)
  const [text, info] = await Promise.all([readText(path), stat(path).catch(() => null)])
  if (text === null || info === null || now() - info.mtimeMs > STALE_MS) return null
  const claim = parsed(text)
  // A note that is being written is somebody's; who cannot be seen from here is believed while it is touched.
  if (claim === null) return text === '' ? UNKNOWN : null
  const isGone = claim.host === hostname() && (claim.pid === process.pid || !isAlive(claim.pid))
  return isGone ? null : claim
}

const UNKNOWN: Claim = { pid: 1, host: '', startedAt: '', url: null, link: null }

function sentenceOf({ pid, host, startedAt, url, link }: Claim, home: string): string {
  if (host === '') return `another souk-node is starting in ${home}`
  const where = host === hostname() ? `process ${pid}` : `process ${pid} on ${host}`
  const reach = url ?? link
  const since = ` since ${startedAt}`
  return `a souk-node serves from ${home} already (${where}${since}${reach === null ? '' : `, ${reach}`}): stop it, or give this one another folder with --home`
}

async function created(path: string, claim: Claim): Promise<boolean> {
  try {
    const file = await open(path, 'wx', 0o600)
    try {
      await file.writeFile(textOf(claim))
    } catch (cause) {
      // An empty note would keep everybody out for a while.
      await rm(path, { force: true })
      throw cause
    } finally {
      await file.close()
    }
    return true
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'EEXIST') return false
    throw sentenceFor(`${path} cannot be written`, cause)
  }
}

/** Renaming has one winner: whoever comes second finds no file, or the winner's, which is put back. */
async function setAside(path: string, stale: string | null): Promise<void> {
  const aside = `${path}.${randomUUID()}`
  const isMoved = await rename(path, aside).then(
    () => true,
    () => false,
  )
  if (!isMoved) return
  if ((await readText(aside)) !== stale) await link(aside, path).catch(() => undefined)
  await rm(aside, { force: true })
}

const textOf = (claim: Claim): string => `${JSON.stringify(claim)}\n`
const readText = (path: string) => readFile(path, 'utf8').catch(() => null)

function parsed(text: string): Claim | null {
  try {
    return Claim.safeParse(JSON.parse(text)).data ?? null
  } catch {
    return null
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (cause) {
    // It may belong to another user.
    return cause instanceof Error && 'code' in cause && cause.code === 'EPERM'
  }
}
