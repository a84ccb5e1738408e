// `souk-node start`: loads, listens or links, greets, and runs until it is told to stop. While it runs it follows config.json: models come and go.
// With --json every line on standard output is one JSON object.
import { claimHome } from '../claim.ts'
import { configFile, homeFolder, loadConfig } from '../config.ts'
import { loadIdentity } from '../identity.ts'
import { createLog, type Log } from '../log.ts'
import { watchConfig } from '../model-store/config-watch.ts'
import { startNode, type RunningNode } from '../node.ts'
import { OperatorError } from '../operator-error.ts'
import type { Command } from './commands.ts'
import { SHARED_OPTIONS, type ParsedOptions, type Terminal } from './options.ts'

export const startCommand: Command = {
  spec: {
    name: 'start',
    details: [
      'Prints progress while models load, then "ready" and how the node is reached: its address, or its link to the gateway.',
      'SIGTERM or Ctrl-C stops: running calls may finish first. One process serves from one state folder.',
      'Follows config.json while it runs: models that are added, changed or removed come and go. SIGHUP reads it at once.',
    ],
    options: { ...SHARED_OPTIONS, json: { type: 'boolean', help: 'print one JSON object per line' } },
  },
  run: runStart,
}

/** Resolves when the node has stopped. @throws OperatorError when it had to, because a model died: whatever watches the program starts it again */
export async function runStart(
  options: ParsedOptions,
  { print, env }: Terminal,
  stop: () => Promise<void>,
): Promise<void> {
  const home = homeFolder(options.text('home'), env)
  const config = await loadConfig(home, env)
  const identity = await loadIdentity(home)
  const isJson = options.flag('json')
  const log: Log = isJson ? createLog((line) => print(line.trimEnd()), Date.now) : humanLog(print)
  const read = () => loadConfig(home, env)
  const nodeId = async () => (await read()).nodeId
  const claim = await claimHome(home, Date.now)
  try {
    // From now on a signal is heard, also while models load.
    const stopped = stop()
    const node = await startNode({ config, identity, home, env, nodeId, log })
    await claim.tell({ url: node.url, link: node.link })
    const watch = watchConfig({ file: configFile(home), read, log, changed: (changed) => void node.apply(changed) })
    const reload = () => void watch.reload()
    process.on('SIGHUP', reload)
    tellReady(node, isJson ? log : null, print)
    const failure = await Promise.race([stopped.then(() => null), node.died])
    watch.stop()
    process.off('SIGHUP', reload)
    await node.stop()
    if (failure !== null) throw new OperatorError(failure)
  } finally {
    await claim.release()
  }
}

/** @param log null: for people, who are told of the link by the log's own lines */
function tellReady({ url, link, linked }: RunningNode, log: Log | null, print: (line: string) => void): void {
  if (!log) return print(['ready', ...(url ? [url] : []), ...(link ? [`by its link to ${link}`] : [])].join(' '))
  log('info', 'ready', link === null ? { url } : { url, link })
  void linked?.then(() => log('info', 'linked', { link }))
}

function humanLog(print: (line: string) => void): Log {
  return (level, event, fields = {}) => {
    const details = Object.entries(fields).flatMap(([name, value]) => (value === null ? [] : [`${name}=${value}`]))
    print([level === 'info' ? '' : `${level}: `, event.replaceAll('_', ' '), ' ', details.join(' ')].join('').trimEnd())
  }
}
