// A model of the market that does not come with the program, served by its name alone: the gateway has the manifest.
import { cp, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { errorBody } from '../../../protocol/errors.ts'
import type { ModelView } from '../../../protocol/publish.ts'
import { loadConfig } from '../../../provider-node/config.ts'
import { modelDigest, readManifest } from '../../../provider-node/model-store/manifest.ts'
import { aTemporaryFolder, shippedFolder } from '../builders.ts'
import { anOperatorGateway, souk, type OperatorGateway } from './souk-node.ts'

let home = ''
let removeHome = () => Promise.resolve()
let gateway: OperatorGateway
beforeEach(async () => {
  const made = await aTemporaryFolder()
  home = join(made.path, 'node')
  removeHome = made.remove
  await souk(['init', '--home', home, '--model', 'tiny-chat', '--model', 'language-id'])
  gateway = await anOperatorGateway(home)
})
afterEach(async () => {
  await gateway.close()
  await removeHome()
})

const run = (...args: string[]) => souk([...args, '--home', home], { SOUK_NODE_GATEWAY: gateway.url })
const NO_OFFERS = { offers: 0, low: null, median: null, high: null }

describe('souk-node models add, by the name a model has at the gateway', () => {
  const ID = 'maker/words'
  const folderOf = () => join(home, 'models', 'maker', 'words')
  /** The shipped vectors under a stranger's name, as a gateway shows them to everybody. */
  async function published(over: Partial<ModelView> = {}): Promise<ModelView> {
    const { probes: _probes, ...manifest } = await readManifest(shippedFolder('word-vectors'))
    const view: ModelView = {
      ...{ id: ID, digest: modelDigest(manifest.files), manifest: { ...manifest, id: ID } },
      ...{ authorAccountId: 'a'.repeat(16), royaltyBps: 0, state: 'active', reason: null, replacedBy: null },
      ...{ stateAt: null, publishedBy: null, createdAt: '2026-01-01T00:00:00.000Z' },
      ...over,
    }
    gateway.app.get(`/api/models/${ID}`, (c) => c.json(view))
    gateway.prices.set(ID, { ...NO_OFFERS, model: ID })
    return view
  }
  const UPSTREAM = ['--engine', 'openai', '--upstream-url', 'http://127.0.0.1:8000', '--upstream-model', 'w']

  it('takes the manifest from it, for a server that has the files', async () => {
    await published({ state: 'deprecated', replacedBy: 'maker/better' })
    const { code, out, err } = await run('models', 'add', ID, ...UPSTREAM)
    expect([code, err]).toEqual([0, 'maker/words is deprecated: maker/better takes its place\n'])
    expect(out).toContain('maker/words  is in config.json')
    expect((await loadConfig(home, {})).models[2]).toMatchObject({ folder: 'models/maker/words', engine: 'openai' })
    expect(gateway.put[0]?.[2]).toMatchObject({ model: ID, assurance: 'declared' })
    expect((await run('models', 'list')).out).toContain('maker/words\n  here     at another server')
  })

  it('computes it here when the files are there, or can be fetched', async () => {
    const { digest, manifest } = await published()
    expect(await run('models', 'add', ID)).toMatchObject({
      code: 1,
      err: expect.stringMatching(
        /^maker\/words names nowhere to fetch its files from: put .*model\.onnx.* into .*models.maker.words\nsouk-node: model file words\/[\w.]+ is missing\n$/,
      ),
    })
    for (const name of Object.keys(manifest.files))
      await cp(join(shippedFolder('word-vectors'), name), join(folderOf(), name))
    expect((await run('models', 'add', ID)).code).toBe(0)
    expect(gateway.put[0]?.[2]).toMatchObject({ model: ID, digest, assurance: 'pinned' })
  })

  it('means the shipped folder of a model that comes with the program', async () => {
    gateway.prices.set('souk/word-vectors', { ...NO_OFFERS, model: 'souk/word-vectors' })
    expect((await run('models', 'add', 'souk/word-vectors')).code).toBe(0)
    expect((await loadConfig(home, {})).models[2]?.folder).toBe('word-vectors')
  })

  it('is for a node that is there: init asks no gateway, and says what does', async () => {
    const { code, err } = await souk(['init', '--home', join(home, 'other'), '--model', ID])
    expect([code, err]).toEqual([
      1,
      expect.stringMatching(/is added when there is a node, by souk-node models add maker\/words\n$/),
    ])
    expect((await souk(['init', '--home', join(home, 'other'), '--model', 'souk/word-vectors'])).code).toBe(0)
  })

  it.each<[string, Partial<ModelView> | null, RegExp]>([
    ['it does not know', null, /^there is no model maker\/words at http:\S+, and no folder of that name here$/],
    ['was withdrawn', { state: 'withdrawn', reason: 'Wrong weights.' }, /^maker\/words is withdrawn: Wrong weights\.$/],
    ['is blocked', { state: 'blocked' }, /^maker\/words is blocked$/],
    ['has another digest', { digest: 'f'.repeat(64) }, /^what http:\S+ shows of maker\/words does not go together/],
  ])('refuses one that %s, and changes nothing', async (_, over, sentence) => {
    if (over) await published(over)
    else gateway.app.get(`/api/models/${ID}`, (c) => c.json(errorBody('model_not_found', null), 404))
    const before = await readFile(join(home, 'config.json'), 'utf8')
    const { code, err } = await run('models', 'add', ID, ...UPSTREAM)
    expect([code, err.replace(/^souk-node: |\n$/g, '')]).toEqual([1, expect.stringMatching(sentence)])
    expect([await readFile(join(home, 'config.json'), 'utf8'), gateway.put]).toEqual([before, []])
    expect(await readdir(home)).not.toContain('models')
  })
})
