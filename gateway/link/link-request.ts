// What an isolate and the guard of a node say to each other about one call: an ordinary request to the guard, so that the body and the answer are
// streams with the runtime's own back-pressure, and a header that says why there is no answer.
import { bodyInit } from '../core/body-init.ts'
import type { OpenFrame } from '../../protocol/link.ts'
import type { NodeRequest } from './node-link.ts'

/** What a guard must offer for its node to be reached by its link. */
export interface LinkGuard {
  fetch(url: string, init: RequestInit): Promise<Response>
  /** Ends the call of that key, if it is still under way: an abort does not reach the guard by itself on every road. */
  cancelStream(key: string): Promise<void>
}

/** `away`: no link; `silent`: it did not accept in time; `broken`: it ended before the head of its answer. */
export type CallFailure = 'away' | 'silent' | 'broken'
const FAILURE_HEADER = 'souk-link-failure'
const KEY_HEADER = 'souk-call'
const PATH_HEADER = 'souk-path'
const TICKET_HEADER = 'souk-ticket'
const BYTES_HEADER = 'souk-body-bytes'

/** Guards are asked by name; the host is never looked up. */
const CALL_URL = 'https://guard/call'

export interface GuardCall extends OpenFrame {
  readonly key: string
}

/** @param key random: names this call at the guard */
export function toGuardRequest(
  request: NodeRequest,
  key: string,
): { readonly url: string; readonly init: RequestInit } {
  const body = typeof request.body === 'string' ? new TextEncoder().encode(request.body) : request.body
  const headers = {
    [KEY_HEADER]: key,
    [PATH_HEADER]: request.path,
    [TICKET_HEADER]: request.ticket,
    [BYTES_HEADER]: String(body.byteLength),
    'content-type': typeof request.body === 'string' ? 'application/json' : 'application/octet-stream',
  }
  return {
    url: CALL_URL,
    init: { method: 'POST', headers, body: bodyInit(body), redirect: 'manual', signal: request.signal },
  }
}

/** The reverse, in the guard. */
export function toGuardCall(headers: Headers): GuardCall {
  return {
    key: headers.get(KEY_HEADER) ?? '',
    path: headers.get(PATH_HEADER) ?? '',
    ticket: headers.get(TICKET_HEADER) ?? '',
    contentType: headers.get('content-type') ?? '',
    bodyBytes: Number(headers.get(BYTES_HEADER) ?? '0'),
  }
}

export const failed = (why: CallFailure): Response =>
  new Response(null, { status: 503, headers: { [FAILURE_HEADER]: why } })

/** Null: the node itself answered. */
export function failureOf(response: Response): CallFailure | null {
  const said = response.headers.get(FAILURE_HEADER)
  return said === 'away' || said === 'silent' || said === 'broken' ? said : null
}
