// The decoder on the real graph when a sequence breaks it: the others of its run never notice.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createOpenSession } from '../../../../../provider-node/engines/onnx/session.ts'
import type { Decoder, Fed } from '../../../../../provider-node/engines/onnx/text/decoder.ts'
import { openDecoder } from '../../../../../provider-node/engines/onnx/text/open-decoder.ts'
import { greedyToken } from '../../../../../provider-node/engines/sampling.ts'
import { shippedFolder } from '../../../builders.ts'

/** Beyond the vocabulary: the graph looks it up and throws. */
const BROKEN = 9_999
const PROMPTS = [
  [1, 400, 500, 600, 2, 300],
  [1, 700, 2],
  [1, 250, 260, 270],
]

let decoder: Decoder
beforeAll(async () => {
  const needs = { threads: 1, provider: 'cpu', hasArena: true, warn: () => undefined }
  decoder = (await openDecoder(`${shippedFolder('tiny-chat')}/model.onnx`, needs, createOpenSession)).decoder
})
afterAll(() => decoder.close())

const begin = (prompts: readonly (readonly number[])[]) =>
  decoder.prefill(prompts.map((tokens) => ({ row: null, tokens })))
const rowOf = (fed: Fed | undefined) => {
  if (!fed || 'failed' in fed) throw new Error('failed')
  return fed
}
const nextOf = (fed: Fed | undefined) => greedyToken(rowOf(fed).logits)

/** Eight tokens of each, computed without the others. */
async function alone(prompt: readonly number[]): Promise<number[]> {
  const tokens: number[] = []
  for (let step = 0; step < 8; step++) tokens.push(nextOf((await begin([[...prompt, ...tokens]]))[0]))
  return tokens
}

describe('a sequence that breaks the graph', () => {
  it('fails alone in a run of prompts', async () => {
    const [first, broken, last] = await begin([PROMPTS[0] ?? [], [1, BROKEN], PROMPTS[2] ?? []])
    expect(broken).toEqual({ failed: 'Error' })
    expect(nextOf(first)).toBe((await alone(PROMPTS[0] ?? []))[0])
    expect(nextOf(last)).toBe((await alone(PROMPTS[2] ?? []))[0])
  })

  it('fails alone in a step, and the others go on in their batch', async () => {
    const expected = await Promise.all(PROMPTS.map(alone))
    let fed = [...(await begin(PROMPTS))]
    const tokens = fed.map((one) => [nextOf(one)])
    const rows = fed.map((one) => rowOf(one).row)
    for (let step = 1; step < 8; step++) {
      const isBreaking = step === 4
      const living = step > 4 ? [0, 2] : [0, 1, 2]
      const given = await decoder.step(
        living.map((index) => rows[index] ?? { length: 0, place: null }),
        living.map((index) => (isBreaking && index === 1 ? BROKEN : (tokens[index]?.at(-1) ?? 0))),
      )
      fed = living.map((_, at) => given[at] ?? { failed: 'nothing' })
      living.forEach((index, at) => {
        if (isBreaking && index === 1) expect(fed[at]).toEqual({ failed: 'Error' })
        else tokens[index]?.push(nextOf(fed[at]))
      })
    }
    expect([tokens[0], tokens[2]]).toEqual([expected[0], expected[2]])
    expect(tokens[1]).toEqual(expected[1]?.slice(0, 4))
  })
})

it('goes on from a fork as from the row itself, also when one of them is long in the batch', async () => {
  const [prompt = []] = PROMPTS
  const expected = await alone(prompt)
  const [fed] = await begin([prompt])
  const { row } = rowOf(fed)
  const fork = decoder.fork(row)
  const tokens = [nextOf(fed)]
  for (let step = 1; step < 4; step++) tokens.push(nextOf((await decoder.step([row], [tokens.at(-1) ?? 0]))[0]))
  expect(tokens).toEqual(expected.slice(0, 4))
  const later = [expected[0] ?? 0]
  for (let step = 1; step < 4; step++) {
    const [, given] = await decoder.step([row, fork], [7, later.at(-1) ?? 0])
    later.push(nextOf(given))
  }
  expect(later).toEqual(expected.slice(0, 4))
})

it('reads a prompt in parts as at once', async () => {
  const prompt = Array.from({ length: 40 }, (_, index) => 300 + index)
  const [whole] = await begin([prompt])
  const [first] = await begin([prompt.slice(0, 17)])
  const [second] = await decoder.prefill([{ row: rowOf(first).row, tokens: prompt.slice(17, 39) }])
  const [third] = await decoder.prefill([{ row: rowOf(second).row, tokens: prompt.slice(39) }])
  expect(rowOf(third).row.length).toBe(40)
  rowOf(third).logits.forEach((value, index) => expect(value).toBeCloseTo(rowOf(whole).logits[index] ?? NaN, 3))
})
