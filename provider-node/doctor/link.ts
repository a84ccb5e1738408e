// Whether the link can be opened from here: through this network, its proxies and firewalls, with these keys. A running node holds it already, and the
// gateway says so; else one is opened, says at once that it takes no calls, and is closed.
import { randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { WebSocket } from 'ws'
import { readClaim } from '../claim.ts'
import { base64url } from '../../protocol/canonical.ts'
import { ErrorBody } from '../../protocol/errors.ts'
import { encodeJson, FRAME, LINK_PATH, LINK_TYP, linkHeaders, type LinkClaims } from '../../protocol/link.ts'
import { signClaims } from '../../protocol/ticket.ts'
import { WIRE_VERSION } from '../../protocol/wire.ts'
import type { Check } from './facts.ts'
import { DOCTOR_LIMITS } from './doctor-limits.ts'
import { note, ok, skipped, wrong, type Finding } from './finding.ts'
import { unreachable } from './unreachable.ts'

export const checkLink: Check = async ({ config, identity, home, now }, signal) => {
  if (!config || !identity) return [skipped('the link: it needs config.json and keys.json')]
  if (config.endpoint !== null) return [ok(`not used: the gateway comes to ${config.endpoint}`)]
  if (config.nodeId === null) return [skipped('the link: a node must be registered first')]
  const claims: LinkClaims = {
    use: 'souk-link',
    nodeId: config.nodeId,
    iat: Math.floor(now() / 1_000),
    instance: base64url(randomBytes(16)),
    streamsMax: 1,
  }
  const jws = await signClaims(claims, identity.signingKey, { typ: LINK_TYP })
  const url = new URL(LINK_PATH, config.gateway)
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:'
  const came = await opened(url, linkHeaders(jws, WIRE_VERSION), signal)
  const running = await readClaim(home, now)
  return [linkFinding(came, config.gateway, running !== null)]
}

type Came =
  | { readonly kind: 'open' }
  | { readonly kind: 'refused'; readonly status: number; readonly code: string }
  | { readonly kind: 'failed'; readonly cause: unknown }

function opened(url: URL, headers: Record<string, string>, signal: AbortSignal): Promise<Came> {
  const socket = new WebSocket(url, {
    headers,
    handshakeTimeout: DOCTOR_LIMITS.gatewayMs - 1_000,
    followRedirects: false,
  })
  const leave = () => socket.terminate()
  signal.addEventListener('abort', leave, { once: true })
  return new Promise<Came>((resolve) => {
    socket.once('open', () => {
      // Nothing is sent to a link that drains, and a normal end is nobody's fault.
      socket.send(encodeJson(FRAME.drain, 0, {}))
      socket.close(1000)
      resolve({ kind: 'open' })
    })
    socket.once('unexpected-response', (_request, response) => {
      void codeOf(response).then((code) => resolve({ kind: 'refused', status: response.statusCode ?? 0, code }))
    })
    socket.on('error', (cause) => resolve({ kind: 'failed', cause }))
  }).finally(() => signal.removeEventListener('abort', leave))
}

async function codeOf(response: IncomingMessage): Promise<string> {
  let text = ''
  try {
    for await (const chunk of response.setEncoding('utf8')) {
      text += String(chunk)
      if (text.length > DOCTOR_LIMITS.answerBytes) break
    }
    return ErrorBody.parse(JSON.parse(text)).error.code
  } catch {
    return 'unknown'
  } finally {
    response.destroy()
  }
}

/** (rule) */
export function linkFinding(came: Came, gateway: string, isRunning: boolean): Finding {
  if (came.kind === 'open' && isRunning)
    return note(
      'the link can be opened, but the node that runs here does not hold it',
      'wait a minute; if it stays, its log says why, and after souk-node rotate-key it must be restarted',
    )
  if (came.kind === 'open') return ok('the link can be opened')
  if (came.kind === 'failed') return unreachable(came.cause, gateway)
  const { status, code } = came
  if (code === 'conflict') return ok('the link is up: a process with these keys holds it')
  if (code === 'authorization_refused' || code === 'signature_refused')
    return wrong(
      'the gateway refuses the link: the keys, the clock or the authorisation',
      'see the lines "gateway" (clock) and "registration"',
    )
  if (code === 'wire_version_unsupported')
    return wrong(
      `the gateway does not speak version ${WIRE_VERSION} of the wire`,
      'update souk-node: npm install -g souk-node',
    )
  if (status === 429 || status === 503)
    return note('the gateway takes no new link just now', 'wait a minute: a running node tries again by itself')
  return wrong(
    `no WebSocket comes about (status ${status})`,
    'a proxy or firewall between this machine and the gateway must let WebSockets through: look at HTTPS_PROXY and the network',
  )
}
