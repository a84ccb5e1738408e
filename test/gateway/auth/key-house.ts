// A signed-in account with its real guard, for stories about keys.
import { env } from 'cloudflare:workers'
import { createAccounts } from '../../../gateway/ledger/accounts.ts'
import { CreatedKey } from '../../../protocol/auth.ts'
import { isAccountId } from '../../../protocol/units.ts'
import { aHouse, aWallet } from './auth-house.ts'

export async function anOwner() {
  const house = aHouse()
  house.guards.accounts = createAccounts(env.ACCOUNT)
  const wallet = aWallet()
  const { token, accountId } = await house.signIn(wallet)
  if (!isAccountId(accountId)) throw new Error('no account id')
  const create = (body: object, as = token) =>
    house.send('POST', '/api/keys', { token: as, body: { name: 'k', ...body } })
  return {
    house,
    wallet,
    token,
    accountId,
    guard: house.guards.accounts(accountId),
    create,
    key: async (body: object = {}, as = token) => CreatedKey.parse(await (await create(body, as)).json()),
  }
}
