// `souk-node start`: loads, listens or links, greets, and runs until it is told to stop. While it runs it follows config.json: models come and go.
// With --json every line on standard output is one JSON object.
import { configFile, homeFolder, loadConfig } from '../config.ts'
import { loadIdentity } from '../identity.ts'
import { createLog, type Log } from '../log.ts'
import { watchConfig } from '../model-store/config-watch.ts'
import { startNode } from '../node.ts'
import { OperatorError } from '../operator-error.ts'
import type { Command } from './commands.ts'
import { SHARED_OPTIONS, type ParsedOptions, type Terminal } from './options.ts'

export const startCommand: Command = {
  spec: {
    name: 'start',
    details: [
      'Prints progress while models load, then "ready URL". SIGTERM or Ctrl-C stops: running calls may finish first.',
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
  // From now on a signal is heard, also while models load.
  const stopped = stop()
  const node = await startNode({ config, identity, home, env, nodeId, log })
  const watch = watchConfig({ file: configFile(home), read, log, changed: (changed) => void node.apply(changed) })
  const reload = () => void watch.reload()
  process.on('SIGHUP', reload)
  const { url, link, linked } = node
  if (isJson) log('info', 'ready', link === null ? { url } : { url, link })
  else
    print(
      ['ready', url, ...(link === null ? [] : [`by its link to ${link}`])].filter((word) => word !== null).join(' '),
    )
  // Readers of the log are told by link_up.
  if (isJson) void linked?.then(() => log('info', 'linked', { link }))
  const failure = await Promise.race([stopped.then(() => null), node.died])
  watch.stop()
  process.off('SIGHUP', reload)
  await node.stop()
  if (failure !== null) throw new OperatorError(failure)
}

function humanLog(print: (line: string) => void): Log {
  return (level, event, fields = {}) => {
    const details = Object.entries(fields).map(([name, value]) => `${name}=${value}`)
    print([level === 'info' ? '' : `${level}: `, event.replaceAll('_', ' '), ' ', details.join(' ')].join('').trimEnd())
  }
}
