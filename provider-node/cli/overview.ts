// From the words of a command line to the command that is meant: overview, help, version, and what to say when nothing is meant (rule).
import { usageError } from '../operator-error.ts'
import type { CommandLine } from './commands.ts'
import { nearest } from '../nearest.ts'
import { hanging } from './options.ts'

export type Commands = Readonly<Record<string, CommandLine>>

export type Asked =
  | { readonly kind: 'overview'; readonly group: string | null }
  | { readonly kind: 'version' }
  | { readonly kind: 'command'; readonly name: string; readonly line: CommandLine; readonly args: readonly string[] }

/** @throws OperatorError with exit code 2 for a word that is no command */
export function readCommand(args: readonly string[], commands: Commands): Asked {
  const [first, second, ...rest] = args
  if (first === undefined || first === '--help' || first === '-h') return { kind: 'overview', group: null }
  if (first === '--version' || first === '-V' || first === 'version') return { kind: 'version' }
  if (first === 'help') {
    if (second === undefined) return { kind: 'overview', group: null }
    // `help models add` is `models add --help`.
    const words = [second, ...rest].filter((word) => !word.startsWith('-'))
    return readCommand([...words, '--help'], commands)
  }
  const pair = `${first} ${second ?? ''}`
  const isPair = Object.hasOwn(commands, pair)
  const name = isPair ? pair : first
  const line = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (line) return { kind: 'command', name, line, args: isPair ? rest : args.slice(1) }
  const group = Object.keys(commands).filter((key) => key.startsWith(`${first} `))
  if (group.length === 0) throw unknown(first, Object.keys(commands))
  if (second === undefined || second === '--help' || second === '-h') return { kind: 'overview', group: first }
  throw unknown(pair, group)
}

/** @param group only commands that begin with this word */
export function overview(commands: Commands, group: string | null): string {
  const shown = Object.entries(commands).filter(([name]) => group === null || name.startsWith(`${group} `))
  const width = Math.max(...shown.map(([name]) => name.length)) + 2
  return [
    ...(group === null ? ['souk-node: serve models to a Souk gateway and be paid per call', ''] : []),
    'Commands:',
    ...shown.flatMap(([name, { summary }]) => hanging(name, summary, width)),
    '',
    'souk-node help COMMAND says more; souk-node --version says which this is.',
    '',
  ].join('\n')
}

function unknown(typed: string, known: readonly string[]): Error {
  const first = known.map((name) => name.split(' ')[0] ?? name)
  const near = nearest(typed, [...new Set([...known, ...first])])
  const hint = near === null ? `the commands are ${[...new Set(first)].join(', ')}` : `did you mean "${near}"?`
  return usageError(`unknown command "${typed}": ${typed.includes(' ') && near === null ? list(known) : hint}`)
}

const list = (known: readonly string[]): string => `there are ${known.map((name) => `"${name}"`).join(', ')}`
