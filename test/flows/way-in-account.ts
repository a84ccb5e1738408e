// Stories of dashboard-way-in.test.ts about the account behind a session: a session that ends in the middle of something, members and their roles, several
// wallets, where money goes, and two people who change one thing at once.
import type { Page } from 'playwright-core'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { ReportPage } from '../../protocol/disputes.ts'
import type { TestWallet } from '../support/browser.ts'
import type { Market } from '../support/market.ts'

export interface Visitor {
  readonly page: Page
  readonly wallet: TestWallet
  readonly complaints: readonly string[]
}
/** What the test file has, once it runs. */
export interface WayIn {
  readonly market: Market
  readonly url: string
  aVisitor(privateKey?: `0x${string}`): Promise<Visitor>
  heading(page: Page, name: string): Promise<void>
  signIn(page: Page): Promise<void>
}

const DAY_MS = 86_400_000
const MEANWHILE = 'Somebody changed this meanwhile.'
const HOSTILE = '"><script>alert(1)</script> =1+1 ‮ṱ̺̺̕o͞ 田中さん'
const Role = z.object({ version: z.number(), data: z.array(z.object({ address: z.string(), role: z.string() })) })
const Policy = z.object({ dataCollection: z.string(), auditsAllowed: z.boolean(), version: z.number() })
const Sessions = z.object({ data: z.array(z.object({ isThis: z.boolean() })) })
const Payout = z.object({ pending: z.object({ address: z.string(), effectiveAt: z.string() }).nullable() })

