// The node of a state folder, with its way to ask the gateway: what every command on a registered node begins with.
import { homeFolder, loadConfig, type NodeConfig } from '../config.ts'
import { createGatewayApi, gatewaySentence, type GatewayApi } from '../gateway-api.ts'
import { loadIdentity } from '../identity.ts'
import { OperatorError } from '../operator-error.ts'
import type { ParsedOptions, Terminal } from './options.ts'

export interface OwnNode {
  readonly home: string
  readonly config: NodeConfig
  /** null: not registered, so the gateway knows nothing of it */
  readonly api: GatewayApi | null
}

/** @throws OperatorError */
export async function openNode(options: ParsedOptions, { env }: Pick<Terminal, 'env'>): Promise<OwnNode> {
  const home = homeFolder(options.text('home'), env)
  const config = await loadConfig(home, env)
  const { gateway, nodeId } = config
  if (nodeId === null) return { home, config, api: null }
  return {
    home,
    config,
    api: inSentences(createGatewayApi({ gateway, identity: await loadIdentity(home), nodeId }), gateway),
  }
}

/** @throws OperatorError when it is not registered */
export async function openRegistered(
  options: ParsedOptions,
  terminal: Pick<Terminal, 'env'>,
): Promise<OwnNode & { readonly api: GatewayApi }> {
  const { home, config, api } = await openNode(options, terminal)
  if (!api) throw new OperatorError('this node is not registered yet: run souk-node register')
  return { home, config, api }
}

/** Whatever goes wrong between here and the gateway is one sentence. */
function inSentences(api: GatewayApi, gateway: string): GatewayApi {
  const told = <T>(asked: Promise<T>): Promise<T> =>
    asked.catch((cause: unknown) => {
      throw gatewaySentence(cause, gateway)
    })
  return {
    status: () => told(api.status()),
    putOffers: (offers) => told(api.putOffers(offers)),
    drain: () => told(api.drain()),
    resume: () => told(api.resume()),
    selftest: (model) => told(api.selftest(model)),
    earnings: (query) => told(api.earnings(query)),
  }
}
