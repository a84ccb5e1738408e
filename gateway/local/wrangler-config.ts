// wrangler.toml as the local runner and the deployment see it. wrangler itself reads it, so that both mean what production means.
import { relative } from 'node:path'
import { unstable_getMiniflareWorkerOptions, unstable_readConfig, type Unstable_Config } from 'wrangler'
import { ExpectedFailure, oneLine } from './expected.ts'
import { ROOT } from './root.ts'

export type WranglerConfig = Unstable_Config

/** @throws ExpectedFailure that names the file, and the line where it is known */
export function readConfig(path: string): WranglerConfig {
  return refusing(path, () => {
    const config = unstable_readConfig({ config: path }, { hideWarnings: true })
    if (!config.main) throw new Error('"main" is missing')
    return config
  })
}

/** The Worker's options for Miniflare: bindings, guards, databases, flags. @throws ExpectedFailure */
export function workerOptions(path: string) {
  return refusing(path, () => unstable_getMiniflareWorkerOptions(path).workerOptions)
}

function refusing<T>(path: string, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    const line = lineOf(cause)
    const why = oneLine(cause).replace(/^Processing .*? configuration: - /, '')
    const place = line === null ? '' : ` (line ${line})`
    throw new ExpectedFailure(`${relative(ROOT, path) || path} is not valid${place}: ${why.replace(/\.$/, '')}.`)
  }
}

function lineOf(cause: unknown): number | null {
  if (!(cause instanceof Error) || !('location' in cause)) return null
  const { location } = cause
  if (typeof location !== 'object' || location === null || !('line' in location)) return null
  return typeof location.line === 'number' ? location.line : null
}
