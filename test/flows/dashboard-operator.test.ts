// An operator in the dashboard, in a real browser with a wallet of a real key: sees the node that serves, drains and brings it back, changes a price, registers
// a second one by the link of the program; an author looks after a model. And the refusals: a wallet that says no, a node that is somebody else's.
import { join } from 'node:path'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { offersAfter } from '../../gateway/dashboard/operator/offer-request.ts'
import { loadWallets } from '../../gateway/local/secrets.ts'
import { NodeView } from '../../protocol/node.ts'
import { NodeStatusView } from '../../protocol/operator.ts'
import { browserPath, complaintsOf, giveWallet, openBrowser, type TestWallet } from '../support/browser.ts'
import { eventually } from '../support/eventually.ts'
import { startMarket, type Consumer, type Market } from '../support/market.ts'
import { soukCommand } from '../support/souk-command.ts'

describe.skipIf(browserPath === null)('an operator in the dashboard', () => {
  let market: Market
  let browser: Browser
  let context: BrowserContext
  let page: Page
  let wallet: TestWallet
  let complaints: string[]
  let stranger: Consumer
  let nodeId = ''

  beforeAll(async () => {
    market = await startMarket()
    const { operator } = await loadWallets(market.stateDir)
    nodeId = market.nodes[0]?.id ?? ''
    stranger = await market.consumer()
    await aPaidCall()
    browser = await openBrowser()
    context = await browser.newContext({ baseURL: market.url })
    wallet = await giveWallet(context, operator.privateKey)
    page = await context.newPage()
    complaints = complaintsOf(page)
    await signInAt(page, '/nodes')
  })
  afterAll(async () => {
    await browser?.close()
    await market?.stop()
  })

  /** The page asks for the wallet in its own place. */
  async function signInAt(at: Page, path: string) {
    await at.goto(path)
    await at.getByRole('button', { name: 'Sign in with Test Wallet' }).click()
    await at.getByRole('button', { name: 'Your account' }).waitFor()
  }
  async function aPaidCall() {
    const response = await fetch(`${market.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${stranger.key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'souk/tiny-chat', messages: [{ role: 'user', content: 'What is a frog?' }] }),
    })
    expect(response.status).toBe(200)
    await response.text()
    await market.runCrons()
  }
  /** What the gateway itself says, asked in the page's session. */
  const ask = (path: string): Promise<unknown> => page.evaluate(async (to) => (await fetch(to)).json(), path)
  const shot = async (name: string) => {
    const folder = process.env.SOUK_SCREENSHOTS
    if (folder === undefined) return
    for (const scheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme: scheme })
      await page.screenshot({ path: join(folder, `${name}-${scheme}.png`), fullPage: true })
    }
    await page.emulateMedia({ colorScheme: 'light' })
    const size = page.viewportSize()
    await page.setViewportSize({ width: 390, height: 844 })
    await page.screenshot({ path: join(folder, `${name}-phone.png`), fullPage: true })
    if (size) await page.setViewportSize(size)
  }

  it('shows every node with its state, its traffic and why it gets no more', async () => {
    await page.goto('/nodes')
    const row = page.getByRole('row', { name: /node 1/ })
    await row.getByText(/^(probation|active)$/).waitFor()
    await row.getByText(/version \d+/).waitFor()
    await row.getByText(/It is in probation/).waitFor()
    await shot('nodes')
  })

  it('drains the node after saying what that means, and brings it back', async () => {
    await page.getByRole('link', { name: 'node 1' }).click()
    await page.getByRole('heading', { name: 'node 1', level: 1 }).waitFor()
    await page.getByRole('button', { name: 'Drain' }).click()
    const asked = page.getByRole('dialog')
    await asked.getByText(/It gets no new calls from now on/).waitFor()
    await asked.getByRole('button', { name: 'Cancel' }).click()
    await asked.waitFor({ state: 'hidden' })
    expect(NodeView.parse(await ask(`/api/nodes/${nodeId}`)).state).not.toBe('draining')
    await page.getByRole('button', { name: 'Drain' }).click()
    await asked.getByRole('button', { name: 'Drain it' }).click()
    await page.getByText(/It is draining, so it gets no new calls/).waitFor()
    expect(NodeView.parse(await ask(`/api/nodes/${nodeId}`)).state).toBe('draining')
    await page.getByRole('button', { name: 'Bring it back' }).click()
    await asked.getByRole('button', { name: 'Bring it back' }).click()
    await page.getByRole('button', { name: 'Drain' }).waitFor()
    await page.getByRole('region', { name: 'Receipts' }).getByText('Every call has its receipt').waitFor()
    expect(NodeView.parse(await ask(`/api/nodes/${nodeId}`)).state).toMatch(/probation|active/)
    await shot('node')
  })

  it('has the gateway try the node', async () => {
    await page.getByRole('button', { name: 'Try it now' }).click()
    await page.getByText(/souk\/tiny-chat: answered well after/).waitFor()
  })

  it('shows a receipt that was refused, in the words of the node’s own program', async () => {
    const ticketOf = "SELECT detail ->> '$.ticket' AS ticket FROM calls WHERE node_id = ?"
    const [call] = await market.query('BOOK_0', ticketOf, nodeId)
    const handedIn = await fetch(`${market.url}/api/receipts`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ receipts: [{ ticket: call?.ticket, receipt: 'a.b.c' }] }),
    })
    expect(await handedIn.json()).toEqual({ data: [{ outcome: 'refused', code: 'bad_receipt' }] })
    await page.goto(`/nodes/${nodeId}`)
    const sentence = page.getByRole('region', { name: 'Receipts' }).getByRole('listitem')
    await sentence.getByText(/^One receipt was refused because/).waitFor()
    const status = soukCommand(['status'], { home: join(market.stateDir, 'node'), folder: market.stateDir })
    const printed = (await status.ended).out.replace(/\s+/g, ' ')
    expect(printed).toContain('0 owed, 0 late; 1 refused in 30 days')
    expect(printed).toContain(await sentence.textContent())
  })

  it('changes a price beside what others ask, refuses what is none, and leaves the other offers as they are', async () => {
    const status = async () => NodeStatusView.parse(await ask(`/api/nodes/${nodeId}/status`)).node.offers
    const before = await status()
    await page.goto(`/nodes/${nodeId}?view=offers`)
    const offers = page.getByRole('region', { name: 'Prices of souk/tiny-chat' })
    await offers.waitFor()
    await shot('node-offers')
    await page.getByRole('button', { name: 'Change prices' }).first().click()
    const asked = page.getByRole('dialog')
    const model = /Prices of (\S+)/.exec((await asked.getByRole('heading').textContent()) ?? '')?.[1]
    const field = asked.getByLabel('Input, per million tokens, in dollars', { exact: true })
    await field.fill('cheap')
    await asked.getByText(/Dollars such as 0\.06/).waitFor()
    expect(await asked.getByRole('button', { name: 'Ask these prices' }).isDisabled()).toBe(true)
    await field.fill('1000.01')
    await asked.getByText('At most $1,000', { exact: true }).waitFor()
    expect(await asked.getByRole('button', { name: 'Ask these prices' }).isDisabled()).toBe(true)
    await field.fill('0.07')
    // The node's own program is faster: nothing is done, and what was typed stays beside what it asks now.
    const offer = before.find((each) => each.model === model)
    if (!offer || model === undefined) throw new Error('the dialogue names an offer')
    const faster = { model, isOffered: true, prices: { ...offer.prices, outputPerMillion: '0.33' } }
    await page.request.put(`/api/nodes/${nodeId}/offers`, {
      data: { offers: offersAfter(before, faster) },
      headers: { origin: market.url },
    })
    await asked.getByText(/^It asks now: Output, per million tokens: \$0\.33\./).waitFor()
    expect([await field.inputValue(), await asked.getByLabel(/^Output/).inputValue()]).not.toContain('0.33')
    await asked.getByRole('button', { name: 'Go on with what I typed' }).click()
    // Two changes of one node's offers are two seconds apart; a refusal leaves the form as it is.
    await eventually(15_000, async () => {
      await asked.getByRole('button', { name: 'Ask these prices' }).click({ timeout: 2_000 })
      await page.getByText(`The gateway knows the change of ${model}.`).waitFor({ timeout: 2_000 })
    })
    await asked.waitFor({ state: 'hidden' })
    const after = await status()
    expect(after.find((offer) => offer.model === model)?.prices.inputPerMillion).toBe('0.070000000')
    const others = (all: typeof before) =>
      all.filter((offer) => offer.model !== model).map((o) => [o.model, o.prices, o.state])
    expect(others(after)).toEqual(others(before))
  })

  it('says of somebody else’s node that it is not there', async () => {
    await page.goto('/nodes/node_0000000000000000')
    await page.getByText('There is no such node among yours').waitFor()
  })

  it('lists the calls that were paid, and gives them as a file', async () => {
    await page.goto(`/nodes/${nodeId}?view=earnings`)
    await page
      .getByRole('region', { name: 'Calls this node was paid for' })
      .getByText('souk/tiny-chat')
      .first()
      .waitFor()
    const [file] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Download CSV' }).click(),
    ])
    expect(file.suggestedFilename()).toBe(`earnings-${nodeId}.csv`)
    await shot('node-earnings')
  })

  it('shows audits, stops and keys', async () => {
    await page.getByRole('tab', { name: 'Audits' }).click()
    await page.getByRole('region', { name: 'Trust by model' }).waitFor()
    await page.getByRole('tab', { name: 'Stops' }).click()
    await page.getByText('It was never stopped').waitFor()
    await page.getByRole('tab', { name: 'Keys' }).click()
    await page.getByText('souk-node rotate-key --lost').waitFor()
    await shot('node-keys')
    await page.getByRole('tab', { name: 'Over time' }).click()
    await page.getByRole('heading', { name: 'Time to the first token' }).waitFor()
    await shot('node-over-time')
  })

  it('registers a second node by the link of the program, after a wallet that said no', async () => {
    const at = { home: join(market.stateDir, 'second'), folder: market.stateDir }
    const init = ['init', '--gateway', market.url, '--name', 'second', '--model', 'language-id']
    expect((await soukCommand(init, at).ended).code).toBe(0)
    const program = soukCommand(['register', '--browser', '--operator', wallet.address], at)
    try {
      await page.goto(await program.said(/http\S+#\S+/))
      await page.getByText('Your wallet is asked once').waitFor()
      await shot('register')
      wallet.changeChain(1, null)
      await page.getByRole('button', { name: 'Sign with Test Wallet' }).click()
      await page.getByText(/signed on the network with chain id 8453\. The wallet does not know this network/).waitFor()
      wallet.changeChain(1)
      wallet.behave('refuse')
      await page.getByRole('button', { name: 'Sign with Test Wallet' }).click()
      await page.getByText(/You declined in your wallet/).waitFor()
      const nodes = z.object({ nodes: z.number() })
      expect(nodes.parse(await ask('/api/operator/summary')).nodes).toBe(1)
      wallet.behave('sign')
      await page.getByRole('button', { name: 'Sign with Test Wallet' }).click()
      await page.getByText('Registered: second').waitFor()
      const signed = JSON.parse(wallet.asked.at(-1) ?? '')
      expect([signed.primaryType, signed.message.operator]).toEqual(['NodeAuthorization', wallet.address])
      expect((await program.ended).code).toBe(0)
      await page.getByRole('link', { name: 'See the node' }).click()
      await page.getByText(/It has no link yet: start it/).waitFor()
      expect(nodes.parse(await ask('/api/operator/summary')).nodes).toBe(2)
    } finally {
      program.child.kill('SIGKILL')
    }
  })

  it('takes the authorisation of the second one back', async () => {
    await page.getByRole('tab', { name: 'Keys' }).click()
    await page.getByRole('button', { name: 'Revoke' }).click()
    const asked = page.getByRole('dialog')
    await asked.getByText(/Its link is cut at once/).waitFor()
    await asked.getByRole('button', { name: 'Revoke it' }).click()
    await page.getByText('second is revoked.').waitFor()
    await page.getByRole('tab', { name: 'At a glance' }).click()
    await page.getByText('You took its authorisation back. It gets no calls.').waitFor()
  })

  it('shows what was earned and what waits, and refuses to pay out more than there is', async () => {
    await page.goto('/earnings')
    await page.getByRole('region', { name: 'Earned by node' }).getByText('node 1').waitFor()
    await shot('earnings')
    await page.getByRole('button', { name: 'Withdraw', exact: true }).click()
    const asked = page.getByRole('dialog')
    await asked.getByText(/Your wallet signs in once more/).waitFor()
    await asked.getByLabel('Dollars').fill('5')
    await asked.getByRole('button', { name: 'Withdraw $5.00' }).click()
    await page.getByText('That did not work').waitFor()
    const list = z.object({ data: z.array(z.unknown()) })
    expect(list.parse(await ask('/api/withdrawals')).data).toEqual([])
  })

  it('shows the models that are served and by whom else, and keeps one from all own nodes until that is lifted', async () => {
    await page.goto('/serving')
    await page.getByRole('region', { name: 'Your offers of souk/tiny-chat' }).getByText('node 1').waitFor()
    await page.getByText('Nobody else now').first().waitFor()
    await page.getByRole('button', { name: 'Block', exact: true, disabled: false }).first().click()
    await page.getByRole('dialog').getByText('None of your nodes is asked for souk/language-id').waitFor()
    await page.getByRole('dialog').getByRole('button', { name: 'Block it' }).click()
    await page.getByText('blocked by you').waitFor()
    const rules = z.object({ data: z.array(z.object({ model: z.string(), rule: z.string() })) })
    expect(rules.parse(await ask('/api/operator/models')).data).toMatchObject([
      { model: 'souk/language-id', rule: 'blocked' },
    ])
    await shot('serving')
    await page.getByRole('button', { name: 'Lift the block' }).click()
    await page.getByText('There is no rule: your nodes serve what they offer.').waitFor()
  })

  it('complained about nothing until here', () => expect(complaints).toEqual([]))

  it('tells who has no node how to bring one in', async () => {
    const other = await browser.newContext({ baseURL: market.url })
    await giveWallet(other, stranger.wallet.privateKey)
    const theirs = await other.newPage()
    await signInAt(theirs, '/overview')
    await theirs.getByRole('link', { name: 'Offer your machine' }).click()
    await theirs.getByText('You have no node yet').waitFor()
    await theirs.getByText(`souk-node init --gateway ${market.url}`).waitFor()
    await theirs.goto(`/nodes/${nodeId}`)
    await theirs.getByText('There is no such node among yours').waitFor()
    expect(await theirs.getByText('node 1').count()).toBe(0)
    await other.close()
  })

  it('lets an author say that a model is going away, and take it back', async () => {
    const { admin } = await loadWallets(market.stateDir)
    const other = await browser.newContext({ baseURL: market.url })
    await giveWallet(other, admin.privateKey)
    page = await other.newPage()
    complaints = complaintsOf(page)
    await signInAt(page, '/publications')
    await page.getByRole('region', { name: 'Your models' }).getByRole('link', { name: 'souk/word-vectors' }).waitFor()
    await page
      .getByRole('region', { name: 'Royalties by model' })
      .or(page.getByText('No call of your models'))
      .waitFor()
    await shot('publications')
    await page.getByRole('link', { name: 'souk/word-vectors' }).first().click()
    await page.getByRole('region', { name: 'Nodes that serve souk/word-vectors' }).getByText('node 1').waitFor()
    await page.getByRole('button', { name: 'Change its state' }).click()
    const asked = page.getByRole('dialog')
    await asked.getByLabel('Why, for callers and operators').fill('Too small.')
    await shot('publication')
    await asked.getByRole('button', { name: 'Make it deprecated' }).click()
    await page.getByText('souk/word-vectors is deprecated.').waitFor()
    await page.getByText('Reason: Too small.').waitFor()
    const state = z.object({ state: z.string(), reason: z.string().nullable() })
    expect(state.parse(await ask('/api/models/souk/word-vectors'))).toEqual({
      state: 'deprecated',
      reason: 'Too small.',
    })
    await page.getByRole('button', { name: 'Change its state' }).click()
    await asked.getByRole('button', { name: 'Make it active' }).click()
    await page.getByText('souk/word-vectors is active.').waitFor()
    expect(complaints).toEqual([])
    await other.close()
  })
})
