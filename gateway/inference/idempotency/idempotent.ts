// A call with an Idempotency-Key. The guard decides with the hold whether it is the first; here its answer is sealed before the capture, which
// carries it into the guard, and opened again for who repeats it. Nothing of this happens to a call without the header.
import type { RandomBytes } from '../../../protocol/units.ts'
import { toUsd, nanos } from '../../../protocol/units.ts'
import { bodyInit } from '../../core/body-init.ts'
import { GatewayError, logError } from '../../core/errors.ts'
import { readIdempotencyKey, repeatable, REPLAYED, type Repeatable } from '../../core/idempotency-key.ts'
import { IDEMPOTENCY } from '../../core/limits.ts'
import type { KeyPrincipal } from '../../core/principal.ts'
import { refusal } from '../../core/refusal.ts'
import { openText, sealText } from '../../core/sealed.ts'
import type { Accounts } from '../../ledger/account-port.ts'
import type { Answered } from '../../ledger/idempotency/idempotency-port.ts'
import { CUT_OFF } from '../../ledger/idempotency/repeat.ts'
import { answererHeaders, answererOf } from '../answerer.ts'
import type { Order } from '../order/order.ts'
import type { CapturedCall } from '../settle/settle.ts'
import { bodyOf, KeptAnswer } from './replay.ts'

export class Once {
  constructor(
    private readonly repeatable: Repeatable,
    private readonly random: RandomBytes,
  ) {}

  /** what the guard remembers */
  get request() {
    return this.repeatable.request
  }

  /** Sealed for the capture; null when it is too long. Never throws: nothing may stand before the capture. */
  async keep(answerOf: () => KeptAnswer | null): Promise<ArrayBuffer | null> {
    try {
      const answer = answerOf()
      if (!answer) return null
      const text = JSON.stringify(answer)
      if (encoder.encode(text).byteLength > IDEMPOTENCY.keptBytes) return null
      return await sealText(this.repeatable.seal, text, this.random)
    } catch (error) {
      logError(error, null)
      return null
    }
  }

  /** Null for what another secret of this key sealed, or a version of the gateway that kept something else. */
  async open(kept: ArrayBuffer): Promise<KeptAnswer | null> {
    const text = await openText(this.repeatable.seal, kept)
    return text === null ? null : (KeptAnswer.safeParse(JSON.parse(text)).data ?? null)
  }
}

/** Null without the header. @throws GatewayError invalid_request @param body as parsed */
export function onceOf(
  headers: Headers,
  principal: KeyPrincipal,
  route: string,
  body: unknown,
  random: RandomBytes,
): Once | null {
  const key = readIdempotencyKey(headers)
  if (key === null) return null
  return new Once(repeatable(principal.keyId, principal.secret, route, key, body), random)
}

/**
 * For a call that cannot be ordered any more (no node, no model): its repeat still has its answer.
 * @throws GatewayError `error`, when there was no call before; the guard's refusal of the key or of the repeat; unavailable
 */
export async function earlierOr(
  error: unknown,
  accounts: Accounts,
  { accountId, keyId, secretHash }: KeyPrincipal,
  once: Once | null,
): Promise<{ readonly earlier: Answered }> {
  if (!once) throw error
  const recalled = await accounts(accountId)
    .recall({ keyId, secretHash, idempotency: once.request })
    .catch((cause: unknown) => {
      throw new GatewayError('unavailable', { cause })
    })
  if (!recalled.ok) throw refusal(recalled)
  if (!recalled.earlier) throw error
  return { earlier: recalled.earlier }
}

/** The headers of an answer that only its call knew. */
export const keptHeaders = (
  call: Pick<CapturedCall<unknown>, 'offer' | 'modelId' | 'chargeNanos'>,
  { model }: Pick<Order, 'model'>,
): Record<string, string> => ({
  ...answererHeaders(answererOf(call), model.id),
  'x-souk-cost': toUsd(call.chargeNanos),
})

/** The answer once more. @throws GatewayError idempotency_completed when it cannot be given */
export async function replay(once: Once, { callId, status, kept }: Answered): Promise<Response> {
  const opened = kept && (await once.open(kept))
  if (!opened) {
    const what =
      status === CUT_OFF ? 'ended before it was whole, and what was delivered of it was charged' : 'was charged'
    throw new GatewayError('idempotency_completed', {
      detail: `Call ${callId} ${what}: GET /v1/generation?id=${callId}`,
    })
  }
  const { type, body } = bodyOf(opened)
  const headers = {
    'content-type': type,
    'cache-control': 'no-store',
    ...opened.headers,
    ...(callId === null ? {} : { 'x-souk-call-id': callId }),
    'x-souk-hold': toUsd(nanos(0n)),
    [REPLAYED]: 'true',
  }
  return new Response(bodyInit(body), { headers })
}

const encoder = new TextEncoder()
