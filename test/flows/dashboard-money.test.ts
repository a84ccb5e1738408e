// Money on the dashboard, in a real browser on a real market: a code redeemed, limits that two people change at once, the journal and a statement checked where
// their owner looks at them, a withdrawal, and the playground, whose shown cost is the book's. Alerts and webhooks: money-alerts.ts.
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { loadGatewayKey } from '../../gateway/core/gateway-key.ts'
import { signIn } from '../../gateway/local/accounts.ts'
import { loadSecrets, newWallet } from '../../gateway/local/secrets.ts'
import type { Client } from '../../protocol/client.ts'
import { chainLine, GENESIS_HASH, type LineDraft } from '../../protocol/journal.ts'
import { CodeReply } from '../../protocol/ledger.ts'
import { claimsOf, firstOpening, STATEMENT_TYP, statementOf, statementText } from '../../protocol/statement.ts'
import { HOUSE, instant, isAccountId, nanos } from '../../protocol/units.ts'
import { browserPath, complaintsOf, giveWallet, openBrowser } from '../support/browser.ts'
import { eventually } from '../support/eventually.ts'
import { startFaultNode, type FaultNode } from '../support/fault-node.ts'
import { FAULT_NODE_PRICES } from '../support/fault-node-join.ts'
import { countingModel } from '../support/fault-node-words.ts'
import { startMarket, type Market } from '../support/market.ts'
import { alertStories } from './money-alerts.ts'

const COUNTER = 'test/counter'

