// Measures one configured model on this machine: its engine alone, without gateway and network, first with one call, then with ever more at the same time.
import { concurrencyOf, createEngine } from '../engines/create.ts'
import type { ModelConfig } from '../config.ts'
import type { Log } from '../log.ts'
import { checkFiles } from '../model-store/check.ts'
import { prepareModel } from '../model-store/prepare.ts'
import type { Task } from '../../protocol/model.ts'
import { EngineRefusal } from '../engines/engine.ts'
import { OperatorError } from '../operator-error.ts'
import { drive, levels, type Pace } from './drive.ts'
import { OUTPUT_TIMES_INPUT } from './suggest.ts'
import { workloadOf } from './workload.ts'

export interface Measured {
  readonly folder: string
  readonly model: string
  readonly task: Task
  /** what computes */
  readonly engine: Readonly<Record<string, string | number>>
  readonly alone: Pace
  /** the pace at which most units are done */
  readonly best: Pace
}

export interface MeasureNeeds {
  readonly home: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly log: Log
  readonly signal: AbortSignal
  /** ms for all levels of one model together; a level's calls are waited for, so a slow model takes longer */
  readonly forMs: number
}

/** A level that brings less than this more than the best before it brings nothing. */
const GAIN = 0.03

/** @throws OperatorError when the model cannot be loaded or fails */
export async function measureModel(entry: ModelConfig, needs: MeasureNeeds): Promise<Measured> {
  const { home, env, log, signal } = needs
  const model = await prepareModel(entry, home, { log, now: Date.now, signal, mirror: env.SOUK_NODE_MODEL_MIRROR })
  if (entry.engine === 'onnx') await checkFiles(model)
  const observe = { batch: () => undefined, waited: () => undefined, warn: () => undefined }
  const engine = await createEngine(model, entry, env, { now: Date.now, observe })
  const { id, task } = model.manifest
  try {
    const work = workloadOf(engine, model.manifest, Date.now)
    const tried = levels(concurrencyOf(entry, model))
    const now = () => performance.now()
    // What a first call allocates and compiles belongs to loading.
    await work(0, signal)
    const paces: Pace[] = []
    for (const concurrency of tried) {
      paces.push(await drive(work, { concurrency, forMs: needs.forMs / tried.length, now, signal }))
      if (hasPeaked(paces)) break
    }
    const [alone] = paces
    const best = bestOf(paces)
    if (!alone || !best) throw new OperatorError(`${id} could not be measured`)
    return { folder: entry.folder, model: id, task, engine: engine.describe(), alone, best }
  } catch (cause) {
    if (cause instanceof EngineRefusal) throw new OperatorError(`${id} could not be measured: ${cause.message}`)
    throw cause
  } finally {
    await engine.close()
  }
}

/** What is paid for: an output token counts as in suggest.ts, so that the best pace is the one that earns most. */
const worth = ({ inputTokens, outputTokens, bytes }: Pace): number =>
  inputTokens + OUTPUT_TIMES_INPUT * outputTokens + bytes

export const bestOf = (paces: readonly Pace[]): Pace | null =>
  paces.reduce<Pace | null>((best, pace) => (best && worth(best) * (1 + GAIN) >= worth(pace) ? best : pace), null)

/** Two levels in a row have brought nothing: more calls at the same time would only wait longer. */
export function hasPeaked(paces: readonly Pace[]): boolean {
  const best = bestOf(paces)
  return best !== null && paces.length - 1 - paces.indexOf(best) >= 2
}
