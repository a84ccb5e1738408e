// The author's signature over a manifest, and whose weights are: every way around either is refused by name.
import { env } from 'cloudflare:workers'
import { beforeAll, describe, expect, it } from 'vitest'
import { privateKeyToAccount } from 'viem/accounts'
import { weightsOf } from '../../../../gateway/market/models/weights.ts'
import type { ModelManifest } from '../../../../protocol/model.ts'
import type { PublishRequest } from '../../../../protocol/publish.ts'
import { aManifest, aTensorManifest, OPERATOR, STRANGER } from '../builders.ts'
import { aPublication, authorWallet, createMarketApp, type MarketApp } from '../market-app.ts'

let app: MarketApp
beforeAll(async () => {
  app = await createMarketApp()
})
const send = (body: unknown, account: string = OPERATOR) =>
  app.send<{ publishedBy?: string; error?: { code: string; param: string; message: string } }>('POST', '/api/models', {
    account,
    body,
  })
const hash = (seed: string) => seed.repeat(64 / seed.length)
const DAY = 24 * 3_600
const now = () => Math.floor(app.now() / 1_000)

describe('a publication', () => {
  const manifest = aManifest({ id: 'signed/a', files: { 'model.onnx': hash('5a') } })

  it('is kept with the wallet that signed it and its signature', async () => {
    const body = await aPublication(manifest, app.now())
    expect(await send(body)).toMatchObject({ status: 201, body: { publishedBy: authorWallet(OPERATOR).address } })
    const row = await env.DB.prepare('SELECT signature FROM models WHERE id = ?').bind('signed/a').first()
    expect(row).toEqual({ signature: body.signature })
  })

  it('of one who writes no defaults is signed with them, as they are read', async () => {
    const {
      templateTokens: _t,
      bytesPerTokenMin: _b,
      ...bare
    } = aManifest({ id: 'signed/b', files: { a: hash('5b') } })
    expect((await send(await aPublication(bare, app.now()))).status).toBe(201)
  })

  it.each<[string, (right: PublishRequest) => Partial<PublishRequest>]>([
    ['royalty', ({ manifest }) => ({ manifest: { ...manifest, royaltyBps: 101 } })],
    ['licence', ({ manifest }) => ({ manifest: { ...manifest, licence: 'MIT' } })],
    ['name', ({ manifest }) => ({ manifest: { ...manifest, id: 'signed/z' } })],
    ['files', ({ manifest }) => ({ manifest: { ...manifest, files: { 'model.onnx': hash('5d') } } })],
    ['description', ({ manifest }) => ({ manifest: { ...manifest, description: 'another' } })],
    ['sources', ({ manifest }) => ({ manifest: { ...manifest, sources: ['https://thief.example'] } })],
    ['deadline', ({ deadline }) => ({ deadline: deadline + 1 })],
    ['author', () => ({ author: authorWallet(STRANGER).address })],
    ['signature', ({ signature }) => ({ signature: signature.replace(/.$/, (last) => (last === 'b' ? 'c' : 'b')) })],
    ['signature, of no form', () => ({ signature: '0x12' })],
  ])('with another %s than was signed is refused', async (_, change) => {
    const right = await aPublication(aManifest({ id: 'signed/c', files: { a: hash('5c') } }), app.now())
    expect(await send({ ...right, ...change(right) })).toMatchObject({
      status: 401,
      body: { error: { code: 'signature_refused', param: 'signature' } },
    })
  })

  it.each([
    ['now', 0, 401],
    ['a second ahead', 1, 201],
    ['a day ahead', DAY, 201],
    ['a day and a second ahead', DAY + 1, 401],
  ])('that ends %s (%i s) is answered %i', async (_, ahead, status) => {
    const over = { deadline: now() + ahead }
    const one = aManifest({ id: 'signed/d', files: { a: hash('5e') } })
    const answered = await send(await aPublication(one, app.now(), OPERATOR, over))
    expect(answered.status === 200 ? 201 : answered.status).toBe(status)
  })

  it('for another chain, or by a wallet that is not the account’s, is refused', async () => {
    const other = await aPublication(manifest, app.now(), OPERATOR, { chainId: 1 })
    expect(await send(other)).toMatchObject({ status: 401, body: { error: { code: 'signature_refused' } } })
    const wallet = privateKeyToAccount(`0x${hash('77')}`)
    const foreign = await aPublication(manifest, app.now(), OPERATOR, { wallet })
    expect(await send(foreign)).toMatchObject({ status: 403, body: { error: { code: 'forbidden', param: 'author' } } })
  })

  it('of another account’s wallet is refused to who only has its signature', async () => {
    await aPublication(manifest, app.now(), STRANGER)
    const stolen = await aPublication(aManifest({ id: 'stolen/a', files: { a: hash('5f') } }), app.now(), OPERATOR)
    expect(await send(stolen, STRANGER)).toMatchObject({ status: 403, body: { error: { param: 'author' } } })
  })

  it('without a signature is refused with a sentence that says what to send', async () => {
    const refused = await send(manifest)
    expect(refused).toMatchObject({ status: 400, body: { error: { code: 'invalid_request', param: 'signature' } } })
    expect(refused.body.error?.message).toContain('{ manifest, author, deadline, signature }')
    const { signature: _, ...unsigned } = await aPublication(manifest, app.now())
    expect(await send(unsigned)).toMatchObject({ status: 400, body: { error: { param: 'signature' } } })
  })
})

