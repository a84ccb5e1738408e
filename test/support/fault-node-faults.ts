// Every way in which a fault node can misbehave, as words that a test says, and those of them that end a call before any answer begins.
import type { ServerResponse } from 'node:http'
import { flood, GARBAGE, slowHead, type Flood, type Garbage } from './fault-node-bytes.ts'

/** What it does with the next calls. Counts of tokens are of those already sent. */
export type Behaviour =
  | { readonly kind: 'honest' }
  /** @param retryAfter the header, as it stands there */
  | { readonly kind: 'refuse'; readonly status: number; readonly code: string; readonly retryAfter?: string }
  | { readonly kind: 'redirect'; readonly location: string }
  /** the connection is reset instead of an answer */
  | { readonly kind: 'reset' }
  /** takes the call and never says a word */
  | { readonly kind: 'silent' }
  /** the head of its answer comes byte by byte */
  | { readonly kind: 'slow-head'; readonly byteMs: number }
  /** the head comes at once, the first word after so long */
  | { readonly kind: 'slow-first'; readonly ms: number }
  /** an answer of another kind than was asked for */
  | { readonly kind: 'page'; readonly of: Garbage }
  | { readonly kind: 'flood'; readonly of: Flood }
  /** the connection ends in the middle: closed, or reset */
  | { readonly kind: 'cut'; readonly afterTokens: number; readonly how?: 'fin' | 'rst' }
  /** the answer ends properly, as HTTP sees it, in the middle */
  | { readonly kind: 'ends'; readonly afterTokens: number }
  | { readonly kind: 'stall'; readonly afterTokens: number }
  /** an event in the middle that is none, and then as if nothing had been */
  | { readonly kind: 'garbage'; readonly afterTokens: number; readonly of?: Garbage }
  /** words whose bytes arrive in halves */
  | { readonly kind: 'split' }
  /** all of the answer but its `[DONE]`; `stays`: and the connection is left open */
  | { readonly kind: 'no-done'; readonly stays?: boolean }
  /** words that look like events */
  | { readonly kind: 'inject' }
  | { readonly kind: 'filtered'; readonly afterTokens: number }
  /** honest, but goes on from nobody */
  | { readonly kind: 'refuse-continuation' }
  /** honest, but begins again when it should go on */
  | { readonly kind: 'wrong-continuation' }
  | { readonly kind: 'inflate'; readonly factor: number }
  /** @param usage what stands there in every event; undefined: nothing does */
  | { readonly kind: 'claim'; readonly usage: unknown }
  /** a claim of a thousand words first, the right one last */
  | { readonly kind: 'claim-twice' }
  | { readonly kind: 'empty' }
  /** never ends */
  | { readonly kind: 'endless'; readonly of: 'words' | 'nothing' | 'comments' | 'blanks' }
  /** other words than the model's, as a smaller one would say */
  | { readonly kind: 'lie' }
  /** what it first answered to anybody, for everybody */
  | { readonly kind: 'cached' }
  /** resets for so long, serves for so long, and so on since the Unix epoch */
  | { readonly kind: 'flapping'; readonly downMs: number; readonly upMs: number }

/** One for each call, the last one for all that follow. */
export type Plan = Behaviour | readonly Behaviour[]

export const behaviourAt = (plan: Plan, call: number): Behaviour => {
  if (!isList(plan)) return plan
  return plan[Math.min(call, plan.length - 1)] ?? { kind: 'honest' }
}

const isList = (plan: Plan): plan is readonly Behaviour[] => Array.isArray(plan)

/** Does what ends a call before its answer. @returns false when there is an answer to be given */
export async function refused(response: ServerResponse, behaviour: Behaviour, isContinuing: boolean): Promise<boolean> {
  switch (behaviour.kind) {
    case 'refuse':
      return say(response, behaviour.status, behaviour.code, behaviour.retryAfter)
    case 'refuse-continuation':
      return isContinuing && say(response, 400, 'unsupported_parameter')
    case 'redirect':
      response.writeHead(307, { location: behaviour.location }).end()
      return true
    case 'flapping':
      return Date.now() % (behaviour.downMs + behaviour.upMs) < behaviour.downMs && reset(response)
    case 'reset':
      return reset(response)
    case 'silent':
      return true
    case 'slow-head':
      slowHead(response, behaviour.byteMs)
      return true
    case 'page':
      response.writeHead(200, { 'content-type': 'text/html' }).end(GARBAGE[behaviour.of])
      return true
    case 'flood':
      await flood(response, behaviour.of)
      return true
    default:
      return false
  }
}

function say(response: ServerResponse, status: number, code: string, retryAfter?: string): true {
  response
    .writeHead(status, {
      'content-type': 'application/json',
      ...(retryAfter === undefined ? {} : { 'retry-after': retryAfter }),
    })
    .end(JSON.stringify({ error: { code } }))
  return true
}

function reset(response: ServerResponse): true {
  response.socket?.resetAndDestroy()
  return true
}
