// Runs a piece of synchronous work that is not ours, such as a template that came with a model, within a time: the runtime breaks off whatever
// it is doing then.
import { createContext, Script } from 'node:vm'

/** Only what is called from a script can be broken off. A script has one context for good: making one takes a millisecond. */
const script = new Script('work()')
const context: { work: () => void } = { work: () => undefined }
createContext(context)

/** Not for work that calls this again. @throws Error `ERR_SCRIPT_EXECUTION_TIMEOUT` after `ms`, or what the work throws */
export function withinMs<T>(ms: number, work: () => T): T {
  const results: T[] = []
  context.work = () => void results.push(work())
  script.runInContext(context, { timeout: ms })
  const [result] = results
  if (result === undefined) throw new Error('the work gave nothing')
  return result
}
