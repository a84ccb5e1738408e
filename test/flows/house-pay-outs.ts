// Stories of dashboard-admin.test.ts about money that leaves the house: operators paid by a file, and a book that does not add up, which stops that until it is
// written again.
import { readFile } from 'node:fs/promises'
import type { Locator, Page } from 'playwright-core'
import { expect, it } from 'vitest'
import { z } from 'zod'
import { offersAfter } from '../../gateway/dashboard/operator/offer-request.ts'
import { signIn } from '../../gateway/local/accounts.ts'
import { loadWallets } from '../../gateway/local/secrets.ts'
import type { Client } from '../../protocol/client.ts'
import { eventually } from '../support/eventually.ts'
import type { Consumer, Market } from '../support/market.ts'

const MODEL = 'souk/tiny-chat'

/** What the test file has, once it runs: the admin's page, and how it is spoken of. */
export interface HousePages {
  readonly market: Market
  readonly page: Page
  readonly consumer: Consumer
  /** one call of the consumer */
  ask(): Promise<Response>
  open(path: string): Promise<unknown>
  button(name: string): Locator
  row(text: string): Locator
  dialog(): Locator
  said(text: string | RegExp): Promise<void>
  /** in the dialogue: the reason, and yes */
  confirm(action: string, reason?: string): Promise<void>
  shoot(name: string): Promise<void>
}

export function payOutStories(house: HousePages): void {
  let earner: Client
  let withdrawals = 0
  const withdraw = (usd: string) =>
    earner.send('POST', '/api/withdrawals', z.unknown(), { id: `story-${++withdrawals}`, usd })

  it('pays by a file: makes it, saves it, gives back what could not be paid, and says that the rest was', async () => {
    const { operator } = await loadWallets(house.market.stateDir)
    earner = await signIn(house.market.url, operator)
    const node = await earner.node(house.market.nodes[0]?.id ?? '')
    const prices = node.offers.find(({ model }) => model === MODEL)?.prices
    if (!prices) throw new Error('the node offers the model')
    const change = { model: MODEL, isOffered: true, prices: { ...prices, perCall: '0.2' } }
    const offers = offersAfter(node.offers, change)
    await earner.send('PUT', `/api/nodes/${node.id}/offers`, z.unknown(), { offers })
    // What each isolate knows of a price is some seconds old.
    const Withdrawable = z.object({ withdrawable: z.string() })
    await eventually(60_000, async () => {
      await house.ask()
      const { withdrawable } = await earner.send('GET', '/api/withdrawals', Withdrawable)
      expect(Number(withdrawable)).toBeGreaterThan(0.06)
    })
    await withdraw('0.03')
    await withdraw('0.02')
    await house.open('/admin/money?state=requested')
    await house.row('$0.02').getByText('requested').waitFor()
    await house.button('Make a pay-out file').click()
    await house.confirm('Make the file')
    await house.page.getByText('2 payments, $0.05 together').waitFor()
    const [saved] = await Promise.all([house.page.waitForEvent('download'), house.button('Save as CSV').click()])
    expect(saved.suggestedFilename()).toMatch(/^po_\w+\.csv$/)
    const csv = await readFile(await saved.path(), 'utf8')
    expect(csv).toContain(operator.address)
    await house.open(`/admin/money?batch=${saved.suggestedFilename().replace('.csv', '')}`)
    await house.row('$0.02').getByRole('button', { name: 'Give back' }).click()
    await house.dialog().getByText('$0.02 that was to go to').waitFor()
    await house.confirm('Give back', 'the bank sent it back')
    await house.said('$0.02 went back to the account.')
    await house.page.getByText('One payment, $0.03 together').waitFor()
    await house.button('It was paid').click()
    await house.confirm('It was paid', 'transfer 17')
    await house.said('One withdrawal paid, $0.03.')
    await house.row('transfer 17').getByText('paid', { exact: true }).waitFor()
    await house.row('$0.02').getByText('returned').waitFor()
    await house.shoot('payout')
  })

  it('sees a line that does not add up: pay-outs stop, the book is written again, the alert is closed', async () => {
    await withdraw('0.01')
    for (const row of [
      "lines (account_id, seq, transfer_id, kind, delta_nanos, prev_hash, hash, body, at) VALUES (?, 999, 'planted', 'call', 0, '', '', '', 0)",
      "legs (account_id, seq, leg, transfer_id, party, role, amount_nanos, at) VALUES (?, 999, 0, 'planted', 'x', 'house', 5, 0)",
    ])
      await house.market.query('BOOK_0', `INSERT INTO ${row}`, house.consumer.accountId)
    const Stand = z.object({ alertsOpen: z.number() })
    // What is added up is the minute that ended ten minutes ago.
    await eventually(90_000, async () => {
      const at = Math.floor(Date.now() / 60_000) * 60_000 - 630_000
      await house.market.query('BOOK_0', "UPDATE lines SET at = ? WHERE transfer_id = 'planted'", at)
      await house.market.runCrons()
      expect((await house.market.admin.send('GET', '/api/admin/ledger', Stand)).alertsOpen).toBe(1)
    })
    await house.open('/admin')
    await house.page.getByText('Something is wrong').waitFor()
    await house.shoot('glance')
    await house.page.getByRole('link', { name: 'One alert of the ledger is open' }).click()
    await house.row('conservation').getByText('sum to 5 nanos instead of nothing').waitFor()
    await house.open('/admin/money')
    await house.button('Make a pay-out file').click()
    await house.confirm('Make the file')
    await house.page.getByText(/^Left out: a withdrawal of .*\(alert\)/).waitFor()
    const calls = async () => (await house.market.query('BOOK_0', 'SELECT count(*) AS n FROM calls'))[0]?.n
    const before = await calls()
    await house.open('/admin/ledger')
    await house.button('Write the whole book again').click()
    await house.dialog().getByLabel('Delete the rows first').check()
    await house.confirm('Write again')
    await house.said(/^The book of \d+ accounts was written again\./)
    await eventually(60_000, async () => expect(await calls()).toBe(before))
    expect(await house.market.query('BOOK_0', "SELECT leg FROM legs WHERE transfer_id = 'planted'")).toEqual([])
    await house.row('conservation').getByRole('button', { name: 'Resolve' }).click()
    await house.confirm('Resolve', 'a row that no journal has; the book was written again')
    await house.said('Resolved.')
    await house.page.getByText('No alert is open').waitFor()
    await house.shoot('ledger')
    await house.open('/admin/money')
    await house.button('Make a pay-out file').click()
    await house.confirm('Make the file')
    await house.page.getByText('One payment, $0.01 together').waitFor()
    await house.button('Make a pay-out file').click()
    await house.confirm('Make the file')
    await house.page.getByText('Nothing is requested.').waitFor()
    await house.shoot('money')
  }, 240_000)
}
