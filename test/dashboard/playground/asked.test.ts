// From the form to the text that is sent, and from that text to code that sends the same.
import { execFileSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import {
  askedOf,
  NO_SAMPLING,
  NO_TENSORS,
  NO_WISHES,
  type Asked,
  type Form,
} from '../../../gateway/dashboard/playground/asked.ts'
import { CLIENTS, codeFor } from '../../../gateway/dashboard/playground/code.ts'
import { costSoFar } from '../../../gateway/dashboard/playground/estimate.ts'
import { exampleOf, tensorRequest } from '../../../gateway/dashboard/playground/tensor-fields.ts'
import type { TensorSpec } from '../../../protocol/oip.ts'
import { readInferBody } from '../../../protocol/oip-binary.ts'
import { ChatRequest, CompletionRequest, EmbeddingRequest } from '../../../protocol/openai.ts'
import { ProviderPreferences } from '../../../protocol/routing.ts'

const ORIGIN = 'https://souk.example'
/** quotes, dollars, backslashes, newlines, other scripts, and what looks like markup */
const NASTY = `It's "quoted" $HOME \`id\` \\n\n<script>alert(1)</script> ' \\' السوق 🐪 \u2028`

const aForm = (over: Partial<Form> = {}): Form => ({
  ...{ surface: 'chat', model: 'souk/tiny-chat', system: '', turns: [], text: 'hello' },
  ...{ sampling: NO_SAMPLING, tensors: NO_TENSORS, wishes: NO_WISHES },
  ...over,
})
function asked(over: Partial<Form> = {}): Asked {
  const made = askedOf(aForm(over))
  if (!made.ok) throw new Error(made.why)
  return made.asked
}
const ids: TensorSpec = { name: 'ids', datatype: 'INT64', shape: [-1, 2] }

describe('what is sent', () => {
  it('is what the wire takes, with everything that was typed and nothing that was not', () => {
    const sampling = { maxTokens: '12', temperature: '0', topP: '0.5', seed: '7', stop: '\n' }
    const wishes = {
      ...NO_WISHES,
      sort: 'price',
      only: 'node_a, node_b',
      maxOutputPrice: '0.2',
      isPrivateOnly: true,
    } as const
    const turns = [
      { role: 'user', content: 'a' },
      { role: 'assistant', content: 'b' },
    ] as const
    const chat = JSON.parse(asked({ system: 'Be brief.', turns, text: NASTY, sampling, wishes }).body)
    expect(chat).toEqual({
      model: 'souk/tiny-chat',
      messages: [{ role: 'system', content: 'Be brief.' }, ...turns, { role: 'user', content: NASTY }],
      ...{ stream: true, max_tokens: 12, temperature: 0, top_p: 0.5, seed: 7, stop: '\n' },
      provider: {
        sort: 'price',
        only: ['node_a', 'node_b'],
        max_price: { completion: '0.2' },
        data_collection: 'deny',
      },
    })
    expect(ChatRequest.safeParse(chat).success).toBe(true)
    expect(JSON.parse(asked().body)).toEqual({
      model: 'souk/tiny-chat',
      messages: [{ role: 'user', content: 'hello' }],
      stream: true,
    })
    expect(CompletionRequest.safeParse(JSON.parse(asked({ surface: 'completion' }).body)).success).toBe(true)
    const lines = JSON.parse(asked({ surface: 'embeddings', text: 'one\n\n two \n' }).body)
    expect(EmbeddingRequest.parse(lines)).toMatchObject({ input: ['one', ' two '] })
  })

  it.each([
    [{ model: '' }, 'Choose a model.'],
    [{ text: ' \n' }, 'Write a message.'],
    [{ surface: 'embeddings', text: '' }, 'Write at least one line.'],
    [{ surface: 'tensors' }, 'This model names no inputs.'],
  ] as const)('waits for what is missing: %j', (over, why) => {
    expect(askedOf(aForm(over))).toEqual({ ok: false, why })
  })

  it('says preferences of tensors in a header, where the surface takes them', () => {
    const tensors = tensorRequest([{ spec: ids, shape: '1, 2', data: '[1, 2]' }])
    const { headers, quote } = asked({ surface: 'tensors', tensors, wishes: { ...NO_WISHES, isOneTry: true } })
    expect(ProviderPreferences.parse(JSON.parse(headers['x-souk-provider'] ?? ''))).toEqual({ allow_fallbacks: false })
    expect(quote).toMatchObject({ request: { inputBytes: 16, provider: { allow_fallbacks: false } } })
  })
})

describe('tensors', () => {
  it('keeps every digit, takes the shape from the nesting, and is what the gateway reads', () => {
    const made = tensorRequest([{ spec: ids, shape: '', data: '[[9007199254740993, -1]]' }])
    if (!made.ok) throw new Error(made.why)
    expect(made.body).toBe(
      '{"inputs":[{"name":"ids","datatype":"INT64","shape":[1,2],"data":[[9007199254740993, -1]]}]}',
    )
    const read = readInferBody(new TextEncoder().encode(made.body), null, 'a/b')
    if (!read.ok) throw new Error(read.detail)
    const [tensor] = read.value.request.inputs
    expect(new BigInt64Array(tensor?.data.slice().buffer ?? new ArrayBuffer(0))).toEqual(
      new BigInt64Array([9007199254740993n, -1n]),
    )
  })

  it.each([
    ['[1', '1', '"ids": its data is no JSON.'],
    ['[1]', '1,x', '"ids": its shape is whole numbers, such as 1, 16.'],
    ['[1, 2, 3]', '1, 2', /^"ids": .*3 elements/],
    ['["a", "b"]', '1, 2', /^"ids": /],
  ])('refuses %s of shape %s, naming the input', (data, shape, why) => {
    const made = tensorRequest([{ spec: ids, shape, data }])
    expect(made.ok ? '' : made.why).toMatch(why)
  })

  it('begins with an example that is right', () => {
    for (const datatype of ['INT64', 'FP32', 'BOOL', 'BYTES', 'FP16'] as const)
      expect(tensorRequest([exampleOf({ name: 'x', datatype, shape: [-1, 3] })])).toMatchObject({ ok: true })
  })
})

const cases: readonly [string, Asked][] = [
  [
    'a chat',
    asked({ text: NASTY, sampling: { ...NO_SAMPLING, temperature: '0.5' }, wishes: { ...NO_WISHES, sort: 'price' } }),
  ],
  ['a completion', asked({ surface: 'completion', text: NASTY })],
  ['embeddings', asked({ surface: 'embeddings', text: `${NASTY}\nb` })],
  [
    'tensors',
    asked({
      surface: 'tensors',
      tensors: tensorRequest([
        { spec: { name: `it's "x"`, datatype: 'BYTES', shape: [-1] }, shape: '', data: JSON.stringify([NASTY]) },
      ]),
      wishes: { ...NO_WISHES, isOneTry: true },
    }),
  ],
  [
    'long integers',
    asked({ surface: 'tensors', tensors: tensorRequest([{ spec: ids, shape: '', data: '[[9007199254740993, 1]]' }]) }),
  ],
]

describe('the code', () => {
  it.each(cases)('of %s in curl sends the very text, whatever a shell makes of quotes', (_, each) => {
    const script = `curl() { for last; do :; done; printf %s "$last"; }\n${codeFor('curl', each, ORIGIN)}`
    expect(execFileSync('sh', ['-c', script], { encoding: 'utf8' })).toBe(each.body)
  })

  it.each(cases)('of %s in JavaScript sends the same', async (_, each) => {
    for (const client of ['javascript', 'sdk'] as const) {
      const sent: { url: string; body: string; headers: Record<string, string> }[] = []
      const record = (url: string, init: { body: string; headers: Record<string, string> }) =>
        sent.push({ ...init, url })
      const code = codeFor(client, each, ORIGIN).replace(/^import .*$/gm, '')
      const run = new Function('OpenAI', 'createClient', 'z', 'fetch', 'process', `return (async () => {${code}})()`)
      const create = (path: string) => (body: unknown) => {
        record(`${ORIGIN}/v1${path}`, { body: JSON.stringify(body), headers: {} })
        return Promise.resolve({ data: [{ embedding: [] }], async *[Symbol.asyncIterator]() {} })
      }
      class OpenAI {
        chat = { completions: { create: create('/chat/completions') } }
        completions = { create: create('/completions') }
        embeddings = { create: create('/embeddings') }
      }
      const { createClient } = await import('../../../protocol/client.ts')
      const fake = (url: string | URL, init: { body: string; headers: Record<string, string> }) => {
        record(String(url), init)
        return Promise.resolve(
          new Response('data: [DONE]\n\n{}'.slice(each.path.includes('infer') || each.path.includes('embed') ? 14 : 0)),
        )
      }
      const withFetch = (options: object) => createClient({ ...options, fetch: fake } as never) // the snippet's own options
      await run(OpenAI, withFetch, (await import('zod')).z, fake, { env: {}, stdout: { write: () => true } })
      expect(sent).toHaveLength(1)
      expect(sent[0]?.url).toBe(ORIGIN + each.path)
      expect(JSON.parse(sent[0]?.body ?? '')).toEqual(JSON.parse(each.body))
      if (each.body.includes('9007199254740993')) expect(sent[0]?.body).toBe(each.body)
    }
  })

  const hasPython = (() => {
    try {
      execFileSync('python3', ['--version'])
      return true
    } catch {
      return false
    }
  })()
  it.skipIf(!hasPython).each(cases)('of %s in Python sends the same', (_, each) => {
    const stub = `
import json, sys, types, urllib.request
def told(**said):
    extra = said.pop("extra_body", {})
    print(json.dumps({**said, **extra}))
    return []
class Reply:
    def read(self): return b""
def opened(request):
    print(request.data.decode())
    return Reply()
class OpenAI:
    def __init__(self, **_):
        create = types.SimpleNamespace(create=told)
        self.chat = types.SimpleNamespace(completions=create)
        self.completions = create
        self.embeddings = types.SimpleNamespace(create=lambda **said: told(**said) or types.SimpleNamespace(data=[types.SimpleNamespace(embedding=[])]))
sys.modules["openai"] = types.SimpleNamespace(OpenAI=OpenAI)
urllib.request.urlopen = opened
`
    const env = { ...process.env, SOUK_API_KEY: 'k', PYTHONIOENCODING: 'utf-8' }
    const said = execFileSync('python3', ['-c', stub + codeFor('python', each, ORIGIN)], { encoding: 'utf8', env })
    expect(JSON.parse(said.split('\n')[0] ?? '')).toEqual(JSON.parse(each.body))
  })

  it('never holds a key', () => {
    for (const [, each] of cases)
      for (const client of CLIENTS) expect(codeFor(client, each, ORIGIN)).toContain('SOUK_API_KEY')
  })
})

describe('the estimate while an answer runs', () => {
  const prices = {
    ...{ inputPerMillion: '1', outputPerMillion: '2', cachedInputPerMillion: '1' },
    ...{ bytesPerMillion: '0', perCall: '0.000001' },
  }
  it('is four characters a token, and never above what was set aside', () => {
    expect(costSoFar({ input: 40, output: 41 }, prices, '1')).toBe('0.000033000')
    expect(costSoFar({ input: 40, output: 4_000_000 }, prices, '0.5')).toBe('0.500000000')
    expect(costSoFar({ input: 0, output: 0 }, prices, '0.5')).toBe('0.000001000')
  })
})
