// Every address of the dashboard, as its own routes list them, so that a new page is walked without being named anywhere else.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../../gateway/local/root.ts'

const FOLDER = join(ROOT, 'gateway/dashboard')

/** such as `/keys/$keyId` */
export function dashboardPaths(): readonly string[] {
  const files = readdirSync(FOLDER, { recursive: true, encoding: 'utf8' }).filter((file) =>
    /(^|\/)routes\.ts$/.test(file),
  )
  const paths = files.flatMap((file) =>
    [...readFileSync(join(FOLDER, file), 'utf8').matchAll(/\bpath: '([^']+)'/g)].map(([, path = '']) => path),
  )
  return [...new Set(paths)].sort()
}

/** @throws for a parameter that nobody said a value for */
export function filled(path: string, values: Readonly<Record<string, string>>): string {
  return path.replace(/\$(\w+)/g, (_, name: string) => {
    const value = values[name]
    if (value === undefined) throw new Error(`${path}: say what $${name} is`)
    return value
  })
}
