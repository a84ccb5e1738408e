// Makes the published form of this program in dist/, before `npm pack`: every module of provider-node/ and of protocol/ as plain JavaScript beside
// each other, and the shipped models with the files their manifests name. Nothing is bundled, so a stack names our files and worker threads find
// theirs; types are not looked at (the checks of the repository do), so a build takes a second.
import { chmod, cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const OPTIONS = {
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.ESNext,
  verbatimModuleSyntax: true,
  isolatedModules: true,
  rewriteRelativeImportExtensions: true,
}
/** Folders of this package that hold no modules of the program. */
const NOT_SOURCES = new Set(['dist', 'models', 'node_modules'])
/** Beside a model's own files: what says whose they are and what they are good for. */
const MODEL_PAPERS = /^(README\.md|manifest\.json|.*(LICENSE|ACKNOWLEDGEMENT).*)$/

const here = fileURLToPath(new URL('.', import.meta.url))
const root = join(here, '..')
await build(join(here, 'dist'))

/** @param out is emptied first */
async function build(out) {
  await rm(out, { recursive: true, force: true })
  const sources = [...(await filesBelow(here, NOT_SOURCES)), ...(await filesBelow(join(root, 'protocol'), new Set()))]
  for (const file of sources) await publish(file, join(out, relative(root, file)))
  const entry = join(out, 'provider-node', 'cli.js')
  await writeFile(entry, `#!/usr/bin/env node\n${await readFile(entry, 'utf8')}`)
  await chmod(entry, 0o755)
  await copyModels(join(here, 'models'), join(out, 'provider-node', 'models'))
}

async function publish(file, target) {
  const isModule = file.endsWith('.ts')
  if (!isModule && (!file.endsWith('.mjs') || basename(file) === 'build.mjs')) return
  const text = await readFile(file, 'utf8')
  await mkdir(dirname(target), { recursive: true })
  if (isModule) await writeFile(target.replace(/\.ts$/, '.js'), plain(file, text))
  else await writeFile(target, withoutLoader(file, text))
}

function plain(fileName, text) {
  const { outputText, diagnostics = [] } = ts.transpileModule(text, {
    fileName,
    compilerOptions: OPTIONS,
    reportDiagnostics: true,
  })
  const [problem] = diagnostics
  if (problem) throw new Error(`${fileName}: ${ts.flattenDiagnosticMessageText(problem.messageText, ' ')}`)
  return outputText
}

/** A worker's first line registers a loader for TypeScript; what was compiled needs none. */
function withoutLoader(file, text) {
  if (!file.endsWith('-boot.mjs')) return text
  const target = /await import\('(\.\/[a-z-]+)\.ts'\)/.exec(text)?.[1]
  if (target === undefined) throw new Error(`${file} imports no module that could be compiled`)
  return `// Where a worker thread of the published program begins.\nawait import('${target}.js')\n`
}

/** Files that a manifest does not name were for training and tests. Those of the `ocr` manifest are fetched by who wants them. */
async function copyModels(from, to) {
  for (const name of await readdir(from)) {
    const folder = join(from, name)
    const { files } = JSON.parse(await readFile(join(folder, 'manifest.json'), 'utf8'))
    const wanted = (await readdir(folder)).filter((file) => Object.hasOwn(files, file) || MODEL_PAPERS.test(file))
    for (const file of wanted) await cp(join(folder, file), join(to, name, file))
  }
}

async function filesBelow(folder, skipped) {
  const entries = await readdir(folder, { withFileTypes: true })
  const found = await Promise.all(
    entries.map((entry) => {
      const path = join(folder, entry.name)
      if (entry.isDirectory()) return skipped.has(entry.name) ? [] : filesBelow(path, skipped)
      return entry.isFile() ? [path] : []
    }),
  )
  return found.flat()
}
