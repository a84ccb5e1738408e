// Where the conformance vectors lie: `../shared/vectors` beside the repository, or the folder that SOUK_VECTORS names.
// Imports no test framework, so that vitest.config.ts can hand a file to the tests that run in workerd.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = process.env.SOUK_VECTORS ?? fileURLToPath(new URL('../../../shared/vectors', import.meta.url))

/** In CI a missing vector is a failure; elsewhere it is a skipped test. */
export const vectorsAreRequired = Boolean(process.env.CI)

/** The files of one folder of vectors; paths are relative to it. */
export interface Vectors {
  readonly folder: string
  text(path: string): string
  bytes(path: string): Uint8Array
  /** Parsed, and as unknown as everything from outside: parse it with a schema. */
  json(path: string): unknown
  /** File names in a sub-folder, sorted. */
  list(path?: string): string[]
}

/** @returns null when there is no such folder. @param name for example 'siwe', 'ssrf-urls', 'wpt-url' */
export function openVectors(name: string): Vectors | null {
  const folder = join(root, name)
  if (!existsSync(folder)) return null
  const text = (path: string) => readFileSync(join(folder, path), 'utf8')
  return {
    folder,
    text,
    bytes: (path) => new Uint8Array(readFileSync(join(folder, path))),
    json: (path) => JSON.parse(text(path)) as unknown,
    list: (path = '.') => readdirSync(join(folder, path)).sort(),
  }
}
