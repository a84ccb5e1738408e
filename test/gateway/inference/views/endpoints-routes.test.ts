// `GET /v1/models/{id}/endpoints`, through the real router and the client of the wire.
import { env } from 'cloudflare:workers'
import { beforeAll, describe, expect, it } from 'vitest'
import { createApp } from '../../../../gateway/app.ts'
import { NO_SLOT, windowsOf, withSampleIn, writeWindows } from '../../../../gateway/market/health/windows.ts'
import type { Market, Offer } from '../../../../gateway/market/market-port.ts'
import { createServices } from '../../../../gateway/services.ts'
import { createClient, type Client } from '../../../../protocol/client.ts'
import { EndpointsReply } from '../../../../protocol/endpoints.ts'
import { instant } from '../../../../protocol/units.ts'
import { aModel, anOffer } from '../../../support/workers/builders.ts'

const NOW = instant(1_000 * 1_800_000 + 1)
const served = withSampleIn(NO_SLOT, { verdict: 'served', firstTokenMs: 120, unitsPerSecond: 40, driftPpm: null })
const slots = [{ at: instant(NOW - 1), ...(served ?? NO_SLOT) }]
const offers: Offer[] = [
  anOffer({
    nodeName: '<b>one</b>',
    region: 'EU',
    success: 0.98,
    busyShare: 0.1,
    trust: 0.3,
    toldTrust: 0.9,
    parameters: new Set(['seed', 'temperature']),
    windows: writeWindows(windowsOf(slots, slots, NOW), NOW),
  }),
  anOffer({ nodeName: 'two', breaker: 'open', breakerUntil: instant(NOW + 1) }),
  anOffer({ nodeName: 'three', breaker: 'open', breakerUntil: NOW }),
]
let get: (path: string) => Promise<Response>
let client: Client
beforeAll(async () => {
  const market: Market = {
    snapshot: async (id) => {
      const model = [aModel({ id: 'test/chat' }), aModel({ id: 'test/endpoints' })].find((known) => known.id === id)
      return model ? { model, offers: id === 'test/chat' ? offers : [], local: new Map(), takenAt: NOW } : null
    },
    attemptStarted: async () => undefined,
    attemptEnded: async () => undefined,
    models: async () => [],
  }
  const app = createApp({ ...(await createServices(env)), market, clock: () => NOW })
  const context = { waitUntil: () => undefined, passThroughOnException: () => undefined, props: {} }
  get = async (path) => app.fetch(new Request(`https://souk.test${path}`), env, context)
  client = createClient({ url: 'https://souk.test', fetch: (url) => get(new URL(url as URL).pathname) }) // the client makes URLs
})

describe('the endpoints of a model', () => {
  it('are told to whoever asks, with prices, health and what each honours', async () => {
    const { data } = await client.endpoints('test/chat')
    expect(data).toMatchObject({ id: 'test/chat', digest: '1'.repeat(64), task: 'chat' })
    expect(data.endpoints[0]).toMatchObject({
      node: offers[0]?.nodeId,
      name: '<b>one</b>',
      region: 'EU',
      breaker: 'closed',
      prices: { inputPerMillion: '0.010000000' },
      parameters: ['seed', 'temperature'],
      success: 0.98,
      busyShare: 0.1,
      // As the day began; the choice reads another one.
      trust: 0.9,
      windows: { m5: { attempts: 1, served: 1, firstTokenMs: { p50: 117 }, unitsPerSecond: { p99: 41.5 } } },
    })
  })

  it('say of a breaker whether its trial is due, and nothing of what is not known', async () => {
    const { data } = await client.endpoints('test/chat')
    expect(data.endpoints.map(({ breaker }) => breaker)).toEqual(['closed', 'open', 'half_open'])
    expect(data.endpoints[1]).toMatchObject({ windows: null, success: null, region: null, parameters: null })
  })

  it('are found under the escaped id of the official clients too', async () => {
    const [plain, escaped] = await Promise.all(
      ['test/chat', 'test%2Fchat'].map(async (id) => {
        const response = await get(`/v1/models/${id}/endpoints`)
        return EndpointsReply.parse(await response.json())
      }),
    )
    expect(escaped).toEqual(plain)
  })

  it('are none of a model nobody serves, and its page is still its own where that is its name', async () => {
    expect((await client.endpoints('test/endpoints')).data.endpoints).toEqual([])
    expect(await (await get('/v1/models/test/endpoints')).json()).toMatchObject({ id: 'test/endpoints' })
    expect(await (await get('/v1/models/test%2Fendpoints')).json()).toMatchObject({ id: 'test/endpoints' })
  })

  it.each(['test/none', 'test%2Fnone', 'no model'])('are not found for %s', async (id) => {
    const response = await get(`/v1/models/${id}/endpoints`)
    expect(response.status).toBe(404)
  })

  it('hold no address and no key of a node', async () => {
    const text = await (await get('/v1/models/test/chat/endpoints')).text()
    for (const secret of [offers[0]?.endpoint, offers[0]?.nodeKey]) expect(text).not.toContain(secret)
  })
})
