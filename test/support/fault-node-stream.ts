// A fault node's answer: a stream of words with usage in every event and a signed receipt in the last, as protocol/node.ts has it, broken where its
// behaviour says so.
import type { ServerResponse } from 'node:http'
import { outputHash, requestHash, signReceipt } from '../../protocol/receipt.ts'
import { encodeSse, encodeSseComment } from '../../protocol/sse.ts'
import type { Ticket } from '../../protocol/ticket.ts'
import { GARBAGE } from './fault-node-bytes.ts'
import type { Behaviour } from './fault-node-faults.ts'
import type { NodeKeys } from './fault-node-join.ts'
import type { Answer } from './fault-node-words.ts'

export interface Streamed {
  readonly answer: Answer
  readonly behaviour: Behaviour
  readonly keys: NodeKeys
  readonly ticket: Ticket
  /** the body as it came */
  readonly raw: unknown
  /** ms between two words, now */
  readonly tokenMs: () => number
  readonly onWord: (sent: number) => void
  readonly onHungUp: () => void
}

type Finish = 'stop' | 'length' | 'content_filter'

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
/** What looks like an event, and is words. */
const INJECTED = ['data: [DONE]\n\n', '\r\ndata: {"error":{}}\r\n\r\n', 'event: error\ndata: x\n\n', '"}]}\n\n']
/** events between two breaths: the reader, and this process, have others to serve */
const BREATH = 64
/** ms until what was written has left */
const FLUSH_MS = 150

export async function stream(response: ServerResponse, call: Streamed): Promise<void> {
  const { answer, behaviour, tokenMs } = call
  response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
  const state = { isGone: false }
  response.on('close', () => {
    state.isGone = true
    if (!response.writableFinished) call.onHungUp()
  })
  const startedAt = new Date().toISOString()
  if (behaviour.kind === 'slow-first') await sleep(behaviour.ms)
  if (behaviour.kind === 'endless') return endless(response, behaviour.of, call, state)
  const words = wordsOf(answer, behaviour)
  for (const [n, word] of words.entries()) {
    if (state.isGone || (await breaksOff(response, behaviour, n))) return
    if (tokenMs() > 0) await sleep(tokenMs())
    call.onWord(n + 1)
    await send(response, event(word, null, usageOf(call, n + 1, words.length)), behaviour)
  }
  if (state.isGone || (await breaksOff(response, behaviour, words.length))) return
  const receipt = await receiptOf(call, words, startedAt)
  const finish: Finish = behaviour.kind === 'filtered' ? 'content_filter' : answer.isCut ? 'length' : 'stop'
  response.write(event('', finish, usageOf(call, words.length, words.length), receipt))
  if (behaviour.kind === 'no-done') return behaviour.stays ? undefined : void response.end()
  response.end(encodeSse('[DONE]'))
}

function wordsOf({ words }: Answer, behaviour: Behaviour): readonly string[] {
  switch (behaviour.kind) {
    case 'empty':
      return []
    case 'inject':
      return words.map((word, n) => `${word}${INJECTED[n % INJECTED.length]}`)
    case 'split':
      return words.map((word) => `${word.trimEnd()}€🙂 `)
    case 'lie':
      return words.map((_, n) => `m${n} `)
    case 'filtered':
      return words.slice(0, behaviour.afterTokens)
    default:
      return words
  }
}

/** @returns true when nothing more is to be sent */
async function breaksOff(response: ServerResponse, behaviour: Behaviour, sent: number): Promise<boolean> {
  if (!('afterTokens' in behaviour) || behaviour.afterTokens !== sent) return false
  switch (behaviour.kind) {
    case 'cut':
      // What was written is on its way: a connection that is torn down takes along what is not.
      await sleep(FLUSH_MS)
      if (behaviour.how === 'rst') response.socket?.resetAndDestroy()
      else response.destroy()
      return true
    case 'ends':
      response.end()
      return true
    case 'stall':
      return true
    case 'garbage':
      response.write(GARBAGE[behaviour.of ?? 'json'])
      return false
    case 'filtered':
      return false
    default:
      throw new Error(behaviour satisfies never)
  }
}

async function send(response: ServerResponse, text: string, behaviour: Behaviour): Promise<void> {
  if (behaviour.kind !== 'split') return void response.write(text)
  // Inside of a character: the last byte of its four comes alone.
  const bytes = Buffer.from(text)
  const inside = bytes.indexOf('🙂') + 3
  response.write(bytes.subarray(0, inside))
  await sleep(5)
  response.write(bytes.subarray(inside))
}

const event = (content: string, finish: Finish | null, usage: unknown, receipt?: string): string =>
  encodeSse(
    JSON.stringify({
      choices: [{ index: 0, delta: { content }, finish_reason: finish }],
      ...(usage === undefined ? {} : { usage }),
      ...(receipt ? { receipt } : {}),
    }),
  )

function usageOf({ answer: { inputTokens }, behaviour }: Streamed, sent: number, all: number): unknown {
  const usage = (factor: number) => ({ prompt_tokens: inputTokens * factor, completion_tokens: sent * factor })
  switch (behaviour.kind) {
    case 'inflate':
      return usage(behaviour.factor)
    case 'claim':
      return behaviour.usage
    case 'claim-twice':
      return usage(sent === all ? 1 : 1_000)
    default:
      return usage(1)
  }
}

async function receiptOf(call: Streamed, words: readonly string[], startedAt: string): Promise<string> {
  const { answer, ticket, keys, raw, behaviour } = call
  const factor = behaviour.kind === 'inflate' ? behaviour.factor : 1
  return signReceipt(
    {
      jti: ticket.jti,
      callId: ticket.callId,
      attempt: ticket.attempt,
      nodeKey: keys.nodeKey,
      model: ticket.model,
      modelDigest: ticket.modelDigest,
      request: requestHash(ticket.salt, raw),
      outputs: [outputHash(ticket.salt, words.join(''))],
      inputTokens: answer.inputTokens * factor,
      outputTokens: words.length * factor,
      startedAt,
      firstOutputAt: startedAt,
      endedAt: new Date().toISOString(),
      outcome: 'complete',
      continuedCharacters: answer.continuedCharacters,
    },
    keys.privateKey,
  )
}

async function endless(
  response: ServerResponse,
  of: Extract<Behaviour, { kind: 'endless' }>['of'],
  call: Streamed,
  state: { readonly isGone: boolean },
): Promise<void> {
  for (let n = 0; !state.isGone; n++) {
    const isTaken = response.write(part(of, call, n))
    if (of === 'words') call.onWord(n + 1)
    // What says nothing need not come fast to come for ever.
    if (of !== 'words') await sleep(20)
    else if (!isTaken) await once(response, ['drain', 'close'])
    else if (n % BREATH === 0) await sleep(1)
  }
}

/** The first of these events. */
const once = (response: ServerResponse, events: readonly string[]): Promise<void> =>
  new Promise((resolve) => {
    const end = () => {
      for (const each of events) response.off(each, end)
      resolve()
    }
    for (const each of events) response.on(each, end)
  })

function part(of: Extract<Behaviour, { kind: 'endless' }>['of'], call: Streamed, n: number): string {
  switch (of) {
    case 'words':
      return event(`n${n} `, null, usageOf(call, n + 1, Infinity))
    case 'nothing':
      return event('', null, usageOf(call, 0, Infinity))
    case 'comments':
      return encodeSseComment('still thinking')
    case 'blanks':
      return '\n'.repeat(64)
    default:
      throw new Error(of satisfies never)
  }
}
