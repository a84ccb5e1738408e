// The command line in this process, as cli.ts runs it: what it prints, what it tells, and its exit code. And a registered node with a gateway that answers
// what the test says and keeps what it was sent.
import { COMMANDS } from '../../../provider-node/cli/commands.ts'
import { helpText, parseOptions } from '../../../provider-node/cli/options.ts'
import { readCommand } from '../../../provider-node/cli/overview.ts'
import type { NodeView } from '../../../protocol/node.ts'
import type { NodeStatusView, OffersRequest, PriceRange } from '../../../protocol/operator.ts'
import { saveNodeId } from '../../../provider-node/config-edit.ts'
import { storedConfig } from '../../../provider-node/config.ts'
import { loadIdentity } from '../../../provider-node/identity.ts'
import { offersOf } from '../../../provider-node/offers.ts'
import { silentLog } from '../../../provider-node/log.ts'
import { OperatorError } from '../../../provider-node/operator-error.ts'
import { aGateway, type FakeGateway } from '../builders.ts'

export const NODE_ID = 'node_0123456789abcdef'

export interface Said {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** Runs one command to its end. */
export async function souk(args: readonly string[], env: Record<string, string> = {}): Promise<Said> {
  const said = { out: '', err: '' }
  const terminal = {
    print: (line: string) => void (said.out += `${line}\n`),
    tell: (line: string) => void (said.err += `${line}\n`),
    env,
  }
  try {
    const asked = readCommand(args, COMMANDS)
    if (asked.kind !== 'command') throw new Error('no command')
    const { spec, run } = await asked.line.load()
    const options = parseOptions(spec, asked.args)
    if (options.flag('help')) terminal.print(helpText(spec, asked.line.summary))
    else await run(options, terminal, () => new Promise(() => undefined))
    return { code: 0, ...said }
  } catch (cause) {
    if (!(cause instanceof OperatorError)) throw cause
    return { ...said, code: cause.exitCode, err: `${said.err}souk-node: ${cause.message}\n` }
  }
}

export interface OperatorGateway extends FakeGateway {
  /** what `GET /api/nodes/{id}/status` answers; tests change it */
  status: NodeStatusView
  /** by model; absent: 404 */
  readonly prices: Map<string, PriceRange>
  /** offers that were put, one entry per request */
  readonly put: OffersRequest['offers'][]
  /** when set, the next requests are refused with it */
  refusal: { status: 404 | 422 | 429; body: object } | null
}

export const NO_TRAFFIC = {
  calls: 0,
  errors: 0,
  inputTokens: 0,
  outputTokens: 0,
  tensorBytes: 0,
  earned: '0.000000000',
}

/** Every price in dollars a million. */
export const pricesOf = (usd: string, perCall = '0.000000000') => ({
  ...{ inputPerMillion: usd, outputPerMillion: usd, cachedInputPerMillion: usd },
  ...{ bytesPerMillion: '0.000000000', perCall },
})

/** A gateway that knows the node of `home` with every model of its configuration. */
export async function anOperatorGateway(home: string): Promise<OperatorGateway> {
  const gateway = await aGateway()
  const prices = new Map<string, PriceRange>()
  const put: OffersRequest['offers'][] = []
  const state: Pick<OperatorGateway, 'status' | 'refusal'> = { status: aStatus([]), refusal: null }
  const guard = () => (state.refusal ? Response.json(state.refusal.body, { status: state.refusal.status }) : null)
  const { app } = gateway
  app.get('/api/nodes/:id/status', (c) => guard() ?? c.json(state.status))
  app.put('/api/nodes/:id/offers', async (c) => {
    const refused = guard()
    if (refused) return refused
    const body: OffersRequest = await c.req.json()
    put.push(body.offers)
    return c.json(state.status.node)
  })
  for (const [verb, becomes] of [['drain', 'draining'] as const, ['resume', 'active'] as const])
    app.post(`/api/nodes/:id/${verb}`, (c) => guard() ?? c.json({ ...state.status.node, state: becomes }))
  app.get('/api/models/:author/:name/prices', (c) => {
    const known = prices.get(`${c.req.param('author')}/${c.req.param('name')}`)
    const error = {
      code: 'model_not_found',
      message: 'There is no such model.',
      type: 'x',
      param: null,
      requestId: null,
    }
    return known ? c.json(known) : c.json({ error }, 404)
  })
  await saveNodeId(home, NODE_ID)
  const config = await storedConfig(home)
  const offers = await offersOf(config, { home, env: {}, log: silentLog, isChecked: false })
  const { nodeKey } = await loadIdentity(home)
  state.status = aStatus(offers.map(offerView), { name: config.name, nodeKey })
  for (const { model } of offers) prices.set(model, { model, offers: 0, low: null, median: null, high: null })
  // The routes read the very object that the test changes.
  return Object.assign(state, gateway, { prices, put })
}

type Offers = Awaited<ReturnType<typeof offersOf>>

const offerView = ({ prices, assurance: _assurance, ...offer }: Offers[number]): NodeView['offers'][number] => ({
  ...offer,
  state: 'live',
  reason: null,
  prices: { ...{ cachedInputPerMillion: prices.inputPerMillion, bytesPerMillion: '0' }, ...prices },
  driftPpm: null,
})

export const aStatus = (offers: NodeView['offers'], over: Partial<NodeView> = {}): NodeStatusView => ({
  node: {
    ...{ id: NODE_ID, name: 'n', nodeKey: 'A'.repeat(43), operatorAccountId: 'a'.repeat(16), endpoint: 'link' },
    ...{ state: 'active', reason: null, link: { upSince: '2026-01-01T11:00:00.000Z', downSince: null } },
    ...{ wireVersion: 2, offers, createdAt: '2026-01-01T00:00:00.000Z' },
    ...over,
  },
  reasons: [],
  health: [],
  traffic: { hour: NO_TRAFFIC, day: NO_TRAFFIC, month: NO_TRAFFIC },
  lastCallAt: null,
  prices: [],
  notices: [],
  at: '2026-01-01T12:00:00.000Z',
})
