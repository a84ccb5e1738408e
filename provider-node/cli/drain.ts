// `souk-node drain`: the gateway sends this node no new calls, and with --wait this returns when the last one is done. The program itself is left running.
import { setTimeout as wait } from 'node:timers/promises'
import type { NodeView } from '../../protocol/node.ts'
import type { NodeStatusView } from '../../protocol/operator.ts'
import { OperatorError, usageError } from '../operator-error.ts'
import type { Command } from './commands.ts'
import { JSON_OPTION, SHARED_OPTIONS, type ParsedOptions, type Terminal } from './options.ts'
import { openRegistered } from './registered.ts'

export const drainCommand: Command = {
  spec: {
    name: 'drain',
    details: [
      'Before maintenance: running calls finish, new ones go to other nodes. The node stays registered and keeps its history; --undo lets calls come again.',
    ],
    options: {
      ...SHARED_OPTIONS,
      undo: { type: 'boolean', help: 'take calls again' },
      wait: { type: 'boolean', help: 'return when no call is under way any more' },
      ...JSON_OPTION,
    },
  },
  run: (options, terminal) => runDrain(options, terminal),
}

/** ms between two looks, and ms the longest call may still take */
const LOOK_MS = 2_000
const WAIT_MS = 15 * 60_000

export interface DrainNeeds {
  readonly now: () => number
  readonly pause: (ms: number) => Promise<unknown>
}

export async function runDrain(
  options: ParsedOptions,
  terminal: Terminal,
  needs: DrainNeeds = { now: Date.now, pause: wait },
): Promise<void> {
  const isUndo = options.flag('undo')
  if (isUndo && options.flag('wait')) throw usageError('option --wait does not go with --undo')
  const { api } = await openRegistered(options, terminal)
  const node = isUndo ? await api.resume() : await api.drain()
  const left = options.flag('wait') ? await waitForCalls(() => api.status(), terminal, needs) : null
  if (options.flag('json')) return terminal.print(JSON.stringify({ ...node, inFlight: left }))
  terminal.print(`state  ${stateOf(node)}`)
  if (left === 0) terminal.print('No call is under way: the node can be stopped.')
  if (!isUndo && left === null) terminal.print('New calls go elsewhere. souk-node drain --undo takes calls again.')
}

const stateOf = ({ state, reason }: NodeView): string => `${state}${reason ? `: ${reason}` : ''}`

/** @throws OperatorError when calls are still under way after {@link WAIT_MS} */
async function waitForCalls(
  status: () => Promise<NodeStatusView>,
  { tell }: Terminal,
  { now, pause }: DrainNeeds,
): Promise<0> {
  const until = now() + WAIT_MS
  let said = -1
  for (;;) {
    const inFlight = (await status()).health.reduce((sum, offer) => sum + offer.inFlight, 0)
    if (inFlight === 0) return 0
    if (inFlight !== said) tell(`${inFlight} ${inFlight === 1 ? 'call is' : 'calls are'} under way`)
    said = inFlight
    if (now() >= until) throw new OperatorError('calls are still under way after 15 minutes: look at souk-node status')
    await pause(LOOK_MS)
  }
}
