// The manners of every page of the dashboard, with a market that has data: nothing that keeps anybody out (axe-core, both themes), no sideways scrolling on
// a phone, one heading and a title, no complaint, nothing asked of anybody else; names that would be scripts are text; the first load is small and quick, the
// keyboard goes everywhere, and no page flashes in the other colours.
import { readFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import OpenAI from 'openai'
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { signIn } from '../../gateway/local/accounts.ts'
import { ROOT } from '../../gateway/local/root.ts'
import { loadWallets } from '../../gateway/local/secrets.ts'
import { browserPath, complaintsOf, giveWallet, openBrowser } from '../support/browser.ts'
import { dashboardFirstLoads } from '../support/dashboard-loads.ts'
import { dashboardPaths, filled } from '../support/dashboard-pages.ts'
import { startMarket, type Market } from '../support/market.ts'
import { focused, seenOf, settled, still, watched } from '../support/page-watch.ts'
import { openVectors } from '../support/vector-files.ts'

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const SHOTS = process.env.SOUK_SCREENSHOTS ?? join(ROOT, 'dist/screenshots')
/** Bytes of JavaScript, gzipped, until a page stands, whichever it is: the bound, for who opens it first. */
const LOAD_BYTES_MAX = 250_000
/** The bound is 2,500 ms on a machine of its own (the figures are printed); beside a market and other tests only a multiple says something. */
const LCP_BUSY_MS_MAX = 20_000
const WAIT = { timeout: 30_000 }
const PHONE = { width: 360, height: 740 }
const DESK = { width: 1280, height: 900 }
/** as CSS says a colour whose parts are all below 80 */
const DARK = /^rgb\(([0-7]?\d), ([0-7]?\d), ([0-7]?\d)\)$/
/** Pages whose content is an operator's. */
const OF_OPERATOR = /^\/(nodes|earnings|serving|register)/
/** Scripts, markup, scripts of other directions, and what is longer than any column, as names. */
const NODE_NAME = '"><img src=x onerror=alert(1)> ‮ヽ༼ຈل͜ຈ༽ﾉ 田中さんにあげて下さい W̷o̸r̵d̶ﷺ'
/** What an author, an operator, a caller or somebody who complains may write: of every direction, with and without spaces, with what others read as links. */
const HOSTILE = [
  ...['<script>alert(1)</script>', NODE_NAME, `${'W'.repeat(160)} [a](javascript:alert(1)) https://evil.example/?q=1`],
  ...['‮⁦test⁧ \u0007\u200b', '</textarea></title><svg onload=alert(1)>', '{{7*7}} ${7*7} %00 ﷽', '=cmd|calc!A1'],
].join('\n')
/** Away from here only by https, and telling nobody where one came from. */
const STRANGE_LINKS = `[...document.links]
  .filter(({ origin, protocol, rel }) => origin !== location.origin && !(protocol === 'https:' && /noreferrer/.test(rel)))
  .map(({ outerHTML }) => outerHTML)`

describe.skipIf(browserPath === null)('every page of the dashboard', () => {
  let market: Market
  let browser: Browser
  const values: Record<string, string> = { author: 'souk', name: 'tiny-chat' }
  const visitors: Record<'house' | 'operator', Visitor | null> = { house: null, operator: null }

  beforeAll(async () => {
    ;[market, browser] = await Promise.all([startMarket(), openBrowser(), mkdir(SHOTS, { recursive: true })])
    const wallets = await loadWallets(market.stateDir)
    // The admin of this market publishes its models and calls them too: one account with every section but the operator's.
    const client = await signIn(market.url, wallets.admin)
    await client.send('POST', '/api/faucet', z.unknown(), {})
    for (const name of naughtyNames()) await client.createKey({ name })
    const key = await client.createKey({ name: '<script>alert(1)</script>' })
    const openai = new OpenAI({ baseURL: `${market.url}/v1`, apiKey: key.key, maxRetries: 0 })
    const asked = openai.chat.completions.create({
      model: 'souk/tiny-chat',
      messages: [{ role: 'user', content: 'What is the capital of France?' }],
    })
    const { response } = await asked.withResponse()
    await market.query('DB', 'UPDATE nodes SET name = ?, reason = ?', NODE_NAME, HOSTILE)
    await market.query('DB', 'UPDATE offers SET reason = ?', HOSTILE)
    await market.query(
      'DB',
      "UPDATE models SET manifest = json_set(manifest, '$.description', ?1), state = 'deprecated', state_reason = ?1 WHERE id = 'souk/tiny-chat'",
      HOSTILE,
    )
    await market.runCrons()
    const [node] = await market.query('DB', 'SELECT id FROM nodes')
    values.callId = response.headers.get('x-souk-call-id') ?? ''
    values.keyId = key.id
    values.nodeId = String(node?.id)
    values.accountId = (await client.account()).accountId
    const said = { words: HOSTILE, kind: 'other' }
    await client.send('POST', '/api/reports', z.unknown(), { about: 'model', id: 'souk/tiny-chat', ...said })
    await client.send('POST', '/api/reports', z.unknown(), { about: 'node', id: values.nodeId, ...said })
    await client.send('POST', '/api/disputes', z.unknown(), { callId: values.callId, ...said })
    await client.send('POST', '/api/account/invitations', z.unknown(), { role: 'member', note: NODE_NAME })
    visitors.house = await aVisitor(browser, market, wallets.admin.privateKey)
    visitors.operator = await aVisitor(browser, market, wallets.operator.privateKey)
  })
  afterAll(async () => {
    await browser.close()
    await market.stop()
  })

  /** @param isSignedIn as who has every section but the operator's */
  const aContext = async (options: BrowserContextOptions, isSignedIn: boolean): Promise<BrowserContext> => {
    const context = await browser.newContext(options)
    if (isSignedIn) await context.addCookies((await visitors.house?.page.context().cookies()) ?? [])
    return context
  }

  it.each(dashboardPaths())('%s', async (path) => {
    const visitor = OF_OPERATOR.test(path) ? visitors.operator : visitors.house
    if (visitor === null) throw new Error('nobody is signed in')
    const { page, complaints, strangers, dialogs } = visitor
    complaints.length = 0
    await page.setViewportSize(DESK)
    await page.emulateMedia({ colorScheme: 'light' })
    await page.goto(`${market.url}${filled(path, values)}`)
    await settled(page)
    await still(page)
    const found = await seriousIn(page)
    const file = path.replace(/\W+/g, '-').replace(/^-|-$/g, '') || 'market'
    await page.screenshot({ path: join(SHOTS, `${file}-light.png`), fullPage: true })
    const links = await page.evaluate(STRANGE_LINKS)
    const headings = await page.locator('h1').count()
    const title = await page.title()
    await page.emulateMedia({ colorScheme: 'dark' })
    await still(page)
    // The same page in other colours: only its contrast can be another.
    found.push(...(await seriousIn(page, ['color-contrast'])).map((line) => `dark: ${line}`))
    await page.screenshot({ path: join(SHOTS, `${file}-dark.png`), fullPage: true })
    await page.setViewportSize(PHONE)
    await still(page)
    const sideways = await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth')
    await page.screenshot({ path: join(SHOTS, `${file}-phone.png`) })
    expect({ found, links, headings, title, sideways, complaints, strangers, dialogs }).toEqual({
      found: [],
      links: [],
      headings: 1,
      title: expect.stringMatching(/^.+ – Souk$/),
      sideways: 0,
      complaints: [],
      strangers: [],
      dialogs: [],
    })
  })

  it('loads little before its first page, whichever that is', () => {
    const sizes = dashboardFirstLoads()
    const bySize = [...sizes].sort(([, a], [, b]) => b - a)
    console.info(
      `first load, bytes gzipped: / ${sizes.get('public/market.tsx')}; the largest: ${bySize.slice(0, 3).join(', ')}`,
    )
    expect(sizes.size).toBeGreaterThanOrEqual(dashboardPaths().length)
    expect(bySize.filter(([, bytes]) => bytes > LOAD_BYTES_MAX)).toEqual([])
  })

  it.each(['/', '/overview', '/admin'])('%s stands soon and stands still on a slow machine', async (path) => {
    const context = await aContext({ viewport: path === '/' ? PHONE : DESK }, path !== '/')
    await watched(context)
    const page = await context.newPage()
    const cdp = await context.newCDPSession(page)
    await cdp.send('Emulation.setCPUThrottlingRate', { rate: 4 })
    await page.goto(`${market.url}${path}`)
    await settled(page)
    const { lcpMs, shift, stoodMs, scripts, loadBytes } = await seenOf(page)
    console.info(
      `${path} at 4x slow-down: largest contentful paint ${Math.round(lcpMs)} ms, layout shift ${shift.toFixed(3)}, ` +
        `stood after ${Math.round(stoodMs)} ms with ${loadBytes} bytes of JavaScript`,
    )
    expect(shift).toBeLessThan(0.1)
    expect(lcpMs).toBeGreaterThan(0)
    expect(lcpMs).toBeLessThan(LCP_BUSY_MS_MAX)
    expect(loadBytes).toBeGreaterThan(100_000)
    expect(loadBytes).toBeLessThanOrEqual(LOAD_BYTES_MAX)
    // Charts are drawn by what nobody waits for.
    const charts = scripts.filter(({ name }) => name.includes('time-chart-drawing'))
    if (path === '/overview') expect(charts.length).toBe(1)
    expect(charts.every(({ startTime }) => startTime > stoodMs)).toBe(true)
    await context.close()
  })

  it('is gone through by keyboard: past the menu, to another page, into what opens and back', async () => {
    const context = await aContext({ viewport: DESK }, true)
    const page = await context.newPage()
    const press = async (...keys: readonly string[]) => {
      for (const key of keys) await page.keyboard.press(key)
      return focused(page)
    }
    await page.goto(`${market.url}/keys`)
    await settled(page)
    expect(await press('Tab')).toMatchObject({ tag: 'A', text: 'Skip to the page', hasRing: true })
    expect(await press('Enter')).toMatchObject({ tag: 'MAIN' })
    expect(await press('Tab')).toEqual({ tag: 'BUTTON', text: 'New key', hasRing: true })
    // A dialogue is fetched when it is first opened, and gives the keyboard back to where it was.
    await press('Enter')
    await expect.poll(() => focused(page), WAIT).toMatchObject({ tag: 'INPUT' })
    await press('Escape')
    await expect.poll(() => focused(page), WAIT).toMatchObject({ tag: 'BUTTON', text: 'New key' })
    await page.getByRole('button', { name: /^Your account/ }).focus()
    await press('Enter')
    await page.getByRole('menuitem', { name: 'Settings' }).waitFor()
    await press('Escape')
    await expect
      .poll(() => focused(page), WAIT)
      .toMatchObject({ tag: 'BUTTON', text: expect.stringMatching(/^Your account/) })
    const calls = page.getByRole('link', { name: 'Calls', exact: true })
    await calls.focus()
    expect(await press('Tab', 'Shift+Tab')).toEqual({ tag: 'A', text: 'Calls', hasRing: true })
    await press('Enter')
    await page.waitForURL('**/calls')
    await settled(page)
    await expect.poll(() => focused(page), WAIT).toMatchObject({ tag: 'H1', text: 'Calls' })
    // Times say what they are in UTC, also to who has no pointer.
    await page.goto(`${market.url}/calls/${values.callId}`)
    await settled(page)
    await page.locator('main time').first().focus()
    await page.getByRole('tooltip').filter({ hasText: / UTC$/ }).waitFor()
    expect(
      await page.evaluate(
        `document.getElementById(document.activeElement.getAttribute('aria-describedby'))?.textContent`,
      ),
    ).toMatch(/ UTC$/)
    await context.close()
  })

  it('is dark from its first picture on, where dark was chosen', async () => {
    // On a machine that is light: what was chosen wins, and no frame is in the other colours.
    const context = await aContext({ colorScheme: 'light' }, true)
    await context.addInitScript(`localStorage.setItem('mantine-color-scheme-value', 'dark')`)
    await watched(context)
    const page = await context.newPage()
    await page.goto(`${market.url}/overview`)
    await settled(page)
    const { backgrounds } = await seenOf(page)
    expect(backgrounds.filter((color) => !DARK.test(color))).toEqual([])
    expect(backgrounds.length).toBeGreaterThan(0)
    await context.close()
  })

  it('asks for nothing while nobody looks, and again when somebody does', async () => {
    const context = await browser.newContext()
    const page = await context.newPage()
    await page.clock.install()
    let asked = 0
    page.on('request', (request) => void (asked += request.url().endsWith('/endpoints') ? 1 : 0))
    await page.goto(`${market.url}/models/souk/tiny-chat`)
    await page.getByRole('region', { name: 'Nodes that serve this model' }).waitFor()
    await look(page, 'hidden')
    const before = asked
    await page.clock.runFor(60_000)
    expect(asked).toBe(before)
    await look(page, 'visible')
    await page.clock.runFor(6_000)
    await expect.poll(() => asked).toBeGreaterThan(before)
    await context.close()
  })
})

interface Visitor {
  readonly page: Page
  readonly complaints: string[]
  /** asked of somebody else than the gateway */
  readonly strangers: string[]
  /** a script that ran would open one */
  readonly dialogs: string[]
}

async function aVisitor(browser: Browser, market: Market, privateKey: `0x${string}`): Promise<Visitor> {
  const context = await browser.newContext({ viewport: DESK, reducedMotion: 'reduce' })
  await giveWallet(context, privateKey)
  const page = await context.newPage()
  const complaints = complaintsOf(page)
  const strangers: string[] = []
  const dialogs: string[] = []
  page.on('request', (request) => {
    const url = request.url()
    if (!url.startsWith(`${market.url}/`) && !/^(data|blob):/.test(url)) strangers.push(url)
  })
  page.on('dialog', (dialog) => {
    dialogs.push(dialog.message())
    void dialog.dismiss()
  })
  await page.goto(`${market.url}/sign-in`)
  await page.getByRole('button', { name: 'Sign in with Test Wallet' }).click()
  await page.waitForURL('**/overview')
  return { page, complaints, strangers, dialogs }
}

async function seriousIn(page: Page, rules: readonly string[] | null = null): Promise<string[]> {
  await page.evaluate(AXE)
  const only = rules === null ? '{}' : `{ runOnly: ${JSON.stringify(rules)} }`
  const Found = z.array(
    z.object({ id: z.string(), impact: z.string().nullish(), nodes: z.array(z.object({ html: z.string() })) }),
  )
  const all = Found.parse(await page.evaluate(`axe.run(document, ${only}).then(({ violations }) => violations)`))
  return all
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes[0]?.html.slice(0, 160)}`)
}

async function look(page: Page, state: 'hidden' | 'visible'): Promise<void> {
  await page.evaluate(`Object.defineProperty(document, 'visibilityState', { value: '${state}', configurable: true })
    document.dispatchEvent(new Event('visibilitychange'))
    window.dispatchEvent(new Event('visibilitychange'))`)
}

/** Of the big list of naughty strings: those that may be a key's name, spread over the list. */
function naughtyNames(): string[] {
  const vectors = openVectors('naughty-strings')
  if (!vectors) return []
  const all = z.array(z.string()).parse(vectors.json('blns.json'))
  const names = all.map((text) => text.trim()).filter((text) => text.length > 0 && text.length <= 80)
  return names.filter((_, at) => at % Math.ceil(names.length / 45) === 0)
}
