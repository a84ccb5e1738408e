// Command lines: options are declared, everything else is refused with one sentence. `node:util` finds the tokens.
import { parseArgs } from 'node:util'
import { usageError } from '../operator-error.ts'

export interface OptionSpec {
  readonly type: 'string' | 'boolean'
  /** may be given more than once */
  readonly multiple?: boolean
  /** what stands behind the option in the help */
  readonly value?: string
  readonly help: string
}

export interface CommandSpec {
  readonly name: string
  readonly summary: string
  readonly details: readonly string[]
  readonly options: Readonly<Record<string, OptionSpec>>
}

export interface ParsedOptions {
  flag(name: string): boolean
  /** the last one given */
  text(name: string): string | undefined
  all(name: string): string[]
}

/** @throws OperatorError with exit code 2 */
export function parseOptions(spec: CommandSpec, args: readonly string[]): ParsedOptions {
  const known = Object.fromEntries(
    Object.entries(spec.options).map(([name, { type }]) => [name, { type, multiple: true } as const]),
  )
  const { tokens } = parseArgs({ args: [...args], options: known, strict: false, allowPositionals: true, tokens: true })
  const given: [string, string | null][] = []
  const help = `see souk-node ${spec.name} --help`
  for (const token of tokens) {
    if (token.kind === 'positional') throw usageError(`${spec.name} takes no argument "${token.value}": ${help}`)
    if (token.kind === 'option-terminator') continue
    const option = Object.hasOwn(spec.options, token.name) ? spec.options[token.name] : undefined
    if (!option) throw usageError(`unknown option ${token.rawName}: ${help}`)
    const value = token.value ?? null
    if (option.type === 'string' && (value === null || value === ''))
      throw usageError(`option ${token.rawName} needs a value: ${help}`)
    if (option.type === 'boolean' && value !== null) throw usageError(`option ${token.rawName} takes no value: ${help}`)
    if (!option.multiple && given.some(([name]) => name === token.name))
      throw usageError(`option ${token.rawName} is given twice: ${help}`)
    given.push([token.name, value])
  }
  const all = (name: string) => given.flatMap(([key, value]) => (key === name && value !== null ? [value] : []))
  return { all, text: (name) => all(name).at(-1), flag: (name) => given.some(([key]) => key === name) }
}

export function helpText(spec: CommandSpec): string {
  const rows = Object.entries(spec.options).map(([name, option]) => {
    const left = `  --${name}${option.value ? ` ${option.value}` : ''}`
    return `${left.padEnd(28)}${option.help}`
  })
  return [`souk-node ${spec.name}: ${spec.summary}`, '', ...spec.details, '', 'Options:', ...rows, ''].join('\n')
}

/** A terminal to write to, so that commands can be run by tests. */
export interface Terminal {
  print(line: string): void
  readonly env: Readonly<Record<string, string | undefined>>
}
