// config.json as a file: JSON with comments and trailing commas, read with the line of every field, and written anew only by `init`, with a comment
// on each field. A file of before, without comments, reads the same.
import { lstat, readFile, rename, rm, writeFile } from 'node:fs/promises'
import {
  findNodeAtLocation,
  getNodeValue,
  parseTree,
  printParseErrorCode,
  type Node,
  type ParseError,
} from 'jsonc-parser'
import type { z } from 'zod'
import type { NodeConfig } from './config.ts'
import { OperatorError, sentenceFor } from './operator-error.ts'
import { configFile, makeHome } from './state-folder.ts'

export type ConfigPath = readonly (string | number)[]

export interface ConfigText {
  readonly text: string
  readonly value: Readonly<Record<string, unknown>>
  /** of the field, or of the nearest thing around it that is there; from 1 */
  lineOf(path: ConfigPath): number
}

/** Also one that cannot be read: it is somebody's, and nothing takes its place. */
export const hasConfig = (home: string): Promise<boolean> =>
  lstat(configFile(home)).then(
    () => true,
    (cause: unknown) => !isAbsent(cause),
  )

/** @throws OperatorError when there is none, when it cannot be read, or naming the line that is no JSON */
export async function readConfigFile(home: string): Promise<ConfigText> {
  const text = await readFile(configFile(home), 'utf8').catch((cause: unknown) => {
    if (isAbsent(cause)) return null
    throw sentenceFor(`${configFile(home)} cannot be read`, cause)
  })
  if (text === null) throw new OperatorError(`there is no node in ${home}: run souk-node init`)
  return parseText(text, configFile(home))
}

const isAbsent = (cause: unknown): boolean =>
  cause instanceof Error && 'code' in cause && (cause.code === 'ENOENT' || cause.code === 'ENOTDIR')

/** @throws OperatorError */
export function parseText(raw: string, source: string): ConfigText {
  // Some editors begin a file with a byte order mark.
  const text = raw.replace(/^\uFEFF/, '')
  const errors: ParseError[] = []
  const root = parseTree(text, errors, { allowTrailingComma: true })
  const [error] = errors
  if (error)
    throw new OperatorError(
      `${source} is not valid JSON at line ${lineAt(text, error.offset)}: ${words(printParseErrorCode(error.error))}`,
    )
  if (root?.type !== 'object') throw new OperatorError(`${source} is not valid JSON: it must be an object, in { }`)
  const twice = repeated(root)
  if (twice)
    throw new OperatorError(`${source} is not valid at line ${lineAt(text, twice.offset)}: ${twice.value} stands twice`)
  return {
    text,
    value: getNodeValue(root),
    lineOf(path) {
      for (let length = path.length; length > 0; length--) {
        const node = findNodeAtLocation(root, path.slice(0, length))
        if (node) return lineAt(text, (node.parent?.type === 'property' ? node.parent : node).offset)
      }
      return lineAt(text, root.offset)
    },
  }
}

/** Writes a whole new file beside the old one, then takes its place: no reader ever sees half of it. @throws OperatorError */
export async function writeConfigFile(home: string, text: string): Promise<void> {
  await makeHome(home)
  const draft = `${configFile(home)}.${process.pid}.new`
  try {
    await writeFile(draft, text, { mode: 0o600 })
    await rename(draft, configFile(home))
  } catch (cause) {
    await rm(draft, { force: true })
    throw sentenceFor(`${configFile(home)} cannot be written`, cause)
  }
}

/** A new file, each field with its comment; what is left out stands there with its default. */
export const saveConfig = (home: string, config: z.input<typeof NodeConfig>): Promise<void> =>
  writeConfigFile(home, renderConfig(config))

