// From an entry of the configuration to the engine it names: what each entry lacks is one sentence.
import { describe, expect, it } from 'vitest'
import type { ModelConfig } from '../../../provider-node/config.ts'
import { createEngine } from '../../../provider-node/engines/create.ts'
import { aDeclaredModel } from './openai/engine-builders.ts'
import { anObserver, anOpenAiServer } from './upstream/scripted-server.ts'

const anEntry = (overrides: Partial<ModelConfig>): ModelConfig => ({
  folder: 'somewhere',
  engine: 'openai',
  prices: { inputPerMillion: '1', outputPerMillion: '1', perCall: '0' },
  queueMax: 1,
  threads: 1,
  ...overrides,
})
const needs = { now: Date.now, observe: anObserver().observe }
const created = async (overrides: Partial<ModelConfig>, env: Record<string, string> = {}) =>
  createEngine(aDeclaredModel(), anEntry(overrides), env, needs)

describe('an entry of the configuration', () => {
  it.each(['openai', 'oip'] as const)('for the engine %s needs an upstream', async (engine) => {
    const overrides = engine === 'oip' ? { task: 'tensors' as const, tensors: aTensor } : {}
    await expect(
      (async () => createEngine(aDeclaredModel(overrides), anEntry({ engine }), {}, needs))(),
    ).rejects.toMatchObject({
      name: 'OperatorError',
      message: expect.stringContaining('needs "upstream" in config.json'),
    })
  })

  it('names the variable of a key that is not there', async () => {
    const upstream = { url: 'http://127.0.0.1:1', model: 'm', apiKeyEnv: 'NO_SUCH_KEY' }
    await expect(created({ upstream })).rejects.toMatchObject({
      name: 'OperatorError',
      message: 'model somebody/model: the environment has no variable NO_SUCH_KEY',
    })
  })

  it('takes the key from the environment and shows it nowhere', async () => {
    const server = await anOpenAiServer()
    const upstream = { url: server.url, model: 'upstream-model', apiKeyEnv: 'THE_KEY' }
    const engine = await created({ upstream }, { THE_KEY: 'sk-canary' })
    expect(server.asked[0]?.headers.authorization).toBe('Bearer sk-canary')
    expect(JSON.stringify(engine.describe())).not.toContain('canary')
    await engine.close()
    await server.close()
  })
})

const aTensor = {
  inputs: [{ name: 'x', datatype: 'FP32' as const, shape: [-1] }],
  outputs: [{ name: 'y', datatype: 'FP32' as const, shape: [-1] }],
  outputBytesMax: 8,
}
