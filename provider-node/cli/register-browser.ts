// Registering by a browser wallet: this program prints a link to the gateway's page with everything but the wallet's signature in it, and waits until the
// gateway knows the node as it was asked for. The link carries public keys and the node's own proof, no secret.
import { setTimeout as wait } from 'node:timers/promises'
import { getAddress, isAddress } from 'viem'
import { base64url, utf8ToBytes } from '../../protocol/canonical.ts'
import { createClient, SoukError } from '../../protocol/client.ts'
import type { NodeView, OfferRequest } from '../../protocol/node.ts'
import { NodeKeyView } from '../../protocol/operator.ts'
import { createGatewayApi, isSilence } from '../gateway-api.ts'
import type { Identity } from '../identity.ts'
import { NODE_LIMITS } from '../limits.ts'
import { OperatorError, usageError } from '../operator-error.ts'
import { hasPrices } from '../told-offers.ts'
import type { Unsigned } from './register.ts'

export interface BrowserNeeds {
  readonly gateway: string
  readonly identity: Identity
  tell(line: string): void
  /** ms; absent: the system's clock and timers */
  readonly now?: () => number
  readonly pause?: (ms: number) => Promise<unknown>
}

/** ms a person gets to sign, and ms between two looks whether they have */
export const SIGNING_MS = 15 * 60_000
const LOOK_MS = 2_000

/** @throws OperatorError with exit code 2 */
export function operatorAddress(text: string | undefined): `0x${string}` {
  if (text === undefined)
    throw usageError("option --browser needs --operator 0x…, the wallet's address: see souk-node register --help")
  if (!isAddress(text, { strict: false }))
    throw usageError('option --operator needs an address: 0x and 40 hexadecimal digits')
  // Mixed case is a checksum (EIP-55): a letter typed wrong shows.
  if (/[a-f]/.test(text) && /[A-F]/.test(text.slice(2)) && !isAddress(text))
    throw usageError('the address after --operator has a wrong letter or digit: its checksum differs')
  return getAddress(text)
}

/** @example registrationLink('https://souk.example', request) // 'https://souk.example/register#eyJuYW1lIjoi…' */
export const registrationLink = (gateway: string, request: Unsigned): string =>
  `${gateway}/register#${base64url(utf8ToBytes(JSON.stringify(request)))}`

/** @throws OperatorError when nobody has signed in time */
export async function registerInBrowser(request: Unsigned, needs: BrowserNeeds): Promise<NodeView> {
  const { gateway, tell, now = Date.now, pause = wait } = needs
  const look = createLook(request, needs)
  const known = await look()
  if (known !== null && known !== 'silent') {
    tell('This node is registered exactly like this already: there is nothing to sign.')
    return known
  }
  tell(`Open this page in the browser with the wallet ${request.operator}:`)
  tell('')
  tell(`  ${registrationLink(gateway, request)}`)
  tell('')
  tell(`It shows what is signed, and this node's key: ${request.nodeKey}`)
  tell('This waits 15 minutes for you; Ctrl-C gives up.')
  const until = now() + SIGNING_MS
  let isTold = false
  while (now() < until) {
    await pause(LOOK_MS)
    const node = await look()
    if (node !== null && node !== 'silent') return node
    if (node === 'silent' && !isTold) tell(`The gateway ${gateway} does not answer: it is asked again.`)
    isTold = node === 'silent'
  }
  throw new OperatorError('nobody signed within 15 minutes: run souk-node register --browser again')
}

/** The node as the gateway knows it, once that is as it was asked for; until then null. */
function createLook(request: Unsigned, { gateway, identity, now = Date.now }: BrowserNeeds) {
  const timeoutMs = NODE_LIMITS.gatewayMs
  const client = createClient({ url: gateway, timeoutMs })
  const path = `/api/node-keys/${encodeURIComponent(request.nodeKey)}`
  return async (): Promise<NodeView | 'silent' | null> => {
    try {
      // 404: nobody has registered this key.
      const known = await client.send('GET', path, NodeKeyView).catch(absent)
      if (known === null || known.state === 'revoked') return null
      if (known.replacedAt !== null)
        throw new OperatorError("another key took this one's place: restore the newer keys.json, or make a new node")
      const { node } = await createGatewayApi({ gateway, identity, nodeId: known.nodeId, now, timeoutMs }).status()
      return isAsAsked(node, request) ? node : null
    } catch (cause) {
      // A gateway that is away for a moment is no reason to give up while a person is signing.
      if (isSilence(cause) || (cause instanceof SoukError && (cause.status >= 500 || cause.status === 429)))
        return 'silent'
      throw cause
    }
  }
}

function absent(cause: unknown): null {
  if (cause instanceof SoukError && cause.status === 404) return null
  throw cause
}

/** Whether a registration took effect (rule): name, endpoint and every offer are those that were asked for, and no other is on. */
export function isAsAsked(node: NodeView, request: Pick<Unsigned, 'name' | 'endpoint' | 'offers'>): boolean {
  if (node.name !== request.name || node.endpoint !== request.endpoint) return false
  const on = node.offers.filter(({ state }) => state !== 'paused')
  const isAsked = (offer: OfferRequest) => {
    const found = node.offers.find(({ model }) => model === offer.model)
    return found !== undefined && found.digest === offer.digest && hasPrices(found.prices, offer.prices)
  }
  return request.offers.every(isAsked) && on.every(({ model }) => request.offers.some((offer) => offer.model === model))
}
