// One client after another, as strangers are: chats of all kinds, completions, vectors, tensors; a third of them leave before the end, some read
// slowly, some ask for nonsense. What each does is drawn from a seed; what the node answers is counted by what it was.
import { randomUUID } from 'node:crypto'
import { Agent, request, type IncomingMessage } from 'node:http'
import { base64url, sha256Hex } from '../../protocol/canonical.ts'
import { NODE_PATHS } from '../../protocol/node.ts'
import { encodeRequest } from '../../protocol/oip-canonical.ts'
import { stringsToBytes } from '../../protocol/oip.ts'
import { seededRandom } from '../../provider-node/engines/sampling.ts'
import type { LoadedModel } from '../../provider-node/model-store/manifest.ts'
import type { FakeGateway } from '../provider-node/builders.ts'

export interface Target {
  readonly url: string
  readonly nodeKey: string
  readonly gateway: FakeGateway
  readonly chat: LoadedModel
  readonly embeddings: LoadedModel
  readonly languages: LoadedModel
}

/** how a call ended, as its client saw it; `torn` and `failed` are the node's own fault */
export type Seen = 'whole' | 'left' | 'busy' | 'refused' | 'torn' | 'failed'

interface Order {
  readonly path: string
  readonly model: LoadedModel
  readonly body: string | Uint8Array
  readonly isNonsense?: boolean
}

/** Calls one after the other until `until` (ms since the Unix epoch). */
export async function client(
  target: Target,
  seed: number,
  until: number,
  count: (seen: Seen, why: string | null) => void,
): Promise<void> {
  const random = seededRandom(seed)
  while (Date.now() < until) {
    const { seen, why } = await call(target, drawOrder(target, random), random)
    count(seen, why)
    // Whoever was refused comes back, and not at once.
    if (seen === 'busy') await pause(20 + 80 * random())
  }
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))
const pick = <T>(random: () => number, values: readonly [T, ...T[]]): T =>
  values[Math.floor(random() * values.length)] ?? values[0]

const QUESTIONS = [
  'What is the capital of France?',
  'Could you write a story about a frog?',
  'Can you multiply 11 and 10?',
  'Give me the numbers from 7 to 14.',
] as const

function drawOrder({ chat, embeddings, languages }: Target, random: () => number): Order {
  const { id } = chat.manifest
  const words = 'word '.repeat(1 + Math.floor(random() * 100))
  const sampling = { temperature: random() < 0.5 ? 0 : 1.2, seed: Math.floor(random() * 1e9), top_k: 40, top_p: 0.95 }
  const chatting = (fields: object, content: string = pick(random, QUESTIONS)): Order => ({
    path: NODE_PATHS.chat,
    model: chat,
    body: JSON.stringify({ model: id, messages: [{ role: 'user', content }], stream: true, ...sampling, ...fields }),
  })
  const kind = random()
  if (kind < 0.35) return chatting({ max_tokens: 1 + Math.floor(random() * 120) })
  if (kind < 0.45) return chatting({ n: 3, max_tokens: 30 })
  if (kind < 0.5) return chatting({ logprobs: true, top_logprobs: 5, max_tokens: 20 })
  if (kind < 0.55) return chatting({ response_format: { type: 'json_object' }, max_tokens: 60 })
  if (kind < 0.6) return chatting({ max_tokens: 40 }, words.repeat(3))
  if (kind < 0.63) return { ...chatting({ stop: 'x'.repeat(1_000) }), isNonsense: true }
  if (kind < 0.66) return { ...chatting({}, 'a '.repeat(600)), isNonsense: true }
  if (kind < 0.76)
    return {
      path: NODE_PATHS.completions,
      model: chat,
      body: JSON.stringify({ model: id, prompt: [words, 'The capital of'], max_tokens: 16, stream: true, ...sampling }),
    }
  if (kind < 0.88) {
    const input = Array.from({ length: 1 + Math.floor(random() * 32) }, () => words)
    return {
      path: NODE_PATHS.embeddings,
      model: embeddings,
      body: JSON.stringify({ model: embeddings.manifest.id, input }),
    }
  }
  const texts = Array.from({ length: 1 + Math.floor(random() * 8) }, () => pick(random, QUESTIONS))
  const inputs = [{ name: 'text', datatype: 'BYTES' as const, shape: [texts.length], data: stringsToBytes(texts) }]
  const request = { modelName: languages.manifest.id, inputs, outputs: [], parameters: {} }
  return { path: NODE_PATHS.infer, model: languages, body: encodeRequest(request) }
}

