// Loads simulator and model with lines of the ledger changed: one bundle, in which the change is made while the files are read.
import { build } from 'esbuild'
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { findDifference } from './model.ts'
import type { PlantedFault } from './planted-faults.ts'
import type { simulate } from './simulate.ts'

export interface Planted {
  readonly simulate: typeof simulate
  readonly findDifference: typeof findDifference
}

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url))
const ENTRY = `export { simulate } from './simulate.ts'; export { findDifference } from './model.ts'`
/** Where packages are found, and nothing is transformed a second time. */
const CACHE = path('../../node_modules/.cache/planted-faults/')

let loaded = 0

/** @throws Error for an edit whose line is not there exactly once */
export async function plant({ edits }: Pick<PlantedFault, 'edits'>): Promise<Planted> {
  mkdirSync(CACHE, { recursive: true })
  const outfile = `${CACHE}${process.pid}-${++loaded}.mjs`
  await build({
    stdin: { contents: ENTRY, resolveDir: path('.'), loader: 'ts' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    outfile,
    logLevel: 'silent',
    plugins: [
      {
        name: 'planted-fault',
        setup(bundle) {
          bundle.onLoad({ filter: /\/(gateway|test\/simulation)\/.*\.ts$/ }, ({ path: file }) => {
            const text = edits.reduce(
              (so, edit) => (file === path(`../../gateway/ledger/${edit.file}`) ? changed(so, edit) : so),
              readFileSync(file, 'utf8'),
            )
            // Files that lie beside a module lie beside its source.
            return {
              contents: text.replaceAll('import.meta.url', JSON.stringify(pathToFileURL(file).href)),
              loader: 'ts',
            }
          })
        },
      },
    ],
  })
  try {
    return (await import(pathToFileURL(outfile).href)) as Planted // what ENTRY exports
  } finally {
    rmSync(outfile)
  }
}

function changed(text: string, { file, from, to }: PlantedFault['edits'][number]): string {
  const found = text.split(from).length - 1
  if (found !== 1) throw new Error(`${file} has this line ${found} times: ${from}`)
  return text.replace(from, () => to)
}
