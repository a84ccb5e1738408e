// Money on the dashboard, in a real browser on a real market: a code redeemed, the journal checked where its owner looks at it, a webhook that is told,
// and the playground, whose shown cost is the book's.
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { generatePrivateKey } from 'viem/accounts'
import { z } from 'zod'
import { CodeReply } from '../../protocol/ledger.ts'
import { browserPath, complaintsOf, giveWallet, openBrowser } from '../support/browser.ts'
import { eventually } from '../support/eventually.ts'
import { startFaultNode, type FaultNode } from '../support/fault-node.ts'
import { countingModel } from '../support/fault-node-words.ts'
import { startMarket, type Market } from '../support/market.ts'

const COUNTER = 'test/counter'

describe.skipIf(browserPath === null)('money on the dashboard', () => {
  let market: Market
  let slow: FaultNode
  let browser: Browser
  let receiver: Server
  let context: BrowserContext
  let page: Page
  let complaints: string[] = []
  let folder = ''
  const received: string[] = []

  beforeAll(async () => {
    ;[market, browser, folder] = await Promise.all([
      startMarket(),
      openBrowser(),
      mkdtemp(join(tmpdir(), 'souk-money-')),
    ])
    await market.publish(countingModel(COUNTER))
    slow = await startFaultNode({ gatewayUrl: market.url, chainId: market.gateway.chainId }, countingModel(COUNTER))
    await market.routable([COUNTER])
    receiver = createServer((request, response) => {
      received.push(String(request.headers['webhook-id']))
      request.resume().on('end', () => response.writeHead(200).end())
    })
    await new Promise<void>((listening) => receiver.listen(0, '127.0.0.1', listening))
    context = await browser.newContext({ acceptDownloads: true })
    await giveWallet(context, generatePrivateKey())
    page = await context.newPage()
    complaints = complaintsOf(page)
    await page.goto(`${market.url}/billing`)
    await page.getByRole('button', { name: 'Sign in with Test Wallet' }).click()
    await heading('Billing')
  })
  afterAll(async () => {
    receiver?.close()
    await browser?.close()
    await slow?.stop()
    await market?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  const heading = (name: string) => page.getByRole('heading', { level: 1, name, exact: true }).waitFor()
  const part = (name: string | RegExp) => page.getByRole('region', { name })
  const open = async (path: string, name: string) => {
    await page.goto(`${market.url}${path}`)
    await heading(name)
  }
  const told = (text: string | RegExp) => page.getByRole('alert').filter({ hasText: text }).first().waitFor()
  const picture = async (name: string) => {
    const shots = process.env.SOUK_SCREENSHOTS
    if (shots) await page.screenshot({ path: join(shots, `money-${name}.png`), fullPage: true })
  }
  /** what the book says of the call that the page links to */
  const bookOf = async (callId: string) => {
    const sql = 'SELECT outcome, CAST(charge_nanos AS TEXT) AS nanos FROM calls WHERE id = ?'
    let row: Record<string, unknown> | undefined
    await eventually(15_000, async () => {
      row = (await market.query('BOOK_0', sql, callId))[0]
      expect(row).toBeDefined()
    })
    return { outcome: row?.outcome, nanos: String(row?.nanos) }
  }
  const callId = async () =>
    (await part('Answer')
      .getByRole('link', { name: /^call_/ })
      .textContent()) ?? ''
  /** nanos of what stands behind "Cost:" */
  const shownCost = async () => {
    const text =
      (await part('Answer')
        .getByText(/^Cost:/)
        .textContent()) ?? ''
    const [, whole = '', fraction = ''] = /\$(\d+)\.(\d+)/.exec(text) ?? []
    return BigInt(whole) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0'))
  }

  it('says that nothing is there, refuses a call that cannot be paid, and takes a code once', async () => {
    await open('/playground', 'Playground')
    await page.getByRole('button', { name: 'Make a key for the playground' }).click()
    await page.getByText('made for this page').waitFor()
    await page.getByLabel('Message').fill('What is the capital of France?')
    await page.getByRole('button', { name: 'Send' }).click()
    await told('The balance does not cover the highest possible cost of this call.')
    await part('Answer').getByText('Nothing was charged.').waitFor()

    await open('/billing', 'Billing')
    await part('You can spend').getByText('$0.00').waitFor()
    const redeem = async (code: string) => {
      await page.getByLabel('Credit code').fill(code)
      await page.getByRole('button', { name: 'Redeem' }).click()
    }
    await redeem('credit-that-nobody-made')
    await told('There is no such code.')
    const made = await market.admin.send('POST', '/api/admin/codes', CodeReply, { usd: '2.5', reason: 'a test' })
    await redeem(made.code)
    await told('$2.50 were added.')
    await part('You can spend').getByText('$2.50').waitFor()
    const other = await market.consumer({ credit: false })
    const used = await market.admin.send('POST', '/api/admin/codes', CodeReply, { usd: '1', reason: 'a test' })
    await other.client.send('POST', '/api/codes/redeem', z.unknown(), { code: used.code })
    await redeem(used.code)
    await told('This code was already redeemed.')
    await page.getByRole('button', { name: 'Take $10.00 for testing' }).click()
    await part('You can spend').getByText('$12.50').waitFor()
    await picture('billing')
  })

  it('streams a chat whose cost on the page is the book’s to the nano, and gives the code that sends the same', async () => {
    await open('/playground?model=souk%2Ftiny-chat', 'Playground')
    await page.getByLabel('Message').fill('What is the capital of France?')
    await page.getByText(/^Costs at most \$0\.0\d+ /).waitFor()
    const sending = page.waitForRequest((request) => request.url().endsWith('/v1/chat/completions'))
    await page.getByRole('button', { name: 'Send' }).click()
    const sent = (await sending).postData() ?? ''
    await part('Answer').getByText('Complete').waitFor()
    await part('Answer').getByText('The capital of France is Paris.').waitFor()
    const { outcome, nanos } = await bookOf(await callId())
    expect(outcome).toBe('complete')
    expect(String(await shownCost())).toBe(nanos)
    expect(BigInt(nanos)).toBeGreaterThan(0n)
    await picture('playground')

    const code = part('As code')
    const curl = (await code.getByLabel('The request in curl').textContent()) ?? ''
    expect(curl).toContain(`--data-raw '${sent}'`)
    await code.getByRole('tab', { name: 'JavaScript' }).click()
    const script = (await code.getByLabel('The request in JavaScript').textContent()) ?? ''
    const kept = await page.evaluate<string>("JSON.parse(sessionStorage.getItem('souk.playground-key')).key")
    const env = { ...process.env, SOUK_API_KEY: kept }
    const run = promisify(execFile)
    // What a person pastes: a shell, and Node.js with the official client.
    const [pasted, official] = await Promise.all([
      run('sh', ['-c', curl], { env }),
      run(process.execPath, ['--input-type=module', '-e', script], { env }),
    ])
    expect(pasted.stdout).toContain('Paris')
    expect(official.stdout).toContain('The capital of France is Paris.')
    expect(curl + script).not.toContain(kept)
  })

  it('stops in the middle: the node is told, and what had come is paid, as the page says', async () => {
    slow.tokenMs = 100
    await open('/playground?model=test%2Fcounter', 'Playground')
    await page.getByLabel('Message').fill('count 200')
    await page.getByRole('button', { name: 'Send' }).click()
    await part('Answer').getByText('n5').waitFor()
    await part('Answer')
      .getByText(/so far \(an estimate\), at most/)
      .waitFor()
    const hungUp = slow.seen.hungUpAt.length
    await page.getByRole('button', { name: 'Stop' }).click()
    await part('Answer').getByText('Stopped by you').waitFor()
    await part('Answer')
      .getByText(/^Cost:/)
      .waitFor({ timeout: 30_000 })
    await eventually(5_000, () => Promise.resolve(expect(slow.seen.hungUpAt.length).toBe(hungUp + 1)))
    const { outcome, nanos } = await bookOf(await callId())
    expect(outcome).toBe('cancelled')
    expect(String(await shownCost())).toBe(nanos)
    expect(slow.seen.tokens).toBeLessThan(200)
  })

  it('calls a model of tensors by a form of what it takes', async () => {
    await open('/playground?model=souk%2Flanguage-id', 'Playground')
    await page.getByLabel('Shape of text').fill('')
    await page
      .getByLabel('Data of text, as JSON')
      .fill('["Guten Morgen, wie geht es dir heute?", "Where is the station?"]')
    await page.getByRole('button', { name: 'Send' }).click()
    await part('Answer').getByText('Complete').waitFor()
    await part('Answer')
      .getByText(/"deu"[\s\S]*"eng"/)
      .waitFor()
    const { outcome, nanos } = await bookOf(await callId())
    expect(outcome).toBe('complete')
    expect(String(await shownCost())).toBe(nanos)
    await page.getByLabel('Data of text, as JSON').fill('[1]')
    await page.getByText('"text": element 0 is no string of Unicode characters.').waitFor()
    expect(await page.getByRole('button', { name: 'Send' }).isDisabled()).toBe(true)
  })

  it('checks the journal in the browser: in order as the gateway gives it, broken where a line was changed', async () => {
    await open('/billing?part=journal', 'Billing')
    await page.getByRole('button', { name: 'Check my journal' }).click()
    const check = part('Check of the journal')
    await check.getByText('This journal is in order').waitFor()
    await check.getByText(/^\d+ calls: \d+ tickets of the gateway/).waitFor()
    await picture('journal')
    const downloading = page.waitForEvent('download')
    await page.getByRole('button', { name: 'Download the journal' }).click()
    const text = await readFile(await (await downloading).path(), 'utf8')
    const choose = async (content: string) => {
      const path = join(folder, 'journal.ndjson')
      await writeFile(path, content)
      await page.getByLabel('A journal file to check').setInputFiles(path)
    }
    await choose(text.replace('2.500000000', '9.500000000'))
    await check.getByText('This journal is broken').waitFor()
    await check.getByText('Line 1: its hash is not that of its text.').waitFor()
    await choose(text.split('\n').slice(0, -2).join('\n') + '\n')
    await check.getByText(/the file ends without its signed head: it was cut/).waitFor()
    await choose(text)
    await check.getByText('This journal is in order').waitFor()
    await part('Movements').getByText('Credit code: a test').waitFor()
  })

  it('makes a webhook whose secret is shown once, and shows how its test went', async () => {
    await open('/alerts', 'Alerts and webhooks')
    const hook = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook` // it listens on TCP
    await page.getByLabel('Address').fill('https://10.0.0.1/x#y')
    await page.getByRole('button', { name: 'Make the webhook' }).click()
    await told('The endpoint URL is not acceptable.')
    await page.getByLabel('Address').fill(hook)
    await page.getByRole('button', { name: 'Make the webhook' }).click()
    const dialog = page.getByRole('dialog', { name: 'The secret of this webhook' })
    const secret = (await dialog.getByLabel('Secret').textContent()) ?? ''
    expect(secret).toMatch(/^whsec_/)
    await dialog.getByRole('button', { name: 'I have kept it' }).click()
    const mine = part(`Webhook ${hook}`)
    await mine.getByRole('button', { name: 'Send a test' }).click()
    await mine.getByRole('cell', { name: 'delivered (status 200)' }).waitFor()
    expect(received).toHaveLength(1)
    await mine.getByRole('button', { name: /^Send again/ }).click()
    await eventually(10_000, () => Promise.resolve(expect(received).toHaveLength(2)))
    await picture('alerts')
    expect(await page.content()).not.toContain(secret)
    await page.getByLabel('Tell me below, $').fill('5')
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByText('You are told when the balance falls below $5.00.').waitFor()
    await mine.getByRole('button', { name: 'Delete' }).click()
    await page.getByRole('dialog', { name: 'Delete this webhook?' }).getByRole('button', { name: 'Delete' }).click()
    await page.getByText('No webhook yet').waitFor()
    expect(complaints).toEqual([])
  })
})
