// Files of the state folder that hold secrets: readable by their owner only, written whole or not at all, parsed when read.
import { randomBytes } from 'node:crypto'
import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { z } from 'zod'
import { errno, ExpectedFailure } from './expected.ts'

const MAKE_ANEW = 'delete it to have it made anew'

/** What the file holds, or null when there is none. @throws ExpectedFailure when it cannot be read or is not what it should be; its content is never quoted */
export function readPrivate<T>(path: string, schema: z.ZodType<T>, mend = MAKE_ANEW): T | null {
  try {
    return schema.parse(JSON.parse(readFileSync(path, 'utf8')))
  } catch (cause) {
    const code = errno(cause)
    if (code === 'ENOENT') return null
    if (code !== null)
      throw new ExpectedFailure(`${path} cannot be read (${code}): mend that, or choose another SOUK_STATE.`)
    throw new ExpectedFailure(`${path} is damaged: ${mend}, or choose another SOUK_STATE.`)
  }
}

export function writePrivate(path: string, value: unknown): void {
  makeFolder(dirname(path))
  const whole = `${path}.${randomBytes(4).toString('hex')}`
  writeFileSync(whole, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 })
  renameSync(whole, path)
}

/** What the file holds; made and kept when there is none yet. */
export async function readOrMake<T>(
  path: string,
  schema: z.ZodType<T>,
  make: () => T | Promise<T>,
  mend?: string,
): Promise<T> {
  const known = readPrivate(path, schema, mend)
  if (known !== null) return known
  const made = await make()
  writePrivate(path, made)
  return made
}

/** @throws ExpectedFailure when the folder cannot be made or written */
export function makeFolder(path: string): void {
  try {
    if (mkdirSync(path, { recursive: true, mode: 0o700 }) !== undefined) chmodSync(path, 0o700)
  } catch {
    throw new ExpectedFailure(`The state folder ${path} cannot be made: choose another with SOUK_STATE.`)
  }
}
