// The Worker's code, built by the one bundler there is: wrangler, as for production. So what runs here is what is deployed, to the byte.
// Building takes about two seconds, hence a cache: the same sources, lock file and wrangler.toml are the same bundle.
import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { dirname, extname, join, relative } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { errno, ExpectedFailure, oneLine } from './expected.ts'
import { CONFIG_PATH, ROOT } from './root.ts'

/** One module of the Worker, as Miniflare wants it; the first is the entry. */
export interface BundledModule {
  readonly type: 'ESModule' | 'CompiledWasm' | 'Text' | 'Data'
  readonly path: string
  readonly contents: string | Uint8Array<ArrayBuffer>
}

/** ms after which wrangler is given up */
const BUILD_TIMEOUT_MS = 120_000
/** what a bundle can be made of; `contracts/` and `dashboard/` are not */
const SOURCES = ['wrangler.toml', 'package-lock.json', 'gateway', 'protocol', 'db']
const CACHE = join(ROOT, 'node_modules/.cache/souk-bundle')
/** bundles that the cache keeps: a few branches' worth */
const CACHED_MAX = 8

/** The bundle of the sources as they are now, from the cache when it is there. @throws ExpectedFailure when it cannot be built */
export async function loadBundle(configPath = CONFIG_PATH): Promise<BundledModule[]> {
  const building = join(CACHE, `building-${randomBytes(6).toString('hex')}`)
  if (configPath !== CONFIG_PATH) {
    // Another configuration's sources may stand anywhere: it is built anew each time.
    await buildBundle(building, configPath)
    const modules = readBundle(building)
    rmSync(building, { recursive: true })
    return modules
  }
  const folder = join(CACHE, sourcesHash())
  if (!existsSync(folder)) {
    await buildBundle(building)
    try {
      renameSync(building, folder)
    } catch (cause) {
      // Somebody else built the same at the same time.
      if (!existsSync(folder)) throw cause
      rmSync(building, { recursive: true })
    }
    forgetOldBundles()
  }
  return readBundle(folder)
}

/** Builds into `outDir` without touching the network. @throws ExpectedFailure with the first error of the bundler */
export async function buildBundle(outDir: string, configPath = CONFIG_PATH): Promise<void> {
  mkdirSync(dirname(outDir), { recursive: true })
  const wrangler = join(ROOT, 'node_modules/wrangler/bin/wrangler.js')
  const args = [wrangler, 'deploy', '--dry-run', '--outdir', outDir, '--config', configPath]
  const env = {
    ...process.env,
    CI: 'true',
    WRANGLER_SEND_METRICS: 'false',
    WRANGLER_HIDE_BANNER: 'true',
    WRANGLER_LOG_PATH: join(CACHE, '../souk-wrangler-log'),
  }
  const options = { cwd: ROOT, env, timeout: BUILD_TIMEOUT_MS, maxBuffer: 16 * 1024 * 1024 }
  await new Promise<void>((resolve, reject) => {
    execFile(process.execPath, args, options, (error, stdout, stderr) => {
      if (error === null) return resolve()
      rmSync(outDir, { recursive: true, force: true })
      reject(
        new ExpectedFailure(`The gateway cannot be built: ${firstError(`${stderr}\n${stdout}`) ?? oneLine(error)}`),
      )
    })
  })
}

/** The modules of a built bundle, entry first. */
export function readBundle(folder: string): BundledModule[] {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((file) => file.isFile() && !/\.map$|^README\.md$/.test(file.name))
    .map((file) => join(file.parentPath, file.name))
  // The entry is the only one with a source map.
  const entry = files.find((file) => existsSync(`${file}.map`))
  if (entry === undefined) throw new ExpectedFailure(`${folder} holds no bundle.`)
  return [entry, ...files.filter((file) => file !== entry)].map((file) => moduleOf(folder, file))
}

function moduleOf(folder: string, file: string): BundledModule {
  const path = relative(folder, file)
  const bytes = new Uint8Array(readFileSync(file))
  switch (extname(file)) {
    case '.js':
    case '.mjs':
      return { type: 'ESModule', path, contents: new TextDecoder().decode(bytes) }
    case '.wasm':
      return { type: 'CompiledWasm', path, contents: bytes }
    case '.txt':
    case '.html':
    case '.sql':
      return { type: 'Text', path, contents: new TextDecoder().decode(bytes) }
    default:
      return { type: 'Data', path, contents: bytes }
  }
}

/** wrangler prints each error as "✘ [ERROR] what", then where; a failed build counts them first. */
function firstError(output: string): string | null {
  const lines = stripVTControlCharacters(output)
    .split('\n')
    .map((line) => line.trim())
  const errors = lines.flatMap((line, i) => (line.startsWith(ERROR_MARK) ? [i] : []))
  const told = errors.map((i) => lines[i]?.slice(ERROR_MARK.length).trim() ?? '')
  const first = told.findIndex((text) => !text.startsWith('Build failed'))
  const what = told[first]?.replace(/\.$/, '')
  if (what === undefined) return null
  const place = lines.slice((errors[first] ?? 0) + 1).find((line) => /^\S+:\d+:\d+:$/.test(line))
  const others = told.length - first - 1
  return `${what}${place ? ` (${place.slice(0, -1)})` : ''}${others > 0 ? `, and ${others} more` : ''}.`
}
const ERROR_MARK = '✘ [ERROR]'

function sourcesHash(): string {
  const hash = createHash('sha256')
  for (const source of SOURCES) {
    for (const file of filesUnder(join(ROOT, source)))
      hash.update(`\0${relative(ROOT, file)}\0`).update(readFileSync(file))
  }
  return hash.digest('hex').slice(0, 32)
}

function filesUnder(path: string): string[] {
  try {
    if (statSync(path).isFile()) return [path]
    const entries = readdirSync(path, { recursive: true, withFileTypes: true })
    const skipped = /(^|[/\\])(local|deploy|dashboard)([/\\]|$)/
    return entries
      .filter((entry) => entry.isFile() && !skipped.test(relative(path, entry.parentPath)))
      .map((entry) => join(entry.parentPath, entry.name))
      .sort()
  } catch (cause) {
    if (errno(cause) === 'ENOENT') return []
    throw cause
  }
}

function forgetOldBundles(): void {
  const age = (name: string) => statSync(join(CACHE, name), { throwIfNoEntry: false })?.mtimeMs ?? 0
  const oldestLast = readdirSync(CACHE).sort((a, b) => age(b) - age(a))
  for (const name of oldestLast.slice(CACHED_MAX)) rmSync(join(CACHE, name), { recursive: true, force: true })
}
