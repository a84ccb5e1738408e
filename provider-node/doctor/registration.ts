// What the gateway knows of this node: whether it is registered under these keys, its state, and every reason why it gets no traffic or less than it could.
import { createClient, SoukError } from '../../protocol/client.ts'
import { LINK_ENDPOINT } from '../../protocol/link.ts'
import { NodeKeyView, type NodeStatusView } from '../../protocol/operator.ts'
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
    if (cause instanceof SoukError)
      return [refusalFinding(cause, config, await ownerOf(identity.nodeKey, gateway, untilOver))]
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

type Known = NodeKeyView | 'nobody' | null

/** Whose key this is says more than the refusal of what it signed; null: the gateway does not tell. */
async function ownerOf(nodeKey: string, url: string, send: typeof fetch): Promise<Known> {
  const client = createClient({ url, fetch: send, timeoutMs: DOCTOR_LIMITS.gatewayMs })
  return client
    .send('GET', `/api/node-keys/${nodeKey}`, NodeKeyView)
    .catch((cause: unknown) => (cause instanceof SoukError && cause.code === 'not_found' ? 'nobody' : null))
}

/** (rule) @param known what the gateway tells of the key in keys.json */
export function refusalFinding(
  { code, message }: SoukError,
  { nodeId }: Pick<NodeConfig, 'nodeId'>,
  known: Known,
): Finding {
  if (known === 'nobody')
    return wrong(
      'the gateway knows no node with the key in keys.json',
      'is "gateway" in config.json the one it was registered at? Then put the right keys.json back, or run souk-node register',
    )
  if (known?.state === 'revoked')
    return wrong(
      `the authorisation of ${known.nodeId} was taken back`,
      'souk-node register gives it again, signed by the wallet',
    )
  if (known && known.replacedAt !== null)
    return wrong(
      `the key in keys.json was exchanged for another one on ${known.replacedAt.slice(0, 10)}`,
      'put the newer keys.json in its place, from the machine where souk-node rotate-key was run',
    )
  if (known && known.nodeId !== nodeId)
    return wrong(
      `the key in keys.json is that of ${known.nodeId}, and config.json says ${nodeId}`,
      'souk-node register',
    )
  if (['signature_refused', 'authorization_refused', 'not_signed_in'].includes(code))
    return wrong('the gateway refuses what this node signs', 'see the line "gateway": the clock is the usual cause')
  return wrong(
    `the gateway refuses to say how this node stands: ${message} (${code})`,
    'try again in a minute; if it stays, run souk-node register',
  )
}
