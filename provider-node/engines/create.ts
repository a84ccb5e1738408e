// From an entry of the configuration to a running engine.
import type { ModelConfig } from '../config.ts'
import type { LoadedModel } from '../model-store/manifest.ts'
import { OperatorError } from '../operator-error.ts'
import type { Engine, EngineObserver } from './engine.ts'
import { createOipEngine } from './oip/oip-engine.ts'
import { createOnnxEngine } from './onnx/onnx-engine.ts'
import { createOpenAiEngine } from './openai/openai-engine.ts'

export interface EngineOptions {
  /** calls computed at the same time */
  readonly concurrencyMax: number
  /** calls accepted beyond those */
  readonly queueMax: number
  /** of one graph run */
  readonly threads: number | 'auto'
  readonly sessions: number
  readonly executionProvider: string
  readonly upstream: { readonly url: string; readonly model: string; readonly apiKey: string | null } | null
  /** ms since the Unix epoch */
  readonly now: () => number
  readonly observe: EngineObserver
}

/** Calls at the same time where nobody says another number, and the manifest does not either. */
const CONCURRENCY = 4

export const concurrencyOf = ({ concurrencyMax }: Pick<ModelConfig, 'concurrencyMax'>, { manifest }: LoadedModel) =>
  concurrencyMax ?? manifest.batchMax ?? CONCURRENCY

/** @throws OperatorError when the model cannot be served so */
export function createEngine(
  model: LoadedModel,
  config: ModelConfig,
  env: Readonly<Record<string, string | undefined>>,
  needs: Pick<EngineOptions, 'now' | 'observe'>,
): Promise<Engine> {
  const { queueMax, threads, sessions = 1, executionProvider = 'auto', upstream } = config
  const apiKey = upstream?.apiKeyEnv === undefined ? null : (env[upstream.apiKeyEnv] ?? null)
  if (upstream?.apiKeyEnv !== undefined && apiKey === null)
    throw new OperatorError(`model ${model.manifest.id}: the environment has no variable ${upstream.apiKeyEnv}`)
  const options: EngineOptions = {
    concurrencyMax: concurrencyOf(config, model),
    queueMax,
    threads,
    sessions,
    executionProvider,
    upstream: upstream ? { url: upstream.url, model: upstream.model, apiKey } : null,
    ...needs,
  }
  switch (config.engine) {
    case 'onnx':
      return createOnnxEngine(model, options)
    case 'openai':
      return createOpenAiEngine(model, options)
    case 'oip':
      return createOipEngine(model, options)
    default:
      return config.engine satisfies never
  }
}
