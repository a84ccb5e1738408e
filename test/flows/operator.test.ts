// An operator looks after a node that serves in a real market, with nothing but its state folder: status, prices, models, draining, each told by the
// node's own key over its link; and all nodes of the account with the wallet.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { loadWallets } from '../../gateway/local/secrets.ts'
import { NodeStatusView } from '../../protocol/operator.ts'
import { storedConfig } from '../../provider-node/config.ts'
import { souk } from '../provider-node/cli/souk-node.ts'
import { startMarket, type Market } from '../support/market.ts'

let market: Market
let home = ''
let operatorKey = ''
beforeAll(async () => {
  market = await startMarket({ nodes: 0 })
  operatorKey = (await loadWallets(market.stateDir)).operator.privateKey
  await market.startNode({ isLinked: true })
  await market.routable()
  home = join(market.stateDir, 'node')
})
afterAll(() => market.stop())

const run = (...args: string[]) => souk([...args, '--home', home], { SOUK_NODE_GATEWAY: market.url })
const status = async () => {
  const { out } = await run('status', '--json')
  return NodeStatusView.parse(Object(JSON.parse(out)).status)
}
const offer = async (model: string) => (await status()).node.offers.find((one) => one.model === model)

it('shows a linked node that serves: state, link, process, offers', async () => {
  const { code, out, err } = await run('status')
  expect([code, err]).toEqual([0, ''])
  expect(out).toMatch(/^state {6}(probation|active)/m)
  expect(out).toMatch(/^reached {4}by its link, up since /m)
  expect(out).toMatch(/^process {4}\d+, runs since /m)
  expect(out).toMatch(/^souk\/tiny-chat {2}live$/m)
  expect(out.split('\n').filter((line) => line.length > 80 && !line.includes(market.stateDir))).toEqual([])
})

it('counts a call that was paid', async () => {
  const { key } = await market.consumer()
  const response = await fetch(`${market.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'souk/tiny-chat', messages: [{ role: 'user', content: 'What is a frog?' }] }),
    signal: AbortSignal.timeout(60_000),
  })
  expect(response.status).toBe(200)
  await response.text()
  await market.runCrons()
  const until = Date.now() + 30_000
  while ((await status()).traffic.day.calls === 0 && Date.now() < until)
    await new Promise((done) => setTimeout(done, 500))
  const { traffic, lastCallAt } = await status()
  expect([traffic.day.calls, Number(traffic.day.earned) > 0, lastCallAt !== null]).toEqual([1, true, true])
})

it('changes a price: in the file, at the gateway, and the offer stays live', async () => {
  const { code, err } = await run('price', 'tiny-chat', '--input', '0.06')
  expect([code, err]).toEqual([0, ''])
  expect(await offer('souk/tiny-chat')).toMatchObject({ state: 'live', prices: { inputPerMillion: '0.060000000' } })
  expect((await storedConfig(home)).models[0]?.prices.inputPerMillion).toBe('0.06')
  const refused = await run('price', 'tiny-chat', '--input', '99999')
  expect([refused.code, refused.err]).toEqual([
    2,
    expect.stringMatching(/^souk-node: option --input needs dollars, at most 1000 /),
  ])
  expect((await storedConfig(home)).models[0]?.prices.inputPerMillion).toBe('0.06')
})

/** The gateway takes the offers of a node every few seconds only. */
const again = async (...args: string[]) => {
  for (;;) {
    const said = await run(...args)
    if (!/Too many requests/.test(said.err)) return said
    await new Promise((done) => setTimeout(done, 500))
  }
}

it('takes a model out and in again', async () => {
  expect(await again('models', 'remove', 'word-vectors')).toMatchObject({ code: 0, err: '' })
  expect((await offer('souk/word-vectors'))?.state).toBe('paused')
  expect(await again('models', 'add', 'word-vectors')).toMatchObject({ code: 0 })
  await market.routable()
  expect((await offer('souk/word-vectors'))?.state).toBe('live')
  expect(await readFile(join(home, 'config.json'), 'utf8')).toContain('// What is served.')
  expect((await run('models', 'list')).out).toMatch(/^souk\/word-vectors\n {2}here {5}on disk\n {2}gateway {2}live$/m)
})

it('drains until nothing is under way, and serves again', async () => {
  expect((await run('drain', '--wait')).out).toBe(
    'state  draining: It is draining: its operator wants no new calls.\nNo call is under way: the node can be stopped.\n',
  )
  expect((await status()).reasons[0]).toMatch(/drain/)
  expect((await run('drain', '--undo')).out).toMatch(/^state {2}(probation|active)/)
})

it('shows all nodes of the account to the wallet', async () => {
  const all = await souk(['status', '--operator', '--gateway', market.url], { SOUK_OPERATOR_KEY: operatorKey })
  expect([all.code, all.err]).toEqual([0, ''])
  expect(all.out).toMatch(/^node 1 +(probation|active) +up +1 +0 /m)
  expect(all.out).toMatch(/^all +1 /m)
})

it('says what it knows when the gateway is down', async () => {
  await market.killGateway()
  const { code, out } = await run('status')
  expect(code).toBe(0)
  expect(out.replaceAll(/\s+/g, ' ')).toMatch(
    /does not answer \([A-Z_]+\)\.? In config\.json: tiny-chat language-id word-vectors/,
  )
  expect((await run('price', 'tiny-chat', '--input', '0.07')).code).toBe(1)
  expect((await storedConfig(home)).models[0]?.prices.inputPerMillion).toBe('0.06')
})
