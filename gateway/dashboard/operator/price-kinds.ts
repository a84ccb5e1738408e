// What an offer asks to be paid for, in words.

export const PRICE_KINDS = [
  ['inputPerMillion', 'Input, per million tokens'],
  ['cachedInputPerMillion', 'Cached input, per million tokens'],
  ['outputPerMillion', 'Output, per million tokens'],
  ['bytesPerMillion', 'Tensors, per million bytes'],
  ['perCall', 'For each call'],
] as const
export type PriceKind = (typeof PRICE_KINDS)[number][0]
