// `souk-node selftest`: a call through the gateway to this very node, paid by nobody. What works here works for callers.
import type { SelftestReply } from '../../protocol/operator.ts'
import { homeFolder, loadConfig } from '../config.ts'
import { createGatewayApi, gatewaySentence } from '../gateway-api.ts'
import { loadIdentity } from '../identity.ts'
import { OperatorError } from '../operator-error.ts'
import type { Command } from './commands.ts'
import { COLUMNS, JSON_OPTION, SHARED_OPTIONS, wrap, type ParsedOptions, type Terminal } from './options.ts'

/** ms for the calls to all models: a large one may take most of a minute for its first answer */
const SELFTEST_MS = 180_000

export const selftestCommand: Command = {
  spec: {
    name: 'selftest',
    details: [
      'Asks the gateway for a free call to each offered model of this node, as a caller would be served: over the link or the endpoint, with a ticket and a receipt.',
      'Exit code 1 when a model did not answer as it should.',
    ],
    arguments: [{ name: 'MODEL', help: 'only this one, as author/name', isOptional: true }],
    options: { ...SHARED_OPTIONS, ...JSON_OPTION },
  },
  run: runSelftest,
}

export async function runSelftest(options: ParsedOptions, { print, env }: Terminal): Promise<void> {
  const home = homeFolder(options.text('home'), env)
  const { gateway, nodeId } = await loadConfig(home, env)
  const identity = await loadIdentity(home)
  if (nodeId === null) throw new OperatorError('this node is not registered: run souk-node register')
  const api = createGatewayApi({ gateway, identity, nodeId, timeoutMs: SELFTEST_MS })
  const { data } = await api.selftest(options.positionals[0]).catch((cause: unknown) => {
    throw gatewaySentence(cause, gateway)
  })
  const failed = data.filter(({ ok }) => !ok).length
  if (options.flag('json')) print(JSON.stringify({ ok: failed === 0 && data.length > 0, data }))
  else for (const line of data.flatMap(shown)) print(line)
  if (data.length === 0) throw new OperatorError('this node offers no model: run souk-node register')
  if (failed > 0)
    throw new OperatorError(
      `${failed} of ${data.length} models failed: souk-node doctor looks for the cause on this machine`,
    )
}

const LABEL = 8

function shown({ model, ok, ms, detail }: SelftestReply['data'][number]): string[] {
  const head = `${(ok ? 'ok' : 'FAILED').padEnd(LABEL)}${model}  ${ms} ms`
  const more = detail === null ? [] : wrap(printable(detail), COLUMNS - LABEL)
  return [head, ...more.map((line) => ' '.repeat(LABEL) + line)]
}

/** The gateway's sentence may quote a node's: without what could move a terminal. */
const printable = (text: string): string => text.replace(/[\p{Cc}\p{Cf}]+/gu, ' ')
