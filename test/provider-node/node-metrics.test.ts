// The page of numbers as Prometheus reads it, and the lines of the log: complete, well formed, and without a word of what was asked or answered.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { jcs } from '../../protocol/canonical.ts'
import { createNodeMetrics } from '../../provider-node/node-metrics.ts'
import type { ModelStatus } from '../../provider-node/model-store/host.ts'
import { aFakeEngine, aLog } from './model-store/builders.ts'
import {
  aNode,
  aTicket,
  CHAT_PATH,
  chatBody,
  EMBEDDINGS_PATH,
  eventually,
  readAnswer,
  send,
  type TestNode,
} from './builders.ts'

interface Family {
  readonly help: string
  readonly type: string
  readonly samples: { name: string; labels: Record<string, string>; value: number }[]
}

const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*",?)+)\})? (\S+)$/
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"/g

/** The text format 0.0.4, strictly: every sample below its own HELP and TYPE, no series twice. @throws Error naming the line */
function parse(page: string): Map<string, Family> {
  const families = new Map<string, Family>()
  const seen = new Set<string>()
  let current = ''
  let help = ''
  expect(page.endsWith('\n')).toBe(true)
  for (const line of page.slice(0, -1).split('\n')) {
    const [, kind, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? []
    if (kind === 'HELP') help = rest
    if (kind === 'TYPE') {
      if (families.has(name)) throw new Error(`twice: ${line}`)
      current = name
      families.set(name, { help, type: rest, samples: [] })
    }
    if (kind) continue
    const [, sample = '', labelText = '', value = ''] = SAMPLE.exec(line) ?? []
    const family = families.get(current)
    const suffixes = family?.type === 'histogram' ? ['_bucket', '_sum', '_count'] : ['']
    if (!family || !suffixes.some((suffix) => sample === current + suffix)) throw new Error(`no family: ${line}`)
    const number = value === '+Inf' ? Infinity : Number(value)
    if (Number.isNaN(number) || seen.has(`${sample}{${labelText}}`)) throw new Error(`not a number, or twice: ${line}`)
    seen.add(`${sample}{${labelText}}`)
    const labels = Object.fromEntries([...labelText.matchAll(LABEL)].map(([, key, text]) => [key, text]))
    family.samples.push({ name: sample, labels, value: number })
  }
  return families
}

const { log, lines } = aLog()
let node: TestNode
beforeAll(async () => {
  node = await aNode({ ownKey: 'sixteen characters' }, { log })
})
afterAll(() => node.dispose())

const page = async () => parse(await (await fetch(`${node.url}/metrics`)).text())
const CANARY = 'zanzibarprompt'
/** Names the trained model repeats: the same word stands in prompt and answer. */
const NAME = 'Bartholomea'

describe('after calls of every kind', () => {
  beforeAll(async () => {
    await readAnswer(await send(node, CHAT_PATH, chatBody(`Please say hello to ${NAME}.`)))
    const body = JSON.stringify({ model: 'souk/word-vectors', input: `${CANARY} is a cat` })
    await (await send(node, EMBEDDINGS_PATH, body)).text()
    const leaves = new AbortController()
    const story = chatBody('Could you write a story about a frog?', { n: 8, temperature: 1 })
    await send(node, CHAT_PATH, story, undefined, { signal: leaves.signal })
    leaves.abort()
    // Refused before there is an order, and with one.
    await fetch(`${node.url}${CHAT_PATH}`, {
      method: 'POST',
      body: CANARY,
      headers: { authorization: `Souk ${CANARY}` },
    })
    const long = chatBody(`${CANARY} `.repeat(2_000))
    await (await send(node, CHAT_PATH, long)).text()
    await eventually(() => lines.filter(({ event }) => event === 'call').length >= 4)
  })

  it('every family has its description, its type and its shape', async () => {
    const families = await page()
    for (const [name, { help, type, samples }] of families) {
      expect([name, help.length > 5, ['counter', 'gauge', 'histogram'].includes(type)]).toEqual([name, true, true])
      expect(name).toMatch(type === 'counter' ? /_total$/ : /^(?!.*_total$)/)
      expect(name).toMatch(/^(souk_node_|gen_ai_server_|process_)/)
      if (type === 'histogram') expectHistogram(name, samples)
    }
    for (const name of [
      'gen_ai_server_request_duration_seconds',
      'gen_ai_server_time_to_first_token_seconds',
      'gen_ai_server_time_per_output_token_seconds',
      'souk_node_queue_wait_seconds',
      'souk_node_batch_size',
      'souk_node_model_load_seconds',
    ])
      expect([name, families.get(name)?.type, (families.get(name)?.samples.length ?? 0) > 0]).toEqual([
        name,
        'histogram',
        true,
      ])
  })

  it('the numbers are those of the calls', async () => {
    const families = await page()
    const value = (name: string, labels: Record<string, string>) =>
      families.get(name)?.samples.find((sample) => jcs(sample.labels) === jcs(labels))?.value
    expect(value('souk_node_calls_total', { model: 'souk/tiny-chat', task: 'chat', outcome: 'complete' })).toBe(1)
    expect(value('souk_node_calls_total', { model: 'souk/tiny-chat', task: 'chat', outcome: 'cancelled' })).toBe(1)
    expect(value('souk_node_calls_refused_total', { code: 'bad_ticket' })).toBe(1)
    expect(value('souk_node_calls_refused_total', { code: 'context_length_exceeded' })).toBe(1)
    expect(value('souk_node_model_state', { model: 'souk/tiny-chat', state: 'loaded' })).toBe(1)
    expect(value('souk_node_model_state', { model: 'souk/tiny-chat', state: 'failed' })).toBe(0)
    const duration = families
      .get('gen_ai_server_request_duration_seconds')
      ?.samples.filter(({ name }) => name.endsWith('_count'))
    expect(duration?.map(({ labels }) => labels)).toEqual([
      { gen_ai_operation_name: 'chat', gen_ai_request_model: 'souk/tiny-chat' },
      { gen_ai_operation_name: 'embeddings', gen_ai_request_model: 'souk/word-vectors' },
      { gen_ai_operation_name: 'chat', gen_ai_request_model: 'souk/tiny-chat', error_type: 'cancelled' },
    ])
  })

  it('every call has one line, with what it came to', () => {
    const calls = lines.filter(({ event }) => event === 'call').map(({ fields }) => fields)
    expect(calls).toHaveLength(4)
    const common = { call: 'call_00000000000000000000000000', attempt: 0, account: 'somebo' }
    const [number, chat] = [expect.any(Number), { model: 'souk/tiny-chat', task: 'chat' }]
    const times = { waitedMs: number, totalMs: number }
    expect(calls).toEqual(
      expect.arrayContaining([
        {
          ...common,
          ...chat,
          ...times,
          outcome: 'complete',
          inputTokens: number,
          outputTokens: number,
          firstMs: number,
        },
        expect.objectContaining({ ...common, ...chat, ...times, outcome: 'cancelled', outputTokens: number }),
        { ...common, ...chat, outcome: 'refused', code: 'context_length_exceeded', totalMs: number },
        expect.objectContaining({
          model: 'souk/word-vectors',
          task: 'embeddings',
          outcome: 'complete',
          outputTokens: 0,
        }),
      ]),
    )
  })

  it('no word of a prompt, an answer, a ticket or a whole pseudonym stands anywhere', async () => {
    const everything = JSON.stringify(lines) + (await (await fetch(`${node.url}/metrics`)).text())
    const health = await (await fetch(`${node.url}/healthz`)).text()
    const ticket = await node.gateway.sign(aTicket(node, CHAT_PATH, chatBody('x')))
    for (const word of [CANARY, NAME, 'frog', 'somebody', 'hello', ticket.slice(0, 20), 'sixteen characters'])
      expect([word, (everything + health).includes(word)]).toEqual([word, false])
    // Only what was looked for in vain counts: this is what is there.
    expect(everything).toContain('souk/tiny-chat')
  })
})

describe('labels', () => {
  it('are written so that no name of a model can break the page', () => {
    const engine = aFakeEngine()
    const wild: ModelStatus = { model: 'a"b\\c\nd} 1', digest: null, state: 'loading', reason: null, bytes: 1, engine }
    const host = {
      status: () => [wild, { ...wild, state: 'draining' as const }],
      memory: { usedBytes: () => 1, maxBytes: () => null },
    }
    const families = parse(
      createNodeMetrics(
        () => host,
        () => false,
      ).text(),
    )
    expect(families.get('souk_node_in_flight')?.samples).toEqual([
      { name: 'souk_node_in_flight', labels: { model: 'a\\"b\\\\c\\nd} 1' }, value: 0 },
    ])
    expect(families.get('souk_node_memory_max_bytes')?.samples[0]?.value).toBe(Infinity)
  })

  it('of a node without a model yet stand on an empty page', () => {
    const families = parse(
      createNodeMetrics(
        () => null,
        () => true,
      ).text(),
    )
    expect(families.get('souk_node_draining')?.samples[0]?.value).toBe(1)
    expect(families.get('souk_node_calls_total')?.samples).toEqual([
      { name: 'souk_node_calls_total', labels: {}, value: 0 },
    ])
  })
})

/** Buckets grow, the last is +Inf and equals the count. */
function expectHistogram(name: string, samples: Family['samples']): void {
  const series = new Map<string, { buckets: [string, number][]; count: number }>()
  for (const { name: sample, labels, value } of samples) {
    const { le = '', ...rest } = labels
    const one = series.get(jcs(rest)) ?? { buckets: [], count: -1 }
    series.set(jcs(rest), one)
    if (sample === `${name}_bucket`) one.buckets.push([le, value])
    if (sample === `${name}_count`) one.count = value
  }
  for (const { buckets, count } of series.values()) {
    const counts = buckets.map(([, value]) => value)
    expect(counts).toEqual([...counts].sort((a, b) => a - b))
    expect(buckets.at(-1)).toEqual(['+Inf', count])
  }
}
