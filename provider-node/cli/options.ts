// Command lines: options and arguments are declared, everything else is refused with one sentence. `node:util` finds the tokens.
import { parseArgs } from 'node:util'
import { usageError } from '../operator-error.ts'
import { nearest } from '../nearest.ts'

export interface OptionSpec {
  readonly type: 'string' | 'boolean'
  /** may be given more than once */
  readonly multiple?: boolean
  /** what stands behind the option in the help */
  readonly value?: string
  readonly help: string
}

export interface ArgumentSpec {
  /** as the help shows it, in capitals */
  readonly name: string
  readonly help: string
  /** one or more; with `isOptional` none or more */
  readonly isMany?: boolean
  readonly isOptional?: boolean
}

export interface CommandSpec {
  /** as it is typed: `status`, `models add` */
  readonly name: string
  readonly details: readonly string[]
  readonly arguments?: readonly ArgumentSpec[]
  readonly options: Readonly<Record<string, OptionSpec>>
}

/** Options of every command. */
export const SHARED_OPTIONS = {
  home: { type: 'string', value: 'DIR', help: 'state folder (SOUK_NODE_HOME, else ./souk-node)' },
  help: { type: 'boolean', help: 'this text' },
} as const satisfies Record<string, OptionSpec>

export const JSON_OPTION = {
  json: { type: 'boolean', help: 'print one JSON value, for programs' },
} as const satisfies Record<string, OptionSpec>

export interface ParsedOptions {
  flag(name: string): boolean
  /** the last one given */
  text(name: string): string | undefined
  all(name: string): string[]
  /** arguments in their order: as many as the spec wants */
  readonly positionals: readonly string[]
}

/** @throws OperatorError with exit code 2 */
export function parseOptions(spec: CommandSpec, args: readonly string[]): ParsedOptions {
  const known = Object.fromEntries(
    Object.entries(spec.options).map(([name, { type }]) => [name, { type, multiple: true } as const]),
  )
  const { tokens } = parseArgs({ args: [...args], options: known, strict: false, allowPositionals: true, tokens: true })
  const given: [string, string | null][] = []
  const positionals: string[] = []
  const help = `see souk-node ${spec.name} --help`
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value)
    if (token.kind !== 'option') continue
    const option = Object.hasOwn(spec.options, token.name) ? spec.options[token.name] : undefined
    if (!option) throw usageError(`unknown option ${token.rawName}${meant(token.name, spec)}: ${help}`)
    const value = token.value ?? null
    if (option.type === 'string' && (value === null || value === ''))
      throw usageError(`option ${token.rawName} needs a value: ${help}`)
    if (option.type === 'boolean' && value !== null) throw usageError(`option ${token.rawName} takes no value: ${help}`)
    if (!option.multiple && given.some(([name]) => name === token.name))
      throw usageError(`option ${token.rawName} is given twice: ${help}`)
    given.push([token.name, value])
  }
  const flag = (name: string) => given.some(([key]) => key === name)
  // Who asks for help need not say the rest.
  if (!flag('help')) checkPositionals(spec, positionals, help)
  const all = (name: string) => given.flatMap(([key, value]) => (key === name && value !== null ? [value] : []))
  return { all, text: (name) => all(name).at(-1), flag, positionals }
}

function meant(name: string, { options }: CommandSpec): string {
  const near = nearest(name, Object.keys(options))
  return near === null ? '' : `, did you mean --${near}`
}

function checkPositionals({ name, arguments: wanted = [] }: CommandSpec, given: readonly string[], help: string): void {
  const missing = wanted.find(({ isOptional }, index) => !isOptional && given.length <= index)
  if (missing) throw usageError(`${name} needs ${missing.name}: ${help}`)
  const stray = wanted.some(({ isMany }) => isMany) ? undefined : given[wanted.length]
  if (stray !== undefined) throw usageError(`${name} takes no argument "${stray}": ${help}`)
}

/** @param summary of the command's line in the table */
export function helpText(spec: CommandSpec, summary: string): string {
  const { arguments: wanted = [] } = spec
  const usage = wanted.map(({ name, isMany, isOptional }) => {
    const shown = isMany ? `${name} …` : name
    return isOptional ? `[${shown}]` : shown
  })
  const options = Object.entries(spec.options).map(([name, option]) => ({
    left: `--${name}${option.value ? ` ${option.value}` : ''}`,
    help: option.help,
  }))
  const named = wanted.map(({ name, help }) => ({ left: name, help }))
  const width = Math.min(26, Math.max(...[...options, ...named].map(({ left }) => left.length)) + 2)
  const row = ({ left, help }: { left: string; help: string }) => hanging(left, help, width)
  return [
    ...wrap(`souk-node ${spec.name}: ${summary}`, COLUMNS),
    '',
    ...spec.details.flatMap((text) => wrap(text, COLUMNS)),
    ...(spec.details.length > 0 ? [''] : []),
    `Usage: souk-node ${[spec.name, ...usage, '[options]'].join(' ')}`,
    ...(named.length > 0 ? ['', 'Arguments:', ...named.flatMap(row)] : []),
    '',
    'Options:',
    ...options.flatMap(row),
    '',
  ].join('\n')
}

/** Columns of the narrowest terminal everything is written for. */
export const COLUMNS = 80

/** Lines of at most `width`; a longer word stands alone. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}

/** A name with its text beside it, two columns in; the text's further lines stand below its first. */
export function hanging(left: string, text: string, width: number): string[] {
  const [first = '', ...rest] = wrap(text, COLUMNS - 2 - width)
  const indent = ' '.repeat(2 + width)
  const more = rest.map((line) => indent + line)
  if (left.length >= width) return [`  ${left}`, indent + first, ...more]
  return [`  ${left.padEnd(width)}${first}`, ...more]
}

/** A terminal to write to, so that commands can be run by tests. */
export interface Terminal {
  /** the answer: standard output */
  print(line: string): void
  /** progress and warnings: standard error, so that they never stand in `--json` */
  tell(line: string): void
  readonly env: Readonly<Record<string, string | undefined>>
}
