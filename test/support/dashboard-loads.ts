// What the pages of the dashboard load, as `vite build` wrote it down: bytes of JavaScript, gzipped, from the manifest and the files it names.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { z } from 'zod'
import { ROOT } from '../../gateway/local/root.ts'

const FOLDER = join(ROOT, 'dist/dashboard')
/**
 * Pages of which an address opens one part, and which of what they may fetch are such parts: each counts with the page. A file is named after its source, or,
 * when others need it too, after itself.
 */
const IN_PARTS = [
  [/(^|[/_])billing[.-]/, /./],
  [/(^|[/_])playground[.-]/, /(^|[/_])tensors-form[.-]/],
] as const

const Chunk = z.object({
  file: z.string(),
  imports: z.array(z.string()).default([]),
  dynamicImports: z.array(z.string()).default([]),
})
type Manifest = Readonly<Record<string, z.infer<typeof Chunk>>>

/**
 * For each page, and each part of one that has an address: the entry, the page, the part and all that they need at once. Everything that the entry may
 * fetch counts as a page, so that a new one is there without being named.
 */
export function dashboardFirstLoads(): ReadonlyMap<string, number> {
  const manifest: Manifest = z
    .record(z.string(), Chunk)
    .parse(JSON.parse(readFileSync(join(FOLDER, '.vite/manifest.json'), 'utf8')))
  const entry = manifest['index.html']
  const sizes = new Map<string, number>()
  for (const page of entry?.dynamicImports ?? []) {
    sizes.set(page, bytesOf(manifest, ['index.html', page]))
    const parts = IN_PARTS.find(([ofPage]) => ofPage.test(page))?.[1]
    for (const part of manifest[page]?.dynamicImports ?? [])
      if (parts?.test(part)) sizes.set(part, bytesOf(manifest, ['index.html', page, part]))
  }
  return sizes
}

function bytesOf(manifest: Manifest, names: readonly string[]): number {
  const files = new Set<string>()
  const gather = (name: string): void => {
    const chunk = manifest[name]
    if (chunk === undefined || files.has(chunk.file)) return
    files.add(chunk.file)
    chunk.imports.forEach(gather)
  }
  names.forEach(gather)
  return [...files].filter((file) => file.endsWith('.js')).reduce((sum, file) => sum + gzippedBytes(file), 0)
}

const known = new Map<string, number>()

/** @param file as the manifest and the addresses name it, such as `assets/index-….js` */
export function gzippedBytes(file: string): number {
  const bytes = known.get(file) ?? gzipSync(readFileSync(join(FOLDER, file))).length
  known.set(file, bytes)
  return bytes
}
