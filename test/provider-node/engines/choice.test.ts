// One choice from scripted or random logits: what is given out, when, and how it ends.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Choice, type Taken } from '../../../provider-node/engines/choice.ts'
import type { TextJob } from '../../../provider-node/engines/engine.ts'
import { choiceSeed, seededRandom } from '../../../provider-node/engines/sampling.ts'
import type { TokenTable } from '../../../provider-node/engines/token-table.ts'
import { aJob } from '../jobs.ts'

const END = 0
const utf8 = (text: string) => new TextEncoder().encode(text)

/** Token 0 ends; token i is part i. */
const tableOf = (parts: readonly Uint8Array[]): TokenTable => ({
  size: parts.length + 1,
  bytes: (token) => parts[token - 1] ?? new Uint8Array(),
  specials: new Set([END]),
})
const BYTES = tableOf(Array.from({ length: 255 }, (_, index) => Uint8Array.of(index + 1)))

function choiceOf(tokens: TokenTable, overrides: Partial<TextJob> = {}, index = 0): Choice {
  const job = aJob('', { outputTokensMax: 400, ...overrides })
  return new Choice({ job, index, tokens, outputTokensMax: job.outputTokensMax })
}

/** Takes what the logits say until the choice is over. */
function run(choice: Choice, logitsAt: (step: number) => Float32Array): Taken[] {
  const taken: Taken[] = []
  for (let step = 0; step < 2_000; step++) {
    const next = choice.take(logitsAt(step))
    taken.push(next)
    expect(next.next === null).toBe(next.finishReason !== null)
    if (next.next === null) return taken
  }
  throw new Error('it never ended')
}

/** The parts one after the other, then the end token. */
const said = (parts: readonly Uint8Array[], overrides: Partial<TextJob> = {}) =>
  run(choiceOf(tableOf(parts), overrides), (step) => {
    const logits = new Float32Array(parts.length + 1)
    logits[step < parts.length ? step + 1 : END] = 9
    return logits
  })

const textOf = (taken: readonly Taken[]) => taken.map(({ text }) => text).join('')
const endOf = (taken: readonly Taken[]) => taken.at(-1)?.finishReason

const someText = fc.string({ unit: fc.constantFrom('a', 'b', 'é', '日', '😀', '😁'), maxLength: 30 })
const someStops = fc.array(
  fc.string({ unit: fc.constantFrom('a', 'b', 'é', '日', '😀'), minLength: 1, maxLength: 4 }),
  {
    maxLength: 4,
  },
)
/** The bytes of a text in parts, cut anywhere. */
const someParts = fc
  .tuple(someText, fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 8 }))
  .map(([text, lengths]) => {
    const bytes = utf8(text)
    const parts: Uint8Array[] = []
    for (let at = 0; at < bytes.length; at += parts.at(-1)?.length ?? 1)
      parts.push(bytes.subarray(at, at + (lengths[parts.length % lengths.length] ?? 1)))
    return { text, parts }
  })

/** The text before the first stop sequence that is complete; the longest of those that end together. */
function beforeStop(text: string, stops: readonly string[]): string {
  for (let end = 1; end <= text.length; end++) {
    const found = stops.filter((stop) => text.slice(0, end).endsWith(stop))
    if (found.length > 0) return text.slice(0, end - Math.max(...found.map((stop) => stop.length)))
  }
  return text
}

