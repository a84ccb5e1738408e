// The meter alone: which claims it takes, and that bytes are counted the same however a text was cut.
import { describe, expect, it } from 'vitest'
import { systemRandom } from '../../../../gateway/core/clock.ts'
import { Meter } from '../../../../gateway/inference/settle/meter.ts'
import type { Order } from '../../../../gateway/inference/order/order.ts'
import type { AccountPort } from '../../../../gateway/ledger/account-port.ts'
import { instant, nanos, newAccountId, tokens } from '../../../../protocol/units.ts'
import { aModel, anOffer } from '../../../support/workers/builders.ts'

function aMeter(texts: readonly string[] = []): Meter {
  const order = {
    principal: { accountId: newAccountId(systemRandom) },
    holdNanos: nanos(1_000_000n),
    stream: true,
  } as unknown as Order // all that a meter looks at
  const most = { inputTokens: tokens(50), outputTokens: tokens(1_000) }
  const candidate = { model: aModel(), offer: anOffer(), most, longestTokens: 1_050n }
  const needs = { account: {} as AccountPort, feeBps: 500, vestingShareBps: 5_000, progressMs: 1_000 }
  const meter = new Meter(order, candidate, 0, needs, instant(0))
  for (const text of texts) meter.noteOutput(text)
  return meter
}

describe('claims', () => {
  it('the latest one counts', () => {
    const meter = aMeter(['hello world'])
    meter.noteClaim({ prompt_tokens: 4, completion_tokens: 1 })
    meter.noteClaim({ prompt_tokens: 4, completion_tokens: 2 })
    expect(meter.units()).toEqual({ inputTokens: 4n, outputTokens: 2n })
    expect(meter.claimed()).toEqual({ inputTokens: 4, outputTokens: 2 })
  })

  it.each([
    ['nothing', undefined],
    ['null', null],
    ['a string', { prompt_tokens: '9', completion_tokens: 7 }],
    ['a negative number', { prompt_tokens: 9, completion_tokens: -7 }],
    ['not a number', { prompt_tokens: Number.NaN, completion_tokens: 7 }],
    ['a fraction', { prompt_tokens: 9, completion_tokens: 7.5 }],
    ['an unsafe integer', { prompt_tokens: 9, completion_tokens: 2 ** 60 }],
    ['half of one', { completion_tokens: 7 }],
    ['a text', 'seven'],
  ])('that are %s are ignored, before and after one that is good', (_, claim) => {
    const meter = aMeter(['hello world, hello'])
    meter.noteClaim(claim)
    expect(meter.units()).toEqual({ inputTokens: 0n, outputTokens: 2n })
    expect([meter.claimed(), meter.driftPpm()]).toEqual([null, null])
    meter.noteClaim({ prompt_tokens: 4, completion_tokens: 1 })
    meter.noteClaim(claim)
    expect(meter.units()).toEqual({ inputTokens: 4n, outputTokens: 1n })
  })

  it('of the receipt are compared, never charged', () => {
    const meter = aMeter(['hello world'])
    meter.noteClaim({ prompt_tokens: 4, completion_tokens: 2 })
    meter.noteReceipt({ inputTokens: 40, outputTokens: 11 })
    expect(meter.units()).toEqual({ inputTokens: 4n, outputTokens: 2n })
    expect(meter.driftPpm()).toBeGreaterThan(0)
  })
})

describe('bytes', () => {
  /** A claim of everything is believed up to the bytes: so the count shows them. */
  const bytesOf = (texts: readonly string[]) => {
    const meter = aMeter(texts)
    meter.noteClaim({ prompt_tokens: 0, completion_tokens: 10 ** 6 })
    return meter.units().outputTokens
  }

  it.each([
    ['ascii', ['hello'], 5n],
    ['two-byte characters', ['w', 'ör', 'd'], 5n],
    ['a character whole', ['a😀b'], 6n],
    ['a character cut in its middle', ['a\ud83d', '\ude00b'], 6n],
    ['cut with nothing in between', ['a\ud83d', '', '\ude00b'], 6n],
    ['each half alone', ['\ud83d', '\ude00', '\ud83d', '\ude00'], 8n],
    ['a half that never gets its other', ['\ud83d', 'x'], 4n],
    ['a second half without a first', ['\ude00'], 3n],
    ['two first halves', ['\ud83d', '\ud83d\ude00'], 7n],
  ])('of %s are those of the text in one piece', (_, texts, bytes) => {
    expect(bytesOf(texts)).toBe(bytes)
    expect(bytesOf([texts.join('')])).toBe(bytes)
  })

  it('of several choices are counted each for itself: a half of one never joins a half of another', () => {
    const meter = aMeter()
    const said = ['a\ud83d', 'b\ud83d', '\ude00', '\ude00']
    for (const [index, text] of said.entries()) meter.noteOutput(text, index % 2)
    meter.noteClaim({ prompt_tokens: 0, completion_tokens: 10 ** 6 })
    expect(meter.units().outputTokens).toBe(10n)
  })
})
