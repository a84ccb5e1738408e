// What the gateway is told of an entry of the configuration, with the models that come with the program.
import { describe, expect, it } from 'vitest'
import { OfferRequest } from '../../protocol/node.ts'
import { PARAMETERS } from '../../protocol/routing.ts'
import { ModelConfig } from '../../provider-node/config.ts'
import { HONOURS_NOTHING } from '../../provider-node/engines/honours.ts'
import { silentLog } from '../../provider-node/log.ts'
import { modelFolder, readManifest } from '../../provider-node/model-store/manifest.ts'
import { offerOf, toOffer } from '../../provider-node/offers.ts'
import { modelDigest } from '../../protocol/publish.ts'

const anEntry = (over: object = {}) =>
  ModelConfig.parse({ folder: 'tiny-chat', prices: { inputPerMillion: '1', outputPerMillion: '1' }, ...over })
const upstream = { url: 'http://127.0.0.1:1', model: 'm' }
const told = async (entry: ModelConfig) =>
  OfferRequest.parse(await offerOf(entry, { home: '.', env: {}, log: silentLog, isChecked: false }))

describe('an offer', () => {
  it.each([
    ['tiny-chat', PARAMETERS.filter((name) => name !== 'dimensions'), true],
    ['word-vectors', ['dimensions'], false],
    ['language-id', [], false],
  ])('of %s, computed here, says what it honours and that nothing is kept', async (folder, parameters, continues) => {
    expect(await told(anEntry({ folder }))).toMatchObject({
      assurance: 'pinned',
      parameters,
      continues,
      collectsData: false,
    })
  })

  it('of a server that was not met yet says nothing of what it honours or keeps', async () => {
    const offer = await told(anEntry({ engine: 'openai', upstream }))
    expect(offer.assurance).toBe('declared')
    for (const field of ['parameters', 'continues', 'collectsData']) expect(offer).not.toHaveProperty(field)
  })

  it.each([true, false])(
    'says whether its server keeps prompts as the configuration has it: %s',
    async (collectsData) => {
      expect(await told(anEntry({ engine: 'openai', upstream, collectsData }))).toMatchObject({ collectsData })
    },
  )

  it('says what its engine has found out', async () => {
    const folder = modelFolder('tiny-chat', '.')
    const manifest = await readManifest(folder)
    const model = { folder, manifest, digest: modelDigest(manifest) }
    const honours = { parameters: ['seed' as const], continues: true }
    expect(toOffer(anEntry(), model, honours)).toMatchObject(honours)
    expect(toOffer(anEntry(), model, HONOURS_NOTHING)).toMatchObject({ parameters: [], continues: false })
    expect(toOffer(anEntry(), model, null)).not.toHaveProperty('parameters')
  })
})
