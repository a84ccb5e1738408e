// The gateway's own API, typed by the gateway's own routes. `read` turns an answer into its value or throws what the gateway said.
import { hc, type ClientResponse } from 'hono/client'
import type { ErrorCode } from '../../../protocol/errors.ts'
import type { AppType } from '../../app.ts'

export const api = hc<AppType>(window.location.origin, { init: { credentials: 'same-origin' } })

/** What the gateway refused, in its own words: `message` may be shown as it is. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  constructor(
    readonly status: number,
    readonly code: ErrorCode | 'unreachable' | 'unreadable',
    message: string,
    readonly requestId: string | null,
    /** the field that is wrong */
    readonly param: string | null = null,
  ) {
    super(message)
  }
}

/** @throws ApiError with the gateway's code and sentence, or `unreachable` when no answer came */
export async function read<T>(asked: Promise<ClientResponse<T>>): Promise<T> {
  let reply: ClientResponse<T>
  try {
    reply = await asked
  } catch {
    throw new ApiError(0, 'unreachable', 'The gateway cannot be reached. Your connection may be down.', null)
  }
  if (!reply.ok) throw await refusalOf(reply)
  return (await reply.json()) as T // hono types the body by the route; its conditional type is wider than T alone
}

/** An answer without a body (204). @throws ApiError */
export async function done(asked: Promise<Response | ClientResponse<unknown>>): Promise<void> {
  let reply: Response | ClientResponse<unknown>
  try {
    reply = await asked
  } catch {
    throw new ApiError(0, 'unreachable', 'The gateway cannot be reached. Your connection may be down.', null)
  }
  if (!reply.ok) throw await refusalOf(reply)
}

let toldNotSignedIn: () => void = () => undefined
/** Told whenever the gateway says that nobody is signed in (session.ts). */
export function onNotSignedIn(listener: () => void): void {
  toldNotSignedIn = listener
}

interface ErrorBody {
  readonly error?: {
    readonly code?: ErrorCode
    readonly message?: string
    readonly param?: string | null
    readonly requestId?: string
  }
}

/** An answer that is no success, as an error. */
export async function refusalOf(reply: {
  status: number
  json(): Promise<unknown>
  headers: Headers
}): Promise<ApiError> {
  const body = (await reply.json().catch(() => null)) as ErrorBody | null // every error of ours has this shape; anything else reads as unreadable
  const id = reply.headers.get('x-request-id')
  const error = body?.error
  if (!error?.code)
    return new ApiError(reply.status, 'unreadable', `The gateway answered ${reply.status} without saying why.`, id)
  if (error.code === 'not_signed_in') toldNotSignedIn()
  return new ApiError(reply.status, error.code, error.message ?? error.code, error.requestId ?? id, error.param ?? null)
}
