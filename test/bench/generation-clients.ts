// The callers of generation.ts, in a process of their own, so that a node under test does not wait for them: a gateway that signs tickets, and
// clients that each send the next call when the last one ended. Told what to drive by messages; says what every call took.
import { Agent, request } from 'node:http'
import { performance } from 'node:perf_hooks'
import { loadModel } from '../../provider-node/model-store/check.ts'
import {
  aGateway,
  aTicket,
  CHAT_PATH,
  chatBody,
  shippedFolder,
  type FakeGateway,
  type Ordered,
} from '../provider-node/builders.ts'

export interface Drive {
  readonly url: string
  readonly nodeKey: string
  readonly connections: number
  readonly ms: number
  readonly outputTokens: number
  readonly questions: readonly string[]
}

export interface Driven {
  readonly calls: number
  readonly failed: number
  readonly outputTokens: number
  readonly seconds: number
  readonly firstTokenMs: readonly number[]
  readonly callMs: readonly number[]
}

export type FromClients = { readonly gatewayUrl: string } | Driven

interface Ended {
  readonly firstTokenMs: number
  readonly callMs: number
  readonly outputTokens: number
}

const gateway = await aGateway()
const [chat, embeddings] = await Promise.all(
  ['tiny-chat', 'word-vectors'].map((name) => loadModel(shippedFolder(name))),
)
process.on('message', (drive: Drive) => void driven(drive).then(tell))
process.on('disconnect', () => process.exit())
tell({ gatewayUrl: gateway.url })

function tell(message: FromClients): void {
  process.send?.(message)
}

/** A call that began is finished, and the last ones count only until the time is over: so that none is counted half. */
async function driven({ url, nodeKey, connections, ms, outputTokens, questions }: Drive): Promise<Driven> {
  if (!chat || !embeddings) throw new Error('a model is missing')
  const node: Ordered = { gateway, identity: { nodeKey }, chat, embeddings }
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  const ended: Ended[] = []
  let failed = 0
  let lastAt = 0
  const startedAt = performance.now()
  const client = async (index: number) => {
    for (let call = index; performance.now() - startedAt < ms; call += connections) {
      const body = chatBody(questions[call % questions.length] ?? '', { max_tokens: outputTokens })
      const end = await send(agent, url, body, await ticketFor(gateway, node, body, index)).catch(() => null)
      if (!end) failed += 1
      else if (performance.now() - startedAt <= ms) {
        ended.push(end)
        lastAt = performance.now()
      }
    }
  }
  await Promise.all(Array.from({ length: connections }, (_, index) => client(index)))
  agent.destroy()
  return {
    calls: ended.length,
    failed,
    outputTokens: ended.reduce((sum, one) => sum + one.outputTokens, 0),
    seconds: (lastAt - startedAt) / 1_000,
    firstTokenMs: ended.map((one) => one.firstTokenMs),
    callMs: ended.map((one) => one.callMs),
  }
}

const ticketFor = (by: FakeGateway, node: Ordered, body: string, index: number): Promise<string> =>
  by.sign(aTicket(node, CHAT_PATH, body, { pseudonym: `account ${index % 8}` }))

/** Reads as little of the answer as it can: the clients share the machine with the node. @throws Error when it was not a complete one */
function send(agent: Agent, url: string, body: string, ticket: string): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const sentAt = performance.now()
    let firstAt: number | null = null
    let tail = ''
    const headers = { authorization: `Souk ${ticket}`, 'content-type': 'application/json' }
    const sent = request(`${url}${CHAT_PATH}`, { method: 'POST', agent, headers }, (response) => {
      response.setEncoding('latin1')
      response.on('data', (part: string) => {
        if (part.includes('"content"')) firstAt ??= performance.now()
        tail = (tail + part).slice(-4_096)
      })
      response.on('error', reject)
      response.on('end', () => {
        const outputTokens = Number(/.*"completion_tokens":(\d+)/s.exec(tail)?.[1])
        if (firstAt === null || !tail.endsWith('data: [DONE]\n\n')) return reject(new Error('not a complete answer'))
        resolve({ firstTokenMs: firstAt - sentAt, callMs: performance.now() - sentAt, outputTokens })
      })
    })
    sent.on('error', reject)
    sent.end(body)
  })
}