describe('weights', () => {
  const own = aTensorManifest({
    id: 'weights/a',
    files: {
      'graph.onnx': hash('6a'),
      'graph.onnx_data': hash('6b'),
      'tokenizer.json': hash('6c'),
    },
  })
  const publish = async (files: ModelManifest['files'], account: string = STRANGER, id = 'dodger/a') =>
    app.publish(aTensorManifest({ id, files, royaltyBps: 0 }), account)
  beforeAll(async () => {
    expect((await app.publish(own)).status).toBe(201)
  })

  it.each<[string, ModelManifest['files'], string]>([
    [
      'with junk beside them',
      { 'graph.onnx': hash('61'), 'graph.onnx_data': hash('6b'), 'junk.txt': hash('62') },
      'graph.onnx_data',
    ],
    ['under another file name', { 'graph.onnx': hash('63'), 'w.txt': hash('6b') }, 'w.txt'],
    ['alone', { 'graph.onnx_data': hash('6b') }, 'graph.onnx_data'],
  ])('of another author are refused %s', async (_, files, name) => {
    const refused = await publish(files)
    expect(refused).toMatchObject({ status: 409, body: { error: { param: `manifest.files.${name}` } } })
    // The refused name stays free for who has a right to it.
    expect(await env.DB.prepare('SELECT * FROM authors WHERE handle = ?').bind('dodger').first()).toBeNull()
  })

  it('may be published again by their own author, in another model', async () => {
    const files = { 'graph.onnx': hash('64'), 'graph.onnx_data': hash('6b') }
    expect((await publish(files, OPERATOR, 'weights/a-v2')).status).toBe(201)
  })

  it('are not tokenizers, or a graph that keeps its weights beside it: those come with many models', async () => {
    const files = {
      'graph.onnx': hash('6a'),
      'graph.onnx_data': hash('65'),
      'tokenizer.json': hash('6c'),
    }
    expect((await publish(files, STRANGER, 'honest/a')).status).toBe(201)
  })

  it('are one author’s also when two publish them at the same moment under different names', async () => {
    const each = (account: string, id: string) =>
      publish({ 'model.gguf': hash('66'), [`${id.split('/')[0]}.txt`]: hash('67') }, account, id)
    const both = await Promise.all([each(OPERATOR, 'race1/a'), each(STRANGER, 'race2/a')])
    expect(both.map(({ status }) => status).sort()).toEqual([201, 409])
    const rows = await env.DB.prepare("SELECT id FROM models WHERE id LIKE 'race%'").all()
    expect(rows.results).toHaveLength(1)
  })

  it.each<[string, ModelManifest['files'], string[]]>([
    [
      'forms of weights',
      { 'a.onnx': '1', 'b.safetensors': '2', 'c.GGUF': '3', 'd.onnx_data_1': '4' },
      ['1', '2', '3', '4'],
    ],
    ['other files', { 'tokenizer.json': '1', LICENSE: '2', 'vocab.txt': '3', 'onnx.json': '4', onnx: '5' }, []],
    ['a graph beside its weights', { 'a.onnx': '1', 'a.onnx.data': '2', 'b.onnx': '3' }, ['2', '3']],
    ['one file under two names', { 'a.bin': '1', 'b.bin': '1' }, ['1']],
  ])('are told by %s', (_, files, weights) => {
    expect([...weightsOf({ files })]).toEqual(weights)
  })
})