export function renderConfig(config: z.input<typeof NodeConfig>): string {
  const filled = { ...DEFAULTS, ...config }
  const fields = FIELDS.map(([field, notes]) => {
    const value = JSON.stringify(filled[field], null, 2).split('\n').join('\n  ')
    return [...notes.map((note) => `  // ${note}`), `  "${field}": ${value}`].join('\n')
  })
  return `${[...HEAD.map((line) => `// ${line}`), '{', fields.join(',\n\n'), '}'].join('\n')}\n`
}

const DEFAULTS = { ownKey: null, memoryMaxBytes: null, drainMs: 20_000 } as const

const HEAD = [
  'A Souk node. JSON with comments: yours to edit; souk-node changes it in place and',
  'keeps your comments. "models" is followed while the node runs, the rest is read at',
  'start. SOUK_NODE_NAME, SOUK_NODE_PORT, … in the environment win over this file.',
]

/** In the order they are written. */
const FIELDS: readonly (readonly [keyof NodeConfig, readonly string[]])[] = [
  ['version', ['Format of this file: 1.']],
  ['name', ['What people see, 1 to 80 characters.']],
  ['gateway', ['Address of the gateway this node works for.']],
  ['nodeId', ['Written by "souk-node register"; null until then.']],
  [
    'endpoint',
    [
      'How the gateway reaches this node. null: by the link, a connection this node opens',
      'itself, behind any router. "https://…": there, and this node listens at "port".',
    ],
  ],
  ['host', ['Address to listen on, where it listens. Default "127.0.0.1".']],
  [
    'port',
    [
      'Port to listen on, 0 to 65535; 0: any free one. null: none, for a node with a link',
      '(a port gives it /healthz, /metrics and your own programs all the same).',
    ],
  ],
  [
    'ownKey',
    [
      'Token of 16 to 256 characters for your own programs to use this node directly,',
      'unpaid. Default null: nobody may.',
    ],
  ],
  [
    'memoryMaxBytes',
    [
      'Bytes all loaded models may take together; beyond it the least recently used one is',
      'unloaded. Default null: no ceiling.',
    ],
  ],
  ['drainMs', ['ms that running calls get when the node is told to stop, 0 to 600000. Default 20000.']],
  [
    'models',
    [
      'What is served. "souk-node models add|remove|list" and "souk-node price" change it.',
      'Of each model:',
      '  folder             a shipped name, or a path to a folder with a manifest.json',
      '  prices             dollars per million: inputPerMillion, outputPerMillion,',
      '                     cachedInputPerMillion (default: as input), bytesPerMillion',
      '                     (tensors; default "0"); dollars per call: perCall (default "0")',
      '  licence            the SPDX expression you accepted, where one must be accepted',
      '  engine             "onnx" (default): in this program; "openai", "oip": by a server',
      '  upstream           of that server: { "url", "model", "apiKeyEnv" }',
      '  collectsData       of that server: false if it keeps no prompts and no answers.',
      '                     Default: not said, and who forbids it is sent elsewhere',
      '  concurrencyMax     calls at the same time. Default: what the manifest says, else 4',
      '  queueMax           calls that may wait beyond those. Default 16',
      '  threads            threads of one graph run, or "auto" (default)',
      '  sessions           graphs opened side by side. Default 1',
      '  executionProvider  "auto" (default), "cpu", "cuda", …',
    ],
  ],
]

const lineAt = (text: string, offset: number): number => text.slice(0, offset).split('\n').length

/** @example 'CommaExpected' -> 'comma expected' */
const words = (code: string): string => code.replace(/(?<=[a-z])[A-Z]/g, (letter) => ` ${letter}`).toLowerCase()

/** The second of two equal names in one object: of two values nobody could say which was meant. */
function repeated(node: Node): Node | null {
  const seen = new Set<unknown>()
  for (const child of node.children ?? []) {
    const [key, value] = child.type === 'property' ? (child.children ?? []) : [undefined, child]
    if (key && seen.has(key.value)) return key
    if (key) seen.add(key.value)
    const inner = value ? repeated(value) : null
    if (inner) return inner
  }
  return null
}
