// The same request as code: curl, the official OpenAI clients, our own SDK. The key is read from the environment and never stands in a text that
// somebody pastes elsewhere. Pure.
import type { Asked } from './asked.ts'

export const CLIENTS = ['curl', 'python', 'javascript', 'sdk'] as const
export type CodeClient = (typeof CLIENTS)[number]
export const CLIENT_NAMES: Readonly<Record<CodeClient, string>> = {
  curl: 'curl',
  python: 'Python',
  javascript: 'JavaScript',
  sdk: 'Souk SDK',
}

/** the variable that holds the key */
export const KEY_VARIABLE = 'SOUK_API_KEY'

/** @param origin the gateway's address, without a path */
export function codeFor(client: CodeClient, asked: Asked, origin: string): string {
  switch (client) {
    case 'curl':
      return curl(asked, origin)
    case 'python':
      return asked.surface === 'tensors' ? pythonTensors(asked, origin) : python(asked, origin)
    case 'javascript':
      return asked.surface === 'tensors' ? fetchTensors(asked, origin) : javascript(asked, origin)
    case 'sdk':
      return sdk(asked, origin)
    default:
      return client satisfies never
  }
}

function curl({ path, body, headers, surface }: Asked, origin: string): string {
  const isStream = surface === 'chat' || surface === 'completion'
  const extra = Object.entries(headers).map(([name, value]) => `-H ${shell(`${name}: ${value}`)}`)
  return [
    `curl ${isStream ? '-N ' : ''}${shell(origin + path)}`,
    `-H "Authorization: Bearer $${KEY_VARIABLE}"`,
    `-H 'Content-Type: application/json'`,
    ...extra,
    `--data-raw ${shell(body)}`,
  ].join(' \\\n  ')
}

/** One word of a POSIX shell, whatever is in it. */
const shell = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`

/** What the official Python client takes by name; anything else goes as `extra_body`. */
const PYTHON_ARGUMENTS = new Set(
  'model messages prompt input stream max_tokens temperature top_p seed stop encoding_format'.split(' '),
)

function python({ body, surface }: Asked, origin: string): string {
  const fields = Object.entries(fieldsOf(body))
  const known = fields.filter(([name]) => PYTHON_ARGUMENTS.has(name))
  const extra = fields.filter(([name]) => !PYTHON_ARGUMENTS.has(name))
  const named = [...known, ...(extra.length > 0 ? [['extra_body', Object.fromEntries(extra)] as const] : [])]
  const call = `client.${METHOD[surface]}(\n${named.map(([name, value]) => `    ${name}=${pythonLiteral(value)},\n`).join('')})`
  const reads: Record<string, string> = {
    chat: `stream = ${call}\nfor chunk in stream:\n    for choice in chunk.choices:\n        print(choice.delta.content or "", end="", flush=True)`,
    completion: `stream = ${call}\nfor chunk in stream:\n    for choice in chunk.choices:\n        print(choice.text or "", end="", flush=True)`,
    embeddings: `reply = ${call}\nprint(len(reply.data), len(reply.data[0].embedding))`,
  }
  return `import os
from openai import OpenAI

client = OpenAI(base_url=${JSON.stringify(`${origin}/v1`)}, api_key=os.environ["${KEY_VARIABLE}"])
${reads[surface] ?? ''}
`
}

const METHOD: Readonly<Record<Asked['surface'], string>> = {
  chat: 'chat.completions.create',
  completion: 'completions.create',
  embeddings: 'embeddings.create',
  tensors: '',
}

function pythonTensors({ path, body, headers }: Asked, origin: string): string {
  const extra = Object.entries(headers).map(([name, value]) => `        ${pythonText(name)}: ${pythonText(value)},\n`)
  return `import os
import urllib.request

