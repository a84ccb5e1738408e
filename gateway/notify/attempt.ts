// One try: the address judged again, the message signed for this moment, sent once. A redirect is a failure, never followed; the answer's
// status counts, its body is nobody's business and is not read, so that a webhook cannot be used to look into a network.
import type { Clock } from '../core/clock.ts'
import { orAborted } from '../link/bounded.ts'
import { checkEndpoint, checkResolved, type Resolve } from '../link/endpoint-guard.ts'
import { signWebhook } from '../../protocol/webhook.ts'
import { NOTIFY } from './limits.ts'
import type { Attempt } from './outcome.ts'

export interface AttemptNeeds {
  readonly clock: Clock
  readonly config: { readonly isLocal: boolean }
  /** absent: names are not looked up (local mode) */
  readonly resolve?: Resolve
  /** for tests and for a self-hosted gateway's own outbound service */
  readonly fetch?: typeof fetch
  /** ms; default {@link NOTIFY.attemptMs} */
  readonly attemptMs?: number
}

export interface Message {
  readonly url: string
  /** the present one, and the one before while it is still good; empty: none could be opened */
  readonly secrets: readonly string[]
  readonly id: string
  readonly body: string
}

/** Whether a webhook may have this URL now. Null: it may; otherwise why not, in the owner's terms. */
export async function refuseUrl(url: string, { config, resolve }: AttemptNeeds): Promise<string | null> {
  const policy = { allowLocal: config.isLocal, allowQuery: true }
  const checked = checkEndpoint(url, policy)
  if (!checked.ok) return checked.detail ?? 'It is not acceptable.'
  const resolved = resolve ? await checkResolved(checked.value, policy, resolve) : checked
  return resolved.ok ? null : (resolved.detail ?? 'It is not acceptable.')
}

/** Never throws: whatever goes wrong is what came of the try. */
export async function attempt(message: Message, needs: AttemptNeeds): Promise<Attempt> {
  const from = needs.clock()
  const ended = (error: Attempt['error'], status: number | null = null): Attempt => ({
    error,
    status,
    ms: Math.max(0, needs.clock() - from),
  })
  if (message.secrets.length === 0) return ended('secret_lost')
  // A name may lead elsewhere by now: who passed at registration is judged again.
  if ((await refuseUrl(message.url, needs)) !== null) return ended('address_refused')
  const signal = AbortSignal.timeout(needs.attemptMs ?? NOTIFY.attemptMs)
  try {
    const response = await orAborted(post(message, needs, signal), signal)
    void response.body?.cancel().catch(() => undefined)
    return ended(errorOf(response.status), response.status)
  } catch {
    // A receiver's failure is the owner's to see, in the log of deliveries; it is no event in ours.
    return ended(signal.aborted ? 'timeout' : 'connection_failed')
  }
}

function post({ url, secrets, id, body }: Message, needs: AttemptNeeds, signal: AbortSignal): Promise<Response> {
  const send = needs.fetch ?? ((input: string, init: RequestInit) => fetch(input, init))
  return send(url, {
    method: 'POST',
    body,
    headers: {
      ...signWebhook(secrets, id, Math.floor(needs.clock() / 1_000), body),
      'content-type': 'application/json',
      'user-agent': 'Souk-Webhooks/1',
    },
    redirect: 'manual',
    signal,
  })
}

function errorOf(status: number): Attempt['error'] {
  if (status >= 200 && status < 300) return null
  if (status >= 300 && status < 400) return 'redirected'
  return status === 410 ? 'gone' : 'refused'
}
