// The engine openai before a scripted server, for a chat model or an embedding model of which there is only a manifest.
import { ModelManifest } from '../../../../protocol/model.ts'
import type { EmbeddingEngine, TextEngine } from '../../../../provider-node/engines/engine.ts'
import { createOpenAiEngine } from '../../../../provider-node/engines/openai/openai-engine.ts'
import type { UpstreamOptions } from '../../../../provider-node/engines/upstream/front.ts'
import type { UpstreamLimits } from '../../../../provider-node/engines/upstream/limits.ts'
import type { LoadedModel } from '../../../../provider-node/model-store/manifest.ts'
import { anObserver, limitsWith, type ScriptedServer } from '../upstream/scripted-server.ts'

export const aDeclaredModel = (overrides: Partial<ModelManifest> = {}): LoadedModel => ({
  manifest: ModelManifest.parse({
    id: 'somebody/model',
    task: 'chat',
    description: '',
    licence: 'Apache-2.0',
    files: { 'model.gguf': 'a'.repeat(64) },
    contextTokens: 4_096,
    outputTokensMax: 1_024,
    bytesPerTokenMin: 1,
    probes: [{ input: 'hello' }],
    royaltyBps: 0,
    ...overrides,
  }),
  digest: 'b'.repeat(64),
  folder: '/nowhere',
})

export interface EngineOverrides {
  readonly manifest?: Partial<ModelManifest>
  readonly options?: Partial<UpstreamOptions>
  readonly limits?: Partial<UpstreamLimits>
}

async function created(server: Pick<ScriptedServer, 'url'>, { manifest, options, limits }: EngineOverrides) {
  const observer = anObserver()
  const engine = await createOpenAiEngine(
    aDeclaredModel(manifest),
    {
      concurrencyMax: 4,
      queueMax: 4,
      upstream: { url: server.url, model: 'upstream-model', apiKey: null },
      now: Date.now,
      observe: observer.observe,
      ...options,
    },
    limitsWith(limits),
  )
  return { engine, observer }
}

export async function aTextEngine(
  server: Pick<ScriptedServer, 'url'>,
  overrides: EngineOverrides = {},
): Promise<{ engine: TextEngine; observer: ReturnType<typeof anObserver> }> {
  const { engine, observer } = await created(server, overrides)
  if (engine.task !== 'chat') throw new Error('not a chat model')
  return { engine, observer }
}

export async function anEmbeddingEngine(
  server: Pick<ScriptedServer, 'url'>,
  overrides: EngineOverrides = {},
): Promise<{ engine: EmbeddingEngine; observer: ReturnType<typeof anObserver> }> {
  const manifest = { task: 'embeddings', dimensions: 3, ...overrides.manifest } as const
  const { engine, observer } = await created(server, { ...overrides, manifest })
  if (engine.task !== 'embeddings') throw new Error('not an embedding model')
  return { engine, observer }
}