export function accountStories(way: WayIn): void {
  const inside = async (path: string, title: string): Promise<Visitor> => {
    const visitor = await way.aVisitor()
    await visitor.page.goto(`${way.url}${path}`)
    await way.signIn(visitor.page)
    await way.heading(visitor.page, title)
    return visitor
  }
  const endSession = ({ address }: TestWallet) =>
    way.market.query('DB', 'DELETE FROM sessions WHERE address = ?', address)
  const said = (page: Page, text: string | RegExp) =>
    page.getByRole('alert').filter({ hasText: text }).first().waitFor()
  const ask = async <T>(page: Page, path: string, shape: z.ZodType<T>): Promise<T> =>
    shape.parse(await (await page.request.get(`${way.url}${path}`)).json())
  /** As from another window of the same person. */
  const put = async (page: Page, path: string, data: object) => {
    const reply = await page.request.put(`${way.url}${path}`, { data, headers: { origin: way.url } })
    expect([path, reply.status()]).toEqual([path, 200])
  }

  describe('a session that ends while its page is open', () => {
    it('leaves the page as it was: who comes back goes on with what was typed, and nobody else does', async () => {
      const { page, wallet, complaints } = await inside('/keys', 'API keys')
      await page.evaluate('window.__sameDocument = true')
      await page.getByRole('button', { name: 'New key' }).first().click()
      const form = page.getByRole('dialog', { name: 'New API key' })
      await form.getByLabel('Name').fill('half typed')
      await endSession(wallet)
      const make = page.getByRole('button', { name: 'Make the key' })
      await make.click()
      const ended = page.getByRole('dialog', { name: 'You are not signed in any more' })
      await ended.waitFor()
      // Another account of the wallet would read what is not theirs.
      const [own, other] = [wallet.privateKey, generatePrivateKey()]
      await wallet.changeAccount(other)
      await ended.getByRole('button', { name: 'Sign in with Test Wallet' }).click()
      await ended.getByText(/and you are signed in as 0x/).waitFor()
      expect(wallet.asked).toHaveLength(1)
      await wallet.changeAccount(own)
      await ended.getByRole('button', { name: 'Sign in with Test Wallet' }).click()
      await ended.waitFor({ state: 'hidden' })
      expect(await form.getByLabel('Name').inputValue()).toBe('half typed')
      await make.click()
      await page.getByLabel('The key').waitFor()
      expect(await page.evaluate('window.__sameDocument')).toBe(true)
      expect(complaints).toEqual([])
    })

    it('is left for good by who does not come back', async () => {
      const { page, wallet } = await inside('/keys', 'API keys')
      await endSession(wallet)
      await page.getByRole('link', { name: 'Calls', exact: true }).click()
      await page.getByRole('button', { name: 'Stay signed out' }).click()
      await way.heading(page, 'Sign in')
      expect(await page.getByRole('button', { name: /^Your account/ }).count()).toBe(0)
    })
  })

  describe('several people and wallets', () => {
    it('join by a link, are what their role says, and change one thing at once without losing anything', async () => {
      const owner = await inside('/settings', 'Settings')
      await owner.page.getByRole('button', { name: 'Invite', exact: true }).click()
      const link = String(await owner.page.getByText(/\/join#/).textContent())
      const invited = await way.aVisitor()
      await invited.page.goto(link)
      await invited.page.getByRole('button', { name: 'Join with Test Wallet' }).click()
      await way.heading(invited.page, 'Overview')
      await invited.page.goto(`${way.url}/settings`)
      await invited.page.getByText('You are its member.').waitFor()
      expect(await invited.page.getByRole('button', { name: 'Invite', exact: true }).count()).toBe(0)
      // The link is used up.
      const late = await way.aVisitor()
      await late.page.goto(link)
      await late.page.getByRole('button', { name: 'Join with Test Wallet' }).click()
      await late.page.getByText(/This invitation was used, taken back or has run out/).waitFor()

      // While the owner looks at the dialogue, somebody else makes the member an admin.
      const { address } = invited.wallet
      await owner.page.reload()
      const asked = owner.page.getByRole('dialog')
      const askForBilling = async () => {
        await owner.page.getByRole('button', { name: `Change the role of ${address}` }).click()
        await asked.getByRole('combobox', { name: 'Role' }).click()
        await owner.page.getByRole('option', { name: /^billing/ }).click()
      }
      await askForBilling()
      await owner.page.keyboard.press('Escape')
      await asked.waitFor({ state: 'hidden' })
      const asks = owner.page.getByRole('button', { name: `Change the role of ${address}` })
      await asks.and(owner.page.locator(':focus')).waitFor()
      await askForBilling()
      const { version } = await ask(owner.page, '/api/account/members', Role)
      await put(owner.page, `/api/account/members/${address}`, { role: 'admin', version })
      await asked.getByRole('button', { name: 'Change the role' }).click()
      await said(owner.page, MEANWHILE)
      const row = owner.page.getByRole('row').filter({ has: owner.page.getByTitle(address) })
      await row.getByRole('cell', { name: 'admin', exact: true }).waitFor()
      await asked.waitFor({ state: 'hidden' })
      await askForBilling()
      await asked.getByRole('button', { name: 'Change the role' }).click()
      await said(owner.page, /is billing now/)

      await invited.page.reload()
      await invited.page.getByText('You are its billing.').waitFor()
      await invited.page.goto(`${way.url}/keys`)
      await invited.page.getByRole('alert').filter({ hasText: 'This could not be loaded' }).waitFor()
      await invited.page.goto(`${way.url}/billing`)
      await way.heading(invited.page, 'Billing')
      await invited.page.getByText('You can spend').waitFor()

      // Who leaves is told that they have left, and where they are; nobody speaks of a session that ended.
      await invited.page.goto(`${way.url}/settings`)
      await invited.page.getByRole('button', { name: 'Leave this account' }).click()
      const leaves = invited.page.getByRole('dialog', { name: 'Leave this account?' })
      await leaves.getByRole('button', { name: 'Leave', exact: true }).click()
      await way.heading(invited.page, 'Models and prices')
      await said(invited.page, /^You have left the account.* This is the page for everybody\./)
      await invited.page.getByRole('link', { name: 'Sign in', exact: true }).waitFor()
      expect(await invited.page.getByRole('dialog').count()).toBe(0)
      expect([owner.complaints, invited.complaints, late.complaints].flat()).toEqual([])
    })

    it('are one account: a second wallet signs in to what the first one has', async () => {
      const { page, wallet, complaints } = await inside('/settings', 'Settings')
      const account = z.object({ accountId: z.string() })
      const { accountId } = await ask(page, '/api/account', account)
      const second = generatePrivateKey()
      await page.getByRole('button', { name: 'Add a wallet of your own' }).click()
      await wallet.changeAccount(second)
      await page.getByRole('dialog').getByRole('button', { name: 'Sign with Test Wallet' }).click()
      await said(page, /is a wallet of this account now/)
      await page.context().clearCookies()
      await page.reload()
      await way.signIn(page)
      await way.heading(page, 'Settings')
      expect(await ask(page, '/api/account', account)).toEqual({ accountId })
      const row = page.getByRole('row').filter({ has: page.getByTitle(privateKeyToAccount(second).address) })
      await row.first().waitFor()
      expect(complaints).toEqual([])
    })
  })

  describe('settings', () => {
    it('that somebody else changed meanwhile are shown as they are now, and nothing is lost silently', async () => {
      const { page, complaints } = await inside('/settings', 'Settings')
      const [keepsNothing, audits] = ['Only nodes that say they keep nothing', 'Allow audits of calls'].map((name) =>
        page.getByRole('switch', { name }),
      )
      await keepsNothing?.waitFor()
      const { version } = await ask(page, '/api/account/policy', Policy)
      await put(page, '/api/account/policy', { dataCollection: 'deny', auditsAllowed: false, version })
      await audits?.click()
      await said(page, MEANWHILE)
      await page.getByRole('switch', { name: 'Only nodes that say they keep nothing', checked: true }).waitFor()
      expect(await ask(page, '/api/account/policy', Policy)).toMatchObject({
        ...{ dataCollection: 'deny', auditsAllowed: false },
      })
      await audits?.click()
      await said(page, 'Saved. It holds for every call from now on.')
      expect(await ask(page, '/api/account/policy', Policy)).toMatchObject({
        ...{ dataCollection: 'deny', auditsAllowed: true },
      })
      expect(complaints).toEqual([])
    })

    it('of where money goes ask the wallet again, wait two days in plain sight, and can be taken back', async () => {
      const { page, wallet, complaints } = await inside('/settings', 'Settings')
      const to = `0x${'5'.repeat(40)}`
      await way.market.query('DB', 'UPDATE sessions SET created_at = created_at - 3600000')
      await page.getByLabel('New address').fill('0x5')
      await page.getByText('An address is 0x and 40 digits').waitFor()
      await page.getByLabel('New address').fill(to)
      const part = page.getByRole('region', { name: 'Payout address' })
      await part.getByRole('button', { name: 'Change', exact: true }).click()
      await page.getByRole('button', { name: 'Change the address' }).click()
      const fresh = page.getByRole('dialog', { name: 'Sign once more' })
      await fresh.waitFor()
      expect((await ask(page, '/api/account/payout-address', Payout)).pending).toBeNull()
      await fresh.getByRole('button', { name: 'Sign in with Test Wallet' }).click()
      await said(page, 'Asked for. It holds from the time that stands here.')
      expect(wallet.asked).toHaveLength(2)
      // One browser is one session: the one of before has ended with the new one.
      expect((await ask(page, '/api/account/sessions', Sessions)).data).toMatchObject([{ isThis: true }])
      const { pending } = await ask(page, '/api/account/payout-address', Payout)
      expect(pending?.address.toLowerCase()).toBe(to)
      const waitsMs = Date.parse(pending?.effectiveAt ?? '') - Date.now()
      expect([waitsMs > 1.9 * DAY_MS, waitsMs <= 2 * DAY_MS]).toEqual([true, true])
      await said(page, 'A change waits')
      await part.locator(`time[datetime="${pending?.effectiveAt}"]`).waitFor()
      await part.getByRole('button', { name: 'Take the change back' }).click()
      await said(page, 'Taken back.')
      expect((await ask(page, '/api/account/payout-address', Payout)).pending).toBeNull()
      expect(complaints).toEqual([])
    })
  })

  it('takes a report of a model from who is signed in, in their words and as nothing but words', async () => {
    const { page, complaints } = await way.aVisitor()
    const [model = ''] = way.market.models
    await page.goto(`${way.url}/models/${model}`)
    await way.heading(page, model)
    expect(await page.getByRole('button', { name: 'Report' }).count()).toBe(0)
    await page.goto(`${way.url}/sign-in?from=${encodeURIComponent(`/models/${model}`)}`)
    await way.signIn(page)
    await page.getByRole('button', { name: 'Report' }).click()
    const dialog = page.getByRole('dialog', { name: 'Report this model' })
    const send = dialog.getByRole('button', { name: 'Send the report' })
    await dialog.getByLabel('Why you think so').fill(HOSTILE)
    expect(await send.isDisabled()).toBe(true)
    await dialog.getByRole('combobox', { name: 'What is wrong' }).click()
    await page.getByRole('option', { name: 'It does harm' }).click()
    await send.click()
    await said(page, 'Your report was sent.')
    const { data } = await way.market.admin.send('GET', '/api/admin/reports?state=open', ReportPage)
    expect(data).toMatchObject([{ about: 'model', subject: model, kind: 'malicious', words: HOSTILE }])
    expect(complaints).toEqual([])
  })
}
