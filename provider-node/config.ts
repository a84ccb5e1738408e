// The node's configuration: one JSON file in its state folder, parsed once, then overridden by the environment. Every field is the
// operator's to edit; only `nodeId` is written by the program, when the gateway has accepted the node.
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { z } from 'zod'
import { type Task } from '../protocol/model.ts'
import { OfferPrices } from '../protocol/node.ts'
import { OperatorError, sentenceFor } from './operator-error.ts'

/** An address without path or trailing slash, as the gateway registers it. */
const HttpUrl = z
  .url({ protocol: /^https?$/ })
  .max(2_048)
  .transform((url) => url.replace(/\/+$/, ''))

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
  gateway: HttpUrl,
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

export type Environment = Readonly<Record<string, string | undefined>>

/** @param flag `--home`; then SOUK_NODE_HOME; then ./souk-node */
export const homeFolder = (flag: string | undefined, env: Environment): string =>
  resolve(flag ?? env.SOUK_NODE_HOME ?? 'souk-node')

export const configFile = (home: string): string => join(home, 'config.json')

/**
 * The file, with SOUK_NODE_NAME, SOUK_NODE_GATEWAY, SOUK_NODE_ENDPOINT, SOUK_NODE_HOST and SOUK_NODE_PORT over it.
 * @throws OperatorError naming the field
 */
export async function loadConfig(home: string, env: Environment): Promise<NodeConfig> {
  const stored = await readStored(home)
  const overrides = {
    name: env.SOUK_NODE_NAME,
    gateway: env.SOUK_NODE_GATEWAY,
    endpoint: env.SOUK_NODE_ENDPOINT,
    host: env.SOUK_NODE_HOST,
    port: env.SOUK_NODE_PORT === undefined ? undefined : Number(env.SOUK_NODE_PORT),
  }
  const given = Object.fromEntries(Object.entries(overrides).filter(([, value]) => value !== undefined))
  return parseConfig({ ...stored, ...given }, `${configFile(home)} or the environment`)
}

export async function hasConfig(home: string): Promise<boolean> {
  return (await readFile(configFile(home), 'utf8').catch(() => null)) !== null
}

/** Writes a whole new file beside the old one, then takes its place: no reader ever sees half of it. */
export async function saveConfig(home: string, config: NodeConfig): Promise<void> {
  await makeHome(home)
  const draft = `${configFile(home)}.${process.pid}.new`
  try {
    await writeFile(draft, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o600 })
    await rename(draft, configFile(home))
  } catch (cause) {
    throw sentenceFor(`${configFile(home)} cannot be written`, cause)
  }
}

/** The state folder, readable by its owner only when it is new. @throws OperatorError */
export async function makeHome(home: string): Promise<void> {
  await mkdir(home, { recursive: true, mode: 0o700 }).catch((cause: unknown) => {
    throw sentenceFor(`the state folder ${home} cannot be made`, cause)
  })
}

/** Notes the id the gateway gave, without writing the environment's overrides into the file. */
export async function saveNodeId(home: string, nodeId: string): Promise<void> {
  const stored = parseConfig(await readStored(home), configFile(home))
  await saveConfig(home, { ...stored, nodeId })
}

/** @throws OperatorError naming the first wrong field */
export function parseConfig(value: unknown, source: string): NodeConfig {
  const parsed = NodeConfig.safeParse(value)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new OperatorError(`${source} is not valid: ${issue?.path.join('.') || 'it'}: ${issue?.message ?? 'invalid'}`)
}

async function readStored(home: string): Promise<Record<string, unknown>> {
  const text = await readFile(configFile(home), 'utf8').catch((cause: unknown) => {
    if (cause instanceof Error && 'code' in cause && (cause.code === 'ENOENT' || cause.code === 'ENOTDIR')) return null
    throw sentenceFor(`${configFile(home)} cannot be read`, cause)
  })
  if (text === null) throw new OperatorError(`there is no node in ${home}: run souk-node init`)
  try {
    return z.record(z.string(), z.unknown()).parse(JSON.parse(text))
  } catch {
    throw new OperatorError(`${configFile(home)} is not valid JSON`)
  }
}
