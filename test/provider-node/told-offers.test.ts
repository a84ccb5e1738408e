import { describe, expect, it } from 'vitest'
import { SoukError } from '../../protocol/client.ts'
import type { OfferRequest, OfferView } from '../../protocol/node.ts'
import { staleOffers, toldAnyGateway } from '../../provider-node/told-offers.ts'

const anOffer = (over: Partial<OfferRequest> = {}): OfferRequest => ({
  model: 'somebody/a',
  digest: 'a'.repeat(64),
  prices: { inputPerMillion: '1', outputPerMillion: '2', perCall: '0' },
  contextTokens: 1,
  outputTokensMax: 0,
  concurrencyMax: 1,
  parameters: ['seed', 'stop'],
  continues: true,
  collectsData: false,
  ...over,
})
/** of the same offer, as a gateway writes them */
const PRICES = {
  inputPerMillion: '1.000000000',
  outputPerMillion: '2.000000000',
  cachedInputPerMillion: '1.000000000',
  bytesPerMillion: '0.000000000',
  perCall: '0.000000000',
}
const told = (over: Partial<OfferView> = {}): OfferView => ({
  model: 'somebody/a',
  digest: 'a'.repeat(64),
  state: 'live',
  reason: null,
  prices: PRICES,
  contextTokens: 1,
  outputTokensMax: 0,
  concurrencyMax: 1,
  driftPpm: null,
  parameters: ['stop', 'seed'],
  continues: true,
  collectsData: false,
  ...over,
})

describe('what the gateway knows of the offers', () => {
  it.each<[string, OfferView[], OfferRequest[]]>([
    ['is the same in another order', [told()], [anOffer()]],
    ['is of an offer that is paused', [told({ state: 'paused', parameters: null })], [anOffer()]],
    ['is nothing, and it never heard of such things', [told({ parameters: undefined })], [anOffer()]],
    [
      'is of a model that is not here just now',
      [told({ parameters: null }), told({ model: 'somebody/b' })],
      [anOffer()],
    ],
    ['lacks a model that was never offered', [told()], [anOffer(), anOffer({ model: 'somebody/new' })]],
    [
      'is as little as is said',
      [told({ parameters: null, continues: false, collectsData: null })],
      [anOffer({ parameters: undefined, continues: undefined, collectsData: undefined })],
    ],
  ])('%s: nothing is told', (_, offers, own) => {
    expect(staleOffers({ offers }, own)).toBeNull()
  })

  it.each<[string, Partial<OfferView>]>([
    ['fields it was not told', { parameters: null }],
    ['one field fewer', { parameters: ['stop'] }],
    ['that it does not go on', { continues: false }],
    ['nothing of what is kept', { collectsData: null }],
    ['another price', { prices: { ...PRICES, outputPerMillion: '2.000000001' } }],
    ['a price for cached input that is asked no more', { prices: { ...PRICES, cachedInputPerMillion: '0.5' } }],
    ['another number of calls at the same time', { concurrencyMax: 2 }],
    ['another price, and it never heard of fields', { parameters: undefined, prices: { ...PRICES, perCall: '1' } }],
  ])('is %s: all that is offered is told', (_, over) => {
    const b = anOffer({ model: 'somebody/b' })
    const own = [anOffer(), b, anOffer({ model: 'somebody/new' })]
    expect(staleOffers({ offers: [told(over), told({ model: 'somebody/b' })] }, own)).toEqual([anOffer(), b])
  })
})

describe('a gateway of before', () => {
  const asked = async (answer: (tries: number) => Promise<string>) => {
    const sent: (readonly OfferRequest[])[] = []
    const tell = (offers: readonly OfferRequest[]) => answer(sent.push(offers))
    return { sent, said: await toldAnyGateway([anOffer()], tell).catch((cause: unknown) => cause) }
  }
  const refused = (code: string) => new SoukError(400, code, 'Unknown field "offers.0.parameters".', null)
  const { parameters: _p, continues: _c, collectsData: _d, ...before } = anOffer()

  it('is told again without what it does not know', async () => {
    const { sent, said } = await asked((tries) =>
      tries === 1 ? Promise.reject(refused('invalid_request')) : Promise.resolve('fine'),
    )
    expect(said).toBe('fine')
    expect(sent).toEqual([[anOffer()], [before]])
  })

  it('is told twice at most', async () => {
    const { sent, said } = await asked(() => Promise.reject(refused('invalid_request')))
    expect(sent).toHaveLength(2)
    expect(said).toMatchObject({ code: 'invalid_request' })
  })

  it('is none that refuses something else, or is silent', async () => {
    expect((await asked(() => Promise.reject(refused('conflict')))).sent).toHaveLength(1)
    expect((await asked(() => Promise.reject(new TypeError('fetch failed')))).sent).toHaveLength(1)
  })
})
