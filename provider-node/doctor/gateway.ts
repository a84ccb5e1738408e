// The gateway from here: whether it answers, how far this machine's clock is off, and which version of the wire is spoken.
import { z } from 'zod'
import { NonceReply } from '../../protocol/auth.ts'
import { createClient } from '../../protocol/client.ts'
import { negotiateWire, WIRE_HEADER, WIRE_VERSION } from '../../protocol/wire.ts'
import { boundedText } from './bounded-text.ts'
import { DOCTOR_LIMITS } from './doctor-limits.ts'
import type { Check, Facts } from './facts.ts'
import { note, ok, skipped, span, wrong, type Finding } from './finding.ts'
import { unreachable } from './unreachable.ts'

/** What every node fetches first: the keys that orders are signed with. */
const KEYS_PATH = '/.well-known/jwks.json'
const Jwks = z.object({ keys: z.array(z.unknown()).min(1) })

export const checkGateway: Check = async (facts, signal) => {
  const { config, now } = facts
  if (!config) return [skipped('the gateway: config.json says which one it is')]
  const url = config.gateway
  const sentAt = now()
  const asked = await facts.fetch(`${url}${KEYS_PATH}`, { signal, redirect: 'manual' }).then(
    (response) => ({ response }),
    (cause: unknown) => ({ response: null, cause }),
  )
  if (asked.response === null) return [unreachable(asked.cause, url)]
  const { response } = asked
  const receivedAt = now()
  const date = response.headers.get('date')
  const clock =
    date === null
      ? await clockByNonce(facts, url, signal)
      : // The header leaves the second's fraction out.
        clockFinding(Date.parse(date) + 500, (sentAt + receivedAt) / 2, facts.platform)
  const wire = wireFinding(response.headers.get(WIRE_HEADER))
  const text = (await boundedText(response).catch(() => null)) ?? ''
  const answer = answerFinding(response.status, text, url, receivedAt - sentAt)
  return [answer, ...clock, ...wire]
}

function answerFinding(status: number, text: string, url: string, ms: number): Finding {
  if (status >= 500)
    return wrong(
      `the gateway ${url} answers with status ${status}`,
      'it is in trouble itself: wait; the node keeps its receipts',
    )
  if (status >= 300 && status < 400)
    return wrong(`${url} redirects (status ${status})`, 'put the address it redirects to into "gateway" in config.json')
  if (status !== 200 || !isKeys(text))
    return wrong(
      `${url} is no Souk gateway (status ${status}${status === 200 ? ', no keys' : ''})`,
      'put the gateway\'s address into "gateway" in config.json',
    )
  return ok(`${url} answers in ${Math.round(ms)} ms`)
}

function isKeys(text: string): boolean {
  try {
    return Jwks.safeParse(JSON.parse(text)).success
  } catch {
    return false
  }
}

/** A gateway of one's own may send no Date; the time stands in what it tells everybody who wants to sign in. */
async function clockByNonce(
  { fetch: send, now, platform }: Facts,
  url: string,
  signal: AbortSignal,
): Promise<Finding[]> {
  const sentAt = now()
  const untilOver: typeof fetch = (input, init) => send(input, { ...init, signal })
  const client = createClient({ url, fetch: untilOver, timeoutMs: DOCTOR_LIMITS.gatewayMs })
  const nonce = await client.send('POST', '/auth/nonce', NonceReply, {}).catch(() => null)
  return clockFinding(nonce ? Date.parse(nonce.issuedAt) : Number.NaN, (sentAt + now()) / 2, platform)
}

/** (rule) @param there ms by the gateway's clock, NaN when it does not say @param here ms by ours at the same moment */
export function clockFinding(there: number, here: number, platform: NodeJS.Platform): Finding[] {
  if (Number.isNaN(there))
    return [note("the gateway does not say what time it is, so this machine's clock could not be compared")]
  const offMs = here - there
  if (Math.abs(offMs) <= DOCTOR_LIMITS.clockMs)
    return [ok(`the clock is right (within ${span(Math.max(1_000, Math.abs(offMs)))})`)]
  const says = `this machine's clock is ${span(offMs)} ${offMs > 0 ? 'ahead of' : 'behind'} the gateway's: what the node signs is refused`
  return [wrong(says, SET_CLOCK[platform] ?? 'set the clock by the network (NTP)')]
}

const SET_CLOCK: Partial<Record<NodeJS.Platform, string>> = {
  linux: 'sudo timedatectl set-ntp true',
  darwin: 'sudo sntp -sS time.apple.com',
  win32: 'w32tm /resync (as administrator)',
}

/** A gateway that says nothing may say it elsewhere: where the link is opened. */
function wireFinding(header: string | null): Finding[] {
  if (header === null) return []
  const spoken = negotiateWire(header)
  if (spoken !== null) return [ok(`version ${spoken} of the wire is spoken`)]
  const isOlder = Number(header) < WIRE_VERSION
  const says = `the gateway speaks version ${/^\d{1,4}$/.test(header) ? header : '?'} of the wire and this program version ${WIRE_VERSION}`
  return [
    wrong(
      says,
      isOlder
        ? 'wait until the gateway is updated, or install an older souk-node'
        : 'update souk-node: npm install -g souk-node',
    ),
  ]
}
