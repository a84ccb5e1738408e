// One entry of the configuration, served: its files, its memory, its engine. What happens to it is counted and logged here.
import type { ModelConfig } from '../config.ts'
import { concurrencyOf, createEngine } from '../engines/create.ts'
import type { Engine } from '../engines/engine.ts'
import { createLazyEngine } from '../engines/lazy-engine.ts'
import type { Log } from '../log.ts'
import type { ModelMetrics } from '../model-metrics.ts'
import { OperatorError } from '../operator-error.ts'
import { checkFiles } from './check.ts'
import { memoryBytes, type LoadedModel } from './manifest.ts'
import type { Memory } from './memory.ts'
import { Resident } from './resident.ts'

export interface ServedModel extends LoadedModel {
  readonly engine: Engine
}

export interface Hosted extends ServedModel {
  readonly resident: Resident
}

export interface HostedNeeds {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly log: Log
  /** ms */
  readonly now: () => number
  readonly metrics: ModelMetrics
  /** opens an engine; absent: {@link createEngine} */
  readonly createEngine?: typeof createEngine
}

/** Not loaded yet. @throws OperatorError when it can never be, because it needs more memory than there may be */
export async function createHosted(
  entry: ModelConfig,
  model: LoadedModel,
  memory: Memory,
  needs: HostedNeeds,
): Promise<Hosted> {
  const { env, log, now, metrics } = needs
  const open = needs.createEngine ?? createEngine
  const { id, task } = model.manifest
  // What another server computes with is that server's.
  const bytes = entry.engine === 'onnx' ? await memoryBytes(model) : 0
  const max = memory.maxBytes()
  if (max !== null && bytes > max)
    throw new OperatorError(`the model ${id} needs ${mb(bytes)} of memory and memoryMaxBytes is ${mb(max)}`)
  const observe = metrics.observer(id, (event, fields) => log('warn', event, { model: id, ...fields }))
  const resident = new Resident({
    bytes,
    memory,
    now,
    waited: metrics.waitedForLoad,
    waitingMax: entry.queueMax + concurrencyOf(entry, model),
    async open() {
      if (entry.engine === 'onnx') await checkFiles(model)
      return open(model, entry, env, { now, observe })
    },
    on(event, details) {
      metrics.resident(id, event, details.ms)
      // What computes, and what was measured for it, is known when it is loaded.
      const known = event === 'loaded' ? resident.describe() : null
      const fields = event === 'loading' ? { digest: model.digest } : details
      log(event === 'failed' ? 'warn' : 'info', `model_${event}`, { model: id, ...fields, ...known })
    },
  })
  return { ...model, resident, engine: createLazyEngine(task, resident, entry.engine) }
}

const mb = (bytes: number): string => `${Math.ceil(bytes / 1e6)} MB`