request = urllib.request.Request(
    ${pythonText(origin + path)},
    data=${pythonText(body)}.encode(),
    headers={
        "Authorization": "Bearer " + os.environ["${KEY_VARIABLE}"],
        "Content-Type": "application/json",
${extra.join('')}    },
)
print(urllib.request.urlopen(request).read().decode())
`
}

function javascript({ body, surface }: Asked, origin: string): string {
  const call = `await client.${METHOD[surface]}(${literal(body)})`
  const reads: Record<string, string> = {
    chat: `const stream = ${call}\nfor await (const chunk of stream) process.stdout.write(chunk.choices[0]?.delta?.content ?? '')`,
    completion: `const stream = ${call}\nfor await (const chunk of stream) process.stdout.write(chunk.choices[0]?.text ?? '')`,
    embeddings: `const reply = ${call}\nconsole.log(reply.data.length, reply.data[0].embedding.length)`,
  }
  return `import OpenAI from 'openai'

const client = new OpenAI({ baseURL: '${origin}/v1', apiKey: process.env.${KEY_VARIABLE} })
${reads[surface] ?? ''}
`
}

function fetchTensors({ path, body, headers }: Asked, origin: string): string {
  const extra = Object.entries(headers).map(
    ([name, value]) => `    ${JSON.stringify(name)}: ${JSON.stringify(value)},\n`,
  )
  return `const reply = await fetch(${JSON.stringify(origin + path)}, {
  method: 'POST',
  headers: {
    authorization: \`Bearer \${process.env.${KEY_VARIABLE}}\`,
    'content-type': 'application/json',
${extra.join('')}  },
  body: ${isExact(body) ? `JSON.stringify(${literal(body)})` : JSON.stringify(body)},
})
console.log(await reply.json())
`
}

function sdk(asked: Asked, origin: string): string {
  const { path, body, headers, surface } = asked
  // The SDK sends values, which cannot hold such integers.
  if (!isExact(body)) return fetchTensors(asked, origin)
  const isStream = surface === 'chat' || surface === 'completion'
  const extra =
    Object.keys(headers).length === 0
      ? ''
      : `,\n  fetch: (url, init) => fetch(url, { ...init, headers: { ...init.headers, ...${JSON.stringify(headers)} } })`
  const read = isStream
    ? `for await (const chunk of client.stream('${path}', ${literal(body)}))
  process.stdout.write(${surface === 'chat' ? "chunk.choices[0]?.delta?.content ?? ''" : "chunk.choices[0]?.text ?? ''"})`
    : `console.log(await client.send('POST', '${path}', z.unknown(), ${literal(body)}))`
  return `import { createClient } from 'souk/client'
${isStream ? '' : "import { z } from 'zod'\n"}
const client = createClient({
  url: '${origin}',
  token: process.env.${KEY_VARIABLE}${extra},
})
${read}
`
}

/** JSON is JavaScript. */
const literal = (body: string): string => JSON.stringify(JSON.parse(body), null, 2)

/** Whether a program that reads the text as values writes the same text again: not with integers beyond 2^53. */
const isExact = (body: string): boolean => !/(?<![\d.])\d{16}/.test(body)

const fieldsOf = (body: string): Record<string, unknown> => JSON.parse(body) as Record<string, unknown> // askedOf wrote an object

/** A JSON string is a Python string: both know the same escapes. */
const pythonText = (text: string): string => JSON.stringify(text)

function pythonLiteral(value: unknown, indent = '    '): string {
  if (value === null) return 'None'
  if (typeof value === 'boolean') return value ? 'True' : 'False'
  if (typeof value === 'string') return pythonText(value)
  const inner = `${indent}    `
  if (Array.isArray(value))
    return `[\n${value.map((each) => `${inner}${pythonLiteral(each, inner)},\n`).join('')}${indent}]`
  if (typeof value !== 'object') return String(value)
  const entries = Object.entries(value).map(
    ([name, each]) => `${inner}${pythonText(name)}: ${pythonLiteral(each, inner)},\n`,
  )
  return `{\n${entries.join('')}${indent}}`
}
