// A market for audits: real D1, real guards, a clock that waiting moves, and nodes that answer as their model would, or as a cheat does. The model is a function of the request: whoever
// has it gives the same words. Traffic is told by the test.
import { env } from 'cloudflare:workers'
import { exportJWK, generateKeyPair, type CryptoKey } from 'jose'
import { systemRandom } from '../../../../gateway/core/clock.ts'
import { loadGatewayKey } from '../../../../gateway/core/gateway-key.ts'
import type { NodeLink, NodeRequest } from '../../../../gateway/link/node-link.ts'
import { createAuditBook } from '../../../../gateway/market/audits/audit-book.ts'
import { createAuditPayBook } from '../../../../gateway/market/audits/audit-day-book.ts'
import { createAuditRun } from '../../../../gateway/market/audits/audit-run.ts'
import { createCanaryBook } from '../../../../gateway/market/audits/canary-book.ts'
import { createShapeBook } from '../../../../gateway/market/audits/shape-book.ts'
import { seededRandom } from '../../../../protocol/replay.ts'
import { createNodeGuards } from '../../../../gateway/market/guard/node-guard.ts'
import { createSanctions } from '../../../../gateway/market/nodes/sanctions.ts'
import { jcs } from '../../../../protocol/canonical.ts'
import { modelDigest } from '../../../../protocol/publish.ts'
import type { ModelManifest } from '../../../../protocol/model.ts'
import { NODE_PATHS } from '../../../../protocol/node.ts'
import { decodeRequest, encodeAnswer } from '../../../../protocol/oip-canonical.ts'
import { tensorBytes, type Tensor } from '../../../../protocol/oip.ts'
import {
  outputHash,
  requestHash,
  signReceipt,
  tensorRequestHash,
  vectorBytes,
  type Receipt,
} from '../../../../protocol/receipt.ts'
import { encodeSse } from '../../../../protocol/sse.ts'
import { readTicket, type Ticket } from '../../../../protocol/ticket.ts'
import {
  instant,
  nanos,
  type AccountId,
  type Instant,
  type ModelId,
  type Nanos,
  type NodeId,
} from '../../../../protocol/units.ts'
import { aManifest } from '../builders.ts'

export const AUTHOR = 'aaaaaaaaaaaaaaa1' as AccountId
export const operatorId = (n: number) => `${'0'.repeat(13)}p${String(n).padStart(2, '0')}` as AccountId

/** How a node differs from an honest one. */
export interface Cheat {
  /** it has another model */
  readonly model?: string
  /** it answers what it answered first, whatever is asked */
  readonly isCached?: boolean
  /** its own count, of what it really was */
  readonly padding?: number
  /** signed, and of other words */
  readonly receiptOf?: string
  readonly status?: number
  /** from this part of its text on it goes its own way */
  readonly partsAt?: number
}

export interface AuditNode {
  readonly id: NodeId
  readonly operator: AccountId
  cheat: Cheat
  readonly requests: { readonly request: NodeRequest; readonly ticket: Ticket; readonly at: number }[]
}

export type AuditHouse = Awaited<ReturnType<typeof createAuditHouse>>

let houses = 0

