// Can a node tell audits from traffic? Requests of both kinds are caught where a node would see them, behind the real direct link: customers' as the inference room makes them, audits as
// audits do. A classifier learns from half of them by everything but the words (size, timing, headers, ticket, sampling), and is asked about the other half.
import { env } from 'cloudflare:workers'
import { beforeAll, describe, expect, it } from 'vitest'
import { loadGatewayKey } from '../../../../gateway/core/gateway-key.ts'
import { chatDraft } from '../../../../gateway/inference/openai/chat.ts'
import { createDirectLink } from '../../../../gateway/link/direct.ts'
import { issueTicket, newTicketIds, pseudonymOf } from '../../../../gateway/market/admission/ticket-order.ts'
import { sealRef } from '../../../../gateway/market/admission/ticket-ref.ts'
import { ask } from '../../../../gateway/market/audits/ask.ts'
import { makeAudit, questionFor } from '../../../../gateway/market/audits/question.ts'
import { arrivalMs, CALM_SHARE, gapOf, isSoon, momentMs, windowOf } from '../../../../gateway/market/audits/schedule.ts'
import { RUN } from '../../../../gateway/market/audits/audit-run.ts'
import { seededRandom } from '../../../../protocol/replay.ts'
import type { NodeGuardPort } from '../../../../gateway/market/guard/node-guard.ts'
import type { CallShape, Model } from '../../../../gateway/market/market-port.ts'
import { ChatRequest } from '../../../../protocol/openai.ts'
import { encodeSse } from '../../../../protocol/sse.ts'
import { readTicket } from '../../../../protocol/ticket.ts'
import {
  instant,
  newAccountId,
  newCallId,
  type AccountId,
  type Instant,
  type ModelId,
} from '../../../../protocol/units.ts'
import { aManifest, anOffer, OPERATOR } from '../builders.ts'

const MINUTE = 60_000
const DAYS = 5
/** one of so many customers' calls is caught: audits are one of about ninety */
const SAMPLED = 85
const random = seededRandom('traffic')
const one = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T // no list here is empty
const randomBytes = (length: number) => Uint8Array.from({ length }, () => Math.floor(random() * 256))

const MANIFEST = aManifest({ contextTokens: 16_384, outputTokensMax: 2_048 })
const MODEL: Model = {
  id: MANIFEST.id as ModelId,
  digest: 'ab'.repeat(32),
  manifest: MANIFEST,
  authorAccountId: OPERATOR,
  royaltyBps: 0,
  ...{ state: 'active', reason: null, replacedBy: null, stateAt: null, publishedBy: null },
  createdAt: instant(0),
}
const OFFER = anOffer({ parameters: new Set(['seed', 'temperature', 'top_p'] as const), outputTokensMax: 1_024 })

/** What customers ask, of several kinds of programs: each has its own habits. */
function aRequest() {
  const kind = random()
  const chars = Math.ceil(Math.exp(4 + 2.2 * random() + (kind > 0.7 ? 1.5 : 0)))
  const count = kind < 0.4 ? 1 : kind < 0.7 ? 2 : 3 + Math.floor(random() * 7)
  const messages = Array.from({ length: count }, (_, i) => ({
    role: count % 2 === 0 && i === 0 ? 'system' : (count - i) % 2 === 1 ? 'user' : 'assistant',
    content: words(Math.max(4, Math.ceil(chars * (0.4 + random())))),
  }))
  return ChatRequest.parse({
    model: MODEL.id,
    messages,
    ...(random() < 0.6 ? { max_tokens: one([64, 128, 256, 256, 512, 1_000]) } : {}),
    ...(random() < 0.65 ? { temperature: one([0, 0, 0.2, 0.7, 0.7, 1]) } : {}),
    ...(random() < 0.2 ? { top_p: one([0.9, 0.95]) } : {}),
    ...(random() < 0.15 ? { seed: one([42, 42, 1, 1234]) } : {}),
    ...(random() < 0.1 ? { stop: ['\n\n'] } : {}),
    ...(random() < 0.05 ? { n: 2 } : {}),
  })
}

const words = (chars: number): string =>
  Array.from({ length: Math.ceil(chars / 6) }, () => one(['about', 'where', 'there', 'maybe', 'größe', 'value'])).join(
    ' ',
  )

