// The node's configuration: one file of JSON with comments in its state folder, overridden by the environment. Every field is the operator's to
// edit. Here is what may stand in it and how it is read; config-file.ts writes it, config-edit.ts changes it in place.
import { z } from 'zod'
import { type Task } from '../protocol/model.ts'
import { OfferPrices } from '../protocol/node.ts'
import { nearest } from './nearest.ts'
import { readConfigFile, type ConfigText } from './config-file.ts'
import { OperatorError } from './operator-error.ts'
import { configFile, type Environment } from './state-folder.ts'

// Whoever reads the configuration says where it is.
export { configFile, homeFolder, makeHome, type Environment } from './state-folder.ts'

/** An address without trailing slash, as the gateway registers it. */
const HttpUrl = z
  .url({ protocol: /^https?$/, error: 'an address, such as https://machine.example' })
  .max(2_048)
  .transform((url) => url.replace(/\/+$/, ''))

/** Everything a gateway has stands at its root: behind a path, `/v1` say, half of it would be looked for in vain. */
export const GatewayUrl = HttpUrl.refine(isRoot, {
  error: 'an address without a path, such as https://gateway.example',
})

function isRoot(url: string): boolean {
  const { pathname, search, hash } = new URL(url)
  return pathname === '/' && search === '' && hash === ''
}

export const ModelConfig = z.strictObject({
  /** a name shipped with the program, or a path; see models.ts */
  folder: z.string().min(1).max(4_096),
  engine: z.enum(['onnx', 'openai', 'oip']).default('onnx'),
  /** engines openai and oip: the server that computes, and what it calls the model */
  upstream: z
    .strictObject({
      url: HttpUrl,
      model: z.string().min(1).max(512),
      /** name of the environment variable that holds its bearer token */
      apiKeyEnv: z.string().max(128).optional(),
    })
    .optional(),
  /** the SPDX expression the operator accepted, exactly as the manifest says it; models shipped with the program need none */
  licence: z.string().max(120).optional(),
  /** decimal dollars per million tokens, and per call */
  prices: OfferPrices,
  /** engines openai and oip: whether the server keeps prompts or answers; absent: not said, and callers who forbid it are sent elsewhere. This program keeps none */
  collectsData: z.boolean().optional(),
  /** calls computed at the same time, also what the gateway is told; absent: as many as the manifest says gain from it, else 4 */
  concurrencyMax: z.number().int().min(1).max(1_024).optional(),
  /** calls that may wait beyond those */
  queueMax: z.number().int().min(0).max(10_000).default(16),
  /** threads of one graph run */
  threads: z.union([z.literal('auto'), z.number().int().min(1).max(256)]).default('auto'),
  /** graphs opened side by side, each with its threads: for models that gain nothing from batching; absent: 1 */
  sessions: z.number().int().min(1).max(64).optional(),
  /** `auto` or absent: the fastest that works, as measured at load; else a provider of onnxruntime: cpu, cuda, tensorrt, webgpu, … */
  executionProvider: z.string().min(1).max(32).optional(),
})
export type ModelConfig = z.infer<typeof ModelConfig>

export const NodeConfig = z.strictObject({
  version: z.literal(1),
  name: z.string().trim().min(1).max(80),
  gateway: GatewayUrl,
  /** https address where the gateway reaches this node; null: it is reached by its own link, behind any router */
  endpoint: HttpUrl.nullable(),
  host: z.string().min(1).max(255),
  /** where it listens, 0: any free one; null: nowhere, for a node that is reached by its link */
  port: z.number().int().min(0).max(65_535).nullable(),
  nodeId: z.string().nullable(),
  /** bearer token with which the operator's own programs may use this node directly, unpaid; null: nobody may */
  ownKey: z.string().min(16).max(256).nullable().default(null),
  /** bytes all loaded models may take together: beyond it the least recently used is unloaded; null: no ceiling */
  memoryMaxBytes: z.number().int().min(1).nullable().default(null),
  /** ms that running calls get to finish when the node is told to stop */
  drainMs: z.number().int().min(0).max(600_000).default(20_000),
  models: z.array(ModelConfig).min(1).max(100),
})
export type NodeConfig = z.infer<typeof NodeConfig>

/** What a new operator asks for a model; a start, to be edited. Dollars per million tokens. */
export const DEFAULT_PRICES: Record<Task, OfferPrices> = {
  chat: { inputPerMillion: '0.05', outputPerMillion: '0.20', perCall: '0' },
  embeddings: { inputPerMillion: '0.01', outputPerMillion: '0', perCall: '0' },
  classification: { inputPerMillion: '0', outputPerMillion: '0', bytesPerMillion: '0.01', perCall: '0.000001' },
  ocr: { inputPerMillion: '0', outputPerMillion: '0', bytesPerMillion: '0.1', perCall: '0.0001' },
  tensors: { inputPerMillion: '0', outputPerMillion: '0', bytesPerMillion: '0.05', perCall: '0.000001' },
}

