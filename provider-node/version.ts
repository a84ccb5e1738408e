// Which release of the program this is: the version in its package.json, beside its files in the repository, two folders above them in an installed package.
import { readFile } from 'node:fs/promises'
import { z } from 'zod'

const Package = z.object({ version: z.string() })

/** @example '0.1.0'; 'unknown' where no package.json says it */
export async function programVersion(): Promise<string> {
  for (const above of ['./package.json', '../../package.json']) {
    const text = await readFile(new URL(above, import.meta.url), 'utf8').catch(() => 'null')
    const parsed = Package.safeParse(JSON.parse(text))
    if (parsed.success) return parsed.data.version
  }
  return 'unknown'
}
