// What the gateway knows of this node: whether it is registered under these keys, its state, and every reason why it gets no traffic or less than it could.
import { SoukError } from '../../protocol/client.ts'
import { LINK_ENDPOINT } from '../../protocol/link.ts'
import type { NodeStatusView } from '../../protocol/operator.ts'
import { createGatewayApi, isSilence } from '../gateway-api.ts'
import type { NodeConfig } from '../config.ts'
import { DOCTOR_LIMITS } from './doctor-limits.ts'
import type { Check } from './facts.ts'
import { note, ok, skipped, wrong, type Finding } from './finding.ts'
import { unreachable } from './unreachable.ts'

export const checkRegistration: Check = async ({ config, identity, now, fetch: send }, signal) => {
  if (!config || !identity) return [skipped('the registration: it needs config.json and keys.json')]
  const { gateway, nodeId } = config
  if (nodeId === null) return [wrong('this node is not registered', 'souk-node register')]
  const untilOver: typeof fetch = (input, init) => send(input, { ...init, signal })
  const api = createGatewayApi({ gateway, identity, nodeId, now, fetch: untilOver, timeoutMs: DOCTOR_LIMITS.gatewayMs })
  try {
    return registrationFindings(await api.status(), identity.nodeKey, config)
  } catch (cause) {
    if (cause instanceof SoukError) return [refusalFinding(cause, nodeId)]
    return isSilence(cause)
      ? [unreachable(cause, gateway)]
      : [wrong('the gateway says something of this node that this program does not understand', 'update souk-node')]
  }
}

/** (rule) */
export function registrationFindings(status: NodeStatusView, nodeKey: string, config: NodeConfig): Finding[] {
  const { node, reasons, notices } = status
  const findings: Finding[] = []
  if (node.nodeKey !== nodeKey)
    findings.push(
      wrong(
        `${node.id} is registered with another key than the one in keys.json`,
        'put the right keys.json back, or run souk-node register',
      ),
    )
  const registered = config.endpoint ?? LINK_ENDPOINT
  if (node.endpoint !== registered)
    findings.push(
      wrong(
        `the gateway knows this node at ${node.endpoint}, and config.json says ${registered}`,
        'souk-node register',
      ),
    )
  findings.push(stateFinding(node.state, node.reason, node.id))
  for (const reason of reasons.filter((reason) => reason !== node.reason)) findings.push(note(reason))
  for (const notice of notices) findings.push(note(notice))
  return findings
}

function stateFinding(state: NodeStatusView['node']['state'], reason: string | null, id: string): Finding {
  const because = reason === null ? '' : `: ${reason}`
  switch (state) {
    case 'active':
    case 'probation':
      return ok(`${id} is ${state === 'active' ? 'active' : 'in probation (a small share of the traffic)'}`)
    case 'pending':
      return wrong(
        `${id} is pending${because}`,
        'start the node (souk-node start) and wait a minute; it is then tried out',
      )
    case 'draining':
      return note(`${id} is draining${because}`, 'souk-node drain --resume takes calls again')
    case 'suspended':
      return wrong(`${id} is suspended${because}`, 'mend what it says, then run souk-node register')
    case 'revoked':
      return wrong(
        `the authorisation of ${id} was taken back`,
        'souk-node register gives it again, signed by the wallet',
      )
    default:
      return state satisfies never
  }
}

/** A wrong clock is refused like a wrong key; its own check says which it is. */
function refusalFinding({ code, message }: SoukError, nodeId: string): Finding {
  if (code === 'not_found')
    return wrong(
      `the gateway knows no node ${nodeId}`,
      'is "gateway" in config.json the one it was registered at? Else run souk-node register',
    )
  if (code === 'signature_refused' || code === 'authorization_refused')
    return wrong(
      'the gateway refuses the signature of keys.json: another key, one that was exchanged or revoked, or a wrong clock',
      'set the clock, put the right keys.json back, or run souk-node register',
    )
  return wrong(
    `the gateway refuses to say how this node stands: ${message} (${code})`,
    'try again in a minute; if it stays, run souk-node register',
  )
}
