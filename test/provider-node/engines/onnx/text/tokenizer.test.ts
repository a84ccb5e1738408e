import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadTokenizer, type ModelTokenizer } from '../../../../../provider-node/engines/onnx/text/tokenizer.ts'
import { aTemporaryFolder, shippedFolder } from '../../../builders.ts'

const MASK = 5_000
let home: Awaited<ReturnType<typeof aTemporaryFolder>>
let tokenizer: ModelTokenizer
beforeAll(async () => {
  home = await aTemporaryFolder()
  await cp(shippedFolder('tiny-chat'), home.path, { recursive: true })
  const file = join(home.path, 'tokenizer.json')
  const written = JSON.parse(await readFile(file, 'utf8')) as { added_tokens: object[] } // a tokenizer has this list
  written.added_tokens.push({ id: MASK, content: '<mask>', special: true, lstrip: true, rstrip: false })
  await writeFile(file, JSON.stringify(written))
  tokenizer = loadTokenizer(home.path)
})
afterAll(() => home.remove())

describe('a token that takes the white space before it', () => {
  it.each([
    ['<mask>', [MASK]],
    [' \n <mask>', [MASK]],
    ['a  <mask> b', ['a', MASK, ' b']],
    ['<mask>  <mask>', [MASK, MASK]],
    ['  a', ['  a']],
  ])('is found in %j with it', (text, pieces) => {
    expect(tokenizer.pieces(text)).toEqual(pieces)
  })

  it('is looked for in a million spaces at once: they may be a caller’s', () => {
    const text = `${' '.repeat(1_000_000)}x`
    const before = performance.now()
    expect(tokenizer.pieces(text)).toEqual([text])
    expect(performance.now() - before).toBeLessThan(2_000)
  })
})
