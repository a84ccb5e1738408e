// A tiny node behind a link of its own: answers challenges and probe calls as a good node does, checks its tickets as a good node does, and
// misbehaves where a test says so. Its key is a real Ed25519 key and its receipts are really signed.
import { exportJWK, generateKeyPair, type CryptoKey } from 'jose'
import { TEST_KEY } from './market-app.ts'
import type { NodeLink, NodeRequest } from '../../../gateway/link/node-link.ts'
import { sha256Hex } from '../../../protocol/canonical.ts'
import { importPublicKey } from '../../../protocol/keys.ts'
import { challengeClaims, ChallengeRequest, PROOF_TYP } from '../../../protocol/node.ts'
import {
  outputHash,
  requestHash,
  signReceipt,
  tensorRequestHash,
  vectorBytes,
  type Receipt,
} from '../../../protocol/receipt.ts'
import { decodeRequest, encodeAnswer } from '../../../protocol/oip-canonical.ts'
import { tensorBytes, type InferAnswer, type InferRequest } from '../../../protocol/oip.ts'
import { encodeSse } from '../../../protocol/sse.ts'
import { signClaims, verifyTicket, type Ticket } from '../../../protocol/ticket.ts'

export interface Misbehaviour {
  /** instead of the challenge's proof */
  challenge?: (request: ChallengeRequest) => Response | Promise<Response>
  /** signs proofs */
  proofKey?: CryptoKey
  /** instead of any answer to a probe */
  answer?: (request: NodeRequest) => Response | Promise<Response>
  text?: string
  vector?: number[]
  /** what it computes; absent: it gives its inputs back as they are */
  infer?: (request: InferRequest) => InferAnswer
  receipt?: Partial<Receipt>
  receiptKey?: CryptoKey
  withoutReceipt?: boolean
}

export type FakeNode = Awaited<ReturnType<typeof createFakeNode>>

export const newKey = () => generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true })

export async function createFakeNode(now: () => number) {
  const { privateKey, publicKey } = await newKey()
  const nodeKey = (await exportJWK(publicKey)).x ?? ''
  const calls: NodeRequest[] = []
  const tickets: Ticket[] = []
  const node = { nodeKey, privateKey, calls, tickets, bad: {} as Misbehaviour, link: { send } satisfies NodeLink }

  async function send(request: NodeRequest): Promise<Response> {
    calls.push(request)
    if (typeof request.body !== 'string')
      return node.bad.answer ? node.bad.answer(request) : infer(request, request.body)
    const body: unknown = JSON.parse(request.body)
    if (request.path === '/souk/challenge') return challenge(ChallengeRequest.parse(body))
    if (node.bad.answer) return node.bad.answer(request)
    const ticket = await checkedTicket(request)
    tickets.push(ticket)
    if (request.path === '/v1/embeddings') {
      const embedding = node.bad.vector ?? [0.5, -0.5, 0.25, 0.125]
      const hash = outputHash(ticket.salt, vectorBytes(embedding))
      return Response.json({ data: [{ index: 0, embedding }], ...(await receiptForWords(ticket, body, hash)) })
    }
    const text = node.bad.text ?? 'The capital of France is Paris.'
    const last = { choices: [], ...(await receiptForWords(ticket, body, outputHash(ticket.salt, text))) }
    const pieces = [text.slice(0, 5), text.slice(5)].map((content) => ({ choices: [{ index: 0, delta: { content } }] }))
    return new Response(
      [...pieces, last].map((event) => encodeSse(JSON.stringify(event))).join('') + encodeSse('[DONE]'),
    )
  }

  async function infer(request: NodeRequest, body: Uint8Array): Promise<Response> {
    const ticket = await checkedTicket(request)
    tickets.push(ticket)
    const read = decodeRequest(body)
    if (!read.ok) throw new Error('a request that no node would accept')
    const { modelName, inputs } = read.value
    const answer = node.bad.infer?.(read.value) ?? { modelName, outputs: inputs }
    const { receipt } = await receiptFor(ticket, {
      request: tensorRequestHash(ticket.salt, body),
      outputs: answer.outputs.map(({ data }) => outputHash(ticket.salt, data)),
      tensorBytes: tensorBytes(inputs) + tensorBytes(answer.outputs),
    })
    return new Response(encodeAnswer(answer, receipt ?? null))
  }

  async function challenge(request: ChallengeRequest): Promise<Response> {
    if (node.bad.challenge) return node.bad.challenge(request)
    const key = node.bad.proofKey ?? privateKey
    return Response.json({ proof: await signClaims(challengeClaims(request), key, { typ: PROOF_TYP.challenge }) })
  }

  async function checkedTicket(request: NodeRequest): Promise<Ticket> {
    const resolveKey = () => importPublicKey(TEST_KEY.x)
    const check = { resolveKey, audience: nodeKey, nowSeconds: Math.floor(now() / 1_000) }
    const verified = await verifyTicket(request.ticket, check)
    if (!verified.ok) throw new Error(`a ticket that no node would accept: ${verified.code}`)
    const ticket = verified.value
    if (ticket.bodySha256 !== sha256Hex(request.body) || ticket.path !== request.path) throw new Error('another body')
    return ticket
  }

  const receiptForWords = (ticket: Ticket, body: unknown, output: string) =>
    receiptFor(ticket, { request: requestHash(ticket.salt, body), outputs: [output], inputTokens: 9, outputTokens: 7 })

  async function receiptFor(
    ticket: Ticket,
    done: Pick<Receipt, 'request' | 'outputs'> & Partial<Receipt>,
  ): Promise<{ receipt?: string }> {
    if (node.bad.withoutReceipt) return {}
    const at = new Date(now()).toISOString()
    const { jti, callId, attempt, model, modelDigest } = ticket
    const receipt: Receipt = {
      ...{ jti, callId, attempt, nodeKey, model, modelDigest },
      ...{ inputTokens: 0, outputTokens: 0, startedAt: at, firstOutputAt: at, endedAt: at },
      ...{ outcome: 'complete', continuedCharacters: 0 },
      ...done,
      ...node.bad.receipt,
    }
    return { receipt: await signReceipt(receipt, node.bad.receiptKey ?? privateKey) }
  }

  return node
}
