// `souk-node start`: loads, listens, greets, and runs until it is told to stop. With --json every line on standard output is one JSON object.
import { homeFolder, loadConfig } from '../config.ts'
import { loadIdentity } from '../identity.ts'
import { createLog, type Log } from '../log.ts'
import { startNode } from '../node.ts'
import { SHARED_OPTIONS, type CommandSpec, type ParsedOptions, type Terminal } from './options.ts'

export const startSpec: CommandSpec = {
  name: 'start',
  summary: 'serves the models until it is stopped',
  details: [
    'Prints progress while models load, then "ready URL". SIGTERM or Ctrl-C stops: running calls may finish first.',
    'SOUK_NODE_NAME, SOUK_NODE_GATEWAY, SOUK_NODE_ENDPOINT, SOUK_NODE_HOST and SOUK_NODE_PORT override config.json.',
  ],
  options: { ...SHARED_OPTIONS, json: { type: 'boolean', help: 'print one JSON object per line' } },
}

/** Resolves when the node has stopped. */
export async function runStart(options: ParsedOptions, terminal: Terminal, stop: Promise<void>): Promise<void> {
  const { print, env } = terminal
  const home = homeFolder(options.text('home'), env)
  const config = await loadConfig(home, env)
  const identity = await loadIdentity(home)
  const isJson = options.flag('json')
  const log: Log = isJson ? createLog((line) => print(line.trimEnd()), Date.now) : humanLog(print)
  const nodeId = async () => (await loadConfig(home, env)).nodeId
  const node = await startNode({ config, identity, home, nodeId, log })
  if (isJson) log('info', 'ready', { url: node.url })
  else print(`ready ${node.url}`)
  await stop
  await node.stop()
}

function humanLog(print: (line: string) => void): Log {
  return (level, event, fields = {}) => {
    const details = Object.entries(fields).map(([name, value]) => `${name}=${value}`)
    print([level === 'info' ? '' : `${level}: `, event.replaceAll('_', ' '), ' ', details.join(' ')].join('').trimEnd())
  }
}
