// Stories of dashboard-money.test.ts about what an account is told: the level below which a balance is low, which two people change at once, and webhooks, with
// a program that listens, refuses, and wants nothing more.
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Locator, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import type { Client } from '../../protocol/client.ts'
import { verifyWebhook, WebhookList, WebhookWithSecret, type WebhookView } from '../../protocol/webhook.ts'
import { eventually } from '../support/eventually.ts'

/** What the test file has, once it runs. */
export interface MoneyPages {
  readonly page: Page
  /** the same account from another device */
  readonly elsewhere: Client
  open(path: string, heading: string): Promise<void>
  /** a card by its name */
  part(name: string | RegExp): Locator
  /** waits for an alert that says it */
  told(text: string | RegExp): Promise<void>
  picture(name: string): Promise<void>
}

export function alertStories(money: MoneyPages): void {
  let receiver: Server
  const received: { readonly id: string; readonly headers: IncomingHttpHeaders; readonly body: string }[] = []
  /** what the webhook's program answers */
  let answer = 200

  beforeAll(async () => {
    receiver = createServer((request, response) => {
      let body = ''
      request.setEncoding('utf8').on('data', (part: string) => (body += part))
      request.on('end', () => {
        received.push({ id: String(request.headers['webhook-id']), headers: request.headers, body })
        response.writeHead(answer).end()
      })
    })
    await new Promise<void>((listening) => receiver.listen(0, '127.0.0.1', listening))
  })
  afterAll(() => receiver?.close())

  it('sets the level of a low balance: who comes second is told, sees what stands, and loses nothing typed', async () => {
    await money.open('/alerts', 'Alerts and webhooks')
    const { page } = money
    const card = money.part('Low balance')
    const level = card.getByLabel('Tell me below, $')
    const save = card.getByRole('button', { name: 'Save' })
    await level.fill('5')
    await save.click()
    await card.getByText('You are told when the balance falls below $5.00.').waitFor()
    await level.fill('6')
    await money.elsewhere.send('PUT', '/api/account/alerts', z.unknown(), { balanceLowUsd: '7' })
    await save.click()
    await money.told('Somebody changed this meanwhile.')
    await card.getByText('You are told when the balance falls below $7.00.').waitFor()
    await card.getByRole('alert').getByText('It is $7.00 now. Nothing of yours was saved').waitFor()
    expect([await level.inputValue(), await save.isDisabled()]).toEqual(['6', true])
    // What was refused is told until it is closed, by the keyboard too.
    const notice = page.getByRole('alert').filter({ hasText: 'Somebody changed this meanwhile.' })
    await notice.getByRole('button', { name: 'Close this notice' }).focus()
    await page.keyboard.press('Enter')
    await notice.waitFor({ state: 'detached' })
    await card.getByRole('button', { name: 'Go on with what I typed' }).click()
    await save.click()
    await card.getByText('You are told when the balance falls below $6.00.').waitFor()
    expect(await level.inputValue()).toBe('6')
  })

  it('makes a webhook whose secret is shown once, and shows how its test went', async () => {
    await money.open('/alerts', 'Alerts and webhooks')
    const hook = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook` // it listens on TCP
    await money.page.getByLabel('Address').fill('https://10.0.0.1/x#y')
    await money.page.getByRole('button', { name: 'Make the webhook' }).click()
    await money.told('The endpoint URL is not acceptable.')
    await money.page.getByLabel('Address').fill(hook)
    await money.page.getByRole('button', { name: 'Make the webhook' }).click()
    const dialog = money.page.getByRole('dialog', { name: 'The secret of this webhook' })
    const secret = (await dialog.getByLabel('Secret').textContent()) ?? ''
    expect(secret).toMatch(/^whsec_/)
    await dialog.getByRole('button', { name: 'I have kept it' }).click()
    const mine = money.part(`Webhook ${hook}`)
    await mine.getByRole('button', { name: 'Send a test' }).click()
    await mine.getByRole('cell', { name: 'delivered (status 200)' }).waitFor()
    expect(received).toHaveLength(1)
    expect(verifyWebhook(received[0]?.headers ?? {}, received[0]?.body ?? '', secret, Date.now() / 1_000).ok).toBe(true)
    await mine.getByRole('button', { name: /^Send again/ }).click()
    await eventually(10_000, () => Promise.resolve(expect(received).toHaveLength(2)))
    await money.picture('alerts')
    expect(await money.page.content()).not.toContain(secret)

    // A new secret, and somebody else who made one while the question stood there.
    const renew = money.page.getByRole('dialog', { name: 'Make a new secret?' })
    await mine.getByRole('button', { name: 'New secret' }).click()
    const [{ id }] = (await money.elsewhere.send('GET', '/api/webhooks', WebhookList)).data as [WebhookView] // it was just made
    const theirs = await money.elsewhere.send('POST', `/api/webhooks/${id}/rotate`, WebhookWithSecret, {})
    await renew.getByRole('button', { name: 'Make a new secret' }).click()
    await renew.waitFor({ state: 'hidden' })
    await mine.getByText(/^Messages are signed with the old secret as well until/).waitFor()
    await mine.getByRole('button', { name: 'New secret' }).click()
    await renew.getByRole('button', { name: 'Make a new secret' }).click()
    const newest = (await dialog.getByLabel('Secret').textContent()) ?? ''
    await dialog.getByRole('button', { name: 'I have kept it' }).click()
    expect(new Set([secret, theirs.secret, newest]).size).toBe(3)

    answer = 500
    await mine.getByRole('button', { name: 'Send a test' }).click()
    await mine.getByRole('cell', { name: 'failed: it refused (status 500)' }).waitFor()
    const { headers = {}, body = '' } = received.at(-1) ?? {}
    const isSignedBy = (by: string) => verifyWebhook(headers, body, by, Date.now() / 1_000).ok
    expect([newest, theirs.secret, secret].map(isSignedBy)).toEqual([true, true, false])
    // A program that wants nothing more is left alone, until its owner says otherwise.
    answer = 410
    await mine
      .getByRole('button', { name: /^Send again/ })
      .first()
      .click()
    await mine.getByText('disabled', { exact: true }).waitFor()
    await money.picture('webhook-disabled')
    answer = 200
    await mine.getByRole('button', { name: 'Enable' }).click()
    await mine.getByText('in use', { exact: true }).waitFor()
    const before = received.length
    await mine
      .getByRole('button', { name: /^Send again/ })
      .first()
      .click()
    await eventually(10_000, () => Promise.resolve(expect(received).toHaveLength(before + 1)))
    await mine.getByRole('button', { name: 'Delete' }).click()
    await money.page
      .getByRole('dialog', { name: 'Delete this webhook?' })
      .getByRole('button', { name: 'Delete' })
      .click()
    await money.page.getByText('No webhook yet').waitFor()
  })
}
