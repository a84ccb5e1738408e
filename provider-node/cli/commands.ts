// What can be said on the command line. Nothing heavy is imported here: help and refusals appear at once, a command loads what it needs.
import type { CommandSpec, OptionSpec, ParsedOptions, Terminal } from './options.ts'

export const DEFAULTS = {
  gateway: 'http://127.0.0.1:8787',
  port: 8790,
  models: ['tiny-chat', 'word-vectors', 'language-id'],
} as const

/** Options every command has. */
const SHARED_OPTIONS = {
  home: { type: 'string', value: 'DIR', help: 'state folder (SOUK_NODE_HOME, else ./souk-node)' },
  help: { type: 'boolean', help: 'this text' },
} as const satisfies Record<string, OptionSpec>

export const initSpec: CommandSpec = {
  name: 'init',
  summary: 'makes the keys and the configuration of a node',
  details: ['Writes keys.json (readable by you alone; back it up) and config.json (edit it: prices, models, limits).'],
  options: {
    ...SHARED_OPTIONS,
    gateway: { type: 'string', value: 'URL', help: `the gateway (${DEFAULTS.gateway})` },
    endpoint: { type: 'string', value: 'URL', help: 'where the gateway reaches this node (http://127.0.0.1:PORT)' },
    host: { type: 'string', value: 'ADDRESS', help: 'address to listen on (127.0.0.1)' },
    port: { type: 'string', value: 'N', help: `port to listen on, 0 for any free one (${DEFAULTS.port})` },
    name: { type: 'string', value: 'TEXT', help: 'what people see (the name of this machine)' },
    model: {
      type: 'string',
      multiple: true,
      value: 'FOLDER',
      help: 'a model to serve, by path or shipped name; may be repeated (tiny-chat, word-vectors, language-id)',
    },
    'accept-licence': {
      type: 'string',
      multiple: true,
      value: 'SPDX',
      help: 'a licence you have read and accept; may be repeated (models shipped with the program need none)',
    },
  },
}

const registerSpec: CommandSpec = {
  name: 'register',
  summary: 'registers the node, signed by the wallet of its operator',
  details: [
    "The wallet's private key comes from SOUK_OPERATOR_KEY or from a file; it is used for two signatures and not kept.",
    'The node need not be running, but it gets traffic only when it is.',
  ],
  options: {
    ...SHARED_OPTIONS,
    'wallet-key-file': { type: 'string', value: 'FILE', help: 'file with the private key of the operator wallet' },
    json: { type: 'boolean', help: "print the gateway's answer as one line of JSON" },
  },
}

const startSpec: CommandSpec = {
  name: 'start',
  summary: 'serves the models until it is stopped',
  details: [
    'Prints progress while models load, then "ready URL". SIGTERM or Ctrl-C stops: running calls may finish first.',
    'Follows config.json while it runs: models that are added, changed or removed come and go. SIGHUP reads it at once.',
    'SOUK_NODE_NAME, SOUK_NODE_GATEWAY, SOUK_NODE_ENDPOINT, SOUK_NODE_HOST and SOUK_NODE_PORT override config.json.',
  ],
  options: { ...SHARED_OPTIONS, json: { type: 'boolean', help: 'print one JSON object per line' } },
}

export interface Command {
  readonly spec: CommandSpec
  /** @param stop asked for by commands that run until they are stopped */
  run(options: ParsedOptions, terminal: Terminal, stop: () => Promise<void>): Promise<void>
}

export const COMMANDS: Readonly<Record<string, Command>> = {
  init: { spec: initSpec, run: async (options, terminal) => (await import('./init.ts')).runInit(options, terminal) },
  register: {
    spec: registerSpec,
    run: async (options, terminal) => (await import('./register.ts')).runRegister(options, terminal),
  },
  start: { spec: startSpec, run: async (...given) => (await import('./start.ts')).runStart(...given) },
}
