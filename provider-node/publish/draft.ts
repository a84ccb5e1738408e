// From a folder to the manifest of what lies in it: what the author has written, the command line over it, and the files' own hashes and sizes. A
// manifest of before is read as a draft, so that publishing again after a change is one command.
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { jcs } from '../../protocol/canonical.ts'
import { ModelManifest } from '../../protocol/model.ts'
import { hashFile } from '../model-store/check.ts'
import { STORE_LIMITS } from '../model-store/store-limits.ts'
import { OperatorError, sentenceFor, usageError } from '../operator-error.ts'
import { describeGraph } from './describe-graph.ts'

/** What the command line says; absent: what the manifest says. */
export interface Wanted {
  readonly id?: string | undefined
  readonly task?: string | undefined
  readonly description?: string | undefined
  readonly licence?: string | undefined
  readonly royaltyBps?: number | undefined
  /** all of them at once; none: as they are */
  readonly sources: readonly string[]
}

export interface Draft {
  readonly manifest: ModelManifest
  /** manifest.json, written or not */
  readonly text: string
  /** its text is not what lies in the folder */
  readonly isNew: boolean
}

const RawManifest = z.record(z.string(), z.unknown())
type RawManifest = z.infer<typeof RawManifest>

/** Files beside a model that are none of it, unless the manifest names them. */
const ASIDE = /^(manifest\.json|readme(\..*)?|licen[cs]e(\..*)?|notice(\..*)?|.*\.md)$/i

/** @throws OperatorError naming the file or the field that is missing or wrong */
export async function draftManifest(folder: string, wanted: Wanted): Promise<Draft> {
  const before = await readDraft(folder)
  const said = withoutNothing({
    ...before,
    ...withoutNothing({ ...wanted, sources: wanted.sources.length > 0 ? wanted.sources : undefined }),
  })
  const { files, sizes } = await filesOf(folder, before?.files)
  const described = await describe(folder, { ...said, files })
  const parsed = ModelManifest.safeParse({ description: '', royaltyBps: 0, ...described, files, sizes })
  if (!parsed.success) throw wrongField(folder, parsed.error, described)
  const manifest = parsed.data
  const text = `${JSON.stringify(manifest, null, 2)}\n`
  return { manifest, text, isNew: before === null || jcs(before) !== jcs(manifest) }
}

async function readDraft(folder: string): Promise<RawManifest | null> {
  const file = join(folder, 'manifest.json')
  const text = await readFile(file, 'utf8').catch(async (cause: unknown) => {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return null
    throw sentenceFor(`${file} cannot be read`, cause)
  })
  if (text === null) return null
  if (text.length > STORE_LIMITS.manifestBytes) throw new OperatorError(`${file} is too large for a model manifest`)
  try {
    return RawManifest.parse(JSON.parse(text))
  } catch {
    throw new OperatorError(`${file} is not valid JSON`)
  }
}

/** Those the manifest names; without names, all that lie there and are not beside the model. */
async function filesOf(
  folder: string,
  named: unknown,
): Promise<{ files: Record<string, string>; sizes: Record<string, number> }> {
  const known = RawManifest.safeParse(named)
  const names = known.success ? Object.keys(known.data) : await modelFiles(folder)
  if (names.length === 0) throw new OperatorError(`there are no files of a model in ${folder}`)
  const files: Record<string, string> = {}
  const sizes: Record<string, number> = {}
  for (const name of names.sort()) {
    const path = join(folder, name)
    const sha256 = await hashFile(path).catch((cause: unknown) => {
      throw sentenceFor(`${path} cannot be read`, cause)
    })
    if (sha256 === null) throw new OperatorError(`${path} is missing: its manifest names it`)
    files[name] = sha256
    sizes[name] = (await stat(path)).size
  }
  return { files, sizes }
}

async function modelFiles(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((cause: unknown) => {
    throw sentenceFor(`the folder ${folder} cannot be read`, cause)
  })
  return entries.flatMap((entry) =>
    entry.isFile() && !/^\./.test(entry.name) && !ASIDE.test(entry.name) ? [entry.name] : [],
  )
}

/** What a graph says of itself need not be written by its author. */
async function describe(folder: string, said: RawManifest & { files: Record<string, string> }): Promise<RawManifest> {
  const graphs = Object.keys(said.files).filter((name) => name.endsWith('.onnx'))
  const isWords = Object.keys(said.files).some((name) => /^tokenizer(_config)?\.json$/.test(name))
  if (said.task === undefined && (graphs.length !== 1 || isWords))
    throw usageError('what does it do? say --task chat, embeddings, classification, ocr or tensors')
  const task = said.task ?? 'tensors'
  const [graph] = graphs
  if (task !== 'tensors' || said.tensors !== undefined || graph === undefined) return { ...said, task }
  return { ...said, task, ...(await describeGraph(join(folder, graph), said.probes)) }
}

function wrongField(folder: string, { issues: [issue] }: z.ZodError, said: RawManifest): OperatorError {
  const field = issue?.path.join('.') || 'it'
  const option = OPTIONS[field]
  if (option !== undefined && said[field] === undefined)
    return usageError(`the model needs ${option.what}: give ${option.flag}`)
  return new OperatorError(`the manifest of ${folder} is not valid: ${field}: ${issue?.message ?? 'invalid'}`)
}

const OPTIONS: Readonly<Record<string, { what: string; flag: string }>> = {
  id: { what: 'a name', flag: '--id author/name' },
  licence: { what: 'a licence', flag: '--licence with an SPDX expression' },
  task: { what: 'a task', flag: '--task' },
  probes: { what: 'a question with its known answer', flag: '"probes" in manifest.json' },
}

const withoutNothing = (fields: Readonly<Record<string, unknown>>): RawManifest =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
