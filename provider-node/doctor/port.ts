// The node's own port: free, held by this node, or somebody else's.
import { createServer } from 'node:net'
import { z } from 'zod'
import type { NodeConfig } from '../config.ts'
import { boundedText } from './bounded-text.ts'
import type { Check } from './facts.ts'
import { codeOf, note, ok, skipped, wrong, type Finding } from './finding.ts'

const Health = z.object({ nodeKey: z.string() })

export const checkPort: Check = async ({ config, identity, fetch: send }, signal) => {
  if (!config) return [skipped('the port: config.json says which one it is')]
  const { host, port } = config
  if (port === null) return [ok('it listens nowhere')]
  const findings = endpointFindings(config)
  const refused = await listenTrial(host, port)
  if (refused === null)
    return [
      ...findings,
      ok(
        port === 0 ? `it takes any free port of ${host}` : `port ${port} on ${host} is free: no node listens there now`,
      ),
    ]
  if (refused !== 'EADDRINUSE') return [...findings, refusedFinding(refused, host, port)]
  const holder = await holderOf(host, port, send, signal)
  if (holder !== null && holder === identity?.nodeKey) return [...findings, ok(`this node listens on ${host}:${port}`)]
  const says = holder === null ? 'another program' : 'another node'
  return [
    ...findings,
    wrong(
      `port ${port} on ${host} is held by ${says}`,
      `stop it (ss -ltnp 'sport = :${port}' names it), or change "port" in config.json`,
    ),
  ]
}

function endpointFindings({ endpoint, host }: NodeConfig): Finding[] {
  if (endpoint === null) return []
  const isLoopback = host === '127.0.0.1' || host === '::1' || host === 'localhost'
  const { hostname, protocol } = new URL(endpoint)
  const isHere = hostname === '127.0.0.1' || hostname === 'localhost'
  if (protocol === 'http:' && !isHere)
    return [
      wrong(
        `the endpoint ${endpoint} is not https`,
        'put a proxy with a certificate before the node, or set "endpoint": null and use the link',
      ),
    ]
  return isLoopback && !isHere
    ? [
        note(
          `it listens on ${host} only, so something on this machine must hand on what comes to ${endpoint}`,
          'without such a proxy set "host": "0.0.0.0"',
        ),
      ]
    : []
}

/** @returns the system's code when it is refused */
function listenTrial(host: string, port: number): Promise<string | null> {
  const server = createServer()
  return new Promise((resolve) => {
    server.once('error', (cause) => resolve(codeOf(cause)))
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(null)))
  })
}

function refusedFinding(code: string, host: string, port: number): Finding {
  if (code === 'EACCES') return wrong(`port ${port} may not be used by this user`, 'take one above 1023 in config.json')
  if (code === 'EADDRNOTAVAIL')
    return wrong(`${host} is no address of this machine`, 'set "host" in config.json to 127.0.0.1 or 0.0.0.0')
  if (code === 'ENOTFOUND')
    return wrong(`the name ${host} cannot be looked up`, 'set "host" in config.json to 127.0.0.1 or 0.0.0.0')
  return wrong(`port ${port} on ${host} cannot be used (${code})`, 'change "host" or "port" in config.json')
}

/** The key of the node that answers there; null when no node does. */
async function holderOf(host: string, port: number, send: typeof fetch, signal: AbortSignal): Promise<string | null> {
  const address = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '[::1]' : host.includes(':') ? `[${host}]` : host
  try {
    const response = await send(`http://${address}:${port}/healthz`, { signal, redirect: 'manual' })
    return Health.parse(JSON.parse((await boundedText(response)) ?? '')).nodeKey
  } catch {
    return null
  }
}
