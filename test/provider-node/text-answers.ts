// Text answers read choice by choice, and their receipts.
import { importPublicKey } from '../../protocol/keys.ts'
import { NodeErrorBody, NodeUsageClaim, type NodeChatEvent } from '../../protocol/node.ts'
import type { FinishReason, TokenLogprob } from '../../protocol/openai.ts'
import { verifyReceipt, type Receipt } from '../../protocol/receipt.ts'
import { COMPLETIONS_PATH, readAnswer, send, aTicket, type TestNode } from './builders.ts'

export interface ReadChoice {
  text: string
  logprobs: TokenLogprob[]
  finishReason: FinishReason | null
}

/** In the order of their index. @throws Error for output behind a finish */
export function choicesOf(events: readonly NodeChatEvent[]): ReadChoice[] {
  const choices: ReadChoice[] = []
  for (const { choices: said } of events)
    for (const { index, delta, logprobs, finish_reason } of said) {
      const choice = (choices[index] ??= { text: '', logprobs: [], finishReason: null })
      if (choice.finishReason !== null) throw new Error(`choice ${index} goes on behind its end`)
      choice.text += delta.content ?? ''
      choice.logprobs.push(...(logprobs ?? []))
      choice.finishReason = finish_reason ?? null
    }
  return choices
}

export interface TextReply {
  readonly choices: ReadChoice[]
  readonly first: ReadChoice
  readonly events: NodeChatEvent[]
  readonly isDone: boolean
  readonly usage: NodeUsageClaim
}

/** Sends a body that is answered. @throws Error with the refusal */
export async function ask(node: TestNode, path: string, fields: object): Promise<TextReply> {
  const body = JSON.stringify({ model: 'souk/tiny-chat', stream: true, ...fields })
  return replyOf(await send(node, path, body))
}

export async function replyOf(response: Response): Promise<TextReply> {
  if (response.status !== 200) throw new Error(`refused with ${response.status}: ${await response.text()}`)
  const { events, isDone } = await readAnswer(response)
  const choices = choicesOf(events)
  const [first] = choices
  if (!first) throw new Error('there is no choice')
  return { choices, first, events, isDone, usage: NodeUsageClaim.parse(events.at(-1)?.usage) }
}

/** A greedy completion. */
export const complete = (node: TestNode, prompt: string | string[], fields: object = {}) =>
  ask(node, COMPLETIONS_PATH, { prompt, max_tokens: 12, ...fields })

/** @returns status and code of a body that is refused */
export async function refusalOf(
  node: TestNode,
  path: string,
  fields: object,
  ticket: Parameters<typeof aTicket>[3] = {},
): Promise<[number, string]> {
  const body = JSON.stringify({ model: 'souk/tiny-chat', stream: true, ...fields })
  const response = await send(node, path, body, aTicket(node, path, body, ticket))
  return [response.status, NodeErrorBody.parse(await response.json()).error.code]
}

export async function receiptIn(node: TestNode, jws: string | undefined): Promise<Receipt> {
  const verified = await verifyReceipt(jws ?? '', await importPublicKey(node.identity.nodeKey))
  if (!verified.ok) throw new Error(verified.code)
  return verified.value
}
