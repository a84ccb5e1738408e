// An engine that is loaded when it is needed: to whoever calls it, a model in memory and one on the disk look the same, one only answers later.
// A call keeps its model loaded until the engine has stopped working on it, whatever became of the caller.
import type { Task } from '../../protocol/model.ts'
import type { Resident } from '../model-store/resident.ts'
import { EngineRefusal, type Engine, type JobOwner } from './engine.ts'
import { honoursOfTask } from './honours.ts'

/** @param name what is said of an engine that was never loaded */
export function createLazyEngine(task: Task, resident: Resident, name: string): Engine {
  const base = {
    load: () => resident.load(),
    // One that waits on the disk is offered all the same.
    isRunning: () => resident.state() !== 'failed',
    describe: () => resident.describe() ?? { engine: name },
    honours: () => resident.honours() ?? honoursOfTask(task),
    died: resident.died,
    close: () => resident.close(),
  }
  const during = async <T>(job: JobOwner, signal: AbortSignal, work: (engine: Engine) => Promise<T>): Promise<T> => {
    const { engine, leave } = await resident.enter(job, signal)
    try {
      return await work(engine)
    } finally {
      leave()
    }
  }
  if (task === 'embeddings')
    return {
      ...base,
      task,
      embed: (job, signal) => during(job, signal, (engine) => wanted(engine, 'embeddings').embed(job, signal)),
    }
  if (task === 'chat')
    return {
      ...base,
      task,
      async start(job, signal) {
        const { engine, leave } = await resident.enter(job, signal)
        try {
          const run = await wanted(engine, 'chat').start(job, signal)
          void run.ended.then(leave, leave)
          return run
        } catch (cause) {
          leave()
          throw cause
        }
      },
    }
  return {
    ...base,
    task,
    infer: (job, signal) => during(job, signal, (engine) => wanted(engine, task).infer(job, signal)),
  }
}

function wanted<T extends Task>(engine: Engine, task: T): Extract<Engine, { task: T }> {
  if (engine.task === task) return engine as Extract<Engine, { task: T }> // the tag was just compared
  throw new EngineRefusal('internal', 'This model has another engine.')
}
