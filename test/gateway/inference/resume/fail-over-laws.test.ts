// The laws of an answer that several nodes told, whatever they are and wherever they break: what its caller has is a beginning of the one true answer,
// all of it where the stream ended well; it never costs more than was held; all money is somebody's.
import fc from 'fast-check'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { Offer } from '../../../../gateway/market/market-port.ts'
import { ChatChunk } from '../../../../protocol/openai.ts'
import { parseLine, sumLegs } from '../../../../protocol/journal.ts'
import { chargeNanosOf, shapeFault } from '../../../../protocol/journal-shapes.ts'
import { nanos } from '../../../../protocol/units.ts'
import { aPrice } from '../../../support/workers/builders.ts'
import { aHouse, chat, finish, nodeIdOf, sse, token, type ScriptedNode } from '../call-house.ts'

beforeEach(() => {
  vi.spyOn(console, 'error').mockImplementation(() => undefined)
})
afterEach(() => {
  vi.restoreAllMocks()
})

const TRUE_ANSWER = 'one 😀 two 漢字 three, four and so on'

interface Teller {
  /** UTF-16 units after which it breaks off; null: it tells all */
  readonly cut: number | null
  /** units of one event */
  readonly step: number
  readonly claims: 'true' | 'none' | 'twice'
  readonly continues: boolean
  /** says the whole answer though it said that it continues */
  readonly repeats: boolean
  /** from where on it says something else */
  readonly strays: number | null
  readonly inputNanos: number
  readonly outputNanos: number
}

const aTeller: fc.Arbitrary<Teller> = fc.record({
  cut: fc.option(fc.nat(TRUE_ANSWER.length), { freq: 3 }),
  step: fc.integer({ min: 1, max: 9 }),
  claims: fc.constantFrom('true', 'none', 'twice'),
  continues: fc.boolean(),
  repeats: fc.boolean(),
  strays: fc.option(fc.nat(TRUE_ANSWER.length - 1), { freq: 1 }).map((at) => (at !== null && at % 3 === 0 ? at : null)),
  inputNanos: fc.integer({ min: 10, max: 14 }),
  outputNanos: fc.integer({ min: 10, max: 14 }),
})

function nodeOf(teller: Teller): ScriptedNode {
  return (request) => {
    const { messages } = JSON.parse(request.body as string) as { messages: { role: string; content: string }[] } // chat is sent as JSON
    const last = messages.at(-1)
    const prefix = last?.role === 'assistant' && !teller.repeats ? last.content : ''
    // One that continues goes on from what it is given, whatever that is: it does not know better.
    const own =
      teller.strays === null
        ? TRUE_ANSWER
        : `${TRUE_ANSWER.slice(0, teller.strays)}#${TRUE_ANSWER.slice(teller.strays + 1)}`
    const text = (prefix === '' ? own : TRUE_ANSWER).slice(prefix.length)
    const told = text.slice(0, teller.cut ?? text.length)
    const events: object[] = []
    for (let at = 0; at < told.length; at += teller.step) {
      const words = told.slice(at, at + teller.step)
      const event = token(words, (at + words.length) * (teller.claims === 'twice' ? 2 : 1))
      events.push(teller.claims === 'none' ? { choices: event.choices } : event)
    }
    return teller.cut === null ? sse([...events, finish(told.length), '[DONE]']) : sse(events, 'break')
  }
}

const offerOf = ({ continues, inputNanos, outputNanos }: Teller): Partial<Offer> => ({
  continues,
  price: aPrice({
    inputPerMillion: nanos(BigInt(inputNanos) * 1_000_000n),
    outputPerMillion: nanos(BigInt(outputNanos) * 1_000_000n),
    perCall: nanos(3n),
  }),
})

it('hold for every mix of nodes and every place where they break', { timeout: 120_000 }, async () => {
  let [whole, broken, shared] = [0, 0, 0]
  await fc.assert(
    fc.asyncProperty(fc.array(aTeller, { minLength: 2, maxLength: 3 }), async (tellers) => {
      const house = await aHouse({ nodes: tellers.map(nodeOf), offers: tellers.map(offerOf) })
      const order = tellers.map((_, index) => nodeIdOf(index))
      const { response, settled } = await house.call(
        '/v1/chat/completions',
        chat({ stream: true, provider: { order } }),
      )
      const text = await response.text()
      await settled()
      const chunks = text.split('\n\n').flatMap((event) => {
        const data = event.startsWith('data: {') ? ChatChunk.safeParse(JSON.parse(event.slice(6))).data : undefined
        return data ? [data] : []
      })
      const said = chunks.flatMap(({ choices }) => choices.map(({ delta }) => delta.content ?? '')).join('')
      const isWhole = text.trimEnd().endsWith('data: [DONE]')
      const truths = [
        TRUE_ANSWER,
        ...tellers.flatMap(({ strays }) =>
          strays === null ? [] : [`${TRUE_ANSWER.slice(0, strays)}#${TRUE_ANSWER.slice(strays + 1)}`],
        ),
      ]
      const isBeginning = truths.some((truth) => truth.startsWith(said))
      // What one node said wrong another continues in good faith.
      expect(isBeginning || tellers.some(({ strays, continues }) => strays !== null || continues)).toBe(true)
      if (isWhole && tellers.every(({ strays }) => strays === null)) expect(said).toBe(TRUE_ANSWER)
      if (!isWhole && tellers.every(({ strays }) => strays === null)) expect(TRUE_ANSWER.startsWith(said)).toBe(true)
      const line = (await house.account.lines(0, 9))
        .map(({ body }) => parseLine(body))
        .find(({ kind }) => kind === 'call')
      if (!line?.call) throw new Error('every call has its line')
      expect([shapeFault(line), sumLegs(line.legs)]).toEqual([null, 0n])
      const charge = chargeNanosOf(line)
      expect(charge <= line.call.holdNanos).toBe(true)
      expect(charge > 0n).toBe(isWhole)
      expect((await house.account.balance()).heldNanos).toBe(0n)
      if (isWhole) whole += 1
      else broken += 1
      if (line.call.parts) shared += 1
    }),
    { numRuns: 40, seed: 6 },
  )
  // Each kind was met, or this shows nothing.
  expect(Math.min(whole, broken, shared)).toBeGreaterThan(3)
})
