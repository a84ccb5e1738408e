// The house's story in the dashboard, in a real browser on a real market: the admin sees what runs and calls metered, gives money and gives some back, pays
// operators by a file, stops a node and a model and lets both in again, changes a parameter, decides a dispute, mends the book, and the log shows and proves
// all of it. Who is no admin gets nothing.
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { loadWallets, type DevWallet } from '../../gateway/local/secrets.ts'
import { browserPath, complaintsOf, giveWallet, openBrowser, type TestWallet } from '../support/browser.ts'
import { eventually } from '../support/eventually.ts'
import { startMarket, type Consumer, type Market } from '../support/market.ts'
import { payOutStories } from './house-pay-outs.ts'

const MODEL = 'souk/tiny-chat'
const Parameters = z.object({
  data: z.array(
    z.object({
      name: z.string(),
      value: z.number(),
      version: z.number(),
      pending: z.object({ value: z.number() }).nullable(),
    }),
  ),
})

describe.skipIf(browserPath === null)('the house', () => {
  let market: Market
  let browser: Browser
  let context: BrowserContext
  let wallet: TestWallet
  let page: Page
  let complaints: string[]
  let consumer: Consumer
  let callId: string

  beforeAll(async () => {
    ;[market, browser] = await Promise.all([startMarket(), openBrowser()])
    consumer = await market.consumer()
    const call = await ask()
    expect(call.status).toBe(200)
    callId = call.headers.get('x-souk-call-id') ?? ''
    const { admin } = await loadWallets(market.stateDir)
    ;({ context, wallet, page } = await aWindow(admin))
    complaints = complaintsOf(page)
    await open('/admin')
    await page.getByRole('button', { name: 'Sign in with Test Wallet' }).click()
    await heading('Metering')
  })
  afterAll(async () => {
    await browser?.close()
    await market?.stop()
  })

  async function ask(): Promise<Response> {
    const reply = await fetch(`${market.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${consumer.key}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        model: MODEL,
        messages: [{ role: 'user', content: 'What is the capital of France?' }],
        max_tokens: 16,
      }),
    })
    await reply.text()
    return reply
  }
  async function aWindow({ privateKey }: DevWallet) {
    const made = await browser.newContext({ viewport: { width: 1280, height: 900 } })
    const itsWallet = await giveWallet(made, privateKey)
    return { context: made, wallet: itsWallet, page: await made.newPage() }
  }
  const open = (path: string) => page.goto(`${market.url}${path}`)
  const heading = (name: string) => page.getByRole('heading', { level: 1, name, exact: true }).waitFor()
  const button = (name: string) => page.getByRole('button', { name, exact: true })
  const row = (text: string) => page.getByRole('row').filter({ hasText: text })
  const dialog = () => page.getByRole('dialog')
  const said = (text: string | RegExp) => page.getByRole('alert').filter({ hasText: text }).first().waitFor()
  /** In the dialogue: the reason, and yes. */
  async function confirm(action: string, reason?: string) {
    if (reason !== undefined) await dialog().getByRole('textbox').fill(reason)
    await dialog().getByRole('button', { name: action, exact: true }).click()
    // It takes a moment to leave, with its buttons, which say what can be done next.
    await dialog().waitFor({ state: 'hidden' })
  }
  async function shoot(name: string) {
    const folder = process.env.SOUK_SCREENSHOTS
    if (folder === undefined) return
    await mkdir(folder, { recursive: true })
    for (const [scheme, width] of [
      ['light', 1280],
      ['dark', 1280],
      ['light', 390],
    ] as const) {
      await page.emulateMedia({ colorScheme: scheme })
      await page.setViewportSize({ width, height: 900 })
      await page.waitForTimeout(300)
      await page.screenshot({ path: join(folder, `admin-${name}-${scheme}-${width}.png`), fullPage: true })
    }
    await page.emulateMedia({ colorScheme: 'light' })
    await page.setViewportSize({ width: 1280, height: 900 })
  }

  it('sees at a glance that nothing is wrong, and how many nodes run', async () => {
    const glance = page.getByRole('region', { name: 'At a glance' })
    await glance.getByText('Nothing is wrong').waitFor()
    const number = (name: string) => glance.locator('dl > *').filter({ hasText: name }).getByRole('link').textContent()
    expect(await Promise.all(['Live', 'In probation', 'Suspended', 'Silent', 'Open alerts'].map(number))).toEqual([
      '0',
      '1',
      '0',
      '0',
      '0',
    ])
  })

  it('sees a real call metered, narrows it to a model, and saves it as a file', async () => {
    await open('/admin?range=today')
    const calls = page.locator('dl > div, dl > *').filter({ hasText: /^Calls/ })
    await eventually(30_000, async () => expect(await calls.first().textContent()).toMatch(/[1-9]\d* call/))
    // One hour with calls is no line: it is a dot that can be seen.
    await page.locator('.recharts-surface circle[r="4"]').first().waitFor()
    await page.getByRole('link', { name: MODEL }).first().click()
    await page.getByText(`Only model ${MODEL}`).waitFor()
    expect(new URL(page.url()).searchParams.get('model')).toBe(MODEL)
    const saved = page.waitForEvent('download')
    await button('Save as CSV').first().click()
    expect((await saved).suggestedFilename()).toBe('metering.csv')
    await page.getByRole('group', { name: 'Range of Calls' }).getByRole('button', { name: 'Zoom out' }).click()
    await eventually(5_000, async () => expect(page.url()).toMatch(/from=.*to=/))
    await shoot('metering')
  })

  it('gives an account money, after it was asked, and never twice', async () => {
    await open('/admin/accounts')
    await page.getByLabel('Id or wallet begins with').fill(consumer.accountId)
    await button('Find').click()
    await row(consumer.wallet.address.slice(0, 6)).getByRole('link').first().click()
    await heading('Account')
    const before = (await consumer.client.account()).balance
    await page.getByLabel('Dollars to give').fill('1,5')
    await page.getByText('Dollars, such as 12.50').waitFor()
    expect(await button('Give').isDisabled()).toBe(true)
    await page.getByLabel('Dollars to give').fill('1.5')
    await page.getByLabel('Reason of the grant').fill('a story')
    await button('Give').click()
    await dialog().getByText(`The house gives $1.50 to account ${consumer.accountId}`).waitFor()
    await button('Cancel').click()
    expect((await consumer.client.account()).balance).toBe(before)
    await button('Give').click()
    await confirm('Give $1.50')
    await said('$1.50 given')
    expect(Number((await consumer.client.account()).balance) - Number(before)).toBeCloseTo(1.5)
    await button('Freeze').click()
    await confirm('Freeze', 'looked strange')
    await page.getByRole('heading', { name: 'Frozen', exact: true }).waitFor()
    expect((await consumer.client.account()).frozen?.reason).toBe('looked strange')
    await shoot('account')
    await button('Unfreeze').click()
    await confirm('Unfreeze', 'it was not')
    await page.getByRole('heading', { name: 'Not frozen' }).waitFor()
  })

  it('gives back what a call cost, by its id, at the expense of the house', async () => {
    const call = (await ask()).headers.get('x-souk-call-id') ?? ''
    const before = (await consumer.client.account()).balance
    await open(`/admin/accounts/${consumer.accountId}`)
    await page.getByRole('textbox', { name: 'Call', exact: true }).fill(call)
    await button('Refund').click()
    await dialog().getByText(`goes back to account ${consumer.accountId} for call ${call}`).waitFor()
    await confirm('Refund', 'it was slow')
    await page.getByText(/^At the expense of the house: \$0\.0/).waitFor()
    expect(Number((await consumer.client.account()).balance)).toBeGreaterThan(Number(before))
  })

  payOutStories({
    get market() {
      return market
    },
    get page() {
      return page
    },
    get consumer() {
      return consumer
    },
    ...{ ask, open, button, row, dialog, said, confirm, shoot },
  })

  it('asks the wallet again for what is dangerous when the sign-in is old, and does nothing when it declines', async () => {
    await open('/admin/money?tab=give')
    await page.getByLabel('Dollars it is worth').fill('2')
    await page.getByLabel('Reason of the code').fill('a story')
    await market.query('DB', 'UPDATE sessions SET created_at = created_at - 3600000')
    wallet.behave('refuse')
    await button('Make a code').click()
    await dialog().getByRole('button', { name: 'Make the code' }).click()
    await dialog().getByText('Sign once more').waitFor()
    await dialog().getByRole('button', { name: 'Sign in with Test Wallet' }).click()
    await dialog()
      .getByText(/declined/i)
      .waitFor()
    expect(await page.getByText('Copy it now').count()).toBe(0)
    wallet.behave('sign')
    await dialog().getByRole('button', { name: 'Sign in with Test Wallet' }).click()
    await page.getByText('Copy it now').waitFor()
    await shoot('give')
    await button('I have it').click()
    expect(await page.getByText('Copy it now').count()).toBe(0)
  })

  it('suspends the node with a reason that its operator reads, and reinstates it', async () => {
    await open('/admin/nodes')
    await page.getByRole('link', { name: 'node 1' }).click()
    await heading('node 1')
    await button('Suspend').click()
    await dialog().getByText('node 1 gets no calls any more').waitFor()
    await confirm('Suspend', 'smoke comes out of it')
    await said('node 1 is suspended.')
    await row('smoke comes out of it').getByText('suspended').waitFor()
    await shoot('node')
    const theirs = await aWindow((await loadWallets(market.stateDir)).operator)
    await theirs.page.goto(`${market.url}/nodes/${market.nodes[0]?.id}`)
    await theirs.page.getByRole('button', { name: 'Sign in with Test Wallet' }).click()
    const stopped = theirs.page.getByRole('alert').filter({ hasText: 'Stopped by the house' })
    await stopped.getByText('smoke comes out of it').waitFor()
    await button('Reinstate').click()
    await confirm('Reinstate', 'the smoke is gone')
    await row('the smoke is gone').getByText('reinstated').waitFor()
    await theirs.page.getByRole('tab', { name: 'Stops' }).click()
    await theirs.page.getByRole('row').filter({ hasText: 'the smoke is gone' }).getByText('Let in again').waitFor()
    await theirs.context.close()
    await open('/admin/nodes?state=suspended')
    await page.getByText('No such node').waitFor()
    await shoot('nodes')
  })

  it('changes a parameter behind its time-lock; a second window that saw the old version is told', async () => {
    const second = await context.newPage()
    const changed = (window: Page) => window.getByRole('region', { name: 'Time to dispute' })
    const change = async (window: Page, value: string) => {
      await window.getByLabel(/^New value/).fill(value)
      await window.getByLabel('Reason').fill('a story')
      await window.getByRole('button', { name: 'Change it' }).click()
    }
    const opened = async (window: Page) => {
      await window.goto(`${market.url}/admin/parameters`)
      await changed(window).getByRole('button', { name: 'Change' }).click()
    }
    await opened(page)
    await opened(second)
    await change(page, '5')
    await changed(page).getByText('5 days').waitFor()
    await changed(page)
      .getByText(/^Will be/)
      .waitFor()
    await change(second, '6')
    await second.getByText('Somebody changed it meanwhile').waitFor()
    await second.getByRole('button', { name: 'Show what holds now' }).click()
    await changed(second)
      .getByText(/^Will be/)
      .waitFor()
    await second.close()
    const { data } = await market.admin.send('GET', '/api/admin/parameters', Parameters)
    expect(data.find(({ name }) => name === 'disputeDays')).toMatchObject({ version: 1, pending: { value: 5 } })
    await changed(page).getByText('History').click()
    await changed(page).getByRole('row').filter({ hasText: 'a story' }).waitFor()
    await shoot('parameters')
    await changed(page).getByRole('button', { name: 'Take back' }).click()
    await confirm('Take back')
    await changed(page).getByRole('button', { name: 'Change' }).waitFor()
  })

  it('decides a dispute, and what was decided already stays as it is', async () => {
    const dispute = { callId, kind: 'wrong_answer', words: '=HYPERLINK("x") <b>no</b> \u202egnorw' }
    await consumer.client.send('POST', '/api/disputes', z.unknown(), dispute)
    const second = await context.newPage()
    for (const window of [page, second]) {
      await window.goto(`${market.url}/admin/disputes?state=open`)
      await window.getByRole('button', { name: 'Decide' }).click()
    }
    await shoot('disputes')
    await dialog().getByLabel('Answer to the payer').fill('You are right.')
    const before = (await consumer.client.account()).balance
    await dialog()
      .getByRole('button', { name: /^Refund \$/ })
      .click()
    await said('refunded.')
    expect(Number((await consumer.client.account()).balance)).toBeGreaterThan(Number(before))
    await second.getByText('Reject', { exact: true }).click()
    await second.getByLabel('Answer to the payer').fill('You are wrong.')
    await second.getByRole('button', { name: 'Reject the dispute' }).click()
    await second.getByText('Somebody decided meanwhile').waitFor()
    await second.close()
  })

  it('closes a report, takes the model down, and lets it in again', async () => {
    const report = { about: 'model', id: MODEL, kind: 'illegal', words: 'it knows too much' }
    await consumer.client.send('POST', '/api/reports', z.unknown(), report)
    await open('/admin/reports?state=open')
    await row('it knows too much').getByRole('link', { name: MODEL }).click()
    await heading('Models')
    await row(MODEL).getByRole('button', { name: 'Take down' }).click()
    await confirm('Take down', 'a report was right')
    await row(MODEL).getByText('blocked').waitFor()
    // What each isolate knows of a model is some seconds old.
    await eventually(60_000, async () => expect((await ask()).status).toBe(451))
    await shoot('models')
    await row(MODEL).getByRole('button', { name: 'Lift' }).click()
    await confirm('Lift', 'it was mended')
    await row(MODEL).getByText('active').waitFor()
    await open('/admin/reports')
    await button('Acted').click()
    // It fades with the question that was answered, whatever the page behind it has become.
    await page.evaluate(`window.__asked = []; new MutationObserver(() => {
      const words = document.querySelector('[role=dialog]')?.textContent
      if (words) window.__asked.push(words)
    }).observe(document.body, { childList: true, subtree: true, characterData: true, attributes: true })`)
    await confirm('Write it down', 'The model was taken down.')
    const words = z.array(z.string()).parse(await page.evaluate('window.__asked'))
    expect(words.length).toBeGreaterThan(0)
    expect(words.filter((text) => !text.startsWith('Was something done about it?'))).toEqual([])
    await row('it knows too much').getByText('acted').waitFor()
    await shoot('reports')
  })

  it('finds all of it in the log, and proves it in the browser', async () => {
    await open('/admin/log')
    await page.getByText(/^Verified: \d+ entries/).waitFor()
    await page.getByText('from its very beginning').waitFor()
    for (const act of [
      'POST /api/admin/grants',
      'POST /api/admin/accounts/:id/freeze',
      'POST /api/admin/accounts/:id/unfreeze',
      'POST /api/admin/refunds',
      'POST /api/admin/payouts',
      'POST /api/admin/payouts/:batch/paid',
      'POST /api/admin/withdrawals/:id/return',
      'POST /api/admin/ledger/rebuild',
      'POST /api/admin/alerts/:id/resolve',
      'POST /api/admin/codes',
      'POST /api/admin/nodes/:id/suspend',
      'POST /api/admin/nodes/:id/reinstate',
      'PUT /api/admin/parameters/:name',
      'DELETE /api/admin/parameters/:name/pending',
      'POST /api/admin/disputes/:id/decide',
      'POST /api/admin/models/:author/:name/state',
      'POST /api/admin/reports/:id/decide',
    ])
      expect(await row(act).filter({ hasText: 'done (20' }).count(), act).toBeGreaterThan(0)
    await shoot('log')
    // As if the gateway had died behind the newest act, and somebody changed what was written: the browser sees both.
    await market.query('DB', 'DELETE FROM admin_log WHERE seq = (SELECT max(seq) FROM admin_log)')
    await market.query('DB', "UPDATE admin_log SET body = 'nothing' WHERE seq = 1")
    await page.reload()
    await page.getByText('Entry 1 is wrong').waitFor()
    expect(await page.getByText('not known: nobody came back to say it').count()).toBe(1)
    expect(complaints).toEqual([])
  })

  it('tells a consumer whose pages these are, and neither shows nor asks for anything', async () => {
    const theirs = await aWindow(consumer.wallet)
    const asked: string[] = []
    theirs.page.on('request', (request) => asked.push(new URL(request.url()).pathname))
    await theirs.page.goto(`${market.url}/admin/accounts`)
    await theirs.page.getByRole('button', { name: 'Sign in with Test Wallet' }).click()
    await theirs.page.getByRole('heading', { level: 1, name: 'For admins' }).waitFor()
    for (const path of ['/admin', '/admin/log', '/admin/money', `/admin/accounts/${consumer.accountId}`]) {
      await theirs.page.goto(`${market.url}${path}`)
      await theirs.page.getByRole('heading', { level: 1, name: 'For admins' }).waitFor()
    }
    expect(asked.filter((path) => path.startsWith('/api/admin'))).toEqual([])
    expect((await theirs.page.request.get(`${market.url}/api/admin/accounts`)).status()).toBe(403)
    await theirs.context.close()
  })
})
