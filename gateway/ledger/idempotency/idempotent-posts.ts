// Middleware for every POST that moves money and is no call: with an Idempotency-Key it is done once, and whoever asks again gets the first
// answer. The asking account's guard remembers; the answer is sealed by the caller's own session or key. A refusal frees the key. What a
// gateway began and never finished may be done again after a while, which moves nothing twice: every transfer has an id of its own.
import type { Context, MiddlewareHandler } from 'hono'
import { z } from 'zod'
import type { RandomBytes } from '../../../protocol/units.ts'
import { GatewayError, logError } from '../../core/errors.ts'
import { readIdempotencyKey, repeatable, REPLAYED, type Repeatable } from '../../core/idempotency-key.ts'
import { IDEMPOTENCY } from '../../core/limits.ts'
import type { AppEnv, NodePrincipal, Principal } from '../../core/principal.ts'
import { refusal } from '../../core/refusal.ts'
import { openText, sealText, type Seal } from '../../core/sealed.ts'
import type { AccountPort, Accounts } from '../account-port.ts'
import type { Answered } from './idempotency-port.ts'

export interface IdempotentNeeds {
  readonly accounts: Accounts
  readonly random: RandomBytes
}

const KeptPost = z.object({ type: z.string(), body: z.string() })

/**
 * Mount it behind who is asking and behind `jsonBody`: the body as parsed is what is compared.
 * @param isDone false for an answer that says that something is still to be tried: it is not kept, and the same request goes on
 * @throws GatewayError invalid_request, idempotency_in_progress, idempotency_mismatch, idempotency_completed
 * @example .post('/admin/grants', freshAdmin, jsonBody(GrantBody), idempotent({ accounts, random }), async (c) => …)
 */
export function idempotent(
  { accounts, random }: IdempotentNeeds,
  isDone: (reply: unknown) => boolean = () => true,
): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const { principal } = c.var
    // A node's key moves no money: to it the header says nothing.
    if (!principal || principal.kind === 'node') return next()
    const post = repeatablePost(c, principal)
    if (!post) return next()
    const guard = accounts(principal.accountId)
    const begun = await guard.begin(post.request)
    if (!begun.ok) throw refusal(begun)
    if (begun.earlier) return again(post.seal, begun.earlier)
    const work = next().then(async () => remember(guard, post, await answerOf(c.res.clone(), post, random, isDone)))
    // Who asked may leave; what was begun is finished, and remembered.
    c.executionCtx.waitUntil(work.catch(() => undefined))
    await work
  }
}

function repeatablePost(c: Context<AppEnv>, principal: Exclude<Principal, NodePrincipal>): Repeatable | null {
  const key = readIdempotencyKey(c.req.raw.headers)
  if (key === null) return null
  const subject = principal.kind === 'key' ? principal.keyId : principal.accountId
  // Hono knows a validated body by its route's own type; to what is written for every route it is just a value, or none.
  const body: unknown = c.req.valid('json' as never)
  return repeatable(subject, principal.secret, `${c.req.method} ${c.req.path}`, key, body)
}

interface Answer {
  readonly status: number
  readonly kept: ArrayBuffer | null
}

/** Null: refused, or not done yet. */
async function answerOf(
  response: Response,
  { seal }: Repeatable,
  random: RandomBytes,
  isDone: (reply: unknown) => boolean,
): Promise<Answer | null> {
  const { status, headers } = response
  const body = status < 400 ? await response.text() : null
  if (body === null || !isDone(body === '' ? null : JSON.parse(body))) return null
  const kept: z.infer<typeof KeptPost> = { type: headers.get('content-type') ?? '', body }
  const text = JSON.stringify(kept)
  const isShort = encoder.encode(text).byteLength <= IDEMPOTENCY.keptBytes
  return { status, kept: isShort ? await sealText(seal, text, random) : null }
}

/** Before the answer is given. Where that fails it is given all the same: it is true, and its transfers have their ids. */
async function remember(guard: AccountPort, { request }: Repeatable, answer: Answer | null): Promise<void> {
  for (let tries = 1; tries <= REMEMBER_TRIES; tries++) {
    try {
      return await guard.answered(request.id, answer)
    } catch (error) {
      logError(error, null)
    }
  }
}

const REMEMBER_TRIES = 2

async function again(seal: Seal, { status, kept }: Answered): Promise<Response> {
  const text = kept && (await openText(seal, kept))
  const answer = text ? KeptPost.safeParse(JSON.parse(text)).data : undefined
  if (!answer)
    throw new GatewayError('idempotency_completed', { detail: 'It was sealed for another session, or was too long.' })
  const headers = { 'content-type': answer.type, 'cache-control': 'no-store', [REPLAYED]: 'true' }
  return new Response(answer.body, { status, headers })
}

const encoder = new TextEncoder()
