// The inference room with a real account guard behind it and scripted nodes before it: what a story about one call needs.
import { createExecutionContext, env, waitOnExecutionContext } from 'cloudflare:test'
import { Hono } from 'hono'
import { CALL_TIMEOUTS, PARAMETER_DEFAULTS, type CallTimeouts } from '../../../gateway/core/limits.ts'
import { systemClock, systemRandom } from '../../../gateway/core/clock.ts'
import { toResponse } from '../../../gateway/core/errors.ts'
import { loadGatewayKey } from '../../../gateway/core/gateway-key.ts'
import type { AppEnv } from '../../../gateway/core/principal.ts'
import { Secret } from '../../../gateway/core/sealed.ts'
import type { ParameterValues } from '../../../gateway/core/parameters.ts'
import type { InferenceNeeds } from '../../../gateway/inference/call-route.ts'
import { createOipRoutes } from '../../../gateway/inference/oip/oip-routes.ts'
import { createPriceLocks } from '../../../gateway/inference/order/price-lock.ts'
import { createQuoteRoutes } from '../../../gateway/inference/order/quote-routes.ts'
import { createRetries } from '../../../gateway/inference/attempts/retry-budget.ts'
import { createInferenceRoutes } from '../../../gateway/inference/routes.ts'
import type { AccountPort } from '../../../gateway/ledger/account-port.ts'
import { createAccounts } from '../../../gateway/ledger/accounts.ts'
import type { CreateKey } from '../../../gateway/ledger/limits/limit-port.ts'
import type { NodeLink, NodeRequest } from '../../../gateway/link/node-link.ts'
import type {
  AttemptReport,
  LocalJudgement,
  Market,
  Model,
  Offer,
  Snapshot,
} from '../../../gateway/market/market-port.ts'
import { issueTicket, newTicketIds } from '../../../gateway/market/admission/ticket-order.ts'
import { sealRef } from '../../../gateway/market/admission/ticket-ref.ts'
import { sha256Hex } from '../../../protocol/canonical.ts'
import {
  fromUsd,
  newAccountId,
  newKeyId,
  type AccountId,
  type NodeId,
  type RandomBytes,
} from '../../../protocol/units.ts'
import { aModel, anOffer, AUTHOR, OPERATOR } from '../../support/workers/builders.ts'

export type ScriptedNode = (request: NodeRequest) => Promise<Response> | Response

export interface HouseOptions {
  /** what the house has set */
  readonly parameters?: Partial<ParameterValues>
  readonly nodes: readonly ScriptedNode[]
  readonly usd?: string
  readonly model?: Model
  readonly offers?: readonly Partial<Offer>[]
  /** which of the nodes offer the model; absent: all */
  readonly by?: readonly number[]
  /** further models, and which of the nodes offer each */
  readonly others?: readonly {
    readonly model: Model
    readonly by: readonly number[]
    readonly offer?: Partial<Offer>
  }[]
  /** what the isolate has seen of nodes itself */
  readonly local?: ReadonlyMap<NodeId, LocalJudgement>
  readonly timeouts?: Partial<CallTimeouts>
  readonly holdDeadlineMs?: number
  /** default: the system's */
  readonly random?: RandomBytes
  /** what the key may */
  readonly key?: Partial<CreateKey>
  /** replaces some of what the caller's guard answers */
  readonly guard?: (account: AccountPort) => Partial<AccountPort>
  /** stands between the room and every guard */
  readonly accounts?: (account: AccountPort) => AccountPort
  /** the gateway cannot sign */
  readonly withoutTickets?: boolean
}

export interface CallInit {
  readonly signal?: AbortSignal
  readonly headers?: Readonly<Record<string, string>>
  /** where Cloudflare says that the caller is */
  readonly continent?: string
}

export const nodeIdOf = (index: number) => `node_000000000000000${index}` as NodeId

