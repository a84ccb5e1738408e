// Who is signed in: the account as the gateway tells it, or nobody. The session itself is a cookie that no script can read.
import { queryOptions, useQuery } from '@tanstack/react-query'
import type { AccountView, Role } from '../../../protocol/auth.ts'
import { api, ApiError, read } from '../data/api.ts'
import { queryClient } from '../data/query-client.ts'

export const accountQuery = queryOptions({
  queryKey: ['account'],
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

/** Everything that was asked for belongs to who was signed in. */
export async function forgetEverything(): Promise<void> {
  queryClient.clear()
  await queryClient.invalidateQueries()
}
