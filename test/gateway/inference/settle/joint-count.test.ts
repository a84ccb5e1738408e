// An answer that broke off costs no more than the same answer of one node, wherever it broke, whoever counts what, and however the second goes on.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { systemRandom } from '../../../../gateway/core/clock.ts'
import { jointTokens, type ToldPart } from '../../../../gateway/inference/settle/joint-count.ts'
import { Meter } from '../../../../gateway/inference/settle/meter.ts'
import type { Order } from '../../../../gateway/inference/order/order.ts'
import type { How, Resumed } from '../../../../gateway/inference/resume/resume.ts'
import type { AccountPort } from '../../../../gateway/ledger/account-port.ts'
import { chargesOf } from '../../../../gateway/ledger/calls/split.ts'
import { costOf, type Price } from '../../../../protocol/price.ts'
import { instant, nanos, newAccountId, tokens } from '../../../../protocol/units.ts'
import { aModel, anOffer } from '../../../support/workers/builders.ts'

const part = (over: Partial<ToldPart> = {}): ToldPart => ({
  tokens: 1,
  wholeTokens: null,
  isClaimed: false,
  outputBytes: 10,
  bytesPerTokenMin: 1,
  tokensMax: 100,
  ...over,
})

describe('what is left of the whole', () => {
  it.each([
    ['one alone has its own', [part({ tokens: 7, wholeTokens: 7, isClaimed: true })], [7]],
    [
      'of two that nobody counted, each begun token is one of the joined text',
      [part({ tokens: 2, outputBytes: 20 }), part()],
      [1, 1],
    ],
    ['33 joined bytes are three again', [part({ tokens: 2, outputBytes: 20 }), part({ outputBytes: 13 })], [2, 1]],
    [
      'who said all of it has counted all of it',
      [part({ tokens: 9, isClaimed: true }), part({ tokens: 4, wholeTokens: 10, isClaimed: true })],
      [6, 4],
    ],
    [
      'a count of those before who said all until then stands, and what was added to it comes on top',
      [
        part({ tokens: 9, isClaimed: true }),
        part({ tokens: 2, wholeTokens: 5, isClaimed: true }),
        part({ tokens: 3, isClaimed: true }),
      ],
      [3, 2, 3],
    ],
    ['claims of parts are added', [part({ tokens: 9, isClaimed: true }), part({ tokens: 4, isClaimed: true })], [9, 4]],
    [
      'and are no more than the joined bytes can be',
      [
        part({ tokens: 4, outputBytes: 10, bytesPerTokenMin: 3, isClaimed: true }),
        part({ tokens: 4, outputBytes: 10, bytesPerTokenMin: 3, isClaimed: true }),
      ],
      [3, 4],
    ],
    [
      'nor than was ordered',
      [part({ tokens: 9, tokensMax: 10, isClaimed: true }), part({ tokens: 4, tokensMax: 10, isClaimed: true })],
      [6, 4],
    ],
    [
      'there may be nothing left for the first',
      [part({ tokens: 9 }), part({ tokens: 1, wholeTokens: 1, isClaimed: true })],
      [0, 1],
    ],
  ])('%s', (_, parts, expected) => {
    expect(jointTokens(parts)).toEqual(expected)
  })
})

const BYTES_PER_TOKEN_MIN = 2
const payer = newAccountId(systemRandom)
const order = { principal: { accountId: payer }, holdNanos: nanos(10n ** 12n), stream: true } as unknown as Order // all that a meter looks at

interface Asked {
  readonly price: Price
  readonly resumed?: Resumed | null
}

/** @param text that it adds @param repeated that others had said */
function aMeter({ price, resumed = null }: Asked, text: string, claim: object | null, repeated = ''): Meter {
  const most = { inputTokens: tokens(1_000), outputTokens: tokens(10_000) }
  const model = aModel({ bytesPerTokenMin: BYTES_PER_TOKEN_MIN })
  const candidate = { model, offer: anOffer({ price }), most, longestTokens: 11_000n }
  const bounds = { account: {} as AccountPort, feeBps: 500, vestingShareBps: 0, progressMs: 1_000 } // never reported
  const meter = new Meter(order, candidate, 0, { ...bounds, resumed }, instant(0))
  meter.noteRepeated(repeated, 0)
  meter.noteOutput(text)
  meter.noteClaim(claim)
  return meter
}

/** As a call does it before it settles. */
function charged(meters: readonly Meter[]): bigint[] {
  const counts = jointTokens(meters.map((meter) => meter.told))
  for (const [index, meter] of meters.slice(0, -1).entries()) {
    meter.breakOff()
    meter.leave(counts[index] ?? null)
  }
  return chargesOf(
    meters.map((meter) => meter.part()),
    order.holdNanos,
  )
}

const INPUT = 40
/** tokens in bytes: a vocabulary with words and with single letters */
const anAnswer = fc.array(fc.integer({ min: BYTES_PER_TOKEN_MIN, max: 15 }), { minLength: 2, maxLength: 60 })
const aPrice = fc
  .tuple(fc.bigInt(0n, 3_000_000n), fc.bigInt(0n, 3_000_000n), fc.bigInt(0n, 5n))
  .map(([input, output, perCall]): Price => ({
    inputPerMillion: nanos(input),
    outputPerMillion: nanos(output),
    cachedInputPerMillion: nanos(0n),
    bytesPerMillion: nanos(0n),
    perCall: nanos(perCall),
  }))