interface Seen {
  readonly isAudit: boolean
  readonly at: number
  readonly headers: Headers
  readonly body: string
}

const seen: Seen[] = []
let isAudit = false
let time = Date.UTC(2031, 0, 1)
const clock = (): Instant => instant(time)
const link = createDirectLink({
  allowLocal: false,
  fetch: (_, init) => {
    seen.push({
      isAudit,
      at: time,
      headers: new Headers(init?.headers),
      body: typeof init?.body === 'string' ? init.body : '',
    })
    const events = [
      { choices: [{ index: 0, delta: { content: 'Some words.' } }] },
      { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] },
    ]
    return Promise.resolve(
      new Response(events.map((event) => encodeSse(JSON.stringify(event))).join('') + encodeSse('[DONE]')),
    )
  },
})

/** Customers come in sessions of some calls a few seconds apart, more of them by day, and one by one besides. */
function arrivals(): number[] {
  const starts: number[] = []
  for (let at = 0; at < DAYS * 86_400_000; at += -Math.log(1 - random()) * 40_000) {
    const isBusy = Math.sin((at / 86_400_000) * 2 * Math.PI) > -0.3 || random() < 0.4
    if (!isBusy) continue
    let call = at
    const calls = random() < 0.3 ? 1 : 2 + Math.floor(random() * 8)
    for (let i = 0; i < calls; i++, call += 1_500 - Math.log(1 - random()) * 9_000) starts.push(call)
  }
  return starts.sort((a, b) => a - b)
}

const shapeOf = (request: ChatRequest, body: string): CallShape => ({
  ...(chatDraft(request).shape ?? { parts: 1, sampling: {} }),
  path: '/v1/chat/completions',
  bodyBytes: new TextEncoder().encode(body).byteLength,
})

let rows: { isAudit: boolean; features: Record<string, number> }[] = []

beforeAll(async () => {
  const key = await loadGatewayKey(env.SOUK_SIGNING_KEY)
  const config = { domain: 'souk.example.com', keySecret: env.SOUK_KEY_SECRET }
  const customers = Array.from({ length: 40 }, () => newAccountId(randomBytes))
  const begun = time
  const starts = arrivals()
  const shapes: CallShape[] = []

  /** As services.ts has the inference room's tickets written. */
  const asCustomer = async (request: ChatRequest, body: string) => {
    const ids = newTicketIds(randomBytes)
    const accountId: AccountId = one(customers)
    const draft = chatDraft(request)
    const most = draft.most(MODEL)
    const { jws } = await issueTicket({
      ...{ key, issuer: config.domain, offer: OFFER, model: MODEL, path: draft.path, body, ...ids },
      callId: newCallId(clock(), randomBytes),
      attempt: random() < 0.03 ? 1 : 0,
      inputTokensMax: Number(most.inputTokens),
      outputTokensMax: Number(most.outputTokens),
      pseudonym: pseudonymOf(config.keySecret, OFFER.nodeId, accountId),
      ref: await sealRef(config.keySecret, ids.jti, { accountId, nodeId: OFFER.nodeId }, randomBytes),
      nowSeconds: clock() / 1_000,
    })
    const { nodeId, endpoint, wireVersion } = OFFER
    const signal = new AbortController().signal
    await link.send({ nodeId, endpoint, wireVersion, path: draft.path, body, ticket: jws, signal })
  }
  const port: Pick<NodeGuardPort, 'attemptStarted' | 'attemptEnded'> = {
    attemptStarted: () => Promise.resolve(),
    attemptEnded: () => Promise.resolve(),
  }
  const nodeGuards = () => port as NodeGuardPort // the two that an audit reports to
  const needs = { link, key, config, clock, random: randomBytes, nodeGuards }

  // First the plan of the audits, by the rules of the run: counts at each minute's beginning, turns by the minute before.
  const audits: number[] = []
  let since = 0
  let lastAt = 0
  let gap = gapOf({ suspicion: 0, lastAt: instant(1) }, random())
  for (let minute = 0; minute < DAYS * 1_440; minute++) {
    const from = minute * MINUTE
    const before = starts.filter((at) => at >= from - MINUTE && at < from).map((at) => instant(begun + at))
    since += before.length
    const standing = { suspicion: 0, lastAt: instant(1) }
    const pace = { lastMinute: before.length, sustained: since / Math.max(1, (from - lastAt) / MINUTE) }
    const window = windowOf(standing, since, gap, pace, RUN.windowMs)
    if (!window || (!isSoon(standing, pace) && random() > CALM_SHARE)) continue
    const now = instant(begun + from)
    const looked = from + momentMs(window, now, now, random())
    const last = starts.filter((at) => at <= looked && at > looked - 3 * 3_600_000).slice(-RUN.starts)
    const after =
      arrivalMs(
        last.reverse().map((at) => instant(begun + at)),
        instant(begun + looked),
        random(),
      ) ?? 0
    if (looked + after > from + RUN.windowMs) continue
    audits.push(looked + after)
    since = 0
    lastAt = looked + after
    gap = gapOf({ suspicion: 0, lastAt: instant(1) }, random())
  }
  // In their order: some calls leave their shapes in the sample of which the audits behind them are made.
  const events = [...starts.map((at, i) => ({ at, index: i })), ...audits.map((at) => ({ at, index: -1 }))]
  for (const { at, index } of events.sort((a, b) => a.at - b.at)) {
    time = begun + Math.round(at)
    isAudit = index === -1
    if (isAudit) {
      const audit = makeAudit(MODEL, shapes, OFFER, random)
      if (audit) await ask(needs, OFFER, MODEL, questionFor(audit, MODEL, OFFER))
      continue
    }
    const isCaught = index % SAMPLED === 0
    if (!isCaught && random() > 0.1) continue
    const request = aRequest()
    const seed = Math.floor(random() * 2 ** 31)
    const body = String(chatDraft(request).bodyFor(MODEL, OFFER, { seed, prefix: null }))
    shapes[shapes.length < 64 ? shapes.length : Math.floor(random() * 64)] = shapeOf(request, body)
    if (isCaught) await asCustomer(request, body)
  }
  const all = [...starts, ...audits].sort((a, b) => a - b)
  rows = seen.map((request) => ({ isAudit: request.isAudit, features: featuresOf(request, request.at - begun, all) }))
}, 60_000)

