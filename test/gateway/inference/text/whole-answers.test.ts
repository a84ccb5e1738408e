// When a streamed answer is whole, and when it only looks so: what a node does behind its last word, and what it does instead of it.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { LIMITS } from '../../../../gateway/core/limits.ts'
import { aHouse, chat, finish, sse, token, type ScriptedNode } from '../call-house.ts'

beforeEach(() => {
  vi.spyOn(console, 'error').mockImplementation(() => undefined)
})
afterEach(() => {
  vi.restoreAllMocks()
})

const START = 1_000_000_000n
const encoder = new TextEncoder()
const event = (data: object | string) => `data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`

/** A body of these pieces, with ms between them; `then`: what comes after the last one. */
function raw(pieces: readonly (string | Uint8Array | number)[], then: 'end' | 'hang' | 'break' = 'end'): ScriptedNode {
  return () => {
    const body = new ReadableStream<Uint8Array>({
      async start(controller) {
        for (const piece of pieces) {
          if (typeof piece === 'number') await new Promise((resolve) => setTimeout(resolve, piece))
          else controller.enqueue(typeof piece === 'string' ? encoder.encode(piece) : piece)
        }
        if (then === 'end') controller.close()
        if (then === 'break') setTimeout(() => controller.error(new Error('connection reset')), 20)
      },
    })
    return new Response(body, { headers: { 'content-type': 'text/event-stream' } })
  }
}

/** The same piece for ever, as fast as it is taken. */
function endless(piece: string, everyMs = 0): { node: ScriptedNode; taken: () => number } {
  let bytes = 0
  const chunk = encoder.encode(piece)
  const node: ScriptedNode = () =>
    new Response(
      new ReadableStream<Uint8Array>({
        async pull(controller) {
          await new Promise((resolve) => setTimeout(resolve, everyMs))
          bytes += chunk.byteLength
          controller.enqueue(chunk)
        },
      }),
      { headers: { 'content-type': 'text/event-stream' } },
    )
  return { node, taken: () => bytes }
}

async function ask(node: ScriptedNode, body: object = {}, gapMs = 300) {
  const house = await aHouse({ nodes: [node], timeouts: { gapMs, firstTokenMs: gapMs, lastWordMs: 60 } })
  const { response, settled } = await house.call('/v1/chat/completions', chat({ stream: true, ...body }))
  const text = await response.text()
  await settled()
  const { availableNanos, heldNanos } = await house.account.balance()
  expect(heldNanos).toBe(0n)
  return { text, status: response.status, spent: START - availableNanos, reports: house.reports, house }
}

const ANSWER = [event(token('one ', 1)), event(token('two', 2))]
const WHOLE = [...ANSWER, event(finish(2))]

describe('an answer is whole with its last finish', () => {
  it.each([
    ['and ends without [DONE]', raw(WHOLE)],
    ['and its connection stays open', raw(WHOLE, 'hang')],
    ['and its connection breaks', raw(WHOLE, 'break')],
    ['and nonsense follows', raw([...WHOLE, event('{{{')], 'hang')],
    ['and comments follow for ever', endlessAfter(WHOLE, ': still here\n\n')],
    ['and [DONE] follows late', raw([...WHOLE, 20, event('[DONE]')])],
    [
      'after comments and events of other names',
      raw([': ping\n\n', 'event: ping\ndata: x\n\n', ...WHOLE, event('[DONE]')]),
    ],
  ])('%s', async (_, node) => {
    const { text, spent, reports } = await ask(node)
    expect(text).toContain('"finish_reason":"stop"')
    expect(text.trimEnd().endsWith('data: [DONE]')).toBe(true)
    expect([spent, reports[0]?.outcome]).toEqual([70n, 'served'])
  })

  it('also for who does not stream', async () => {
    const house = await aHouse({ nodes: [raw(WHOLE, 'hang')], timeouts: { lastWordMs: 60 } })
    const { response } = await house.call('/v1/chat/completions', chat())
    expect([response.status, (await response.text()).includes('one two')]).toEqual([200, true])
  })

  it('and the node’s last word is waited for: its counts come after its finish', async () => {
    const bare = { choices: [{ index: 0, delta: { content: 'one two' }, finish_reason: 'stop' }] }
    const usage = { choices: [], usage: { prompt_tokens: 5, completion_tokens: 2 } }
    expect((await ask(raw([event(bare), 20, event(usage)], 'hang'))).spent).toBe(70n)
    // Later than that it is not heard: what its bytes prove is charged, one token.
    expect((await ask(raw([event(bare), 150, event(usage)], 'hang'))).spent).toBe(10n)
  })

  it('of every choice', async () => {
    const of = (index: number, reason: string | null) =>
      event({ choices: [{ index, delta: { content: 'a' }, finish_reason: reason }] })
    const { text, spent } = await ask(raw([of(0, 'stop'), of(1, null)]), { n: 2 })
    expect(text).toContain('provider_broke_off')
    expect(text).not.toContain('[DONE]')
    expect(spent).toBe(0n)
  })
})