/** how much of what it should claim a node claims: 0 to three times, or nothing at all */
const aFactor = fc.option(fc.constantFrom(0, 0.5, 1, 1, 1.1, 3), { freq: 3 })
const aTeller = fc.record({ cut: fc.nat(1_000), factor: aFactor, how: fc.constantFrom<How>('continue', 'restart') })

const someTellers = fc.array(aTeller, { minLength: 1, maxLength: 3 })

/** tokens of a text that are begun in [from, to) */
function begun(answer: readonly number[], from: number, to: number): number {
  let at = 0
  let count = 0
  for (const size of answer) {
    if (at >= from && at < to) count += 1
    at += size
  }
  return count
}

interface Teller {
  /** thousandths of what is left, after which it breaks off */
  readonly cut: number
  /** of the true count that it claims; null: it claims nothing */
  readonly factor: number | null
  readonly how: How
}

interface Story {
  readonly meters: Meter[]
  readonly text: string
}

/** Nodes of one price tell an answer, each until its cut; the last one tells all that is left. */
function tell(answer: readonly number[], tellers: readonly Teller[], price: Price): Story {
  const bytes = answer.reduce((sum, size) => sum + size, 0)
  const text = 'x'.repeat(bytes)
  const meters: Meter[] = []
  let at = 0
  for (const [index, teller] of tellers.entries()) {
    const end = index === tellers.length - 1 ? bytes : at + Math.floor(((bytes - at) * teller.cut) / 1_001)
    if (end === at && index < tellers.length - 1) continue
    const { how } = teller
    const tokensBefore = jointTokens(meters.map((meter) => meter.told)).reduce((sum, count) => sum + count, 0)
    const choices = [{ text: text.slice(0, at), logprobs: 0 }]
    const resumed = at === 0 ? null : { how, choices, tokens: tokensBefore, bytes: at }
    const isWhole = how === 'restart' || at === 0
    const count = begun(answer, isWhole ? 0 : at, end)
    const prompt = INPUT + (isWhole ? 0 : begun(answer, 0, at))
    const claim =
      teller.factor === null ? null : { prompt_tokens: prompt, completion_tokens: Math.floor(count * teller.factor) }
    meters.push(aMeter({ price, resumed }, text.slice(at, end), claim, isWhole ? text.slice(0, at) : ''))
    at = end
  }
  return { meters, text }
}

describe('an answer that broke off', () => {
  const sum = (all: readonly bigint[]) => all.reduce((total, one) => total + one, 0n)

  it('costs no more than who told all of it would have been paid for it alone', () => {
    fc.assert(
      fc.property(anAnswer, someTellers, aFactor, aPrice, (answer, tellers, factor, price) => {
        const { meters, text } = tell(answer, [...tellers, { cut: 0, factor, how: 'restart' }], price)
        const claimed = meters.at(-1)?.claimed() ?? null
        const claim = claimed && { prompt_tokens: claimed.inputTokens, completion_tokens: claimed.outputTokens }
        const alone = aMeter({ price }, text, claim)
        expect(sum(charged(meters)) <= alone.chargeNanos()).toBe(true)
      }),
    )
  })

  it.each([
    ['counts', 1],
    ['does not count', null],
  ])('costs no more than one honest node’s that %s, where each goes on for the one before', (_, factor) => {
    fc.assert(
      fc.property(anAnswer, fc.array(fc.nat(1_000), { minLength: 2, maxLength: 4 }), aPrice, (answer, cuts, price) => {
        const tellers = cuts.map((cut) => ({ cut, factor, how: 'continue' as const }))
        const { meters, text } = tell(answer, tellers, price)
        const claim = factor === null ? null : { prompt_tokens: INPUT, completion_tokens: answer.length }
        const alone = aMeter({ price }, text, claim)
        expect(sum(charged(meters)) <= alone.chargeNanos()).toBe(true)
      }),
    )
  })

  it('pays whoever finished its own count, and nobody more than that of what it delivered', () => {
    fc.assert(
      fc.property(anAnswer, someTellers, aTeller, aPrice, (answer, tellers, last, price) => {
        const { meters, text } = tell(answer, [...tellers, last], price)
        const own = meters.map(({ told }) => told.tokens)
        const charges = charged(meters)
        const units = meters.map((meter) => meter.units())
        expect(units.at(-1)?.outputTokens).toBe(BigInt(own.at(-1) ?? 0))
        expect(charges.at(-1)).toBe(meters.at(-1)?.chargeNanos())
        for (const [index, { outputTokens }] of units.entries())
          expect(Number(outputTokens) <= (own[index] ?? 0)).toBe(true)
        const total = { inputTokens: tokens(0), outputTokens: tokens(0) }
        const joined = units.reduce(
          (all, { inputTokens, outputTokens }) => ({
            inputTokens: tokens(all.inputTokens + inputTokens),
            outputTokens: tokens(all.outputTokens + outputTokens),
          }),
          total,
        )
        expect(Number(joined.outputTokens) <= Math.ceil(text.length / BYTES_PER_TOKEN_MIN)).toBe(true)
        // Of one price, the parts' charges are those of their units as one.
        expect(sum(charges)).toBe(costOf(joined, price))
      }),
    )
  })
})