/** `why` is there for what is the node's own fault. */
async function call(target: Target, order: Order, random: () => number): Promise<{ seen: Seen; why: string | null }> {
  const leaving = new AbortController()
  // From at once to long after most answers are whole.
  const leaves = random() < 0.3 ? setTimeout(() => leaving.abort(), 300 * random() ** 3) : undefined
  const isSlow = random() < 0.03
  // A call takes a second or two: one that takes a minute has been forgotten by somebody.
  const late = setTimeout(() => leaving.abort(new Error('a minute has passed')), CALL_MS)
  try {
    const response = await posted(target, order, leaving.signal)
    if (response.statusCode !== 200) {
      const parts: Buffer[] = []
      for await (const part of response) parts.push(Buffer.from(part as Uint8Array)) // no encoding was set
      const why = `${order.path}: ${response.statusCode} ${Buffer.concat(parts).toString()}`
      if (response.statusCode === 429) return { seen: 'busy', why: null }
      const isFair = order.isNonsense && response.statusCode === 400
      return isFair ? { seen: 'refused', why: null } : { seen: 'failed', why }
    }
    let tail = ''
    for await (const chunk of response) {
      tail = (tail + Buffer.from(chunk as Uint8Array).toString('latin1')).slice(-64)
      if (isSlow) await pause(50 * random())
    }
    const isStream = order.path === NODE_PATHS.chat || order.path === NODE_PATHS.completions
    if (!isStream || tail.includes('data: [DONE]')) return { seen: 'whole', why: null }
    return { seen: 'torn', why: `${order.path}: ends in ${JSON.stringify(tail)}` }
  } catch (cause) {
    const isLate = leaving.signal.reason instanceof Error && leaving.signal.reason.message === 'a minute has passed'
    if (leaving.signal.aborted && !isLate) return { seen: 'left', why: null }
    const reason = cause instanceof Error ? `${cause.message} (${String(cause.cause)})` : 'unknown'
    return { seen: 'torn', why: `${order.path}: ${reason}` }
  } finally {
    clearTimeout(leaves)
    clearTimeout(late)
  }
}

const CALL_MS = 60_000
const agent = new Agent({ keepAlive: true })

/** By node:http: among thousands of hang-ups fetch was seen never to settle, with no socket left open and no call left in the node. */
async function posted(target: Target, order: Order, signal: AbortSignal): Promise<IncomingMessage> {
  const headers = { authorization: `Souk ${await ticketFor(target, order)}` }
  return new Promise((resolve, reject) => {
    const asked = request(`${target.url}${order.path}`, { method: 'POST', headers, agent, signal }, resolve)
    asked.on('error', reject)
    asked.end(order.body)
  })
}

function ticketFor({ gateway, nodeKey }: Target, { path, model, body }: Order): Promise<string> {
  const iat = Math.floor(Date.now() / 1_000)
  const price = { input: '1', output: '1', cachedInput: '0', bytes: '1', perCall: '0' }
  return gateway.sign({
    ...{ iss: gateway.url, aud: nodeKey, jti: randomUUID(), iat, exp: iat + 60, callId: 'call_soak', attempt: 0, path },
    model: model.manifest.id,
    modelDigest: model.digest,
    inputTokensMax: 8_192,
    outputTokensMax: 1_024,
    tensorBytesMax: 1_000_000,
    prices: price,
    bodySha256: sha256Hex(body),
    salt: base64url(crypto.getRandomValues(new Uint8Array(16))),
    pseudonym: `account ${iat % 5}`,
  })
}