function featuresOf({ headers, body, at }: Seen, since: number, all: readonly number[]): Record<string, number> {
  const ticket = readTicket(headers.get('authorization')?.split(' ')[1] ?? '')
  const asked = JSON.parse(body) as Record<string, unknown> & { messages: { role: string; content: string }[] }
  if (!ticket) throw new Error('every request has a ticket')
  const earlier = all.filter((other) => other < since - 1)
  const later = all.filter((other) => other > since + 1)
  const number = (name: string) => (typeof asked[name] === 'number' ? Number(asked[name]) : -1)
  const last = bytesOf(asked.messages.at(-1)?.content ?? '')
  return {
    bytes: Math.log(bytesOf(body)),
    messages: asked.messages.length,
    lastMessage: Math.log(1 + last),
    firstIsSystem: asked.messages[0]?.role === 'system' ? 1 : 0,
    keys: Object.keys(asked).length,
    keyOrder: [...Object.keys(asked).join()].reduce(
      (sum, letter, i) => (sum + letter.charCodeAt(0) * (i + 1)) % 997,
      0,
    ),
    maxTokens: number('max_tokens'),
    temperature: number('temperature'),
    topP: number('top_p'),
    n: number('n'),
    seed: Math.log(2 + number('seed')),
    stops: Array.isArray(asked.stop) ? asked.stop.length : 0,
    headers: [...headers.keys()].length,
    headerNames: [...headers.keys()].join().length,
    contentType: headers.get('content-type')?.length ?? 0,
    ticketBytes: headers.get('authorization')?.length ?? 0,
    ticketKeys: Object.keys(ticket).length,
    inputMax: Math.log(ticket.inputTokensMax),
    outputMax: ticket.outputTokensMax,
    attempt: ticket.attempt,
    refBytes: ticket.ref?.length ?? 0,
    pseudonymBytes: ticket.pseudonym.length,
    ticketAge: at / 1_000 - ticket.iat,
    gapBefore: Math.log(1 + since - (earlier.at(-1) ?? 0)),
    gapBeforeThat: Math.log(1 + since - (earlier.at(-2) ?? 0)),
    gapAfter: Math.log(1 + (later[0] ?? since) - since),
    minuteBefore: earlier.filter((other) => other > since - MINUTE).length,
    second: (at / 1_000) % 60,
    hour: (at / 3_600_000) % 24,
  }
}