/** A funded account with a key, and `nodes.length` offers whose endpoints are answered by the scripts, the first being by far the cheapest. */
export async function aHouse(options: HouseOptions) {
  const accountId: AccountId = newAccountId(systemRandom)
  const accounts = createAccounts(env.ACCOUNT)
  const account = accounts(accountId)
  for (const id of [accountId, OPERATOR, AUTHOR]) await accounts(id).open(id)
  if (options.usd !== '0') {
    await account.grant({
      transferId: 'start',
      kind: 'grant',
      amountNanos: fromUsd(options.usd ?? '1'),
      reason: 'test',
      by: null,
    })
  }
  const keyId = newKeyId(systemRandom)
  const secretHash = sha256Hex('secret')
  const none = { models: null, nodes: null, limit: null, rpm: null, tpm: null, concurrency: null, expiresAt: null }
  const noLimits = { ...none, ratesShadow: false }
  await account.createKey({
    id: keyId,
    secretHash,
    hint: 'sk-souk-…',
    name: 'test',
    scopes: ['inference'],
    ...noLimits,
    ...options.key,
  })
  const model = options.model ?? aModel()
  const reports: AttemptReport[] = []
  const offers = offersFor(options)
  const market = aMarket(model, offers, options, reports)
  let isOpen = true
  const key = await loadGatewayKey(env.SOUK_SIGNING_KEY)
  const sent: NodeRequest[] = []
  const link: NodeLink = {
    send: async (request) => {
      sent.push(request)
      const node = options.nodes[Number(/\d+$/.exec(request.endpoint)?.[0])]
      if (!node) throw new TypeError('connection refused')
      return node(request)
    },
  }
  const app = new Hono<AppEnv>()
  app.onError((error, c) => toResponse(error, c.var.requestId, c.req.path))
  app.use(async (c, next) => {
    c.set('requestId', 'req_test')
    // `Bearer x` is the key; any other text is another secret of it, good after a reroll.
    const said = c.req.header('authorization')?.slice('Bearer '.length)
    const secret = said === 'x' ? 'secret' : (said ?? '')
    const principal = { accountId, keyId, secretHash: sha256Hex(secret), secret: new Secret(secret) }
    c.set('principal', said ? { kind: 'key', ...principal } : null)
    await next()
  })
  const needs: InferenceNeeds = {
    accounts: (id) => (options.accounts ?? ((port) => port))({ ...accounts(id), ...options.guard?.(accounts(id)) }),
    retries: createRetries(systemClock),
    market: { ...market, snapshot: async (...args) => (isOpen ? market.snapshot(...args) : null) },
    link,
    clock: systemClock,
    random: options.random ?? systemRandom,
    priceLocks: createPriceLocks(key),
    parameters: { now: async () => ({ ...PARAMETER_DEFAULTS, feeBps: 500, auditBps: 200, ...options.parameters }) },
    holdDeadlineMs: options.holdDeadlineMs ?? null,
    timeouts: { ...CALL_TIMEOUTS, ...options.timeouts },
    issueTicket: async (order, { model, offer, most }, attempt, body) => {
      if (options.withoutTickets) throw new Error('planned: no key')
      const ids = newTicketIds(systemRandom)
      return issueTicket({
        key,
        issuer: 'test',
        offer,
        model,
        callId: order.callId,
        attempt,
        path: order.path,
        body,
        inputTokensMax: Number(most.inputTokens),
        outputTokensMax: Number(most.outputTokens),
        ...(most.tensorBytes === undefined ? {} : { tensorBytesMax: Number(most.tensorBytes) }),
        pseudonym: 'p',
        ...ids,
        ref: await sealRef(env.SOUK_KEY_SECRET, ids.jti, { accountId, nodeId: offer.nodeId }, systemRandom),
        nowSeconds: Date.now() / 1000,
      })
    },
  }
  app
    .route('/v1', createInferenceRoutes(needs))
    .route('/v1', createQuoteRoutes(needs))
    .route('/', createOipRoutes(needs))
  return {
    account,
    accountId,
    keyId,
    secretHash,
    reports,
    sent,
    /** From now this offer is another one. */
    change(index: number, over: Partial<Offer>) {
      const offer = offers[index]
      if (!offer) throw new Error(`there is no offer ${index}`)
      offers[index] = { ...offer, ...over }
    },
    /** No model is there any more. */
    closeMarket() {
      isOpen = false
    },
    /** @param init.signal stands for the caller's connection */
    async call(path: string, body: unknown, init: CallInit = {}) {
      const { response, settled } = this.begin(path, body, init)
      return { response: await response, settled }
    },
    /** The same for who does not wait for the response. */
    begin(path: string, body: unknown, { signal, continent, ...init }: CallInit = {}) {
      const context = createExecutionContext()
      const headers = { 'content-type': 'application/json', authorization: 'Bearer x', ...init.headers }
      const text = typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body)
      const sent = {
        method: 'POST',
        headers,
        body: text,
        ...(signal ? { signal } : {}),
        ...(continent ? { cf: { continent } } : {}),
      }
      const request = new Request(`https://gateway.test${path}`, sent)
      const response = Promise.resolve(app.fetch(request, env, context))
      return { response, settled: () => waitOnExecutionContext(context) }
    },
    async get(path: string, headers: Record<string, string> = { authorization: 'Bearer x' }) {
      return app.fetch(new Request(`https://gateway.test${path}`, { headers }), env, createExecutionContext())
    },
  }
}

