import { afterEach, describe, expect, it } from 'vitest'
import type { OfferRequest } from '../../protocol/node.ts'
import { OffersRequest } from '../../protocol/operator.ts'
import { createIdentity } from '../../provider-node/identity.ts'
import { tellOffers } from '../../provider-node/tell-offers.ts'
import { aTemporaryFolder } from './builders.ts'

const OFFER: OfferRequest = {
  model: 'somebody/a',
  digest: 'a'.repeat(64),
  prices: { inputPerMillion: '1', outputPerMillion: '2', perCall: '0' },
  contextTokens: 1,
  outputTokensMax: 0,
  concurrencyMax: 1,
}
const NODE = 'node_0123456789abcdef'

const folders: { remove(): Promise<void> }[] = []
afterEach(async () => {
  for (const folder of folders.splice(0)) await folder.remove()
})

/** What the gateway was sent, and what was logged. */
async function told(offers: OfferRequest[], nodeId: string | null, answer: (tries: number) => Promise<Response>) {
  const folder = await aTemporaryFolder()
  folders.push(folder)
  const identity = await createIdentity(folder.path)
  const sent: { path: string; offers: OfferRequest[] }[] = []
  const logged: [string, Record<string, unknown>][] = []
  const waited: number[] = []
  await tellOffers(
    {
      gateway: 'https://gateway.example',
      identity,
      nodeId: () => Promise.resolve(nodeId),
      now: Date.now,
      log: (_, event, fields = {}) => void logged.push([event, fields]),
      fetch: async (input, init) => {
        const request = new Request(input instanceof Request ? input.url : input.toString(), init)
        const body = OffersRequest.parse(await request.json())
        sent.push({ path: `${request.method} ${new URL(request.url).pathname}`, offers: body.offers })
        return answer(sent.length)
      },
      wait: (ms) => Promise.resolve(void waited.push(ms)),
    },
    offers,
  )
  return { sent, logged, waited }
}

const NODE_VIEW = {
  ...{ id: NODE, name: 'n', nodeKey: 'k', operatorAccountId: 'a', endpoint: 'link', state: 'active', reason: null },
  ...{ offers: [], createdAt: '2026-01-01T00:00:00.000Z' },
}
const refused = (code: string, status: number) =>
  Response.json({ error: { code, message: 'No.', type: 'x', param: null, requestId: null } }, { status })

describe('a changed configuration', () => {
  it('is told to the gateway, all offers at once', async () => {
    const { sent, logged } = await told([OFFER], NODE, () => Promise.resolve(Response.json(NODE_VIEW)))
    expect(sent).toEqual([{ path: `PUT /api/nodes/${NODE}/offers`, offers: [OFFER] }])
    expect(logged).toEqual([['offers_told', { models: 'somebody/a' }]])
  })

  it('is told once more when the command that made it has just told it', async () => {
    const answer = (tries: number) =>
      Promise.resolve(tries === 1 ? refused('rate_limited', 429) : Response.json(NODE_VIEW))
    const { sent, logged, waited } = await told([OFFER], NODE, answer)
    expect([sent.length, waited]).toEqual([2, [3_000]])
    expect(logged.map(([event]) => event)).toEqual(['offers_told'])
  })

  it.each([
    ['asked too often', [OFFER], NODE, () => Promise.resolve(refused('rate_limited', 429)), 'rate_limited'],
    ['the node is not registered', [OFFER], null, () => Promise.resolve(Response.json(NODE_VIEW)), 'is not registered'],
    ['there is none left', [], NODE, () => Promise.resolve(Response.json(NODE_VIEW)), 'no model is left'],
    ['refused', [OFFER], NODE, () => Promise.resolve(refused('conflict', 409)), 'refused: No. (conflict)'],
    ['nobody answers', [OFFER], NODE, () => Promise.reject(new TypeError('fetch failed')), 'does not answer'],
  ] as const)('that is not told because %s is one warning with what to do', async (_, offers, nodeId, answer, why) => {
    const { logged } = await told([...offers], nodeId, answer)
    expect(logged).toHaveLength(1)
    expect(logged[0]?.[0]).toBe('offers_not_told')
    expect(logged[0]?.[1].reason).toContain(why)
    expect(logged[0]?.[1].do).toContain('souk-node')
  })
})
