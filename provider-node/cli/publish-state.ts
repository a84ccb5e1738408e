// `souk-node publish --state`: an author says of a model that it is not to be used any more, or is again. Also how a command of an author asks the
// gateway: signed in with the wallet that is on this machine.
import { createClient, type Client } from '../../protocol/client.ts'
import { ModelState } from '../../protocol/publish.ts'
import { hasConfig } from '../config-file.ts'
import { loadConfig } from '../config.ts'
import { gatewaySentence } from '../gateway-api.ts'
import { NODE_LIMITS } from '../limits.ts'
import { usageError } from '../operator-error.ts'
import { homeFolder } from '../state-folder.ts'
import { gatewayOption } from './address-option.ts'
import type { ParsedOptions, Terminal } from './options.ts'
import { readWallet, type Operator } from './wallet.ts'

export const GATEWAY = 'http://127.0.0.1:8787'

export async function changeState(options: ParsedOptions, terminal: Terminal): Promise<void> {
  const state = ModelState.safeParse(options.text('state'))
  if (!state.success) throw usageError(`option --state needs one of ${ModelState.options.join(', ')}`)
  const id = options.text('model')
  if (id === undefined) throw usageError('option --state needs --model AUTHOR/NAME')
  if (!/^[^/]+\/[^/]+$/.test(id)) throw usageError(`--model ${id} is no name: it is AUTHOR/NAME`)
  const author = await readWallet(options, terminal)
  const gateway = await gatewayOf(options, terminal)
  const [reason, replacedBy] = [options.text('reason'), options.text('replaced-by')]
  const request = {
    state: state.data,
    ...(reason === undefined ? {} : { reason }),
    ...(replacedBy === undefined ? {} : { replacedBy }),
  }
  const view = await asked(gateway, author, (client) => client.setModelState(id, request))
  if (options.flag('json')) return terminal.print(JSON.stringify(view))
  terminal.print(`${view.id} is ${view.state}${view.reason ? `: ${view.reason}` : ''}`)
  if (view.replacedBy) terminal.print(`callers and operators are told to use ${view.replacedBy}`)
  if (view.state === 'withdrawn')
    terminal.print('it is served to nobody from a few seconds on; calls under way end as they would have')
}

/** That of the command line, of this node's configuration, of the environment, or the one a developer has. */
export async function gatewayOf(options: ParsedOptions, { env }: Terminal): Promise<string> {
  const said = gatewayOption(options)
  const home = homeFolder(options.text('home'), env)
  const configured = said === undefined && (await hasConfig(home)) ? (await loadConfig(home, env)).gateway : undefined
  return said ?? configured ?? (env.SOUK_NODE_GATEWAY || GATEWAY)
}

/** @throws OperatorError with the gateway's sentence */
export async function asked<T>(gateway: string, author: Operator, what: (client: Client) => Promise<T>): Promise<T> {
  try {
    return await what(await createClient({ url: gateway, timeoutMs: NODE_LIMITS.gatewayMs }).signIn(author))
  } catch (cause) {
    throw gatewaySentence(cause, gateway)
  }
}
