// A node that speaks the wire and can misbehave: it joins through the public API like every other and then does what the test says, for all of its
// models or for one of them, call by call. What it can do wrong: fault-node-faults.ts. What its models say: fault-node-words.ts.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { decodeJwt } from 'jose'
import { generatePrivateKey } from 'viem/accounts'
import type { ModelManifest } from '../../protocol/model.ts'
import { ChallengeRequest, challengeClaims, PROOF_TYP } from '../../protocol/node.ts'
import { signClaims, Ticket } from '../../protocol/ticket.ts'
import { behaviourAt, refused, type Behaviour, type Plan } from './fault-node-faults.ts'
import { join, newNodeKeys, type Joining, type NodeKeys, type Offered } from './fault-node-join.ts'
import { stream } from './fault-node-stream.ts'
import { answerTo, ChatBody, countingModel } from './fault-node-words.ts'

export interface FaultNodeOptions extends Joining {
  /** ms between two tokens; 0 sends as fast as it can */
  readonly tokenMs?: number
  /** a name for 127.0.0.1 in its endpoint, which the gateway has to look up */
  readonly hostname?: string
}

export const COUNTING_MODEL: ModelManifest = countingModel('test/counter')

export interface Seen {
  calls: number
  tokens: number
  readonly tokensByPrompt: Map<string, number>
  readonly callsByModel: Map<string, number>
  /** the bodies of calls, oldest first, by model */
  readonly bodies: Map<string, ChatBody[]>
  /** ms since the Unix epoch: when calls came */
  readonly calledAt: number[]
  /** ms since the Unix epoch */
  readonly hungUpAt: number[]
}

export interface FaultNode {
  readonly nodeId: string
  readonly endpoint: string
  readonly operatorKey: `0x${string}`
  readonly operatorAccountId: string
  /** of every model that has no plan of its own */
  behaviour: Behaviour
  tokenMs: number
  /** calls and tokens since the start, tokens by prompt, and when a connection was closed while the node was still producing */
  readonly seen: Seen
  /** From its next call on. */
  plan(model: string, plan: Plan): void
  /** destroys every open connection at once, as a crash would */
  crash(): void
  /** crashes, and refuses connections */
  goDown(): Promise<void>
  /** listens again where it did */
  comeBack(): Promise<void>
  stop(): Promise<void>
}

/** Registers a counting node for what it offers (the models must be published) and waits until it is admitted. */
export async function startFaultNode(
  options: FaultNodeOptions,
  offered: ModelManifest | readonly Offered[] = COUNTING_MODEL,
): Promise<FaultNode> {
  const offers: readonly Offered[] = 'id' in offered ? [{ manifest: offered }] : offered
  const operatorKey = generatePrivateKey()
  const context: Context = {
    keys: await newNodeKeys(),
    offers,
    state: { behaviour: { kind: 'honest' }, tokenMs: options.tokenMs ?? 0, plans: new Map(), first: new Map() },
    seen: {
      calls: 0,
      tokens: 0,
      tokensByPrompt: new Map(),
      callsByModel: new Map(),
      bodies: new Map(),
      calledAt: [],
      hungUpAt: [],
    },
  }
  const { state, seen } = context
  const server = createServer((request, response) => {
    void answer(request, response, context).catch(() => response.destroy())
  })
  const listen = (port: number) => new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  await listen(0)
  const { port } = server.address() as AddressInfo // it listens on a port, not on a pipe
  const endpoint = `http://${options.hostname ?? '127.0.0.1'}:${port}`
  const { nodeId, operatorAccountId } = await join(options, offers, context.keys, endpoint, operatorKey)
  return {
    nodeId,
    endpoint,
    operatorKey,
    operatorAccountId,
    seen,
    get behaviour() {
      return state.behaviour
    },
    set behaviour(next) {
      state.behaviour = next
    },
    get tokenMs() {
      return state.tokenMs
    },
    set tokenMs(next) {
      state.tokenMs = next
    },
    plan(model, plan) {
      state.plans.set(model, { plan, from: seen.callsByModel.get(model) ?? 0 })
    },
    crash: () => server.closeAllConnections(),
    goDown: () => close(server),
    comeBack: () => listen(port),
    stop: () => (server.listening ? close(server) : Promise.resolve()),
  }
}

interface Context {
  readonly keys: NodeKeys
  readonly offers: readonly Offered[]
  readonly state: {
    behaviour: Behaviour
    tokenMs: number
    /** `from`: calls of the model before it */
    readonly plans: Map<string, { readonly plan: Plan; readonly from: number }>
    /** the prompt a model was first asked, for who answers everybody alike */
    readonly first: Map<string, ChatBody>
  }
  readonly seen: Seen
}

async function answer(request: IncomingMessage, response: ServerResponse, context: Context): Promise<void> {
  const { seen, state, keys } = context
  const text = await readAll(request)
  if (request.url === '/souk/challenge') {
    const proof = await signClaims(challengeClaims(ChallengeRequest.parse(JSON.parse(text))), keys.privateKey, {
      typ: PROOF_TYP.challenge,
    })
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ proof }))
    return
  }
  const raw: unknown = JSON.parse(text)
  const body = ChatBody.parse(raw)
  const calls = seen.callsByModel.get(body.model) ?? 0
  seen.calls += 1
  seen.callsByModel.set(body.model, calls + 1)
  seen.bodies.set(body.model, [...(seen.bodies.get(body.model) ?? []), body])
  seen.calledAt.push(Date.now())
  const planned = state.plans.get(body.model)
  const behaviour = planned ? behaviourAt(planned.plan, calls - planned.from) : state.behaviour
  if (await refused(response, behaviour, body.continue_final_message ?? false)) return
  // The ticket's signature is the real node's to check; a test node trusts its gateway.
  const ticket = Ticket.parse(decodeJwt(request.headers.authorization?.replace(/^Souk /, '') ?? ''))
  const words = answerTo(asked(body, behaviour, state.first), kindOf(context, body.model), ticket.jti)
  await stream(response, {
    answer: words,
    behaviour,
    keys,
    ticket,
    raw,
    tokenMs: () => state.tokenMs,
    onWord(sent) {
      seen.tokens += 1
      seen.tokensByPrompt.set(words.prompt, sent)
    },
    onHungUp: () => seen.hungUpAt.push(Date.now()),
  })
}

const kindOf = ({ offers }: Context, model: string): Offered['words'] =>
  offers.find(({ manifest }) => manifest.id === model)?.words

/** What is answered: the call, or what its node takes for it. */
function asked(body: ChatBody, { kind }: Behaviour, first: Map<string, ChatBody>): ChatBody {
  if (kind === 'wrong-continuation') return { ...body, continue_final_message: false }
  if (kind !== 'cached') return body
  const known = first.get(body.model) ?? body
  first.set(body.model, known)
  return known
}

async function readAll(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part as Buffer) // a body's parts are buffers unless an encoding is set
  return Buffer.concat(parts).toString('utf8')
}

function close(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  server.closeAllConnections()
  return closed
}
