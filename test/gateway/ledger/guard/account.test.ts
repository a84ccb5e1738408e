// What a call costs its guard: every statement stands between a caller and the first token, so their number has a ceiling.
import { env, runInDurableObject } from 'cloudflare:test'
import { expect, it } from 'vitest'
import { Account } from '../../../../gateway/ledger/guard/account.ts'
import { AccountGuard } from '../../../../gateway/ledger/guard/account-guard.ts'
import type { AccountPort } from '../../../../gateway/ledger/account-port.ts'
import type { GuardStorage } from '../../../../gateway/ledger/guard/guard-storage.ts'
import { aHold, anAccount, anEnd, aPayer, legsOf } from '../ledger-house.ts'

/** The account's own ledger once more, over its own storage, with its statements counted. */
async function counted<T>(payer: Awaited<ReturnType<typeof aPayer>>, work: (port: AccountPort) => Promise<T>) {
  return runInDurableObject(env.ACCOUNT.get(env.ACCOUNT.idFromName(payer.id)), async (guard, { storage }) => {
    if (!(guard instanceof AccountGuard)) throw new Error('not an account’s guard')
    const asked: string[] = []
    const listening: GuardStorage = {
      sql: {
        exec: (query, ...cells) => {
          asked.push(query)
          return storage.sql.exec(query, ...cells)
        },
      },
      transactionSync: (job) => storage.transactionSync(job),
      setAlarm: (at) => storage.setAlarm(at),
    }
    const account = new Account(listening, guard.needs)
    asked.length = 0
    await work(account)
    return asked
  })
}

it('is ten statements for its hold and thirteen for its capture, with two payees', async () => {
  const [payer, operator, author] = [await aPayer(1_000_000n), await anAccount(), await anAccount()]
  const hold = aHold(payer, 1_000n)
  const toHold = await counted(payer, (port) => port.hold(hold))
  const end = anEnd(payer, hold.callId, { legs: legsOf(payer.id, 1_000n, operator.id, author.id) })
  const toCapture = await counted(payer, (port) => port.capture(end))
  expect({ hold: toHold.length, capture: toCapture.length }).toEqual({ hold: 10, capture: 13 })
})
