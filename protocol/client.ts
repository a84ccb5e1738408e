// The SDK for programs that hold a wallet: sign in, manage keys, register models and nodes. Inference itself needs no SDK of ours:
// point any OpenAI client at `${url}/v1`. Every reply is parsed with the schema of the wire; a refusal is thrown as SoukError.
import type { z } from 'zod'
import { AccountView, CreatedKey, NonceReply, VerifyReply, type CreateKeyRequest } from './auth.ts'
import { EndpointsReply, QuoteReply, type QuoteRequest } from './endpoints.ts'
import { readEvents } from './event-stream.ts'
import { ModelManifest } from './model.ts'
import { NodeView, type RegisterNodeRequest } from './node.ts'
import { ModelView, publicationOf, type ModelStateRequest, type Publication } from './publish.ts'
import { soukErrorOf } from './refusal.ts'
import { SoukError } from './souk-error.ts'

/** For receivers of webhooks: checks a message before anything in it is believed. */
export { verifyWebhook, type VerifiedWebhook, type WebhookHeaders, type WebhookRefusal } from './webhook.ts'

export { SoukError }

export interface Wallet {
  readonly address: string
  /** EIP-191 personal signature of a text, as 0x-hex */
  signMessage(input: { message: string }): Promise<string>
}

/** A wallet that signs what it publishes: an account of viem is one. */
export interface AuthorWallet {
  readonly address: `0x${string}`
  /** EIP-712, as 0x-hex */
  signTypedData(publication: Publication): Promise<string>
}

/** ms until a request is given up */
const TIMEOUT_MS = 30_000
/** s between an author's signature and its end, by the gateway's own clock: enough for one request */
const PUBLICATION_SECONDS = 3_600

export interface ClientOptions {
  /** the gateway's address, without a path */
  readonly url: string
  readonly token?: string
  readonly fetch?: typeof fetch
  /** milliseconds until a request is given up */
  readonly timeoutMs?: number
}

/** EIP-4361, as the gateway's nonce reply wants it. @param nonce the reply of `POST /auth/nonce` */
export function signInMessage(address: string, nonce: NonceReply): string {
  return [
    `${nonce.domain} wants you to sign in with your Ethereum account:`,
    address,
    '',
    nonce.statement,
    '',
    `URI: ${nonce.uri}`,
    'Version: 1',
    `Chain ID: ${nonce.chainId}`,
    `Nonce: ${nonce.nonce}`,
    `Issued At: ${nonce.issuedAt}`,
    `Expiration Time: ${nonce.expirationTime}`,
  ].join('\n')
}

export interface Client {
  /** the session's bearer token, null before signing in */
  readonly token: string | null
  /** A new client that carries the session. @throws SoukError `sign_in_refused`; `wrong_domain` before anything is signed */
  signIn(wallet: Wallet): Promise<Client>
  account(): Promise<AccountView>
  createKey(key: z.input<typeof CreateKeyRequest>): Promise<CreatedKey>
  /** Signs the manifest and publishes it, or changes what may change of a model that is there. @param author a wallet of the signed-in account */
  publishModel(manifest: ModelManifest, author: AuthorWallet): Promise<ModelView>
  model(id: string): Promise<ModelView>
  /** @throws SoukError fresh_sign_in_required, and `conflict` for a change that makes no sense */
  setModelState(id: string, state: ModelStateRequest): Promise<ModelView>
  registerNode(registration: z.input<typeof RegisterNodeRequest>): Promise<NodeView>
  node(nodeId: string): Promise<NodeView>
  /** Tells the gateway that this node is up; needs no session, the proof is signed by the node's key. */
  hello(nodeId: string, proof: string): Promise<NodeView>
  /** The most a call can cost, and a lock on its prices. Asked with an API key as the token, as the call itself. */
  quote(request: z.input<typeof QuoteRequest>): Promise<QuoteReply>
  /** Who serves a model now, at which prices, and how well; needs no session. */
  endpoints(modelId: string): Promise<EndpointsReply>
  /** Any other route, its reply parsed with `schema`. */
  send<T>(method: string, path: string, schema: z.ZodType<T>, body?: unknown): Promise<T>
  /**
   * A streamed answer, event by event, for a body with `stream: true`; leaving the loop ends the call. The time-out is for its beginning.
   * @throws SoukError also when the answer breaks off
   */
  stream(path: string, body: unknown): AsyncGenerator<unknown, void>
}