describe('a choice', () => {
  it('gives each token to be fed next, counts all but the end token, and ends with stop', () => {
    const taken = said([...'hello'].map(utf8))
    expect(taken.map(({ next }) => next)).toEqual([1, 2, 3, 4, 5, null])
    expect([textOf(taken), endOf(taken)]).toEqual(['hello', 'stop'])
  })

  it('ends with length at its bound, and not one token before', () => {
    for (const outputTokensMax of [1, 4, 5]) {
      const taken = said([...'hello'].map(utf8), { outputTokensMax })
      expect([textOf(taken), endOf(taken), taken.length]).toEqual([
        'hello'.slice(0, outputTokensMax),
        'length',
        outputTokensMax,
      ])
    }
    expect(endOf(said([...'hello'].map(utf8), { outputTokensMax: 6 }))).toBe('stop')
  })

  it('gives out, at its bound, what had been held back, but no half character', () => {
    const emoji = utf8('😀')
    const taken = said([utf8('a E'), emoji.subarray(0, 2), emoji.subarray(2)], { stop: [' END'], outputTokensMax: 2 })
    expect([textOf(taken), endOf(taken)]).toEqual(['a E', 'length'])
  })

  it('draws no token beyond its vocabulary, whatever logits the graph has for it', () => {
    const logits = new Float32Array(300).fill(50, 256)
    logits[0x61] = 1
    expect(choiceOf(BYTES).take(logits)).toMatchObject({ next: 0x61, text: 'a' })
  })

  it('leaks no stop sequence and tears no character, in text or log probabilities, however tokens cut them', () => {
    fc.assert(
      fc.property(someParts, someStops, ({ text, parts }, stop) => {
        const taken = said(parts, { stop, logprobs: 0 })
        const whole = beforeStop(text, stop)
        expect(textOf(taken)).toBe(whole)
        expect(endOf(taken)).toBe('stop')
        let bytes = 0
        let shown = 0
        for (const step of taken) {
          expect(Buffer.from(step.text).toString()).toBe(step.text)
          shown += utf8(step.text).length
          for (const { bytes: ofToken } of step.logprobs) bytes += ofToken?.length ?? 0
          // A token is told of with the text that completes it, never before.
          expect(bytes).toBeLessThanOrEqual(shown)
        }
        // Put together they are the text, to the byte: a token that a stop sequence cuts has only what stands before it.
        const told = taken.flatMap(({ logprobs }) => logprobs.flatMap((one) => one.bytes ?? []))
        expect(Buffer.from(told).toString()).toBe(whole)
      }),
      { numRuns: 800 },
    )
  })

  it('cuts a token with its stop sequence also where it stands among its own alternatives', () => {
    const [step] = said([utf8('Hi END')], { stop: ['END'], logprobs: 2 })
    expect(step?.text).toBe('Hi ')
    const [token] = step?.logprobs ?? []
    expect(token).toMatchObject({ token: 'Hi ', bytes: [...Buffer.from('Hi ')] })
    expect(token?.top_logprobs.map((one) => one.token)).toEqual(['Hi ', ''])
  })

  it('tells of the part of a token that is given out, where the bound cuts the character behind it', () => {
    const taken = said([Uint8Array.of(0x61, 0xf0, 0x9f), Uint8Array.of(0x98, 0x80)], {
      outputTokensMax: 1,
      logprobs: 0,
    })
    expect(textOf(taken)).toBe('a')
    expect(taken.flatMap(({ logprobs }) => logprobs.map((one) => one.bytes))).toEqual([[0x61]])
  })

  it('tells of no token at a cut that it cannot find, in text that was no UTF-8', () => {
    const taken = said([Uint8Array.of(0xff), utf8('a END')], { stop: ['END'], logprobs: 0 })
    expect(textOf(taken)).toBe('\uFFFDa ')
    expect(taken.flatMap(({ logprobs }) => logprobs.map((one) => one.bytes))).toEqual([[0xff]])
  })

  it('goes on from a prefix as if it had said it: the same text, the same end', () => {
    fc.assert(
      fc.property(someParts, someStops, fc.nat(30), ({ text, parts }, stop, at) => {
        const prefix = [...beforeStop(text, stop)].slice(0, at).join('')
        const rest = cutFront(parts, utf8(prefix).length)
        const taken = said(rest, { stop, prefix })
        expect(prefix + textOf(taken)).toBe(beforeStop(text, stop))
      }),
      { numRuns: 500 },
    )
  })

  it('repeats itself for a seed, and every choice draws as a call with its own seed alone', () => {
    const random = seededRandom(5)
    const logits = Array.from({ length: 40 }, () => Float32Array.from({ length: 256 }, () => random() * 3))
    const drawn = (overrides: Partial<TextJob>, index = 0) =>
      run(
        choiceOf(BYTES, { temperature: 1, outputTokensMax: 40, ...overrides }, index),
        (step) => logits[step] ?? new Float32Array(256),
      ).map(({ next }) => next)
    expect(drawn({ seed: 9 })).toEqual(drawn({ seed: 9 }))
    expect(drawn({ seed: 9 })).not.toEqual(drawn({ seed: 10 }))
    const choices = [0, 1, 2, 3].map((index) => drawn({ seed: 9 }, index))
    expect(new Set(choices.map(String)).size).toBe(4)
    expect(choices).toEqual([0, 1, 2, 3].map((index) => drawn({ seed: choiceSeed(9, index) })))
    expect(choices[0]).toEqual(drawn({ seed: 9 }))
  })

  it('asks no random number when it is greedy, and changes no logits', () => {
    const logits = Float32Array.from({ length: 256 }, (_, token) => (token === 0x61 ? 2 : 1))
    const before = logits.slice()
    const choice = choiceOf(BYTES, { isJson: true })
    choice.take(logits)
    expect(logits).toEqual(before)
  })
})