export async function createAuditHouse(
  options: {
    manifest?: ModelManifest
    nodes?: readonly {
      operator: number
      cheat?: Cheat
      assurance?: 'pinned' | 'declared'
      parameters?: string[] | null
    }[]
  } = {},
) {
  const house = ++houses
  const base = options.manifest ?? aManifest()
  const manifest = { ...base, id: `${base.id}-${house}`, files: { 'model.onnx': String(house).padStart(64, '0') } }
  const modelId = manifest.id as ModelId
  let time = Date.UTC(2030, 0, 1, 12) + house * 86_400_000 * 40
  const clock = (): Instant => instant(time)
  await env.DB.prepare(
    `INSERT INTO models (id, digest, task, author_account_id, royalty_bps, manifest, state, created_at) VALUES (?, ?, ?, ?, 100, ?, 'active', 0)`,
  )
    .bind(modelId, modelDigest(manifest), manifest.task, AUTHOR, JSON.stringify(manifest))
    .run()

  const nodes: AuditNode[] = []
  const links = new Map<NodeId, (request: NodeRequest) => Promise<Response>>()
  for (const [n, plan] of (options.nodes ?? []).entries()) {
    const id = `node_${String(house).padStart(8, '0')}${String(n).padStart(8, '0')}` as NodeId
    const { privateKey, publicKey } = await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true })
    const node: AuditNode = { id, operator: operatorId(plan.operator), cheat: plan.cheat ?? {}, requests: [] }
    const nodeKey = (await exportJWK(publicKey)).x ?? ''
    const parameters = plan.parameters === null ? null : JSON.stringify(plan.parameters ?? ['seed', 'temperature'])
    await env.DB.batch([
      env.DB.prepare(
        `INSERT INTO nodes (id, name, operator_account_id, operator_address, node_key, settlement_key, endpoint, wire_version, state, proved_at, created_at)
        VALUES (?1, 'x', ?2, '', ?3, '', 'https://' || ?1 || '.example', 2, 'active', 1, 0)`,
      ).bind(id, node.operator, nodeKey),
      env.DB.prepare(
        `INSERT INTO offers (node_id, model_id, state, input_price_nanos, output_price_nanos, cached_input_price_nanos, bytes_price_nanos, call_price_nanos,
        context_tokens, output_tokens_max, concurrency_max, assurance, parameters, updated_at) VALUES (?, ?, 'live', 10000000, 20000000, 0, 1000000, 0, 4096, 512, 8, ?, ?, 0)`,
      ).bind(id, modelId, plan.assurance ?? 'pinned', parameters),
    ])
    nodes.push(node)
    links.set(id, (request) => serve(node, nodeKey, privateKey, manifest, request, time))
  }

  /** calls of each node that ended since its last audit, as the test has them */
  const calls = new Map<NodeId, { total: number; counted: number; starts: number[] }>(
    nodes.map(({ id }) => [id, { total: 0, counted: 0, starts: [] }]),
  )
  let revenue: Nanos = nanos(1_000_000_000_000n)
  const link: NodeLink = {
    send: (request) => links.get(request.nodeId)?.(request) ?? Promise.reject(new TypeError('none')),
  }
  const nodeGuards = createNodeGuards(env.NODE)
  const book = createAuditBook(env.DB)
  const needs = {
    link,
    nodeGuards,
    clock,
    random: systemRandom,
    key: await loadGatewayKey(env.SOUK_SIGNING_KEY),
    config: { domain: 'souk.example.com', keySecret: env.SOUK_KEY_SECRET },
    book,
    spending: createAuditPayBook(env.DB),
    canaries: createCanaryBook(env.DB),
    shapes: createShapeBook(env.DB),
    sanctions: createSanctions({ db: env.DB, nodeGuards, clock, random: systemRandom }),
    feeBps: 500,
    auditBps: 200,
    wait: (ms: number) => {
      time += Math.min(ms, 5)
      return Promise.resolve()
    },
    traffic: {
      called: () => Promise.resolve(nodes.map(({ id }) => ({ nodeId: id, modelId }))),
      callsSince: async (offers: readonly { nodeId: NodeId }[]) =>
        Promise.all(
          offers.map(async ({ nodeId }) => {
            const own = calls.get(nodeId) ?? { total: 0, counted: 0, starts: [] }
            const seen = await env.DB.prepare('SELECT count(*) AS n FROM audits WHERE node_id = ?')
              .bind(nodeId)
              .first<number>('n')
            if (seen !== own.counted) calls.set(nodeId, { ...own, total: 0, counted: seen ?? 0 })
            return { calls: calls.get(nodeId)?.total ?? 0, lastMinute: own.starts.length }
          }),
        ),
      lastStarts: () => Promise.resolve([]),
      revenueSince: () => Promise.resolve(revenue),
    },
  }
  return {
    modelId,
    manifest,
    nodes,
    needs,
    clock,
    run: createAuditRun(needs),
    earns: (amount: Nanos) => void (revenue = amount),
    advance: (ms: number) => void (time += ms),
    /** a minute in which every node has so many calls, evenly */
    async minute(callsEach: number): Promise<void> {
      const starts = Array.from({ length: callsEach }, (_, i) => time - (60_000 / callsEach) * i)
      for (const [id, own] of calls) {
        const seen = await env.DB.prepare('SELECT count(*) AS n FROM audits WHERE node_id = ?')
          .bind(id)
          .first<number>('n')
        const total = seen === own.counted ? own.total + callsEach : callsEach
        calls.set(id, { total, counted: seen ?? 0, starts })
      }
      await createAuditRun(needs)()
      time += 60_000
    },
    rows: async (id: NodeId) =>
      (
        await env.DB.prepare('SELECT * FROM audits WHERE node_id = ? ORDER BY at, id')
          .bind(id)
          .all<Record<string, unknown>>()
      ).results,
    outcomes: async (id: NodeId) =>
      (
        await env.DB.prepare('SELECT outcome FROM audits WHERE node_id = ?').bind(id).all<{ outcome: string }>()
      ).results.map(({ outcome }) => outcome),
    state: async (id: NodeId) => env.DB.prepare('SELECT state FROM nodes WHERE id = ?').bind(id).first<string>('state'),
    trust: async (id: NodeId) =>
      env.DB.prepare('SELECT trust_ppm FROM offers WHERE node_id = ?').bind(id).first<number | null>('trust_ppm'),
  }
}

const WORDS = 'stone blue seven walks under light paper green often table north quick round seldom water nine'.split(
  ' ',
)

/** What the model says to a request: words of its own for each, some thirty of them. */
export function modelText(model: string, asked: unknown, words = 30): string {
  const random = seededRandom(`${model} ${jcs(asked)}`)
  return Array.from({ length: words }, () => WORDS[Math.floor(random() * WORDS.length)] ?? '').join(' ')
}

