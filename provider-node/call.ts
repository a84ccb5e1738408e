// From a request to work: ticket, body, model, in the order in which a stranger's request costs least. Also the end of every call: one
// receipt and its numbers, whatever became of the caller. The operator's own programs need no ticket, are not paid for and get no receipt.
import { createHash } from 'node:crypto'
import type { Context } from 'hono'
import type { z } from 'zod'
import { TENSOR_TASKS, type Task } from '../protocol/model.ts'
import { OIP_LIMITS, tensorBytes, type InferRequest } from '../protocol/oip.ts'
import { decodeRequest } from '../protocol/oip-canonical.ts'
import type { Ticket } from '../protocol/ticket.ts'
import { parseJson, readBody } from './body.ts'
import { tellEnd } from './call-log.ts'
import type { Caller } from './caller.ts'
import type { JobOwner } from './engines/engine.ts'
import { NODE_LIMITS } from './limits.ts'
import type { ServedModel } from './node-metrics.ts'
import { ownOrder } from './own-access.ts'
import { hashRequest, hashTensorRequest, type Work } from './receipts/issue.ts'
import { NodeRefusal } from './refusal.ts'
import type { NodeEnv, ServerNeeds } from './server.ts'
import { ticketIn } from './ticket-check.ts'

export interface Call<Body> {
  /** the gateway's order, or what this node wrote for its operator's own program */
  readonly ticket: Ticket
  /** the order as it came: compact JWS; empty for the operator's own program */
  readonly ticketJws: string
  readonly isOwn: boolean
  readonly body: Body
  readonly requestHash: string
  readonly model: ServedModel
  /** ms since the Unix epoch */
  readonly startedAt: number
  /** the caller left, the call took too long, or the node stops for good */
  readonly signal: AbortSignal
}

/** A body of one task, read. */
interface Asked<Body> {
  readonly body: Body
  readonly model: string
  /** null when it has no canonical form */
  readonly hash: (salt: string) => string | null
}

/** @throws NodeRefusal `bad_ticket`, `bad_request`, `model_not_loaded` */
export function acceptCall<Body extends { model: string }>(
  c: Context<NodeEnv>,
  needs: ServerNeeds,
  task: Task,
  schema: z.ZodType<Body>,
): Promise<Call<Body>> {
  return accept(c, needs, new Set([task]), NODE_LIMITS.bodyBytes, (bytes) => {
    const json = parseJson(bytes)
    const parsed = schema.safeParse(json)
    if (!parsed.success) throw new NodeRefusal('bad_request', `Not valid: ${fieldOf(parsed.error)}.`)
    return { body: parsed.data, model: parsed.data.model, hash: (salt) => hashRequest(salt, json) }
  })
}

/** Tensors, in their canonical form. @throws as {@link acceptCall} */
export async function acceptInfer(c: Context<NodeEnv>, needs: ServerNeeds): Promise<Call<InferRequest>> {
  const call = await accept(c, needs, TENSOR_TASKS, OIP_LIMITS.bodyBytes + OIP_LIMITS.headerBytes, (bytes) => {
    const decoded = decodeRequest(bytes)
    if (!decoded.ok) throw new NodeRefusal('bad_request', 'The tensors do not fit their description.')
    const { value: body } = decoded
    return { body, model: body.modelName, hash: (salt) => hashTensorRequest(salt, bytes) }
  })
  if (tensorBytes(call.body.inputs) > (call.ticket.tensorBytesMax ?? 0))
    throw new NodeRefusal('bad_ticket', 'The ticket orders fewer bytes.')
  return call
}

/** Tensors of the operator's own programs, in whatever form. @throws NodeRefusal `bad_ticket` for everybody else */
export function acceptOwnInfer<Body>(
  c: Context<NodeEnv>,
  needs: ServerNeeds,
  bytesMax: number,
  read: (bytes: Uint8Array) => Omit<Asked<Body>, 'hash'>,
): Promise<Call<Body>> {
  if (!needs.isOwner(c.req.header('authorization')))
    throw new NodeRefusal('bad_ticket', "This needs the operator's own token; calls of a gateway come another way.")
  return accept(c, needs, TENSOR_TASKS, bytesMax, (bytes) => ({ ...read(bytes), hash: () => '' }))
}

