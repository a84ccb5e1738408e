import { describe, expect, it } from 'vitest'
import { planPrefill } from '../../../../../provider-node/engines/onnx/text/prefill-plan.ts'

const fresh = (...lengths: number[]) => lengths.map((tokensLeft) => ({ tokensLeft, isBegun: false }))
const planned = (...given: Parameters<typeof planPrefill>) =>
  planPrefill(...given).map(({ index, tokens }) => [index, tokens])

describe('the next run of prompts', () => {
  it.each([
    ['takes one that fits', fresh(10), 100, [[0, 10]]],
    [
      'takes all that fit together',
      fresh(10, 10, 10),
      30,
      [
        [0, 10],
        [1, 10],
        [2, 10],
      ],
    ],
    [
      'takes no more than fit',
      fresh(10, 10, 10),
      29,
      [
        [0, 10],
        [1, 10],
      ],
    ],
    [
      'counts padding as tokens',
      fresh(10, 8, 8),
      29,
      [
        [0, 10],
        [1, 8],
      ],
    ],
    [
      'leaves out one that would be a quarter padding and more',
      fresh(20, 9, 18),
      100,
      [
        [0, 20],
        [2, 18],
      ],
    ],
    [
      'takes one that is just a quarter padding together',
      fresh(20, 10),
      100,
      [
        [0, 20],
        [1, 10],
      ],
    ],
    [
      'leaves out a longer one that would pad the others',
      fresh(5, 40, 5),
      100,
      [
        [0, 5],
        [2, 5],
      ],
    ],
    ['feeds as much of a long one as is allowed, alone', fresh(101, 5), 100, [[0, 100]]],
    ['feeds the rest of a begun one alone', [{ tokensLeft: 1, isBegun: true }, ...fresh(1)], 100, [[0, 1]]],
    [
      'leaves out one that is begun',
      [...fresh(5), { tokensLeft: 5, isBegun: true }, ...fresh(5)],
      100,
      [
        [0, 5],
        [2, 5],
      ],
    ],
    ['is empty when nobody waits', [], 100, []],
  ])('%s', (_, unfed, tokensMax, plan) => {
    expect(planned(unfed, tokensMax)).toEqual(plan)
  })
})