async function serve(
  node: AuditNode,
  nodeKey: string,
  key: CryptoKey,
  manifest: ModelManifest,
  request: NodeRequest,
  at: number,
): Promise<Response> {
  const ticket = readTicket(request.ticket)
  if (!ticket) throw new Error('a request without a ticket')
  node.requests.push({ request, ticket, at })
  const { cheat } = node
  if (cheat.status !== undefined) return Response.json({ error: { code: 'busy' } }, { status: cheat.status })
  const asked = node.requests[cheat.isCached ? 0 : node.requests.length - 1]?.request.body ?? ''
  const model = cheat.model ?? manifest.id
  const sign = (done: Pick<Receipt, 'request' | 'outputs' | 'inputTokens' | 'outputTokens'> & Partial<Receipt>) =>
    signReceipt(receiptOf(ticket, nodeKey, at, done), key)
  if (typeof request.body !== 'string' || typeof asked !== 'string') return inferred(request, model, ticket, sign)
  const body = JSON.parse(asked) as Record<string, unknown> // the gateway's own JSON
  if (request.path === NODE_PATHS.embeddings) {
    const inputs = (JSON.parse(request.body) as { input: string[] }).input // the gateway's own JSON
    const vectors = inputs.map((text) => vectorOf(`${model} ${text}`, manifest.dimensions ?? 4))
    const hashes = vectors.map((vector) => outputHash(ticket.salt, vectorBytes(vector)))
    const inputTokens = Math.round(9 * (cheat.padding ?? 1))
    const receipt = await sign({
      request: requestHash(ticket.salt, JSON.parse(request.body)),
      outputs: hashes,
      inputTokens,
      outputTokens: 0,
    })
    const usage = { prompt_tokens: inputTokens, completion_tokens: 0, total_tokens: inputTokens }
    return Response.json({ data: vectors.map((embedding, index) => ({ index, embedding })), usage, receipt })
  }
  const { model: _, stream: _1, max_tokens: _2, ...words } = body
  const honest = modelText(model, words)
  const cut = Math.floor(honest.length * (cheat.partsAt ?? 1))
  const text = honest.slice(0, cut) + modelText('other', words).slice(cut, honest.length)
  const counts = {
    inputTokens: Math.round(40 * (cheat.padding ?? 1)),
    outputTokens: Math.round(30 * (cheat.padding ?? 1)),
  }
  const outputs = [outputHash(ticket.salt, cheat.receiptOf ?? text)]
  const receipt = await sign({ request: requestHash(ticket.salt, JSON.parse(request.body)), outputs, ...counts })
  const usage = {
    prompt_tokens: counts.inputTokens,
    completion_tokens: counts.outputTokens,
    total_tokens: counts.inputTokens + counts.outputTokens,
  }
  const events = [
    { choices: [{ index: 0, delta: { content: text } }] },
    { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }], usage, receipt },
  ]
  return new Response(events.map((event) => encodeSse(JSON.stringify(event))).join('') + encodeSse('[DONE]'))
}

async function inferred(
  request: NodeRequest,
  model: string,
  ticket: Ticket,
  sign: (
    done: Pick<Receipt, 'request' | 'outputs' | 'inputTokens' | 'outputTokens'> & Partial<Receipt>,
  ) => Promise<string>,
): Promise<Response> {
  const body = request.body as Uint8Array // tensors are never text
  const read = decodeRequest(body)
  if (!read.ok) throw new Error('a request that no node would accept')
  const { modelName, inputs } = read.value
  // Whoever has another model computes other floats; the rounding of an honest one moves the last bits.
  const outputs = inputs.map((tensor) =>
    tensor.datatype === 'FP32' ? shifted(tensor, model === modelName ? 1e-7 : 0.3) : tensor,
  )
  const receipt = await sign({
    request: tensorRequestHash(ticket.salt, body),
    outputs: outputs.map(({ data }) => outputHash(ticket.salt, data)),
    ...{ inputTokens: 0, outputTokens: 0, tensorBytes: tensorBytes(inputs) + tensorBytes(outputs) },
  })
  return new Response(encodeAnswer({ modelName, outputs }, receipt))
}

function shifted(tensor: Tensor, by: number): Tensor {
  const data = tensor.data.slice()
  const view = new DataView(data.buffer)
  for (let at = 0; at < data.byteLength; at += 4) view.setFloat32(at, view.getFloat32(at, true) * (1 + by), true)
  return { ...tensor, data }
}

function vectorOf(seed: string, length: number): number[] {
  const random = seededRandom(seed)
  return Array.from({ length }, () => random() - 0.5)
}

function receiptOf(
  ticket: Ticket,
  nodeKey: string,
  at: number,
  done: Pick<Receipt, 'request' | 'outputs' | 'inputTokens' | 'outputTokens'> & Partial<Receipt>,
): Receipt {
  const { jti, callId, attempt, model, modelDigest: digest } = ticket
  const time = new Date(at).toISOString()
  return {
    ...{ jti, callId, attempt, nodeKey, model, modelDigest: digest },
    ...{ startedAt: time, firstOutputAt: time, endedAt: time, outcome: 'complete', continuedCharacters: 0 },
    ...done,
  }
}