async function accept<Body>(
  c: Context<NodeEnv>,
  needs: ServerNeeds,
  tasks: ReadonlySet<Task>,
  bytesMax: number,
  read: (bytes: Uint8Array) => Asked<Body>,
): Promise<Call<Body>> {
  const signal = callSignal(c.env.caller, needs.stopNow)
  const authorization = c.req.header('authorization')
  const isOwn = needs.isOwner(authorization)
  const given = isOwn ? null : await needs.tickets.admit(authorization, c.req.path)
  // Work that could not be proved would be work for nothing.
  if (given && needs.receipts.isFull()) throw new NodeRefusal('busy', 'This node cannot keep receipts now.')
  const bytes = await readBody(c.req.raw, bytesMax)
  const asked = read(bytes)
  if (given && asked.model !== given.model) throw new NodeRefusal('bad_ticket', 'The ticket is for another model.')
  const model = servedModel(needs.models(), asked.model, tasks)
  const ticket = given ?? ownOrder(model, c.req.path, needs.now())
  if (model.digest !== ticket.modelDigest)
    throw new NodeRefusal('model_not_loaded', 'This node serves other files of that model.')
  const requestHash = asked.hash(ticket.salt)
  if (requestHash === null) throw new NodeRefusal('bad_request', 'The body has no canonical form.')
  if (given) needs.tickets.spend(given, createHash('sha256').update(bytes).digest('hex'))
  const ticketJws = given ? ticketIn(authorization) : ''
  const call = { ticket, ticketJws, isOwn, body: asked.body, requestHash, model, startedAt: needs.now(), signal }
  c.set('call', call)
  return call
}

/** Signs the receipt, then counts: a call that the metrics show has its receipt. @returns null for the operator's own call */
export async function finishCall(
  needs: ServerNeeds,
  call: Call<unknown>,
  result: Omit<Work, 'ticket' | 'ticketJws' | 'requestHash' | 'startedAt' | 'endedAt'>,
): Promise<string | null> {
  const { receipts, now } = needs
  const { ticket, ticketJws, requestHash, startedAt } = call
  const work = { ticket, ticketJws, requestHash, startedAt, endedAt: now(), ...result }
  const receipt = call.isOwn ? null : await receipts.issue(work)
  tellEnd(needs, call, work)
  return receipt
}

/** Whose a job is, and until when it is worth beginning: later the gateway has given up on its first token. */
export const ownerOf = ({ pseudonym, exp }: Pick<Ticket, 'pseudonym' | 'exp'>): JobOwner => ({
  account: pseudonym,
  startBy: exp * 1_000,
})

function servedModel(models: readonly ServedModel[], id: string, tasks: ReadonlySet<Task>): ServedModel {
  const model = models.find(({ manifest }) => manifest.id === id)
  if (!model) throw new NodeRefusal('model_not_loaded', 'This node does not serve that model.')
  if (!tasks.has(model.manifest.task)) throw new NodeRefusal('bad_request', 'That model does not do this task.')
  return model
}

/**
 * The caller left, the call took too long, or the node stops for good. Composed by hand, because a signal of `AbortSignal.any` that still has
 * a listener lives as long as its sources, and `stopNow` lives as long as the node: every call would stay.
 */
export function callSignal(caller: Pick<Caller, 'onGone'>, stopNow: AbortSignal): AbortSignal {
  const call = new AbortController()
  const stop = () => call.abort()
  const late = setTimeout(stop, NODE_LIMITS.callMs)
  stopNow.addEventListener('abort', stop, { once: true })
  caller.onGone((isServed) => {
    clearTimeout(late)
    stopNow.removeEventListener('abort', stop)
    if (!isServed) stop()
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
