// souk-node: the operator's program. Each command says what is wrong in one sentence: exit code 1, or 2 when the command itself cannot be
// understood. A second Ctrl-C ends at once.
import { COMMANDS } from './cli/commands.ts'
import { helpText, parseOptions, type Terminal } from './cli/options.ts'
import { OperatorError, usageError } from './operator-error.ts'

const OVERVIEW = [
  'souk-node: serve models to a Souk gateway and be paid per call',
  '',
  'Commands:',
  ...Object.values(COMMANDS).map(({ spec }) => `  ${spec.name.padEnd(10)}${spec.summary}`),
  '',
  'souk-node COMMAND --help says more.',
  '',
].join('\n')

async function main(args: readonly string[], terminal: Terminal): Promise<void> {
  const [name, ...rest] = args
  if (name === undefined || name === '--help' || name === 'help') return terminal.print(OVERVIEW)
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  if (!command) throw usageError(`unknown command "${name}": the commands are ${Object.keys(COMMANDS).join(', ')}`)
  const options = parseOptions(command.spec, rest)
  if (options.flag('help')) return terminal.print(helpText(command.spec))
  await command.run(options, terminal, stopSignal)
}

function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    const stop = () => {
      resolve()
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
    }
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop)
  })
}

main(process.argv.slice(2), { print: (line) => console.log(line), env: process.env }).then(
  () => process.exit(0),
  (cause: unknown) => {
    // A bug shows its stack; what an operator can mend is one sentence.
    console.error(cause instanceof OperatorError ? `souk-node: ${cause.message}` : cause)
    process.exit(cause instanceof OperatorError ? cause.exitCode : 1)
  },
)