/** A client for one gateway. Every method throws SoukError on a refusal and ZodError on a reply that is not of the wire. */
export function createClient(options: ClientOptions): Client {
  const send = <T>(method: string, path: string, schema: z.ZodType<T>, body?: unknown): Promise<T> =>
    request(options, method, path, schema, body)
  return {
    token: options.token ?? null,
    async signIn(wallet) {
      const nonce = await send('POST', '/auth/nonce', NonceReply, {})
      requireOwnDomain(nonce, options.url)
      const message = signInMessage(wallet.address, nonce)
      const signature = await wallet.signMessage({ message })
      const session = await send('POST', '/auth/verify', VerifyReply, { message, signature })
      return createClient({ ...options, token: session.token })
    },
    account: () => send('GET', '/api/account', AccountView),
    createKey: (key: z.input<typeof CreateKeyRequest>) => send('POST', '/api/keys', CreatedKey, key),
    async publishModel(given, author) {
      const manifest = ModelManifest.parse(given)
      const { chainId, issuedAt } = await send('POST', '/auth/nonce', NonceReply, {})
      const deadline = Math.floor(Date.parse(issuedAt) / 1_000) + PUBLICATION_SECONDS
      const signature = await author.signTypedData(publicationOf(manifest, author.address, deadline, chainId))
      return send('POST', '/api/models', ModelView, { manifest, author: author.address, deadline, signature })
    },
    model: (id: string) => send('GET', `/api/models/${id}`, ModelView),
    setModelState: (id: string, state: ModelStateRequest) => send('PUT', `/api/models/${id}/state`, ModelView, state),
    registerNode: (registration: z.input<typeof RegisterNodeRequest>) =>
      send('POST', '/api/nodes', NodeView, registration),
    node: (nodeId: string) => send('GET', `/api/nodes/${encodeURIComponent(nodeId)}`, NodeView),
    hello: (nodeId: string, proof: string) =>
      send('POST', `/api/nodes/${encodeURIComponent(nodeId)}/hello`, NodeView, { proof }),
    endpoints: (modelId: string) => send('GET', `/v1/models/${modelId}/endpoints`, EndpointsReply),
    quote: (request: z.input<typeof QuoteRequest>) => send('POST', '/v1/quote', QuoteReply, request),
    send,
    async *stream(path, body) {
      const begun = new AbortController()
      const timer = setTimeout(() => begun.abort(), options.timeoutMs ?? TIMEOUT_MS)
      const response = await ask(options, 'POST', path, body, begun.signal).finally(() => clearTimeout(timer))
      if (!response.ok || !response.body) throw await refusalOf(response, `POST ${path}`)
      yield* readEvents(response.body)
    },
  }
}

/** EIP-4361: a wallet signs in where it is, so that a gateway that hands on another one's nonce gets no signature that counts there. */
function requireOwnDomain({ domain, uri }: NonceReply, url: string): void {
  const { host } = new URL(url)
  if (domain === host && URL.canParse(uri) && new URL(uri).host === host) return
  const text = `it signs in at ${JSON.stringify(domain)}, and was asked at ${host}: nothing was signed. Give its own address`
  throw new SoukError(0, 'wrong_domain', text, null)
}

async function request<T>(
  options: ClientOptions,
  method: string,
  path: string,
  schema: z.ZodType<T>,
  body: unknown,
): Promise<T> {
  const signal = AbortSignal.timeout(options.timeoutMs ?? TIMEOUT_MS)
  const response = await ask(options, method, path, body, signal)
  if (!response.ok) throw await refusalOf(response, `${method} ${path}`)
  return schema.parse(await response.json().catch(() => null))
}

function ask(options: ClientOptions, method: string, path: string, body: unknown, signal: AbortSignal) {
  const headers: Record<string, string> = { accept: 'application/json' }
  if (options.token) headers.authorization = `Bearer ${options.token}`
  if (body !== undefined) headers['content-type'] = 'application/json'
  return (options.fetch ?? fetch)(new URL(path, options.url), {
    method,
    headers,
    signal,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
}

async function refusalOf(response: Response, what: string): Promise<SoukError> {
  const json: unknown = await response.json().catch(() => null)
  const unreadable = () =>
    new SoukError(response.status, 'unreadable_reply', `${what} answered ${response.status}`, null)
  return soukErrorOf(response.status, json) ?? unreadable()
}