function offersFor({ nodes, offers = [], by = nodes.map((_, index) => index) }: HouseOptions): Offer[] {
  return by.map((index) => anOffer({ nodeId: nodeIdOf(index), endpoint: `https://node-${index}`, ...offers[index] }))
}

function aMarket(model: Model, offers: readonly Offer[], options: HouseOptions, reports: AttemptReport[]): Market {
  const seen = { local: options.local ?? new Map<NodeId, LocalJudgement>(), takenAt: systemClock() }
  const snapshot = { model, offers, ...seen }
  const others = (options.others ?? []).map(({ model: other, by, offer }): Snapshot => {
    const of = by.map((n) => ({ nodeId: nodeIdOf(n), endpoint: `https://node-${n}`, modelId: other.id, ...offer }))
    return { model: other, offers: of.map(anOffer), ...seen }
  })
  // A copy each time, as every snapshot is another one: an array of offers never changes.
  const fresh = (found: Snapshot | undefined) => found && { ...found, offers: [...found.offers] }
  return {
    snapshot: (id) => Promise.resolve(fresh([snapshot, ...others].find((each) => each.model.id === id)) ?? null),
    attemptStarted: () => Promise.resolve(),
    attemptEnded: (report) => Promise.resolve(void reports.push(report)),
    models: () => Promise.resolve([snapshot]),
  }
}

/** A node's chat stream from its events, sent as they are. */
export function sse(events: readonly (object | string)[], tail: 'end' | 'hang' | 'break' = 'end'): Response {
  const encoder = new TextEncoder()
  const body = new ReadableStream<Uint8Array>({
    async start(controller) {
      for (const event of events)
        controller.enqueue(encoder.encode(`data: ${typeof event === 'string' ? event : JSON.stringify(event)}\n\n`))
      if (tail === 'end') controller.close()
      if (tail === 'break') {
        // The events first, then the break: an error drops what was not read yet.
        await new Promise((resolve) => setTimeout(resolve, 50))
        controller.error(new Error('connection reset'))
      }
    },
  })
  return new Response(body, { headers: { 'content-type': 'text/event-stream' } })
}

export const token = (content: string, output: number, input = 5) => ({
  choices: [{ index: 0, delta: { content }, finish_reason: null }],
  usage: { prompt_tokens: input, completion_tokens: output },
})

export const finish = (output: number, input = 5, reason = 'stop') => ({
  choices: [{ index: 0, delta: {}, finish_reason: reason }],
  usage: { prompt_tokens: input, completion_tokens: output },
})

/** The answer "one two": two tokens. */
export const honest: ScriptedNode = () => sse([token('one ', 1), token('two', 2), finish(2), '[DONE]'])

export const chat = (over: object = {}) => ({
  model: 'test/echo',
  messages: [{ role: 'user', content: 'hi' }],
  ...over,
})
