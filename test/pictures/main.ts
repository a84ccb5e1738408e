// `npm run pictures [-- folder]`: the README's pictures of the dashboard. A whole market on this machine, three nodes, real calls of three keys; the time before
// today is generated (past.ts), so that there is something to compare with. The others that are taken on the way are for whoever looks at the pages.
import { copyFile, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import OpenAI from 'openai'
import type { Browser, Page } from 'playwright-core'
import { loadWallets, type DevWallet } from '../../gateway/local/secrets.ts'
import { ROOT } from '../../gateway/local/root.ts'
import { giveWallet, openBrowser } from '../support/browser.ts'
import { startMarket, type Consumer, type Market } from '../support/market.ts'
import { writePast } from './past.ts'

/** where all of them go */
const folder = process.argv[2] ?? join(ROOT, 'dist/pictures')
const SHOWN = join(ROOT, 'gateway/dashboard/pictures')
const README = ['metering-light', 'overview-dark', 'call-light', 'nodes-dark']
const SIZE = { width: 1280, height: 860 }
const NODES = ['harbour-1', 'attic', 'basement-gpu']
const KEYS = [
  { name: 'assistant', calls: 60 },
  { name: 'search index', calls: 40 },
  { name: 'nightly', calls: 20 },
]
const QUESTIONS = ['What is the capital of France?', 'What is the capital of Japan?', 'What is the capital of Peru?']

const market = await startMarket({ nodes: 0 })
const browser = await openBrowser()
try {
  for (const name of NODES) await market.startNode({ name })
  await market.routable()
  const consumer = await market.consumer()
  const callId = await makeCalls(market, consumer)
  await market.runCrons()
  await writePast(market, Date.now())
  for (const each of [folder, SHOWN]) await mkdir(each, { recursive: true })
  const wallets = await loadWallets(market.stateDir)
  const nodeId = market.nodes[0]?.id ?? ''
  const asConsumer = await signedIn(browser, market, consumer.wallet)
  const asOperator = await signedIn(browser, market, wallets.operator)
  const asAdmin = await signedIn(browser, market, wallets.admin)
  await take(asConsumer, '/', 'market')
  await take(asConsumer, '/overview?range=30d&by=model', 'overview')
  await take(asConsumer, `/calls/${callId}`, 'call')
  await take(asConsumer, '/calls', 'calls')
  await take(asOperator, '/nodes', 'nodes')
  await take(asOperator, `/nodes/${nodeId}`, 'node')
  await take(asOperator, '/earnings', 'earnings')
  await take(asAdmin, '/admin?range=30d', 'metering')
} finally {
  await browser.close()
  await market.stop()
}

/** @returns the last call of words */
async function makeCalls(market: Market, { client }: Consumer): Promise<string> {
  let last = ''
  for (const { name, calls } of KEYS) {
    const { key } = await client.createKey({ name })
    const openai = new OpenAI({ baseURL: `${market.url}/v1`, apiKey: key, maxRetries: 2 })
    for (let n = 0; n < calls; n++) {
      const content = QUESTIONS[n % QUESTIONS.length] ?? ''
      if (name === 'search index' && n % 4 !== 0)
        await openai.embeddings.create({ model: 'souk/word-vectors', input: content })
      else {
        const asked = openai.chat.completions.create({ model: 'souk/tiny-chat', messages: [{ role: 'user', content }] })
        last = (await asked.withResponse()).response.headers.get('x-souk-call-id') ?? ''
      }
    }
  }
  return last
}

async function signedIn(browser: Browser, market: Market, { privateKey }: DevWallet): Promise<Page> {
  const context = await browser.newContext({ viewport: SIZE, reducedMotion: 'reduce', locale: 'en-GB' })
  await giveWallet(context, privateKey)
  const page = await context.newPage()
  await page.goto(`${market.url}/sign-in`)
  await page.getByRole('button', { name: /^Sign in with\s?Test Wallet$/ }).click()
  await page.waitForURL('**/overview')
  return page
}

/** Light and dark, as tall as a window. */
async function take(page: Page, path: string, name: string): Promise<void> {
  await page.goto(market.url + path)
  await page.locator('main h1').first().waitFor()
  await page.waitForLoadState('networkidle')
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme })
    await page.waitForTimeout(800)
    const taken = `${name}-${colorScheme}.png`
    await page.screenshot({ path: join(folder, taken) })
    if (README.includes(`${name}-${colorScheme}`)) await copyFile(join(folder, taken), join(SHOWN, taken))
  }
  console.log(name)
}
