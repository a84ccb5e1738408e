// Who is signed in: the account as the gateway tells it, or nobody. The session itself is a cookie that no script can read; other tabs share it, so they
// are told when it changes, and nothing that was asked for one account is ever shown to another.
import { notifications } from '@mantine/notifications'
import { queryOptions, useQuery } from '@tanstack/react-query'
import type { AccountView, Role } from '../../../protocol/auth.ts'
import { api, ApiError, onNotSignedIn, read } from '../data/api.ts'
import { held } from '../data/held.ts'
import { queryClient } from '../data/query-client.ts'

const KEY = ['account'] as const

export const accountQuery = queryOptions({
  queryKey: KEY,
  queryFn: async (): Promise<AccountView | null> => {
    try {
      return await read(api.api.account.$get())
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) return null
      throw error
    }
  },
})

/** `undefined`: not known yet; `null`: nobody. */
export function useAccount(): AccountView | null | undefined {
  return useQuery(accountQuery).data
}

export function hasRole(account: AccountView | null | undefined, role: Role): boolean {
  return account?.roles.includes(role) === true
}

/** Whether somebody was signed in on this page and is no more, without having asked for it. */
export const sessionEnded = held(false)

/** Everything that was asked for belongs to who was signed in: forgotten, and asked again where it is looked at. */
async function forgetEverything(): Promise<void> {
  sessionEnded.set(false)
  queryClient.removeQueries({ type: 'inactive' })
  await queryClient.resetQueries()
}

const known = () => queryClient.getQueryData<AccountView | null>(KEY)

/** The session ran out, or was ended elsewhere: what the gateway said to any request while the page thought otherwise. */
onNotSignedIn(() => {
  if (!known()) return
  sessionEnded.set(true)
  queryClient.setQueryData(KEY, null)
})

const otherTabs = new BroadcastChannel('souk-session')
otherTabs.addEventListener('message', () => {
  const before = known()?.accountId
  void forgetEverything().then(() => {
    if (before !== undefined && known()?.accountId !== before)
      notifications.show({ message: 'You signed out, or in as another account, in another tab. This page follows.' })
  })
})

/** After signing in or out: this tab and all others look again who is there. */
export async function sessionChanged(): Promise<void> {
  otherTabs.postMessage('changed')
  await forgetEverything()
}
