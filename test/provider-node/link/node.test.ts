// The whole node behind its link: real models, real tickets, no port. The gateway is the fake one, so that it can see every frame and leave at any moment.
import { calculateJwkThumbprint, exportJWK, generateKeyPair } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { importPublicKey } from '../../../protocol/keys.ts'
import { LINK, LINK_CLOSE, LINK_ENDPOINT } from '../../../protocol/link.ts'
import {
  challengeClaims,
  ChallengeReply,
  ChallengeRequest,
  NodeChatEvent,
  NodeEmbeddingReply,
  PROOF_TYP,
} from '../../../protocol/node.ts'
import { verifyReceipt } from '../../../protocol/receipt.ts'
import { SseDecoder } from '../../../protocol/sse.ts'
import { signTicket, verifyClaims, type Ticket } from '../../../protocol/ticket.ts'
import { createIdentity, type Identity } from '../../../provider-node/identity.ts'
import { loadModel } from '../../../provider-node/model-store/check.ts'
import { startNode, type RunningNode } from '../../../provider-node/node.ts'
import {
  A_STORY,
  aConfig,
  aTemporaryFolder,
  aTicket,
  CHAT_PATH,
  chatBody,
  EMBEDDINGS_PATH,
  eventually,
  shippedFolder,
  type Ordered,
} from '../builders.ts'
import { aLog } from '../model-store/builders.ts'
import { aLinkGateway, ended, type Exchange, type FakeLink, type FakeLinkGateway } from './fake-gateway.ts'

interface Linked extends Ordered {
  readonly node: RunningNode
  readonly gateway: FakeLinkGateway
  readonly identity: Identity
  readonly lines: ReturnType<typeof aLog>['lines']
  sign(ticket: Ticket): Promise<string>
  /** A call with a good ticket, over the newest link. */
  call(path: string, body: string, options?: { grants?: boolean }): Promise<{ exchange: Exchange; link: FakeLink }>
  outcomes(): Promise<string[]>
  stop(): Promise<void>
}

async function aLinkedNode(drainMs = 5_000): Promise<Linked> {
  const { privateKey, publicKey } = await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true })
  const jwk = await exportJWK(publicKey)
  const kid = await calculateJwkThumbprint(jwk)
  const gateway = await aLinkGateway((request, response) => {
    const isKeys = request.url === '/.well-known/jwks.json'
    response.writeHead(isKeys ? 200 : 404, { 'content-type': 'application/json' })
    response.end(JSON.stringify(isKeys ? { keys: [{ ...jwk, kid }] } : {}))
  })
  const home = await aTemporaryFolder()
  const identity = await createIdentity(home.path)
  const { log, lines } = aLog()
  const config = aConfig(gateway.url, { endpoint: null, port: null, nodeId: 'node_1', drainMs })
  const node = await startNode({ config, identity, home: home.path, log })
  const chat = await loadModel(shippedFolder('tiny-chat'))
  const embeddings = await loadModel(shippedFolder('word-vectors'))
  const ordered = { gateway, identity, chat, embeddings }
  const sign = (ticket: Ticket) => signTicket(ticket, privateKey, kid)
  return {
    ...ordered,
    ...{ node, lines, sign },
    async call(path, body, options) {
      const link = await gateway.link()
      const ticket = await sign(aTicket(ordered, path, body))
      return { link, exchange: link.call({ path, ticket }, body, options) }
    },
    async outcomes() {
      const key = await importPublicKey(identity.nodeKey)
      const receipts = await Promise.all(node.receipts().map((jws) => verifyReceipt(jws, key)))
      return receipts.map((receipt) => (receipt.ok ? receipt.value.outcome : receipt.code))
    },
    async stop() {
      await node.stop()
      await gateway.close()
      await home.remove()
    },
  }
}

function answerOf(exchange: Exchange): { text: string; isDone: boolean } {
  const data = new SseDecoder().push(new TextEncoder().encode(exchange.text)).map((event) => event.data)
  const events = data.filter((text) => text !== '[DONE]').map((text) => NodeChatEvent.parse(JSON.parse(text)))
  const text = events.map((event) => event.choices[0]?.delta.content ?? '').join('')
  return { text, isDone: data.at(-1) === '[DONE]' }
}

let linked: Linked
beforeAll(async () => {
  linked = await aLinkedNode()
})
afterAll(() => linked?.stop())

