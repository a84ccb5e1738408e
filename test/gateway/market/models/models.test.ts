import { beforeAll, describe, expect, it } from 'vitest'
import { LIMITS } from '../../../../gateway/core/limits.ts'
import { ModelManifest } from '../../../../protocol/model.ts'
import { aPublication, createMarketApp, type MarketApp } from '../market-app.ts'
import { aManifest, aTensorManifest, aVectorManifest, OPERATOR, STRANGER } from '../builders.ts'

let app: MarketApp
beforeAll(async () => {
  app = await createMarketApp()
})
const files = (seed: string) => ({ 'model.onnx': seed.repeat(32) })
const post = async (manifest: unknown, account: string = OPERATOR, admin = false) =>
  app.send<{ error?: { code: string; param: string }; digest?: string; royaltyBps?: number }>('POST', '/api/models', {
    account,
    admin,
    body: await aPublication(manifest, app.now(), account),
  })

describe('POST /api/models', () => {
  it('publishes with a digest it computes itself', async () => {
    const manifest = aManifest({ id: 'first/a', files: { b: 'bb'.repeat(32), a: 'aa'.repeat(32) } })
    const published = await post(manifest)
    expect(published.status).toBe(201)
    // sha256sum of {"files":{"a":"aa…","b":"bb…"}}, names sorted
    expect(published.body.digest).toBe('c4b9f4f21f8bef7eee30696cba0dee2206ace336f7b9206a19fb35f04be99c13')
  })

  it('takes the same again, and changes of its author, and answers 200', async () => {
    const manifest = aManifest({ id: 'second/a', files: files('a1') })
    await post(manifest)
    expect((await post(manifest)).status).toBe(200)
    const changed = await post({ ...manifest, royaltyBps: 50 })
    expect(changed).toMatchObject({ status: 200, body: { royaltyBps: 50 } })
  })

  it('lets a royalty fall and never rise again: nodes have priced their offers by it', async () => {
    const manifest = aManifest({ id: 'second/b', files: files('b1'), royaltyBps: 100 })
    await post(manifest)
    expect(await post({ ...manifest, royaltyBps: 101 })).toMatchObject({
      status: 409,
      body: { error: { param: 'manifest.royaltyBps' } },
    })
    expect(await post({ ...manifest, royaltyBps: 99 })).toMatchObject({ status: 200 })
    const back = { ...manifest, royaltyBps: 100 }
    expect((await Promise.all([post(back), post(back)])).map(({ status }) => status)).toEqual([409, 409])
  })

  it('refuses the same files under another name, by whomever', async () => {
    await post(aManifest({ id: 'third/a', files: files('a2') }))
    expect(await post(aManifest({ id: 'third/b', files: files('a2') }))).toMatchObject({ status: 409 })
    expect(await post(aManifest({ id: 'thief/a', files: files('a2') }), STRANGER)).toMatchObject({ status: 409 })
    // The refused name stays free.
    expect(await post(aManifest({ id: 'thief/b', files: files('a3') }))).toMatchObject({ status: 201 })
  })

  it('refuses other files, or another task, under a name that is there', async () => {
    await post(aManifest({ id: 'fourth/a', files: files('a4') }))
    expect(await post(aManifest({ id: 'fourth/a', files: files('a5') }))).toMatchObject({ status: 409 })
    const other = aVectorManifest({ id: 'fourth/a', files: files('a4') })
    expect(await post(other)).toMatchObject({ status: 409, body: { error: { param: 'manifest.task' } } })
  })

  it('keeps a name for the first account that published under it', async () => {
    await post(aManifest({ id: 'fifth/a', files: files('a6') }))
    const refused = await post(aManifest({ id: 'fifth/b', files: files('a7') }), STRANGER)
    expect(refused).toMatchObject({ status: 403, body: { error: { code: 'forbidden', param: 'manifest.id' } } })
    expect(await post({ ...aManifest({ id: 'fifth/a', files: files('a6') }), royaltyBps: 0 }, STRANGER)).toMatchObject({
      status: 403,
    })
  })

  it('gives the name "souk" to admins only', async () => {
    const manifest = aManifest({ id: 'souk/tiny', files: files('a8') })
    expect(await post(manifest, STRANGER)).toMatchObject({ status: 403 })
    expect(await post(manifest, OPERATOR, true)).toMatchObject({ status: 201 })
  })

  it.each([
    ['no files', { files: {} }, 'files'],
    ['a licence that is no SPDX expression', { licence: 'see LICENSE' }, 'licence'],
    ['a chat probe without an answer', { probes: [{ input: 'hello' }] }, 'probes'],
    ['an embedding model without a length', { task: 'embeddings' }, 'dimensions'],
    ['a digest of its own', { digest: 'ab'.repeat(32) }, 'digest'],
    ['a chat probe in tensors', { probes: aTensorManifest().probes }, 'probes'],
    [
      'an embedding probe in tensors',
      { task: 'embeddings', dimensions: 4, probes: aTensorManifest().probes },
      'probes',
    ],
    ['fewest dimensions above all of them', { dimensions: 4, dimensionsMin: 5 }, 'dimensionsMin'],
    ['a size of a file that it has not', { sizes: { 'model.onnx': 1, 'other.onnx': 1 } }, 'sizes'],
    ['a path of a file that it has not', { sourcePaths: { toString: 'a' } }, 'sourcePaths'],
    ['a path that leads out of its source', { sourcePaths: { 'model.onnx': 'a/../../b' } }, 'sourcePaths'],
    ['a path that does not begin at its source', { sourcePaths: { 'model.onnx': '/b' } }, 'sourcePaths'],
    ['a source that is not HTTPS', { sources: ['http://files.example'] }, 'sources.0'],
  ])('refuses %s', async (_, over, param) => {
    const refused = await post({ ...aManifest({ id: 'sixth/a', files: files('a9') }), ...over })
    expect(refused).toMatchObject({ status: 400, body: { error: { param: `manifest.${param}` } } })
  })

  const x = { name: 'x', datatype: 'FP32', shape: [1, 2], data: [0.5, -2] }
  const words = { name: 'words', datatype: 'BYTES', shape: [1], data: ['a'] }
  const probes = (inputs: unknown, outputs: unknown = [x]) => ({ probes: [{ inputs, outputs }] })
  it.each([
    ['without its inputs and outputs', { tensors: undefined }, 'tensors'],
    ['with a probe in words', { probes: [{ input: 'hello', contains: 'hello' }] }, 'probes.0'],
    ['with a probe of an input it has not', probes([x, words, { ...x, name: 'z' }]), 'probes.0.inputs'],
    ['with a probe that leaves an input out', probes([x]), 'probes.0.inputs'],
    ['with a probe of an output it has not', probes([x, words], [x, { ...x, name: 'z' }]), 'probes.0.outputs'],
    ['with a probe of another type', probes([{ ...x, datatype: 'FP16' }, words]), 'probes.0.inputs'],
    ['with a probe of another shape', probes([{ ...x, shape: [2, 1] }, words]), 'probes.0.inputs'],
    ['with a probe that says an input twice', probes([x, words, x]), 'probes.0.inputs.2'],
    ['with a probe that says an output twice', probes([x, words], [x, x]), 'probes.0.outputs.1'],
    ['with a probe of too few data', probes([{ ...x, data: [1] }, words]), 'probes.0.inputs.0'],
    ['with a probe of no numbers', probes([x, words], [{ ...x, data: ['one', 2] }]), 'probes.0.outputs.0'],
    [
      'with a probe of an integer that JSON has rounded',
      probes([x, words], [{ ...x, datatype: 'INT64', data: [2 ** 53, 2] }]),
      'probes.0.outputs.0',
    ],
    [
      'with known outputs of more bytes than a call may give',
      { tensors: { ...aTensorManifest().tensors, outputBytesMax: 18 } },
      'probes.0.outputs',
    ],
  ])('refuses a model of tensors %s', async (_, over, param) => {
    for (const task of ['tensors', 'classification', 'ocr']) {
      const refused = await post({ ...aTensorManifest({ id: 'seventh/a' }), task, ...over })
      expect(refused).toMatchObject({ status: 400, body: { error: { param: `manifest.${param}` } } })
    }
  })

  it('publishes a model of tensors that knows only some of its outputs', async () => {
    const known = { ...aTensorManifest({ id: 'seventh/c', files: files('c7') }), ...probes([x, words], [words]) }
    expect((await post(known)).status).toBe(201)
  })

  it('publishes a model of tensors whose known outputs just fit, with sizes, sources and paths', async () => {
    const { tensors } = aTensorManifest()
    const published = await post({
      ...aTensorManifest({ id: 'seventh/b' }),
      tensors: { ...tensors, outputBytesMax: 19 },
      sizes: { 'graph.onnx': 7 },
      sources: ['https://files.example/graphs'],
      sourcePaths: { 'graph.onnx': 'v1/graph..onnx' },
    })
    expect(published.status).toBe(201)
  })

  it('refuses a manifest of one character more than every list of models can bear', async () => {
    const manifest = aTensorManifest({ id: 'long/a', files: files('e7') })
    const room = LIMITS.manifestCharacters - JSON.stringify(ModelManifest.parse(manifest)).length
    const [probe] = manifest.probes
    if (!probe || 'input' in probe) throw new Error('a tensor model has a tensor probe')
    const [first, ...others] = probe.outputs
    const of = (length: number) => ({
      ...manifest,
      probes: [{ ...probe, outputs: [{ ...first, data: 'x'.repeat(length) }, ...others] }],
    })
    const saved = JSON.stringify(first?.data).length
    // At the limit it is read, and refused for what it says; one over, for its length.
    const param = async (length: number) => (await post(of(length))).body.error?.param
    expect(await param(room + saved - 2)).toBe('manifest.probes.0.outputs.0')
    expect(await param(room + saved - 1)).toBe('manifest.probes')
  })

  it('is for signed-in accounts', async () => {
    expect((await app.send('POST', '/api/models', { body: aManifest() })).status).toBe(401)
  })
})

describe('GET /api/models', () => {
  it('lists for everybody, without the answers of the probes', async () => {
    const { status, body } = await app.send<{ data: { id: string }[]; nextCursor: null }>('GET', '/api/models')
    expect(status).toBe(200)
    expect(body.data.map(({ id }) => id)).toContain('first/a')
    expect(body.nextCursor).toBeNull()
    expect(JSON.stringify(body)).not.toContain('Paris')
    const after = await app.send<{ data: { id: string }[] }>('GET', '/api/models?cursor=fifth/a')
    expect(after.body.data[0]?.id).toBe('first/a')
  })
})