describe.skipIf(browserPath === null)('money on the dashboard', () => {
  let market: Market
  let slow: FaultNode
  let browser: Browser
  let context: BrowserContext
  let page: Page
  let complaints: string[] = []
  /** the same account from another device */
  let elsewhere: Client
  let folder = ''

  beforeAll(async () => {
    ;[market, browser, folder] = await Promise.all([
      startMarket(),
      openBrowser(),
      mkdtemp(join(tmpdir(), 'souk-money-')),
    ])
    await market.publish(countingModel(COUNTER))
    // Dear enough that one call earns what may be withdrawn.
    const prices = { ...FAULT_NODE_PRICES, perCall: '0.05' }
    const joining = { gatewayUrl: market.url, chainId: market.gateway.chainId, prices }
    slow = await startFaultNode(joining, countingModel(COUNTER))
    await market.routable([COUNTER])
    context = await browser.newContext({ acceptDownloads: true })
    const wallet = newWallet()
    await giveWallet(context, wallet.privateKey)
    page = await context.newPage()
    complaints = complaintsOf(page)
    await page.goto(`${market.url}/billing`)
    await page.getByRole('button', { name: 'Sign in with Test Wallet' }).click()
    await heading('Billing')
    elsewhere = await signIn(market.url, wallet)
  })
  afterAll(async () => {
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
    // A word may come in two events.
    expect([...pasted.stdout.matchAll(/"content":"([^"]*)"/g)].map(([, text]) => text).join('')).toContain('Paris')
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

  it('goes on with a text, and turns texts into vectors, at the book’s cost', async () => {
    const costsWhatTheBookSays = async () => {
      await part('Answer').getByText('Complete').waitFor()
      const { outcome, nanos: charged } = await bookOf(await callId())
      expect([outcome, String(await shownCost())]).toEqual(['complete', charged])
    }
    await open('/playground?model=souk%2Ftiny-chat', 'Playground')
    await page.getByText('Text completion').click()
    await page.getByLabel('Beginning of a text').fill('The capital of France is')
    await page.getByLabel('Longest answer, tokens').fill('8')
    await page.getByRole('button', { name: 'Send' }).click()
    await costsWhatTheBookSays()
    await open('/playground?model=souk%2Fword-vectors', 'Playground')
    await page.getByLabel('Texts').fill('king\nqueen')
    await page.getByRole('button', { name: 'Send' }).click()
    await costsWhatTheBookSays()
    await part('Answer')
      .getByText(/2\. \d+ numbers: \[/)
      .waitFor()
  })

  it('sets limits of the whole account: who comes second is told, sees what stands, and loses nothing typed', async () => {
    await open('/billing', 'Billing')
    const card = part('Limits of the whole account')
    const save = card.getByRole('button', { name: 'Save the limits' })
    await card.getByLabel('Spend at most, $').fill('0.0001')
    await elsewhere.send('PUT', '/api/account/limits', z.unknown(), { rateLimit: { rpm: 77 }, version: 0 })
    await save.click()
    await told('Somebody changed this meanwhile.')
    await card.getByRole('alert').getByText('They are now: 77 calls a minute.').waitFor()
    await picture('limits-changed')
    expect(await card.getByLabel('Spend at most, $').inputValue()).toBe('0.0001')
    expect((await elsewhere.account()).limits).toMatchObject({ limit: null, rateLimit: { rpm: 77 }, version: 1 })
    await card.getByRole('button', { name: 'Go on with what I typed' }).click()
    await save.click()
    await card.getByText(/^Spent \$0\.\d+ of \$0\.0001 a month/).waitFor()

    await open('/playground?model=souk%2Ftiny-chat', 'Playground')
    await page.getByLabel('Message').fill('What is the capital of France?')
    await page.getByRole('button', { name: 'Send' }).click()
    await told('The budget of this account does not cover')
    await elsewhere.send('PUT', '/api/account/limits', z.unknown(), {})
  })

  it('reads a month’s statement, has its signature checked in the page, and takes it away as a file', async () => {
    const { accountId } = await elsewhere.account()
    if (!isAccountId(accountId)) throw new Error('no account id')
    await open('/billing?part=statements', 'Billing')
    await page.getByText('No statement yet').waitFor()
    // The month before, as the gateway's cron would have written it: signed by the gateway's own key.
    const at = instant(Date.UTC(2026, 9, 20))
    const grant: LineDraft = {
      ...{ at, kind: 'grant', transferId: 'grant:x', note: { reason: 'test', by: null } },
      legs: [
        { party: accountId, role: 'receiver', amountNanos: nanos(2_500_000_000n) },
        { party: HOUSE.grants, role: 'house', amountNanos: nanos(-2_500_000_000n) },
      ],
    }
    const { line, chained } = chainLine(grant, accountId, 1, GENESIS_HASH)
    const statement = statementOf(firstOpening(accountId, at), [{ line, hash: chained.hash }])
    const key = await loadGatewayKey((await loadSecrets(market.stateDir)).SOUK_SIGNING_KEY)
    const insert = 'INSERT INTO statements (account_id, number, month, body, signature, at) VALUES (?, 1, ?, ?, ?, ?)'
    const row = [statement.month, statementText(statement), await key.attest(STATEMENT_TYP, claimsOf(statement)), at]
    await market.query('BOOK_0', insert, accountId, ...row)

    await page.reload()
    await page.getByRole('link', { name: 'October 2026' }).click()
    await page.getByText('The gateway’s signature fits this statement').waitFor()
    await page
      .getByRole('row', { name: /Balance at the end/ })
      .getByText('$2.50')
      .waitFor()
    await picture('statement')
    const downloading = page.waitForEvent('download')
    await page.getByRole('link', { name: 'Download as CSV' }).click()
    expect(await readFile(await (await downloading).path(), 'utf8')).toContain('2026-10')

    await page.route('**/api/statements/1', async (route) => {
      const response = await route.fetch()
      await route.fulfill({ response, body: (await response.text()).replaceAll('2.500000000', '9.500000000') })
    })
    await page.reload()
    await told('This statement is not the one that the gateway signed.')
    await page.unroute('**/api/statements/1')
  })

  it('withdraws what was earned and no more, to a wallet of the account', async () => {
    slow.tokenMs = 0
    const payer = await market.consumer()
    const paid = await fetch(`${market.directUrl}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${payer.key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: COUNTER, messages: [{ role: 'user', content: 'count 3' }] }),
    })
    expect([paid.status, await paid.text()]).toEqual([200, expect.stringContaining('n2')])
    const device = await browser.newContext()
    const { address } = await giveWallet(device, slow.operatorKey)
    const own = await device.newPage()
    await own.goto(`${market.url}/billing?part=withdrawals`)
    await own.getByRole('button', { name: 'Sign in with Test Wallet' }).click()
    await own.getByText(/^You can withdraw \$0\.0\d+ now\.$/).waitFor()
    const form = own.getByRole('region', { name: 'Withdraw' })
    const ask = async (amount: string) => {
      await own.getByLabel('Amount, $').fill(amount)
      await form.getByRole('button', { name: 'Withdraw' }).click()
      return own.getByRole('dialog', { name: 'Withdraw this?' })
    }
    await own.getByLabel('Amount, $').fill('50')
    await own.getByText('That is more than can be withdrawn now.').waitFor()
    expect(await form.getByRole('button', { name: 'Withdraw' }).isDisabled()).toBe(true)
    const little = await ask('0.001')
    await little.getByRole('button', { name: 'Withdraw' }).click()
    await own
      .getByRole('alert')
      .getByText(/usd: from 0\.01 to 100000/)
      .waitFor()
    await little.getByRole('button', { name: 'Cancel' }).click()
    await little.waitFor({ state: 'hidden' })
    const right = await ask('0.012345')
    await right.getByText(`$0.012345 leave your balance and go to ${address}.`).waitFor()
    await right.getByRole('button', { name: 'Withdraw' }).click()
    await own.getByText('$0.012345 were taken from your balance and wait to be paid.').waitFor()
    await own.getByRole('row').filter({ hasText: '$0.012345' }).getByText('asked for').waitFor()
    await device.close()
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
  alertStories({
    get page() {
      return page
    },
    get elsewhere() {
      return elsewhere
    },
    ...{ open, part, told, picture },
  })

  it('complained of nothing in the browser', () => {
    expect(complaints).toEqual([])
  })
})
