// Price versions: a number for every price an offer ever had, and the charge of a call computed again from the number in its line.
import { env } from 'cloudflare:workers'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createNodeBook } from '../../../../gateway/market/nodes/node-book.ts'
import { PriceVersionView, type NodeView } from '../../../../protocol/node.ts'
import { fromUsd, isNodeId, type NodeId } from '../../../../protocol/units.ts'
import { anOfferRequest, aVectorManifest, CHAT_MODEL, OPERATOR } from '../builders.ts'
import { createFakeNode, type FakeNode } from '../fake-node.ts'
import { addWallet, aRegistration, createMarketApp, type MarketApp } from '../market-app.ts'

let app: MarketApp
let node: FakeNode
beforeAll(async () => {
  app = await createMarketApp()
  await addWallet()
  await app.publish()
  await app.publish(aVectorManifest())
})
beforeEach(async () => {
  node = await createFakeNode(app.now)
  app.connect(node)
})

type Prices = ReturnType<typeof anOfferRequest>['prices'] & { cachedInputPerMillion?: string; bytesPerMillion?: string }

async function register(prices: Prices): Promise<NodeId> {
  const offers = [{ ...anOfferRequest(), prices }, anOfferRequest(aVectorManifest())]
  const body = await aRegistration(node, app.now(), { offers })
  const { body: view } = await app.send<NodeView>('POST', '/api/nodes', { account: OPERATOR, body })
  if (!isNodeId(view.id)) throw new Error(JSON.stringify(view))
  return view.id
}

const at = (inputPerMillion: string, more: Partial<Prices> = {}): Prices => ({
  inputPerMillion,
  outputPerMillion: '0.02',
  perCall: '0',
  ...more,
})
const offerVersion = (id: NodeId, model: string = CHAT_MODEL) =>
  env.DB.prepare('SELECT price_version FROM offers WHERE node_id = ? AND model_id = ?')
    .bind(id, model)
    .first('price_version')

async function history(id: string, query = '', model: string = CHAT_MODEL) {
  const { status, body } = await app.send<{ data: unknown[]; nextCursor: string | null }>(
    'GET',
    `/api/nodes/${id}/offers/${model}/prices${query}`,
  )
  if (status !== 200) return { status, data: [], nextCursor: null }
  return { status, data: body.data.map((row) => PriceVersionView.parse(row)), nextCursor: body.nextCursor }
}

describe('the price version of an offer', () => {
  it.each([
    ['input', at('0.011')],
    ['output', at('0.01', { outputPerMillion: '0.021' })],
    ['a call', at('0.01', { perCall: '0.000000001' })],
    ['cached input', at('0.01', { cachedInputPerMillion: '0.009' })],
    ['tensor bytes', at('0.01', { bytesPerMillion: '0.000000001' })],
  ])('is the next number when the price of %s changes, for this offer alone', async (_, changed) => {
    const id = await register(at('0.01'))
    expect(await offerVersion(id)).toBe(1)
    await register(changed)
    expect([await offerVersion(id), await offerVersion(id, 'maker/embed')]).toEqual([2, 1])
  })

  it('stays when the same prices are registered again, and is a new one when old prices come back', async () => {
    const id = await register(at('0.01'))
    const versions = []
    for (const price of ['0.01', '0.010', '0.03', '0.03', '0.01']) {
      await register(at(price))
      versions.push(await offerVersion(id))
    }
    expect(versions).toEqual([1, 1, 2, 2, 3])
  })

  it('is one number for each price when registrations of one node come at the same moment', async () => {
    const id = await register(at('0.5'))
    const wanted = ['0.1', '0.2', '0.3', '0.2', '0.1']
    await Promise.all(wanted.map((price) => register(at(price))))
    const { data } = await history(id)
    const numbers = data.map(({ version }) => version)
    expect(numbers).toEqual(numbers.map((_, index) => numbers.length - index))
    data.slice(1).forEach((row, index) => expect(row.prices).not.toEqual(data[index]?.prices))
    const record = await createNodeBook(env.DB).find(id)
    const offer = record?.offers.find((found) => found.offer.modelId === CHAT_MODEL)?.offer
    const named = data.find(({ version }) => version === offer?.priceVersion)
    expect(fromUsd(named?.prices.inputPerMillion ?? '0')).toBe(BigInt(offer?.inputPriceNanos ?? -1))
  })
})

describe('the price history', () => {
  it('is public, newest first, page by page, under both spellings of a model id', async () => {
    const id = await register(at('0.1'))
    await register(at('0.2'))
    app.advance(60_000)
    await register(at('0.3'))
    const all = await history(id)
    expect(all.data.map(({ version, prices }) => [version, prices.inputPerMillion])).toEqual([
      [3, '0.300000000'],
      [2, '0.200000000'],
      [1, '0.100000000'],
    ])
    expect(all.data[0]?.from).toBe(new Date(app.now()).toISOString())
    const first = await history(id, '?limit=2')
    expect([first.data.length, first.nextCursor]).toEqual([2, '2'])
    const rest = await history(id, `?limit=2&cursor=${first.nextCursor}`)
    expect([rest.data.map(({ version }) => version), rest.nextCursor]).toEqual([[1], null])
    expect((await history(id, '', encodeURIComponent(CHAT_MODEL))).data).toEqual(all.data)
  })

  it.each([
    ['a node that is not there', 'node_zzzzzzzzzzzzzzzz', CHAT_MODEL, '', 404],
    ['a text that is no node', 'x', CHAT_MODEL, '', 404],
    ['a model it never offered', null, 'maker/other', '', 404],
    ['a cursor nobody gave', null, CHAT_MODEL, '?cursor=x', 400],
    ['a page too long', null, CHAT_MODEL, '?limit=101', 400],
  ])('refuses %s', async (_, id, model, query, status) => {
    expect((await history(id ?? (await register(at('0.1'))), query, model)).status).toBe(status)
  })
})