describe('a node that listens nowhere', () => {
  it('says that it is reached by its link, and has no address', async () => {
    expect([linked.node.url, linked.node.link]).toEqual([null, `${linked.gateway.url.replace('http', 'ws')}/link`])
    await linked.node.linked
  })

  it('proves over its link that it is there, and for no other endpoint', async () => {
    const link = await linked.gateway.link()
    const ask = async (endpoint: string) => {
      const body = JSON.stringify({ challenge: 'A'.repeat(43), endpoint })
      return { body, ...(await ended(link.call({ path: '/souk/challenge' }, body))) }
    }
    const { head, text, body } = await ask(LINK_ENDPOINT)
    expect(head?.status).toBe(200)
    const { proof } = ChallengeReply.parse(JSON.parse(text))
    const key = await importPublicKey(linked.identity.nodeKey)
    const claims = z.object({ use: z.string(), challenge: z.string(), endpoint: z.string() })
    const verified = await verifyClaims(proof, PROOF_TYP.challenge, claims, () => Promise.resolve(key))
    expect(verified).toEqual({ ok: true, value: challengeClaims(ChallengeRequest.parse(JSON.parse(body))) })
    expect((await ask('https://node.example')).head?.status).toBe(400)
  })

  it('streams text with its receipt, and vectors, over one socket', async () => {
    const chat = await linked.call(CHAT_PATH, chatBody(A_STORY))
    const embed = await linked.call(EMBEDDINGS_PATH, JSON.stringify({ model: 'souk/word-vectors', input: ['frog'] }))
    expect(answerOf(await ended(chat.exchange))).toMatchObject({ isDone: true })
    expect(chat.exchange.head).toEqual({ status: 200, contentType: 'text/event-stream; charset=utf-8' })
    expect(NodeEmbeddingReply.parse(JSON.parse((await ended(embed.exchange)).text)).data).toHaveLength(1)
    expect(linked.gateway.links).toHaveLength(1)
    expect(await linked.outcomes()).toEqual(expect.arrayContaining(['complete']))
  })

  it.each([
    ['without a ticket', '', 401],
    ['with a ticket of a stranger', 'a.b.c', 401],
  ])('refuses a call %s as over HTTPS', async (_, ticket, status) => {
    const link = await linked.gateway.link()
    const { head } = await ended(link.call({ path: CHAT_PATH, ticket }, chatBody('hello')))
    expect(head?.status).toBe(status)
  })

  it('refuses another body than the one that was ordered, and one ticket twice', async () => {
    const link = await linked.gateway.link()
    const body = chatBody('What is the capital of France?')
    const ticket = await linked.sign(aTicket(linked, CHAT_PATH, body))
    const ask = async (sent: string) => (await ended(link.call({ path: CHAT_PATH, ticket }, sent))).head?.status
    expect([await ask(`${body} `), await ask(body), await ask(body)]).toEqual([401, 200, 401])
  })

  it('accepts at once while its engine is busy, tells who must wait, and stops computing what was cancelled', async () => {
    const stories = await Promise.all(Array.from({ length: 100 }, () => linked.call(CHAT_PATH, chatBody(A_STORY))))
    const asked = Date.now()
    await eventually(() => stories.every(({ exchange }) => exchange.answeredAt !== null))
    expect(Math.max(...stories.map(({ exchange }) => exchange.answeredAt ?? Infinity)) - asked).toBeLessThan(
      LINK.acceptMs,
    )
    const before = (await linked.outcomes()).length
    const [first] = stories
    if (!first) throw new Error('no story')
    await eventually(() => first.exchange.bytes > 0)
    first.link.cancel(first.exchange)
    await eventually(async () => (await linked.outcomes()).slice(before).includes('cancelled'))
    for (const { exchange } of stories) await ended(exchange, 60_000)
    const statuses = new Set(stories.map(({ exchange }) => exchange.head?.status))
    expect([...statuses].sort()).toEqual([200, 429])
  }, 120_000)

  it('signs a receipt for every call that a broken link cut off, and serves again when it is back', async () => {
    const before = (await linked.outcomes()).length
    const stories = await Promise.all(Array.from({ length: 3 }, () => linked.call(CHAT_PATH, chatBody(A_STORY))))
    await eventually(() => stories.every(({ exchange }) => exchange.bytes > 0))
    stories[0]?.link.socket.terminate()
    await eventually(async () => (await linked.outcomes()).length === before + 3)
    expect((await linked.outcomes()).slice(before)).toEqual(['cancelled', 'cancelled', 'cancelled'])
    await eventually(() => linked.gateway.links.length === 2, 10_000)
    const { exchange } = await linked.call(CHAT_PATH, chatBody('What is the capital of France?'))
    expect(answerOf(await ended(exchange))).toEqual({ text: 'The capital of France is Paris.', isDone: true })
  })
})

describe('a node that is told to stop', () => {
  it('drains over its link: says so, finishes what runs with its receipt, and closes as one that comes back', async () => {
    const it = await aLinkedNode()
    const { exchange, link } = await it.call(CHAT_PATH, chatBody(A_STORY))
    await eventually(() => exchange.bytes > 0)
    const stopped = it.node.stop()
    await eventually(() => link.isDraining)
    const late = await it.call(CHAT_PATH, chatBody('hello'))
    expect((await ended(late.exchange)).refused?.code).toBe('draining')
    await stopped
    await eventually(() => link.closed !== null)
    expect(answerOf(exchange).isDone).toBe(true)
    expect([link.closed?.code, await it.outcomes()]).toEqual([LINK_CLOSE.going, ['complete']])
    await it.stop()
  })

  it('breaks off what takes longer than it may, with a receipt that says cancelled', async () => {
    const it = await aLinkedNode(0)
    const { exchange, link } = await it.call(CHAT_PATH, chatBody(A_STORY))
    await eventually(() => exchange.bytes > 0)
    await it.node.stop()
    await eventually(() => link.closed !== null)
    expect([exchange.end, answerOf(exchange).isDone]).toEqual(['cancel', false])
    expect(await it.outcomes()).toEqual(['cancelled'])
    await it.stop()
  })
})
