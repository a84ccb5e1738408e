// The consumer's pages in a real browser on a real market: a new account's first key, a paid call that appears by itself, its receipt checked in the page
// and forged ones that visibly fail, a dispute, a key that somebody else revoked meanwhile, and what is refused.
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Browser, BrowserContext, Page, Route } from 'playwright-core'
import { privateKeyToAccount } from 'viem/accounts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { signIn } from '../../gateway/local/accounts.ts'
import { newWallet, type DevWallet } from '../../gateway/local/secrets.ts'
import type { Client } from '../../protocol/client.ts'
import { DisputePage } from '../../protocol/disputes.ts'
import { GenerationReply, type Generation } from '../../protocol/generation.ts'
import { JournalPage, UsagePage } from '../../protocol/ledger.ts'
import { browserPath, complaintsOf, giveWallet, openBrowser } from '../support/browser.ts'
import { startMarket, type Market } from '../support/market.ts'

const NAME = '<img src=x onerror=alert(1)> 鍵 🔑 مفتاح'
const REQUEST = { model: 'souk/tiny-chat', messages: [{ role: 'user', content: 'What is the capital of France?' }] }
const PATIENCE = { timeout: 30_000 }

describe.skipIf(browserPath === null)('who pays', () => {
  let market: Market
  let browser: Browser
  let context: BrowserContext
  let page: Page
  let complaints: string[]
  let wallet: DevWallet
  let client: Client
  let key = ''
  let callId = ''
  let answer = ''

  beforeAll(async () => {
    ;[market, browser] = await Promise.all([startMarket(), openBrowser()])
    wallet = newWallet()
    ;({ context, page } = await aVisitor(wallet))
    complaints = complaintsOf(page)
    client = await signIn(market.url, wallet)
  })
  afterAll(async () => {
    await browser.close()
    await market.stop()
  })

  async function aVisitor({ privateKey }: DevWallet) {
    const opened = await browser.newContext()
    await giveWallet(opened, privateKey)
    const first = await opened.newPage()
    await first.goto(`${market.url}/sign-in`)
    await first.getByRole('button', { name: 'Sign in with Test Wallet' }).click()
    await first.getByRole('heading', { level: 1, name: 'Overview' }).waitFor(PATIENCE)
    return { context: opened, page: first }
  }
  const seen = (text: string | RegExp, on = page) => on.getByText(text).first().waitFor(PATIENCE)
  const call = (by: string) =>
    fetch(`${market.directUrl}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${by}`, 'content-type': 'application/json' },
      body: JSON.stringify(REQUEST),
    })
  /** Light, dark and phone, for who looks at the pages. */
  async function shoot(name: string): Promise<void> {
    const folder = process.env.SOUK_SCREENSHOTS
    if (folder === undefined) return
    await mkdir(folder, { recursive: true })
    const size = page.viewportSize() ?? { width: 1280, height: 720 }
    for (const look of ['light', 'dark', 'phone'] as const) {
      await page.emulateMedia({ colorScheme: look === 'dark' ? 'dark' : 'light' })
      await page.setViewportSize(look === 'phone' ? { width: 390, height: 844 } : size)
      await page.waitForTimeout(300)
      await page.screenshot({ path: join(folder, `consumer-${name}-${look}.png`), fullPage: true })
    }
    await page.setViewportSize(size)
    await page.emulateMedia({ colorScheme: 'light' })
  }

  it('is told what to do first, and makes a key whose name is only a name', async () => {
    await page.goto(`${market.url}/overview`)
    await seen('How to begin')
    await seen(`curl ${market.url}/v1/chat/completions`)
    await client.send('POST', '/api/faucet', z.unknown(), {})
    await seen('There is money to spend.')
    await shoot('overview-new')

    await page.getByRole('link', { name: 'Make a key' }).click()
    await seen('No keys yet')
    await page.getByRole('button', { name: 'New key' }).first().click()
    await page.getByLabel('Cap in dollars').fill('-1')
    await page.getByRole('button', { name: 'Make the key' }).click()
    await seen('A name of 1 to 80 characters.')
    await seen('Dollars with at most nine places, such as 5 or 0.25.')
    await page.getByLabel('Name').fill(NAME)
    await page.getByLabel('Cap in dollars').fill('0.5')
    await shoot('key-form')
    await page.getByRole('button', { name: 'Make the key' }).click()
    key = (await page.getByLabel('The key', { exact: true }).textContent()) ?? ''
    expect(key).toMatch(/^sk-souk-/)
    expect(await page.getByRole('tabpanel').first().textContent()).toContain(key)
    await shoot('key-made')
    await page.getByRole('button', { name: 'I have kept it' }).click()
    await page.getByRole('link', { name: NAME }).waitFor(PATIENCE)
    await seen('$0.50 a month')
    // It fades with what it said, and then nothing of it is left.
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    expect(await page.content()).not.toContain(key)
    await shoot('keys')
  })

  it('sees a call appear as it happens, and finds it by its filters', async () => {
    await page.goto(`${market.url}/calls`)
    await seen('No calls yet')
    const reply = await call(key)
    callId = reply.headers.get('x-souk-call-id') ?? ''
    answer = await reply.text()
    expect(reply.status, answer).toBe(200)
    const row = page.getByRole('row').filter({ hasText: 'souk/tiny-chat' })
    await row.waitFor(PATIENCE)
    expect(await row.textContent()).toContain(NAME)

    await page.goto(`${market.url}/calls?outcome=failed&model=souk%2Ftiny-chat`)
    await seen('No call fits these filters')
    await page.getByLabel('Ended').selectOption('in any way')
    await row.waitFor(PATIENCE)
    expect(new URL(page.url()).searchParams.get('outcome')).toBeNull()
    await shoot('calls')
    await row.getByRole('link').first().click()
    await page.waitForURL(`${market.url}/calls/${callId}`)
  })

  it('reads what it cost and why it went there, and has the receipt checked in the page', async () => {
    const { data } = await client.send('GET', `/api/calls/${callId}`, GenerationReply)
    await seen('The receipt is genuine and fits the charge: 7 checks passed')
    await seen('Drawn again here: the same node')
    await seen(`${data.provider ?? ''} was the only one that could be asked`)
    await seen(/answered: first output after/)
    const lines = await client.send('GET', `/api/journal?call=${callId}`, JournalPage)
    await seen(lines.data[0]?.hash ?? 'no line')
    await page.getByLabel(/The request you sent/).fill(JSON.stringify(REQUEST))
    await page.getByLabel(/The answer you got/).fill(answer)
    await page.getByRole('button', { name: 'Check these texts' }).click()
    await seen('The node states the hash of exactly this request.')
    await seen('The node states the hash of exactly this answer.')
    await seen('fits the charge: 9 checks passed')
    await shoot('call')
    await page.getByLabel(/The answer you got/).fill(answer.replace('Paris', 'Lyon'))
    await page.getByRole('button', { name: 'Check these texts' }).click()
    await page.getByRole('alert').getByText('One check failed').waitFor(PATIENCE)
  })

  const forgeries: readonly [string, (call: Generation) => Generation, string][] = [
    [
      'receipt',
      (of) => ({ ...of, receipt: changed(of.receipt) }),
      'It is not signed by the key of the node that was asked.',
    ],
    [
      'order',
      (of) => ({ ...of, ticket: changed(of.ticket) }),
      'Its signature is not by any key that this gateway publishes.',
    ],
    [
      'charge',
      (of) => ({ ...of, usage: { ...of.usage, cost: '0.999999999' } }),
      '$0.999999999 was charged; at the prices of the order',
    ],
  ]
  it.each(forgeries)('sees that a %s was forged', async (_, forge, words) => {
    const forging = async (route: Route) => {
      const response = await route.fetch()
      const { data } = GenerationReply.parse(await response.json())
      await route.fulfill({ response, json: { data: forge(data) } })
    }
    await page.route('**/api/calls/*', forging)
    await page.reload()
    await page
      .getByRole('alert')
      .getByText(/checks? failed/)
      .waitFor(PATIENCE)
    await seen(words)
    expect(await page.getByText('The receipt is genuine').count()).toBe(0)
    await shoot('call-forged')
    await page.unroute('**/api/calls/*', forging)
  })

  it('disputes it, once, and sees how that stands', async () => {
    await page.reload()
    const words = 'It names <b>Paris</b>, and I asked for the capital of Spain.'
    await page.getByLabel('In your words').fill(words)
    await page.getByRole('button', { name: 'Open a dispute' }).click()
    await seen('waits for a decision')
    await seen(words)
    const { data } = await client.send('GET', `/api/disputes?call=${callId}`, DisputePage)
    expect(data).toMatchObject([{ callId, state: 'open', kind: 'wrong_answer', words }])
    await page.getByRole('button', { name: 'Take it back' }).click()
    await seen('taken back by you')
    await page.reload()
    await seen('taken back by you')
    expect(await page.getByRole('button', { name: 'Open a dispute' }).count()).toBe(0)
  })

  it('is nobody to somebody else: their call and their key are not there', async () => {
    const other = await aVisitor(newWallet())
    const keyId = key.split('-')[3] ?? ''
    for (const path of [`/calls/${callId}`, `/calls/call_${'0'.repeat(26)}`, `/keys/${keyId}`, '/keys/0000000000']) {
      await other.page.goto(`${market.url}${path}`)
      await seen('This could not be loaded', other.page)
    }
    expect(await other.page.content()).not.toContain('Paris')
    await other.context.close()
  })

  it('sees on the overview what was spent, by model, key and node', async () => {
    await page.goto(`${market.url}/overview?range=today`)
    const { data } = await client.send('GET', '/api/usage', UsagePage)
    const cost = `$${(data[0]?.cost ?? '').replace(/0+$/, '')}`
    const spent = page.getByRole('region', { name: 'Spent' })
    await spent.getByText(cost).nth(2).waitFor(PATIENCE)
    const split = page.getByRole('region', { name: 'Where it went' })
    await split.getByText('souk/tiny-chat').waitFor(PATIENCE)
    await shoot('overview')
    await split.getByText('By API key').click()
    await split.getByRole('link', { name: NAME }).waitFor(PATIENCE)
    expect(new URL(page.url()).searchParams.get('by')).toBe('key')
    await split.getByText('By node').click()
    await split.getByText(data[0]?.provider ?? 'none').waitFor(PATIENCE)
  })

  it('is told that somebody else revoked the key meanwhile, and that a gone key gets no new secret', async () => {
    const keyId = key.split('-')[3] ?? ''
    await page.goto(`${market.url}/keys/${keyId}`)
    await page.getByRole('region', { name: 'Latest calls' }).getByText('souk/tiny-chat').waitFor(PATIENCE)
    await shoot('key')
    await page.getByRole('button', { name: 'New secret' }).click()
    await page.getByLabel('The secret in use now stops').selectOption('in one day')
    await page.getByRole('button', { name: 'Make a new secret' }).click()
    const next = (await page.getByLabel('The key', { exact: true }).textContent()) ?? ''
    await page.getByRole('button', { name: 'I have kept it' }).click()
    expect([(await call(key)).status, (await call(next)).status]).toEqual([200, 200])

    await page.getByRole('button', { name: 'Revoke', exact: true }).click()
    await seen(/is refused from its next call on, for ever/)
    await shoot('key-revoke')
    await client.send('DELETE', `/api/keys/${keyId}`, z.unknown())
    await page.getByRole('button', { name: 'Revoke the key' }).click()
    await seen('It was revoked before')
    await seen('This key is gone for ever: programs that still use it are refused.')
    expect((await call(next)).status).toBe(401)
  })

  it('revokes a key, and its next call is refused; a reroll that comes too late is refused in words', async () => {
    const made = await client.createKey({ name: 'second' })
    const third = await client.createKey({ name: 'third' })
    await page.goto(`${market.url}/keys/${made.id}`)
    await page.getByRole('button', { name: 'Revoke', exact: true }).click()
    await page.getByRole('button', { name: 'Revoke the key' }).click()
    await seen('The key is revoked.')
    expect((await call(made.key)).status).toBe(401)

    await page.goto(`${market.url}/keys/${third.id}`)
    await page.getByRole('button', { name: 'New secret' }).click()
    await client.send('DELETE', `/api/keys/${third.id}`, z.unknown())
    await page.getByRole('button', { name: 'Make a new secret' }).click()
    await seen(/A revoked key stays revoked/)
  })

  it('did all this without a complaint of the browser', async () => {
    expect(complaints).toEqual([])
    expect(privateKeyToAccount(wallet.privateKey).address).toBe(wallet.address)
    await context.close()
  })
})

/** One character of a signature is another one. */
function changed(jws: string | null): string {
  const text = jws ?? ''
  const at = text.length - 20
  return `${text.slice(0, at)}${text[at] === 'A' ? 'B' : 'A'}${text.slice(at + 1)}`
}
