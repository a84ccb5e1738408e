// The form of prices says what the gateway would refuse, before anything is sent: its bounds are those of `requireOffers`.
import { describe, expect, it } from 'vitest'
import { readPriceDraft } from '../../../gateway/dashboard/operator/price-draft.ts'
import { PRICE_KINDS, type PriceKind } from '../../../gateway/dashboard/operator/price-kinds.ts'

const FIELDS: Record<PriceKind, string> = {
  inputPerMillion: '0.06',
  cachedInputPerMillion: '0',
  outputPerMillion: '0.2',
  bytesPerMillion: '0',
  perCall: '0',
}
const WRONG = 'Dollars such as 0.06, with at most nine decimal places'

describe('prices as they are typed', () => {
  it('are sent as they stand where nothing is wrong', () => {
    expect(readPriceDraft(FIELDS)).toEqual({ prices: FIELDS, wrong: {} })
  })

  it.each(PRICE_KINDS.map(([kind]) => [kind, kind === 'perCall' ? '10' : '1000'] as const))(
    'may be as high as the gateway takes, and not a nano higher: %s to %s',
    (kind, most) => {
      expect(readPriceDraft({ ...FIELDS, [kind]: most })).toMatchObject({ prices: { [kind]: most }, wrong: {} })
      const said = kind === 'perCall' ? 'At most $10' : 'At most $1,000'
      expect(readPriceDraft({ ...FIELDS, [kind]: `${most}.000000001` })).toEqual({
        prices: null,
        wrong: { [kind]: said },
      })
    },
  )

  it.each(['', '-1', 'cheap', '1e3', '1,5', '0.0000000001', '100000'])(
    'that are none are said to be none: %j',
    (text) => {
      expect(readPriceDraft({ ...FIELDS, outputPerMillion: text })).toEqual({
        prices: null,
        wrong: { outputPerMillion: WRONG },
      })
    },
  )

  it('are each told what is wrong with them', () => {
    expect(readPriceDraft({ ...FIELDS, inputPerMillion: 'x', perCall: '11' }).wrong).toEqual({
      ...{ inputPerMillion: WRONG, perCall: 'At most $10' },
    })
  })
})
