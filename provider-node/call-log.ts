// The end of a call, told once: its numbers and one line. A line has counts, ids and codes; never a prompt, an answer, a ticket or a whole pseudonym.
// What was refused before there was an order is only counted: whoever may knock must not fill the operator's disk.
import { NODE_PATHS } from '../protocol/node.ts'
import type { Call } from './call.ts'
import type { Log } from './log.ts'
import type { NodeMetrics, Operation } from './node-metrics.ts'
import type { Work } from './receipts/issue.ts'

interface Needs {
  readonly metrics: NodeMetrics
  readonly log: Log
}

/** calls whose end was told */
const told = new WeakSet<object>()

/** characters of a pseudonym that tell a busy account from another in a log, and lead nobody to it */
const ACCOUNT_CHARACTERS = 6

export function tellEnd(
  { metrics, log }: Needs,
  call: Call<unknown>,
  work: Pick<
    Work,
    'outcome' | 'outputs' | 'inputTokens' | 'outputTokens' | 'tensorBytes' | 'firstOutputAt' | 'endedAt'
  >,
): void {
  if (told.has(call)) return
  told.add(call)
  const { startedAt, model } = call
  const { outcome, inputTokens, outputTokens, tensorBytes = 0, firstOutputAt, endedAt } = work
  const outputBytes =
    tensorBytes === 0
      ? 0
      : work.outputs.reduce((sum, output) => sum + (typeof output === 'string' ? 0 : output.byteLength), 0)
  const { task } = model.manifest
  const firstMs = task === 'chat' && firstOutputAt !== null ? firstOutputAt - startedAt : null
  const totalMs = endedAt - startedAt
  const inputBytes = Math.max(0, tensorBytes - outputBytes)
  const numbers = { outcome, inputTokens, outputTokens, inputBytes, outputBytes, totalMs, firstMs }
  metrics.ended({ model: model.manifest.id, task, operation: operationOf(call), ...numbers })
  const counts: Record<string, number> = tensorBytes === 0 ? { inputTokens, outputTokens } : { inputBytes, outputBytes }
  const waited = metrics.models.waitOf(call.signal)
  if (waited !== null) counts.waitedMs = Math.round(waited * 1_000)
  if (firstMs !== null) counts.firstMs = firstMs
  log('info', 'call', { ...idsOf(call), outcome, ...counts, totalMs })
}

/** @param call absent when the request had no order that held */
export function tellRefusal({ metrics, log }: Needs, call: Call<unknown> | undefined, code: string, now: number): void {
  if (call && told.has(call)) return
  metrics.refused.add({ code })
  if (!call) return
  told.add(call)
  log('info', 'call', { ...idsOf(call), outcome: 'refused', code, totalMs: now - call.startedAt })
}

const idsOf = ({ ticket, model }: Call<unknown>) => ({
  model: model.manifest.id,
  task: model.manifest.task,
  call: ticket.callId,
  attempt: ticket.attempt,
  account: ticket.pseudonym.slice(0, ACCOUNT_CHARACTERS),
})

function operationOf({ ticket, model }: Call<unknown>): Operation {
  const { task } = model.manifest
  return task === 'chat' && ticket.path === NODE_PATHS.completions ? 'text_completion' : task
}
