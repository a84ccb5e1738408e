// souk-node: the operator's program. Exit codes: 0 done, 1 refused or failed, in one sentence on standard error, 2 when the command itself cannot
// be understood. A second Ctrl-C, some moments later, ends at once.
import { WIRE_VERSION } from '../protocol/wire.ts'
import { COMMANDS } from './cli/commands.ts'
import { helpText, parseOptions, type Terminal } from './cli/options.ts'
import { overview, readCommand } from './cli/overview.ts'
import { printable } from './cli/printable.ts'
import { stopSignal } from './cli/stop-signal.ts'
import { OperatorError } from './operator-error.ts'
import { programVersion } from './version.ts'

async function main(args: readonly string[], terminal: Terminal): Promise<void> {
  const asked = readCommand(args, COMMANDS)
  if (asked.kind === 'overview') return terminal.print(overview(COMMANDS, asked.group))
  if (asked.kind === 'version') return terminal.print(`souk-node ${await programVersion()} (wire ${WIRE_VERSION})`)
  const command = await asked.line.load()
  const options = parseOptions(command.spec, asked.args)
  if (options.flag('help')) return terminal.print(helpText(command.spec, asked.line.summary))
  await command.run(options, terminal, stop)
}

const stop = () => stopSignal({ signals: process, now: () => performance.now(), atOnce: () => process.exit(1) })

const terminal: Terminal = {
  print: (line) => console.log(printable(line)),
  tell: (line) => console.error(printable(line)),
  env: process.env,
}
main(process.argv.slice(2), terminal).then(
  () => process.exit(0),
  (cause: unknown) => {
    // A bug shows its stack; what an operator can mend is one sentence.
    console.error(cause instanceof OperatorError ? printable(`souk-node: ${cause.message}`) : cause)
    process.exit(cause instanceof OperatorError ? cause.exitCode : 1)
  },
)