describe('an answer that is none', () => {
  it.each([
    ['ends without a finish', raw(ANSWER), 'provider_broke_off'],
    ['says [DONE] without a finish', raw([...ANSWER, event('[DONE]')]), 'provider_broke_off'],
    [
      'says an error in its stream',
      raw([...ANSWER, event({ error: { message: 'out of memory' } })]),
      'provider_failed',
    ],
    [
      'says nonsense and goes on',
      raw([...ANSWER, event('{"choices":'), event(finish(2)), event('[DONE]')]),
      'provider_failed',
    ],
    ['says nothing behind `data:`', raw([...ANSWER, 'data:\n\n', event(finish(2))]), 'provider_failed'],
    ['is cut inside an event', raw([...ANSWER, event(finish(2)).slice(0, 40)]), 'provider_broke_off'],
    ['is deeply nested', raw([...ANSWER, event('['.repeat(100_000))]), 'provider_failed'],
    ['says HTML', raw(['<html><body>Bad gateway</body></html>\n\n']), 'provider_broke_off'],
    ['sends comments for ever', endless(': still here\n\n', 20).node, 'provider_timeout'],
    [
      'sends empty words for ever',
      endless(event({ choices: [{ index: 0, delta: { content: '' } }] }), 20).node,
      'provider_timeout',
    ],
    ['stalls', raw(ANSWER, 'hang'), 'provider_timeout'],
  ])('%s: told as an error, and nothing is charged', async (_, node, code) => {
    const { text, spent, reports } = await ask(node)
    expect(text).toContain(code)
    expect(text).not.toContain('[DONE]')
    expect([spent, reports[0]?.outcome, reports[0]?.fault]).toEqual([0n, code, 'node'])
    expect(text).not.toMatch(/out of memory|Bad gateway/)
  })

  it.each([
    ['one line without an end', 'x'.repeat(65_536), LIMITS.nodeEventBytes],
    ['lines without a word', event({ choices: [], padding: 'x'.repeat(65_536) }), LIMITS.nodeAnswerBytes],
  ])('%s is read to a bound', async (_, piece, most) => {
    const { node, taken } = endless(piece)
    const { text, spent } = await ask(node, {}, 20_000)
    expect(text).toContain('provider_failed')
    expect(spent).toBe(0n)
    expect(taken()).toBeLessThan(most + 8 * 65_536)
  })

  it('may have bytes that are no UTF-8: they are told as what they are not', async () => {
    const [before, after] = event(token('@', 1)).split('@')
    const { text, spent } = await ask(raw([before ?? '', Uint8Array.of(0xff, 0xfe), after ?? '', event(finish(1))]))
    expect(text).toContain('\ufffd\ufffd')
    expect(spent).toBe(60n)
  })
})

function endlessAfter(first: readonly string[], piece: string): ScriptedNode {
  return () => {
    let isBegun = false
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        if (isBegun) await new Promise((resolve) => setTimeout(resolve, 5))
        controller.enqueue(encoder.encode(isBegun ? piece : first.join('')))
        isBegun = true
      },
    })
    return new Response(body, { headers: { 'content-type': 'text/event-stream' } })
  }
}

it('a stream that was cut is cut for every node alike', async () => {
  const cut: ScriptedNode = () => sse([token('one ', 1)], 'break')
  expect((await ask(cut)).text).toContain('provider_broke_off')
})