const bytesOf = (text: string): number => new TextEncoder().encode(text).byteLength

/** Area under the ROC curve: the chance that an audit scores higher than a call (Mann and Whitney), whichever way is better. */
function auc(scores: readonly { score: number; isAudit: boolean }[]): number {
  const [audits, calls] = [scores.filter((s) => s.isAudit), scores.filter((s) => !s.isAudit)]
  const wins = audits.reduce(
    (sum, a) => sum + calls.reduce((own, b) => own + (a.score > b.score ? 1 : a.score === b.score ? 0.5 : 0), 0),
    0,
  )
  return wins / (audits.length * calls.length)
}
const eitherWay = (area: number): number => Math.max(area, 1 - area)

/** Logistic regression over standardised features and their squares, by gradient descent with a little decay. */
function learn(train: typeof rows): (features: Record<string, number>) => number {
  const names = Object.keys(train[0]?.features ?? {})
  const mean = names.map((name) => train.reduce((sum, { features }) => sum + (features[name] ?? 0), 0) / train.length)
  const deviation = names.map((name, i) =>
    Math.sqrt(
      train.reduce((sum, { features }) => sum + ((features[name] ?? 0) - (mean[i] ?? 0)) ** 2, 0) / train.length,
    ),
  )
  const vector = (features: Record<string, number>): number[] => {
    const flat = names.map((name, i) => ((features[name] ?? 0) - (mean[i] ?? 0)) / (deviation[i] || 1))
    return [1, ...flat, ...flat.map((value) => value ** 2 - 1)]
  }
  const data = train.map(({ features, isAudit: audit }) => ({ x: vector(features), y: audit ? 1 : 0 }))
  const weights = vector(train[0]?.features ?? {}).map(() => 0)
  const score = (x: readonly number[]) => x.reduce((sum, value, i) => sum + value * (weights[i] ?? 0), 0)
  for (let step = 0; step < 300; step++) {
    const slope = weights.map((weight) => weight * 0.01)
    for (const { x, y } of data) {
      const error = 1 / (1 + Math.exp(-score(x))) - y
      for (const [i, value] of x.entries()) slope[i] = (slope[i] ?? 0) + (error * value) / data.length
    }
    for (const [i, value] of slope.entries()) weights[i] = (weights[i] ?? 0) - 0.3 * value
  }
  return (features) => score(vector(features))
}

describe('a node that looks for audits', () => {
  it('has enough of both kinds to look at', () => {
    expect(rows.filter((row) => row.isAudit).length).toBeGreaterThan(150)
    expect(rows.filter((row) => !row.isAudit).length).toBeGreaterThan(150)
  })

  it('learns nothing from any single thing it sees', () => {
    const areas = Object.keys(rows[0]?.features ?? {}).map((name) => {
      const scores = rows.map((row) => ({ isAudit: row.isAudit, score: row.features[name] ?? 0 }))
      return [name, Number(eitherWay(auc(scores)).toFixed(3))] as const
    })
    expect(areas.filter(([, area]) => area > 0.6)).toEqual([])
  })

  it('learns nothing from all of it together', () => {
    const [train, test] = [rows.filter((_, i) => i % 2 === 0), rows.filter((_, i) => i % 2 === 1)]
    const classify = learn(train)
    const area = auc(test.map((row) => ({ isAudit: row.isAudit, score: classify(row.features) })))
    expect(area).toBeLessThanOrEqual(0.6)
  })

  it('would find audits that are made carelessly: the measure is not blind', () => {
    const careless = rows.map((row) => (row.isAudit ? { ...row, features: { ...row.features, temperature: 0 } } : row))
    const [train, test] = [careless.filter((_, i) => i % 2 === 0), careless.filter((_, i) => i % 2 === 1)]
    const classify = learn(train)
    expect(auc(test.map((row) => ({ isAudit: row.isAudit, score: classify(row.features) })))).toBeGreaterThan(0.7)
  })
})