/** Scalar fields and the variables that win over the file. A number is written in digits; `none` stands for null where a field may be null. */
export const OVERRIDES = {
  name: { variable: 'SOUK_NODE_NAME' },
  gateway: { variable: 'SOUK_NODE_GATEWAY' },
  nodeId: { variable: 'SOUK_NODE_ID', isNullable: true },
  endpoint: { variable: 'SOUK_NODE_ENDPOINT', isNullable: true },
  host: { variable: 'SOUK_NODE_HOST' },
  port: { variable: 'SOUK_NODE_PORT', isNumber: true, isNullable: true },
  ownKey: { variable: 'SOUK_NODE_OWN_KEY', isNullable: true },
  memoryMaxBytes: { variable: 'SOUK_NODE_MEMORY_MAX_BYTES', isNumber: true, isNullable: true },
  drainMs: { variable: 'SOUK_NODE_DRAIN_MS', isNumber: true },
} as const satisfies Partial<Record<keyof NodeConfig, { variable: string; isNumber?: boolean; isNullable?: boolean }>>

/** The file with the environment over it, see {@link OVERRIDES}. @throws OperatorError naming the line or the variable, and the field */
export async function loadConfig(home: string, env: Environment): Promise<NodeConfig> {
  const stored = await readConfigFile(home)
  const given = overrides(env)
  const parsed = NodeConfig.safeParse({ ...stored.value, ...given })
  if (parsed.success) return parsed.data
  throw invalid(parsed.error, configFile(home), stored, given)
}

/** What stands in the file, whatever the environment says. @throws OperatorError naming line and field */
export async function storedConfig(home: string): Promise<NodeConfig> {
  return parseStored(await readConfigFile(home), configFile(home))
}

/** @throws OperatorError naming line and field */
export function parseStored(stored: ConfigText, source: string): NodeConfig {
  const parsed = NodeConfig.safeParse(stored.value)
  if (parsed.success) return parsed.data
  throw invalid(parsed.error, source, stored)
}

/** @throws OperatorError naming the first wrong field */
export function parseConfig(value: unknown, source: string): NodeConfig {
  const parsed = NodeConfig.safeParse(value)
  if (parsed.success) return parsed.data
  throw invalid(parsed.error, source)
}

function overrides(env: Environment): Record<string, unknown> {
  const given: Record<string, unknown> = {}
  for (const [field, kind] of Object.entries(OVERRIDES)) {
    const text = env[kind.variable]
    // A variable that is there and empty is one that somebody left out.
    if (text === undefined || text === '') continue
    const isNone = 'isNullable' in kind && text === 'none'
    given[field] = isNone ? null : 'isNumber' in kind ? numberOf(text) : text
  }
  return given
}

const numberOf = (text: string): number | string => (/^\d{1,16}$/.test(text) ? Number(text) : text)

/** The first thing that is wrong: where it stands, which field, and what may stand there. */
function invalid(
  { issues: [issue] }: z.ZodError,
  source: string,
  stored?: ConfigText,
  given: Readonly<Record<string, unknown>> = {},
): OperatorError {
  const stray = issue?.code === 'unrecognized_keys' ? (issue.keys[0] ?? null) : null
  const path = (issue?.path ?? []).filter((part) => typeof part !== 'symbol')
  const full = stray === null ? path : [...path, stray]
  const field = full.join('.') || 'it'
  const known = path.length === 0 ? NodeConfig : ModelConfig
  const message = stray === null ? (issue?.message ?? 'invalid') : unknownField(stray, known)
  const variable = variableOf(full[0], given)
  if (variable !== null) return new OperatorError(`${variable} is not valid: ${field}: ${message}`)
  const line = stored ? ` at line ${stored.lineOf(full)}` : ''
  return new OperatorError(`${source} is not valid${line}: ${field}: ${message}`)
}

function unknownField(field: string, { shape }: { shape: object }): string {
  const near = nearest(field, Object.keys(shape))
  return `there is no such field${near === null ? '' : `, did you mean "${near}"`}`
}

function variableOf(field: string | number | undefined, given: Readonly<Record<string, unknown>>): string | null {
  if (typeof field !== 'string' || !Object.hasOwn(given, field)) return null
  return Object.entries(OVERRIDES).find(([name]) => name === field)?.[1].variable ?? null
}
