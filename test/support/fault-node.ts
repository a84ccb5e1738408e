// A node that speaks the wire and can misbehave: it joins through the public API like every other (wallet, EIP-712, challenge, probes) and
// then does what the test says. Its "model" counts: the prompt `count 5` answers `n0 n1 n2 n3 n4 `, one token an event.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { decodeJwt, exportJWK, generateKeyPair } from 'jose'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { z } from 'zod'
import { jcs, sha256Hex } from '../../protocol/canonical.ts'
import { createClient } from '../../protocol/client.ts'
import { importPrivateKey } from '../../protocol/keys.ts'
import { type ModelManifest } from '../../protocol/model.ts'
import {
  ChallengeRequest,
  challengeClaims,
  helloClaims,
  nodeAuthorizationDomain,
  nodeAuthorizationTypes,
  PROOF_TYP,
  registrationClaims,
  type OfferRequest,
} from '../../protocol/node.ts'
import { outputHash, requestHash, signReceipt } from '../../protocol/receipt.ts'
import { encodeSse } from '../../protocol/sse.ts'
import { signClaims, Ticket } from '../../protocol/ticket.ts'
import { fromBase64url, bytesToHex } from '../../protocol/canonical.ts'

export interface FaultNodeOptions {
  readonly gatewayUrl: string
  readonly chainId: number
  /** ms between two tokens; 0 sends as fast as it can */
  readonly tokenMs?: number
  readonly prices?: OfferRequest['prices']
}

/** What it does with the next calls. `n` counts tokens already sent. */
export type Behaviour =
  | { readonly kind: 'honest' }
  | { readonly kind: 'refuse'; readonly status: number; readonly code: string }
  | { readonly kind: 'silent' }
  | { readonly kind: 'cut'; readonly afterTokens: number }
  | { readonly kind: 'stall'; readonly afterTokens: number }
  | { readonly kind: 'garbage'; readonly afterTokens: number }
  | { readonly kind: 'inflate'; readonly factor: number }
  | { readonly kind: 'empty' }
  | { readonly kind: 'redirect'; readonly location: string }

export const COUNTING_MODEL: ModelManifest = countingModel('test/counter')

/** A model of its own for each suite, since one digest is one model. */
export function countingModel(id: string): ModelManifest {
  return {
    id,
    task: 'chat',
    description: 'counts',
    licence: 'Apache-2.0',
    files: { 'counter.txt': sha256Hex(id) },
    contextTokens: 8_192,
    outputTokensMax: 4_096,
    bytesPerTokenMin: 1,
    templateTokens: { fixed: 4, perMessage: 4 },
    probes: [{ input: 'count 3', contains: 'n0 n1 n2' }],
    royaltyBps: 500,
  }
}

const Body = z.object({
  model: z.string(),
  max_tokens: z.number(),
  messages: z.array(z.object({ role: z.string(), content: z.string() })),
})

export interface Seen {
  calls: number
  tokens: number
  readonly tokensByPrompt: Map<string, number>
  /** ms since the Unix epoch */
  readonly hungUpAt: number[]
}

export interface FaultNode {
  readonly nodeId: string
  readonly endpoint: string
  readonly operatorKey: `0x${string}`
  readonly operatorAccountId: string
  behaviour: Behaviour
  tokenMs: number
  /** calls and tokens since the start, tokens by prompt, and when a connection was closed while the node was still producing */
  readonly seen: Seen
  /** destroys every open connection at once, as a crash would */
  crash(): void
  stop(): Promise<void>
}