describe('a choice in JSON mode', () => {
  const someLogits = (seed: number, spread: number) => {
    const random = seededRandom(seed)
    return () => Float32Array.from({ length: 256 }, () => random() * spread)
  }

  it('is a JSON object, or is cut short and says so, from whatever logits', () => {
    const ends = { stop: 0, length: 0 }
    for (let seed = 0; seed < 60; seed++)
      for (const [temperature, topP, topK] of [
        [1, 1, 0],
        [1.5, 0.7, 5],
        [0, 1, 0],
      ] as const) {
        const taken = run(
          choiceOf(BYTES, { isJson: true, temperature, topP, topK, seed, outputTokensMax: 120 }),
          someLogits(seed, 4),
        )
        const end = endOf(taken)
        if (end === 'stop') expect(Object.prototype.toString.call(JSON.parse(textOf(taken)))).toBe('[object Object]')
        else expect(end).toBe('length')
        ends[end === 'stop' ? 'stop' : 'length'] += 1
      }
    expect(ends.stop).toBeGreaterThan(20)
    expect(ends.length).toBeGreaterThan(5)
  })

  it('gives the likeliest token that may come, however many likelier ones may not', () => {
    const logits = Float32Array.from({ length: 256 }, (_, token) => token)
    const choice = choiceOf(BYTES, { isJson: true })
    // '{' is the last character of ASCII but four: 132 tokens are likelier.
    expect(choice.take(logits).next).toBe(0x7b)
    expect(choice.take(logits)).toMatchObject({ next: null, text: '}', finishReason: 'stop' })
  })

  it('draws among the tokens that may come as often as the probabilities say', () => {
    // Of all the tokens only these two may come, and they are the unlikeliest.
    const logits = new Float32Array(256).fill(3)
    logits[0x7d] = Math.log(3)
    logits[0x20] = 0
    for (const other of [0x09, 0x0a, 0x0d, 0x22]) logits[other] = -Infinity
    let braces = 0
    for (let seed = 0; seed < 2_000; seed++) {
      const job = { isJson: true, temperature: 1, seed, prefix: '{' }
      if (choiceOf(BYTES, job).take(logits).text === '}') braces += 1
    }
    expect(braces).toBeGreaterThan(2_000 * 0.71)
    expect(braces).toBeLessThan(2_000 * 0.79)
  })

  it('ends with the object, without asking for an end token, also when that is the last token allowed', () => {
    const parts = ['{"a', '":', '1', '}'].map(utf8)
    const taken = said(parts, { isJson: true, outputTokensMax: 4 })
    expect([textOf(taken), endOf(taken), taken.length]).toEqual(['{"a":1}', 'stop', 4])
    expect(endOf(said(parts, { isJson: true, outputTokensMax: 3 }))).toBe('length')
  })

  it('goes on inside a prefix, and is over at once behind a whole one', () => {
    const rest = said([utf8('l":tr'), utf8('ue}')], { isJson: true, prefix: '{"al' })
    expect([textOf(rest), endOf(rest)]).toEqual(['l":true}', 'stop'])
    const none = said([utf8('x')], { isJson: true, prefix: '{}' })
    expect([none.length, textOf(none), endOf(none)]).toEqual([1, '', 'stop'])
  })

  it('says length, not stop, where its vocabulary has nothing that may come', () => {
    const taken = said([utf8('x')], { isJson: true })
    expect([textOf(taken), endOf(taken)]).toEqual(['', 'length'])
  })

  it('never gives white space for ever', () => {
    const logits = new Float32Array(256)
    logits[0x20] = 9
    logits[0x22] = 1
    const taken = run(choiceOf(BYTES, { isJson: true, outputTokensMax: 300 }), () => logits)
    expect(textOf(taken).startsWith(`{${' '.repeat(64)}"`)).toBe(true)
  })
})

/** Without the first `length` bytes. */
function cutFront(parts: readonly Uint8Array[], length: number): Uint8Array[] {
  const bytes = Buffer.concat(parts)
  let end = 0
  return parts.flatMap((part) => {
    const from = end
    end += part.length
    return end <= length ? [] : [Uint8Array.from(bytes.subarray(Math.max(from, length), end))]
  })
}
