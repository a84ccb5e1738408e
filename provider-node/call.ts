// From a request to work: ticket, body, model, in the order in which a stranger's request costs least. Also the end of every call: one
// receipt and its numbers, whatever became of the caller.
import type { EventEmitter } from 'node:events'
import type { Context } from 'hono'
import type { z } from 'zod'
import { sha256Hex } from '../protocol/canonical.ts'
import type { Task } from '../protocol/model.ts'
import type { Ticket } from '../protocol/ticket.ts'
import { parseJson, readBody } from './body.ts'
import { NODE_LIMITS } from './limits.ts'
import type { JobOwner } from './engines/engine.ts'
import type { ServedModel } from './node-metrics.ts'
import { hashRequest, type Work } from './receipts.ts'
import { NodeRefusal } from './refusal.ts'
import type { NodeEnv, ServerNeeds } from './server.ts'

export interface Call<Body> {
  readonly ticket: Ticket
  readonly body: Body
  readonly requestHash: string
  readonly model: ServedModel
  /** ms since the Unix epoch */
  readonly startedAt: number
  /** the caller left, the call took too long, or the node stops for good */
  readonly signal: AbortSignal
}

/** @throws NodeRefusal `bad_ticket`, `bad_request`, `model_not_loaded` */
export async function acceptCall<Body extends { model: string }>(
  c: Context<NodeEnv>,
  needs: ServerNeeds,
  task: Task,
  schema: z.ZodType<Body>,
): Promise<Call<Body>> {
  const signal = callSignal(c.env.outgoing, needs.stopNow)
  const ticket = await needs.tickets.admit(c.req.header('authorization'), c.req.path)
  const bytes = await readBody(c.req.raw, NODE_LIMITS.bodyBytes)
  const json = parseJson(bytes)
  const parsed = schema.safeParse(json)
  if (!parsed.success) throw new NodeRefusal('bad_request', `Not valid: ${fieldOf(parsed.error)}.`)
  if (parsed.data.model !== ticket.model) throw new NodeRefusal('bad_ticket', 'The ticket is for another model.')
  const model = servedModel(needs.models(), ticket, task)
  const requestHash = hashRequest(ticket, json)
  if (requestHash === null) throw new NodeRefusal('bad_request', 'The body has no canonical form.')
  needs.tickets.spend(ticket, sha256Hex(bytes))
  return { ticket, body: parsed.data, requestHash, model, startedAt: needs.now(), signal }
}

/** Signs the receipt, then counts: a call that the metrics show has its receipt. */
export async function finishCall(
  needs: ServerNeeds,
  call: Call<unknown>,
  result: Pick<Work, 'outcome' | 'outputs' | 'inputTokens' | 'outputTokens' | 'firstOutputAt'>,
): Promise<string> {
  const { metrics, receipts, now } = needs
  const { ticket, requestHash, startedAt, model } = call
  const receipt = await receipts.issue({ ticket, requestHash, startedAt, endedAt: now(), ...result })
  metrics.calls.add({ task: model.manifest.task, outcome: result.outcome })
  if (result.outcome === 'cancelled') metrics.cancelled.add()
  metrics.tokens.add({ direction: 'in' }, result.inputTokens)
  metrics.tokens.add({ direction: 'out' }, result.outputTokens)
  if (result.firstOutputAt !== null) metrics.firstTokenSeconds.observe((result.firstOutputAt - startedAt) / 1_000)
  return receipt
}

/** Whose a job is, and until when it is worth beginning: later the gateway has given up on its first token. */
export const ownerOf = ({ pseudonym, exp }: Pick<Ticket, 'pseudonym' | 'exp'>): JobOwner => ({
  account: pseudonym,
  startBy: exp * 1_000,
})

function servedModel(models: readonly ServedModel[], ticket: Ticket, task: Task): ServedModel {
  const model = models.find(({ manifest }) => manifest.id === ticket.model)
  if (!model) throw new NodeRefusal('model_not_loaded', 'This node does not serve that model.')
  if (model.digest !== ticket.modelDigest)
    throw new NodeRefusal('model_not_loaded', 'This node serves other files of that model.')
  if (model.manifest.task !== task) throw new NodeRefusal('bad_request', 'That model does not do this task.')
  return model
}

/**
 * The socket itself is asked: a request's own signal also fires for reasons that are not the caller's. Composed by hand, because a signal of
 * `AbortSignal.any` that still has a listener lives as long as its sources, and `stopNow` lives as long as the node: every call would stay.
 */
export function callSignal(outgoing: EventEmitter & { writableFinished: boolean }, stopNow: AbortSignal): AbortSignal {
  const call = new AbortController()
  const stop = () => call.abort()
  const late = setTimeout(stop, NODE_LIMITS.callMs)
  stopNow.addEventListener('abort', stop, { once: true })
  outgoing.once('close', () => {
    clearTimeout(late)
    stopNow.removeEventListener('abort', stop)
    if (!outgoing.writableFinished) stop()
  })
  if (stopNow.aborted) stop()
  return call.signal
}

/** The field's name; zod's messages can quote values, so they stay inside. */
function fieldOf(error: z.ZodError): string {
  const [issue] = error.issues
  if (issue?.code === 'unrecognized_keys') return 'an unknown field'
  return (issue?.path.join('.') || 'the body').slice(0, 100)
}
