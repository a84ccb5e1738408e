// Why a server cannot be reached, told apart by where the way ends: its name, a connection, its certificate, its answer (rule).
import { wrong, type Finding } from './finding.ts'

type Stage = 'name' | 'connection' | 'certificate' | 'time' | 'unknown'

/** @param cause what fetch or a socket threw; the system's code may be some causes deep */
export function unreachable(cause: unknown, url: string): Finding {
  const { host, hostname } = new URL(url)
  const { stage, code } = stageOf(cause)
  switch (stage) {
    case 'name':
      return wrong(
        `the name ${hostname} cannot be looked up (${code})`,
        'is "gateway" in config.json spelled right, and does this machine have a DNS server?',
      )
    case 'connection':
      return wrong(
        `no connection to ${host} comes about (${code})`,
        'is this machine online, and does a firewall let it out to that port? If others cannot connect either, the gateway is down: wait',
      )
    case 'certificate':
      return wrong(
        `the certificate of ${host} is not accepted (${code})`,
        'set the clock right; behind a proxy that opens HTTPS, name its certificate in NODE_EXTRA_CA_CERTS',
      )
    case 'time':
      return wrong(
        `${host} took too long to answer`,
        "look at this machine's connection; if it is fast, the gateway is overloaded: wait",
      )
    case 'unknown':
      return wrong(
        `${host} cannot be reached (${code})`,
        'look at this machine\'s connection and at "gateway" in config.json',
      )
    default:
      return stage satisfies never
  }
}

export function stageOf(cause: unknown): { readonly stage: Stage; readonly code: string } {
  if (cause instanceof Error && (cause.name === 'TimeoutError' || cause.name === 'AbortError'))
    return { stage: 'time', code: 'ETIMEDOUT' }
  const code = deepestCode(cause)
  if (/^(ENOTFOUND|EAI_)/.test(code)) return { stage: 'name', code }
  if (/CERT|TLS|SSL|SELF_SIGNED|UNABLE_TO_/.test(code)) return { stage: 'certificate', code }
  if (/^(UND_ERR_.*TIMEOUT)$/.test(code)) return { stage: 'time', code }
  if (/^(ECONN|EHOST|ENET|ETIMEDOUT|EPIPE|UND_ERR_)/.test(code)) return { stage: 'connection', code }
  return { stage: 'unknown', code }
}

/** fetch wraps what happened once or twice, and tries several addresses at once. */
function deepestCode(cause: unknown): string {
  let code = 'unknown'
  let at = cause
  for (let depth = 0; at instanceof Error && depth < 5; depth++) {
    if ('code' in at && typeof at.code === 'string') code = at.code
    at = at instanceof AggregateError ? at.errors[0] : at.cause
  }
  return code
}
