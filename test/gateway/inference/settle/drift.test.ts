import { describe, expect, it } from 'vitest'
import { driftPpm } from '../../../../gateway/inference/settle/drift.ts'
import { tokens } from '../../../../protocol/units.ts'

const says = (prompt_tokens: number, completion_tokens: number) => ({ prompt_tokens, completion_tokens })
/** 20 bytes arrived, at most 50 tokens went in and 100 were ordered. */
const drift = (
  claim: ReturnType<typeof says> | null,
  receipt: ReturnType<typeof says> | null = null,
  bytes = 20,
  choices?: number,
) =>
  driftPpm(
    {
      claim,
      outputBytes: bytes,
      bytesPerTokenMin: 1,
      most: { inputTokens: tokens(50), outputTokens: tokens(100) },
      ...(choices === undefined ? {} : { choices }),
    },
    receipt,
  )

describe('drift', () => {
  it.each<[string, number | null, number | null]>([
    ['nothing stated', drift(null), null],
    ['an honest claim', drift(says(9, 7)), 0],
    ['an honest claim and receipt', drift(says(9, 7), says(9, 7)), 0],
    ['a claim of nothing', drift(says(0, 0)), 0],
    ['every byte a token', drift(says(50, 20)), 0],
    ['four tokens without text', drift(says(0, 24)), 0],
    ['the fifth', drift(says(0, 25)), 40_000],
    ['twelve of three choices', drift(says(0, 32), null, 20, 3), 0],
    ['the thirteenth of three choices', drift(says(0, 33), null, 20, 3), 30_303],
    ['input at its bound', drift(says(50, 0)), 0],
    ['input one above', drift(says(51, 0)), 19_607],
    ['output ordered, in many bytes', drift(says(0, 104), null, 5_000), 0],
    ['output above the order', drift(says(0, 208), null, 5_000), 500_000],
    ['twice what can be', drift(says(0, 48)), 500_000],
    ['a claim without an output', drift(says(0, 1_000), null, 0), 996_000],
    ['as far as numbers go', drift(says(2 ** 52, 2 ** 52)), 999_999],
    ['a receipt alone, beyond its bytes', drift(null, says(0, 48)), 500_000],
    ['a receipt above its own claim', drift(says(5, 5), says(5, 15)), 500_000],
    ['a receipt below its own claim', drift(says(5, 15), says(5, 5)), 500_000],
    ['two statements with nothing in common', drift(says(20, 0), says(0, 20)), 1_000_000],
    ['the worse of two wrongs', drift(says(0, 48), says(0, 240)), 900_000],
  ])('of %s is %i, expected %i', (_, found, expected) => {
    expect(found).toBe(expected)
  })
})
