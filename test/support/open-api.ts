// Just enough of YAML and of OpenAPI's schemas to hold an answer against a published description: block maps and lists, one-line scalars, `$ref`,
// `required`, `anyOf`, `additionalProperties`. What it does not know it throws at, so that a newer description cannot pass unread.

export type Node = string | number | boolean | Node[] | { readonly [key: string]: Node }
interface Line {
  readonly indent: number
  readonly text: string
}

/** @throws Error for YAML beyond what stands above */
export function parseYaml(text: string): Node {
  const lines = text
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.trimStart().startsWith('#'))
    .map((line) => ({ indent: line.length - line.trimStart().length, text: line.trim() }))
  const { value, next } = block(lines, 0)
  if (next !== lines.length) throw new Error(`YAML that is not understood: ${lines[next]?.text}`)
  return value
}

/** A block that begins at line `at`: all that is indented as deep or deeper. */
function block(lines: readonly Line[], at: number): { value: Node; next: number } {
  const first = lines[at]
  if (!first) throw new Error('a block without lines')
  return first.text.startsWith('- ') ? list(lines, at, first.indent) : map(lines, at, first.indent)
}

function list(lines: readonly Line[], at: number, indent: number): { value: Node[]; next: number } {
  const value: Node[] = []
  for (let line = lines[at]; line?.indent === indent && line.text.startsWith('- '); line = lines[at]) {
    const rest = line.text.slice(2)
    if (!KEY.test(rest)) {
      value.push(scalar(rest))
      at += 1
      continue
    }
    // `- name: x` begins a map whose further keys stand two columns in.
    const inner = [...lines.slice(0, at), { indent: indent + 2, text: rest }, ...lines.slice(at + 1)]
    const item = map(inner, at, indent + 2)
    value.push(item.value)
    at = item.next
  }
  return { value, next: at }
}

function map(lines: readonly Line[], at: number, indent: number): { value: Record<string, Node>; next: number } {
  const value: Record<string, Node> = {}
  for (let line = lines[at]; line?.indent === indent; line = lines[at]) {
    const match = KEY.exec(line.text)
    if (!match) throw new Error(`YAML that is not understood: ${line.text}`)
    const key = String(scalar(match[1] ?? ''))
    const rest = (match[2] ?? '').trim()
    const below = lines[at + 1]
    const isNested =
      rest === '' && below && (below.indent > indent || (below.indent === indent && below.text[0] === '-'))
    const inner = isNested ? block(lines, at + 1) : { value: scalar(rest), next: at + 1 }
    value[key] = inner.value
    at = inner.next
  }
  return { value, next: at }
}

const KEY = /^('[^']*'|[^\s'"-][^:]*):(?: (.*))?$/

function scalar(text: string): Node {
  if (text === '[]') return []
  if (text === '{}') return {}
  if (/^[[{&*|>"]/.test(text)) throw new Error(`YAML that is not understood: ${text}`)
  if (text.startsWith("'")) return text.slice(1, -1)
  if (text === 'true' || text === 'false') return text === 'true'
  return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text
}

const isMap = (node: Node | undefined): node is { readonly [key: string]: Node } =>
  typeof node === 'object' && !Array.isArray(node)

/** Keys that say nothing about a value. */
const WORDS = new Set(['title', 'description', 'x-examples'])
const KNOWN = new Set(['type', 'properties', 'required', 'items', 'anyOf', '$ref', 'additionalProperties', ...WORDS])

/** What is wrong with a value, by path; empty when it is as the schema says. @param name of `components.schemas` */
export function violations(document: Node, name: string, value: unknown): string[] {
  const schemas = at(at(document, 'components'), 'schemas')
  const found: string[] = []
  check(at(schemas, name), value, name)
  return found

  function check(schema: Node, given: unknown, path: string): void {
    if (!isMap(schema)) throw new Error(`no schema at ${path}`)
    const strange = Object.keys(schema).find((key) => !KNOWN.has(key))
    if (strange !== undefined) throw new Error(`a schema with ${strange}, which is not understood`)
    if (schema.$ref !== undefined) return check(at(schemas, String(schema.$ref).split('/').at(-1) ?? ''), given, path)
    if (Array.isArray(schema.anyOf)) {
      if (!schema.anyOf.some((branch) => passes(branch, given, path))) found.push(`${path} is none of anyOf`)
      return
    }
    if (!hasType(schema.type, given)) return void found.push(`${path} is no ${String(schema.type)}`)
    if (Array.isArray(given)) given.forEach((item, i) => check(at(schema, 'items'), item, `${path}.${i}`))
    else if (typeof given === 'object' && given !== null) checkFields(schema, given, path)
  }

  function checkFields(schema: { readonly [key: string]: Node }, given: object, path: string): void {
    const { properties = {}, required = [], additionalProperties } = schema
    for (const name of required as string[]) if (!(name in given)) found.push(`${path}.${name} is missing`)
    for (const [name, inner] of Object.entries(given)) {
      const known = isMap(properties) ? properties[name] : undefined
      if (known !== undefined) check(known, inner, `${path}.${name}`)
      else if (additionalProperties === false) found.push(`${path}.${name} is not allowed`)
      else if (isMap(additionalProperties)) check(additionalProperties, inner, `${path}.${name}`)
    }
  }

  function passes(schema: Node, given: unknown, path: string): boolean {
    const before = found.length
    check(schema, given, path)
    return found.splice(before).length === 0
  }
}

function at(node: Node, key: string): Node {
  const inner = isMap(node) ? node[key] : undefined
  if (inner === undefined) throw new Error(`the description has no ${key}`)
  return inner
}

function hasType(type: Node | undefined, value: unknown): boolean {
  if (type === 'array') return Array.isArray(value)
  if (type === 'integer') return Number.isInteger(value)
  if (type === 'object') return typeof value === 'object' && value !== null && !Array.isArray(value)
  if (type === 'string' || type === 'number' || type === 'boolean') return typeof value === type
  throw new Error(`a schema of type ${String(type)}, which is not understood`)
}
