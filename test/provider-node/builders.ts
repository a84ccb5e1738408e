// A gateway that signs tickets and takes registrations, a node on the real models, and calls to it. The fake is the gateway: the node,
// its models and its sockets are real.
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { calculateJwkThumbprint, exportJWK, generateKeyPair } from 'jose'
import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { base64url, sha256Hex } from '../../protocol/canonical.ts'
import { NodeChatEvent } from '../../protocol/node.ts'
import { SseDecoder } from '../../protocol/sse.ts'
import { signTicket, type Ticket } from '../../protocol/ticket.ts'
import { parseConfig, type NodeConfig } from '../../provider-node/config.ts'
import { createIdentity, type Identity } from '../../provider-node/identity.ts'
import { loadModel } from '../../provider-node/model-store/check.ts'
import type { LoadedModel } from '../../provider-node/model-store/manifest.ts'
import { startNode, type NodeOptions, type RunningNode } from '../../provider-node/node.ts'

export const shippedFolder = (name: string): string =>
  fileURLToPath(new URL(`../../provider-node/models/${name}`, import.meta.url))

export async function aTemporaryFolder(): Promise<{ path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'souk-node-'))
  return { path, remove: () => rm(path, { recursive: true, force: true }) }
}

export interface FakeGateway {
  readonly url: string
  readonly app: Hono
  /** how often the keys were asked for */
  keyRequests(): number
  sign(ticket: Ticket): Promise<string>
  close(): Promise<void>
}

export async function aGateway(): Promise<FakeGateway> {
  const { privateKey, publicKey } = await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true })
  const jwk = await exportJWK(publicKey)
  const kid = await calculateJwkThumbprint(jwk)
  let keyRequests = 0
  const app = new Hono()
  app.get('/.well-known/jwks.json', (c) => {
    keyRequests += 1
    return c.json({ keys: [{ ...jwk, kid, alg: 'EdDSA', use: 'sig' }] })
  })
  return new Promise((resolve) => {
    const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 }, ({ port }) =>
      resolve({
        url: `http://127.0.0.1:${port}`,
        app,
        keyRequests: () => keyRequests,
        sign: (ticket) => signTicket(ticket, privateKey, kid),
        close: () => new Promise<void>((done) => server.close(() => done())),
      }),
    )
  })
}

export const aConfig = (gateway: string, overrides: Partial<NodeConfig> = {}): NodeConfig =>
  parseConfig(
    {
      version: 1,
      name: 'test node',
      gateway,
      endpoint: 'https://node.example',
      host: '127.0.0.1',
      port: 0,
      nodeId: null,
      drainMs: 5_000,
      models: ['tiny-chat', 'word-vectors'].map((folder) => ({
        folder,
        prices: { inputPerMillion: '1', outputPerMillion: '2' },
      })),
      ...overrides,
    },
    'the test',
  )

export interface TestNode extends Omit<RunningNode, 'url'> {
  /** where it listens; '' for a node that listens nowhere */
  readonly url: string
  readonly identity: Identity
  readonly gateway: FakeGateway
  readonly chat: LoadedModel
  readonly embeddings: LoadedModel
  /** Stops the node and its gateway, removes its folder. */
  dispose(): Promise<void>
}

export async function aNode(
  overrides: Partial<NodeConfig> = {},
  options: Partial<Pick<NodeOptions, 'now' | 'log' | 'nodeId' | 'requestMs' | 'env' | 'modelsEveryMs'>> = {},
): Promise<TestNode> {
  const gateway = await aGateway()
  const home = await aTemporaryFolder()
  const identity = await createIdentity(home.path)
  const node = await startNode({ config: aConfig(gateway.url, overrides), identity, home: home.path, ...options })
  return {
    ...node,
    url: node.url ?? '',
    identity,
    gateway,
    chat: await loadModel(shippedFolder('tiny-chat')),
    embeddings: await loadModel(shippedFolder('word-vectors')),
    async dispose() {
      await node.stop()
      await gateway.close()
      await home.remove()
    },
  }
}

export const CHAT_PATH = '/v1/chat/completions'
export const COMPLETIONS_PATH = '/v1/completions'
export const EMBEDDINGS_PATH = '/v1/embeddings'

/** What a ticket says of a node. */
export type Ordered = Pick<TestNode, 'chat' | 'embeddings'> & {
  readonly gateway: Pick<FakeGateway, 'url'>
  readonly identity: Pick<Identity, 'nodeKey'>
}

/** A good ticket for this body; `overrides` make it a bad one. */
export function aTicket(node: Ordered, path: string, body: string, overrides: Partial<Ticket> = {}): Ticket {
  const model = path === EMBEDDINGS_PATH ? node.embeddings : node.chat
  const now = Math.floor(Date.now() / 1_000)
  return {
    iss: node.gateway.url,
    aud: node.identity.nodeKey,
    jti: randomUUID(),
    iat: now,
    exp: now + 60,
    callId: 'call_00000000000000000000000000',
    attempt: 0,
    path,
    model: model.manifest.id,
    modelDigest: model.digest,
    inputTokensMax: 512,
    outputTokensMax: 256,
    prices: { input: '50000000', output: '200000000', cachedInput: '0', bytes: '0', perCall: '0' },
    bodySha256: sha256Hex(body),
    salt: base64url(randomBytes(16)),
    pseudonym: 'somebody',
    ...overrides,
  }
}

export const chatBody = (content: string, fields: object = {}): string =>
  JSON.stringify({ model: 'souk/tiny-chat', messages: [{ role: 'user', content }], stream: true, ...fields })

export const A_STORY = 'Could you write a story about a frog?'

/** Sends a body with its ticket, as the gateway would. */
export async function send(
  node: TestNode,
  path: string,
  body: string,
  ticket: Ticket = aTicket(node, path, body),
  init: RequestInit = {},
): Promise<Response> {
  const headers = { authorization: `Souk ${await node.gateway.sign(ticket)}`, 'content-type': 'application/json' }
  return fetch(`${node.url}${path}`, { method: 'POST', headers, body, ...init })
}

export interface Answer {
  readonly text: string
  readonly events: NodeChatEvent[]
  readonly isDone: boolean
}

/** The events of a chat answer; a connection that breaks off gives what came until then. */
export async function readAnswer(response: Response): Promise<Answer> {
  const decoder = new SseDecoder()
  const data: string[] = []
  try {
    for await (const chunk of response.body ?? []) data.push(...decoder.push(chunk).map((event) => event.data))
  } catch {
    // Broken off: `isDone` says so.
  }
  const events = data.filter((text) => text !== '[DONE]').map((text) => NodeChatEvent.parse(JSON.parse(text)))
  const text = events.map((event) => event.choices[0]?.delta.content ?? '').join('')
  return { text, events, isDone: data.at(-1) === '[DONE]' }
}

export async function metric(node: { url: string }, name: string): Promise<number> {
  const page = await (await fetch(`${node.url}/metrics`)).text()
  const line = page.split('\n').find((text) => text.startsWith(`${name} `) || text.startsWith(`${name}{`))
  return Number(line?.split(' ').at(-1))
}

/** Looks again until it holds; for what another thread or process does in its own time. */
export async function eventually(check: () => Promise<boolean> | boolean, ms = 10_000): Promise<void> {
  const end = Date.now() + ms
  while (!(await check())) {
    if (Date.now() > end) throw new Error('it did not happen in time')
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