/** Registers a counting node for `manifest` (which must be published) and waits until it is routable. */
export async function startFaultNode(
  options: FaultNodeOptions,
  manifest: ModelManifest = COUNTING_MODEL,
): Promise<FaultNode> {
  const keys = await newNodeKeys()
  const operatorKey = generatePrivateKey()
  const seen: Seen = { calls: 0, tokens: 0, tokensByPrompt: new Map(), hungUpAt: [] }
  const state: { behaviour: Behaviour; tokenMs: number } = {
    behaviour: { kind: 'honest' },
    tokenMs: options.tokenMs ?? 0,
  }
  const server = createServer((request, response) => {
    void answer(request, response, { keys, state, seen, manifest }).catch(() => response.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const { nodeId, operatorAccountId } = await join(options, manifest, keys, endpoint, operatorKey)
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
    crash: () => server.closeAllConnections(),
    stop: () => close(server),
  }
}

type Keys = Awaited<ReturnType<typeof newNodeKeys>>

async function newNodeKeys() {
  const { privateKey } = await generateKeyPair('EdDSA', { extractable: true })
  const jwk = await exportJWK(privateKey)
  return { nodeKey: jwk.x ?? '', privateKey: await importPrivateKey(jwk) }
}

async function join(
  options: FaultNodeOptions,
  manifest: ModelManifest,
  keys: Keys,
  endpoint: string,
  operatorKey: `0x${string}`,
) {
  const operator = privateKeyToAccount(operatorKey)
  const settlementKey = privateKeyToAccount(generatePrivateKey()).address
  const client = await createClient({ url: options.gatewayUrl }).signIn(operator)
  const deadline = Math.floor(Date.now() / 1000) + 3_600
  const signature = await operator.signTypedData({
    domain: nodeAuthorizationDomain(options.chainId),
    types: nodeAuthorizationTypes,
    primaryType: 'NodeAuthorization',
    message: {
      operator: operator.address,
      nodeKey: `0x${bytesToHex(fromBase64url(keys.nodeKey))}`,
      settlementKey,
      deadline: BigInt(deadline),
    },
  })
  const claims = registrationClaims({ operator: operator.address, endpoint, settlementKey, deadline })
  const node = await client.registerNode({
    name: 'fault node',
    endpoint,
    nodeKey: keys.nodeKey,
    settlementKey,
    operator: operator.address,
    deadline,
    signature,
    nodeProof: await signClaims(claims, keys.privateKey, { typ: PROOF_TYP.registration }),
    offers: [
      {
        model: manifest.id,
        digest: sha256Hex(jcs({ files: manifest.files })),
        prices: options.prices ?? { inputPerMillion: '0.05', outputPerMillion: '0.20' },
        contextTokens: manifest.contextTokens,
        outputTokensMax: manifest.outputTokensMax,
        concurrencyMax: 1_000,
      },
    ],
  })
  for (let tries = 0; tries < 50; tries++) {
    const proof = await signClaims(helloClaims(node.id, Math.floor(Date.now() / 1000)), keys.privateKey, {
      typ: PROOF_TYP.hello,
    })
    const { state, reason } = await client.hello(node.id, proof)
    if (state === 'probation' || state === 'active')
      return { nodeId: node.id, operatorAccountId: (await client.account()).accountId }
    if (tries === 49) throw new Error(`the fault node stayed ${state}: ${reason}`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error('unreachable')
}

interface Context {
  readonly keys: Keys
  readonly state: { behaviour: Behaviour; tokenMs: number }
  readonly seen: Seen
  readonly manifest: ModelManifest
}

async function answer(request: IncomingMessage, response: ServerResponse, context: Context): Promise<void> {
  const text = await readAll(request)
  if (request.url === '/souk/challenge') {
    const proof = await signClaims(challengeClaims(ChallengeRequest.parse(JSON.parse(text))), context.keys.privateKey, {
      typ: PROOF_TYP.challenge,
    })
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ proof }))
    return
  }
  context.seen.calls += 1
  const { behaviour } = context.state
  if (behaviour.kind === 'refuse') {
    response
      .writeHead(behaviour.status, { 'content-type': 'application/json' })
      .end(JSON.stringify({ error: { code: behaviour.code } }))
    return
  }
  if (behaviour.kind === 'redirect') {
    response.writeHead(307, { location: behaviour.location }).end()
    return
  }
  if (behaviour.kind === 'silent') return
  // The ticket's signature is the real node's to check; a test node trusts its gateway.
  const ticket = Ticket.parse(decodeJwt(request.headers.authorization?.replace(/^Souk /, '') ?? ''))
  await stream(response, Body.parse(JSON.parse(text)), JSON.parse(text) as unknown, ticket, context)
}

async function stream(
  response: ServerResponse,
  body: z.infer<typeof Body>,
  raw: unknown,
  ticket: Ticket,
  context: Context,
): Promise<void> {
  const { state, seen, keys } = context
  const { behaviour } = state
  const prompt = body.messages.at(-1)?.content ?? ''
  const wanted = Math.min(Number(/count (\d+)/.exec(prompt)?.[1] ?? 3), body.max_tokens)
  const inputTokens = prompt.split(/\s+/).length
  const startedAt = new Date().toISOString()
  response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
  let output = ''
  let gone = false
  response.on('close', () => {
    gone = true
    if (!response.writableFinished) seen.hungUpAt.push(Date.now())
  })
  const event = (content: string, finish: string | null, tokens: number, receipt?: string) => {
    const factor = behaviour.kind === 'inflate' ? behaviour.factor : 1
    const usage = { prompt_tokens: inputTokens * factor, completion_tokens: tokens * factor }
    response.write(
      encodeSse(
        JSON.stringify({
          choices: [{ index: 0, delta: { content }, finish_reason: finish }],
          usage,
          ...(receipt ? { receipt } : {}),
        }),
      ),
    )
  }
  for (let n = 0; n < wanted && !gone && behaviour.kind !== 'empty'; n++) {
    if (behaviour.kind === 'cut' && n === behaviour.afterTokens) return void response.destroy()
    if (behaviour.kind === 'stall' && n === behaviour.afterTokens) return
    if (behaviour.kind === 'garbage' && n === behaviour.afterTokens) response.write('data: {"choices": [{{\n\n')
    if (state.tokenMs > 0) await new Promise((resolve) => setTimeout(resolve, state.tokenMs))
    output += `n${n} `
    seen.tokens += 1
    seen.tokensByPrompt.set(prompt, n + 1)
    event(`n${n} `, null, n + 1)
  }
  if (gone) return
  const outputTokens = behaviour.kind === 'empty' ? 0 : wanted
  const receipt = await signReceipt(
    {
      jti: ticket.jti,
      callId: ticket.callId,
      attempt: ticket.attempt,
      nodeKey: keys.nodeKey,
      model: ticket.model,
      modelDigest: ticket.modelDigest,
      request: requestHash(ticket.salt, raw),
      outputs: [outputHash(ticket.salt, output)],
      inputTokens,
      outputTokens,
      startedAt,
      firstOutputAt: startedAt,
      endedAt: new Date().toISOString(),
      outcome: 'complete',
      continuedCharacters: 0,
    },
    keys.privateKey,
  )
  event('', wanted < body.max_tokens ? 'stop' : 'length', outputTokens, receipt)
  response.end(encodeSse('[DONE]'))
}

async function readAll(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part as Buffer)
  return Buffer.concat(parts).toString('utf8')
}

function close(server: Server): Promise<void> {
  server.closeAllConnections()
  return new Promise((resolve) => server.close(() => resolve()))
}
