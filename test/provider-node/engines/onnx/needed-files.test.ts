import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ModelManifest, type Task } from '../../../../protocol/model.ts'
import { createOnnxEngine } from '../../../../provider-node/engines/onnx/onnx-engine.ts'
import { unnamedFiles } from '../../../../provider-node/engines/onnx/needed-files.ts'
import { loadModel } from '../../../../provider-node/model-store/check.ts'
import { aTemporaryFolder, shippedFolder } from '../../builders.ts'

const HASH = 'a'.repeat(64)
const WORDS = ['tokenizer.json', 'tokenizer_config.json']
const with_ = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, HASH]))

describe('the files a task reads', () => {
  it.each<[Task, readonly string[]]>([
    ['chat', ['model.onnx', ...WORDS]],
    ['embeddings', ['model.onnx', ...WORDS]],
    ['classification', ['model.onnx', 'labels.json', ...WORDS]],
    ['ocr', ['det.onnx', 'cls.onnx', 'rec.onnx', 'keys.txt']],
  ])('of %s must each stand in the manifest', (task, names) => {
    expect(unnamedFiles({ task, files: with_(names) })).toEqual([])
    for (const name of names.filter((one) => task === 'ocr' || task === 'classification' || one !== 'model.onnx'))
      expect(unnamedFiles({ task, files: with_(names.filter((other) => other !== name)) })).toEqual([name])
  })

  it('are a tokenizer of its own name where the manifest says one, and none where there are n-grams or tensors', () => {
    const files = with_(['model.onnx', ...WORDS])
    expect(unnamedFiles({ task: 'chat', files, tokenizer: 'other.json' })).toEqual(['other.json'])
    const ngrams = with_(['model.onnx', 'labels.json', 'ngrams.json'])
    expect(unnamedFiles({ task: 'classification', files: ngrams })).toEqual([])
    expect(unnamedFiles({ task: 'tensors', files: with_(['model.onnx']) })).toEqual([])
  })

  it.each(['tiny-chat', 'word-vectors', 'language-id', 'ocr'])('are all named by the shipped %s', async (name) => {
    const text = await readFile(join(shippedFolder(name), 'manifest.json'), 'utf8')
    expect(unnamedFiles(ModelManifest.parse(JSON.parse(text)))).toEqual([])
  })

  it('are not read when the manifest lacks one, although it lies in the folder', async () => {
    const { path, remove } = await aTemporaryFolder()
    await cp(shippedFolder('word-vectors'), path, { recursive: true })
    const file = join(path, 'manifest.json')
    const manifest = ModelManifest.parse(JSON.parse(await readFile(file, 'utf8')))
    const { 'tokenizer_config.json': _, ...files } = manifest.files
    await writeFile(file, JSON.stringify({ ...manifest, files, sizes: undefined }))
    const options = {
      concurrencyMax: 1,
      queueMax: 1,
      threads: 1,
      sessions: 1,
      executionProvider: 'cpu',
      upstream: null,
    }
    const observe = { warn: () => undefined, batch: () => undefined, waited: () => undefined }
    await expect(createOnnxEngine(await loadModel(path), { ...options, now: Date.now, observe })).rejects.toThrow(
      'its manifest does not name tokenizer_config.json, which its task reads',
    )
    await remove()
  })
})
