// What can be said on the command line: one line per command. Nothing heavy is imported here, so the overview and refusals appear at once; a
// command's own file holds its spec (options, arguments, help) and its run function, and is loaded when it is asked for.
import type { CommandSpec, ParsedOptions, Terminal } from './options.ts'

export interface Command {
  readonly spec: CommandSpec
  /** @param stop asked for by commands that run until they are stopped @throws OperatorError with the exit code */
  run(options: ParsedOptions, terminal: Terminal, stop: () => Promise<void>): Promise<void>
}

export interface CommandLine {
  readonly summary: string
  load(): Promise<Command>
}

/** In the order an operator meets them. A key of two words is typed as two. */
export const COMMANDS: Readonly<Record<string, CommandLine>> = {
  init: {
    summary: 'makes the keys and the configuration of a node',
    load: async () => (await import('./init.ts')).initCommand,
  },
  register: {
    summary: 'registers the node, signed by the wallet of its operator',
    load: async () => (await import('./register.ts')).registerCommand,
  },
  start: {
    summary: 'serves the models until it is stopped',
    load: async () => (await import('./start.ts')).startCommand,
  },
  status: {
    summary: 'shows traffic, earnings, prices, and why there is no traffic',
    load: async () => (await import('./status.ts')).statusCommand,
  },
  'models list': {
    summary: 'shows the models of this node',
    load: async () => (await import('./models.ts')).modelsListCommand,
  },
  'models add': {
    summary: 'fetches, checks and offers a model',
    load: async () => (await import('./models-add.ts')).modelsAddCommand,
  },
  'models remove': {
    summary: 'offers a model no more',
    load: async () => (await import('./models.ts')).modelsRemoveCommand,
  },
  price: {
    summary: "shows prices beside the market's, and changes them",
    load: async () => (await import('./price.ts')).priceCommand,
  },
  drain: {
    summary: 'takes no new calls, before maintenance',
    load: async () => (await import('./drain.ts')).drainCommand,
  },
  earnings: {
    summary: 'compares what this node did with what it was paid for',
    load: async () => (await import('./earnings.ts')).earningsCommand,
  },
  doctor: {
    summary: 'looks at everything a node needs, and says how to mend what is wrong',
    load: async () => (await import('./doctor.ts')).doctorCommand,
  },
  selftest: {
    summary: 'a free call through the gateway to this node',
    load: async () => (await import('./selftest.ts')).selftestCommand,
  },
  bench: {
    summary: 'measures this machine on your models, and suggests prices',
    load: async () => (await import('./bench.ts')).benchCommand,
  },
  publish: {
    summary: 'publishes a model of your own, signed by your wallet',
    load: async () => (await import('./publish.ts')).publishCommand,
  },
  'rotate-key': {
    summary: 'exchanges the keys of the node; its id and history stay',
    load: async () => (await import('./rotate-key.ts')).rotateKeyCommand,
  },
  revoke: {
    summary: 'takes the authorisation of the node back',
    load: async () => (await import('./revoke.ts')).revokeCommand,
  },
}
