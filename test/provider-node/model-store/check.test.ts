import { cp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { ModelManifest } from '../../../protocol/model.ts'
import { loadTokenizer } from '../../../provider-node/engines/onnx/text/tokenizer.ts'
import { loadModel } from '../../../provider-node/model-store/check.ts'
import { modelDigest } from '../../../provider-node/model-store/manifest.ts'
import { aTemporaryFolder, shippedFolder } from '../builders.ts'

const cleanUps: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp()
})

async function aCopy(name: string): Promise<string> {
  const { path, remove } = await aTemporaryFolder()
  cleanUps.push(remove)
  await cp(shippedFolder(name), join(path, name), { recursive: true })
  return join(path, name)
}

describe('model folders', () => {
  it.each(['tiny-chat', 'word-vectors'])('%s is what its manifest says', async (name) => {
    const model = await loadModel(shippedFolder(name))
    expect(model.digest).toBe(modelDigest(model.manifest.files))
    expect(model.digest).toMatch(/^[0-9a-f]{64}$/)
  })

  it('gives one digest for one set of files, in whatever order they are named', () => {
    const [a, b] = ['a'.repeat(64), 'b'.repeat(64)]
    expect(modelDigest({ x: a, y: b })).toBe(modelDigest({ y: b, x: a }))
    expect(modelDigest({ x: a, y: b })).not.toBe(modelDigest({ x: b, y: a }))
  })

  it('counts the template tokens of tiny-chat right: never fewer than any role needs', () => {
    const tokenizer = loadTokenizer(shippedFolder('tiny-chat'))
    const perMessage = Math.max(
      ...['system', 'user', 'assistant'].map((role) => 3 + tokenizer.encode(`${role}\n`).length),
    )
    const fixed = 1 + tokenizer.encode('assistant\n').length
    return loadModel(shippedFolder('tiny-chat')).then(({ manifest }) =>
      expect(manifest.templateTokens).toEqual({ fixed, perMessage: perMessage }),
    )
  })

  it('refuses a missing file by its name', async () => {
    const folder = await aCopy('word-vectors')
    await rm(join(folder, 'model.onnx'))
    await expect(loadModel(folder)).rejects.toThrow('model file word-vectors/model.onnx is missing')
  })

  it('refuses a changed file by its name', async () => {
    const folder = await aCopy('word-vectors')
    const file = join(folder, 'tokenizer.json')
    await writeFile(file, `${await readFile(file, 'utf8')} `)
    await expect(loadModel(folder)).rejects.toThrow(
      'model file word-vectors/tokenizer.json is not the file of its manifest (its sha256 differs)',
    )
  })

  it('refuses a folder without a manifest, and a manifest with a wrong field by its name', async () => {
    const folder = await aCopy('word-vectors')
    const manifest = ModelManifest.parse(JSON.parse(await readFile(join(folder, 'manifest.json'), 'utf8')))
    await writeFile(join(folder, 'manifest.json'), JSON.stringify({ ...manifest, royaltyBps: -1 }))
    await expect(loadModel(folder)).rejects.toThrow('royaltyBps')
    await rm(join(folder, 'manifest.json'))
    await expect(loadModel(folder)).rejects.toThrow('manifest.json is missing')
  })
})
