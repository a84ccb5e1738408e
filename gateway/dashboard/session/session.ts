// Who is signed in: the account as the gateway tells it, or nobody. The session itself is a cookie that no script can read; other tabs share it, so they
// are told when it changes, and nothing that was asked for one account is ever shown to another. A session that ends leaves the page as it stands, under a
// dialogue (session-ended.tsx), until the same account is back.
import { focusManager, queryOptions, useQuery } from '@tanstack/react-query'
import type { AccountView } from '../../../protocol/auth.ts'
import { api, ApiError, onNotSignedIn, read } from '../data/api.ts'
import { held } from '../data/held.ts'
import { queryClient } from '../data/query-client.ts'
import { tell } from '../ui/notice.ts'

const KEY = ['account'] as const

export const accountQuery = queryOptions({
  queryKey: KEY,
  // While the page waits for who was here, it stays theirs.
  queryFn: async () => (await whoIsThere()) ?? (await looking) ?? (sessionEnded.get() ? (known() ?? null) : null),
})

async function whoIsThere(): Promise<AccountView | null> {
  try {
    return await read(api.api.account.$get())
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return null
    throw error
  }
}

/** `undefined`: not known yet; `null`: nobody. */
export function useAccount(): AccountView | null | undefined {
  return useQuery(accountQuery).data
}

/** Whether somebody was signed in on this page and is no more, without having asked for it. */
export const sessionEnded = held(false)

/** While it is ended, nothing asks again by itself: it would be refused. */
function setEnded(hasEnded: boolean): void {
  sessionEnded.set(hasEnded)
  focusManager.setFocused(hasEnded ? false : undefined)
}

/** Everything that was asked for belongs to who was signed in: forgotten, and asked again where it is looked at. */
async function forgetEverything(): Promise<void> {
  setEnded(false)
  queryClient.removeQueries({ type: 'inactive' })
  await queryClient.resetQueries()
}

const known = () => queryClient.getQueryData<AccountView | null>(KEY)

/** How many here asked for it, or look for it: then nobody is told. */
let expecting = 0
/** The sign-in that is being sent: after it the browser may have another cookie. */
let sending: Promise<unknown> = Promise.resolve()
/** The second look at who is there, while it lasts. */
let looking: Promise<AccountView | null> | null = null

/** What the gateway said to any request while the page thought otherwise. */
onNotSignedIn(() => {
  if (expecting > 0 || looking !== null || !known()) return
  looking = lookAgain().finally(() => (looking = null))
})

/**
 * The session ran out, or was ended elsewhere; or that request had left with the cookie of before a fresh sign-in, and all is well. Who cannot be asked is
 * taken for gone: a page that should be covered is.
 */
async function lookAgain(): Promise<AccountView | null> {
  await sending
  const now = await expected(() => whoIsThere().catch(() => null))
  if (now === null && known()) setEnded(true)
  return now
}

/** Whether the session has ended, when that is known. */
export async function hasEnded(): Promise<boolean> {
  await looking
  return sessionEnded.get()
}

/** @param sent a signed sign-in, whose answer brings the new cookie */
export function sendingSignIn<T>(sent: Promise<T>): Promise<T> {
  sending = sent.catch(() => undefined)
  return sent
}

async function expected<T>(run: () => Promise<T>): Promise<T> {
  expecting += 1
  try {
    return await run()
  } finally {
    expecting -= 1
  }
}

/** Goes on as who is signed in now: as the same, where the page stood, with all that was typed; as somebody else or nobody, from its beginning. */
async function follow(): Promise<void> {
  const before = known()
  const now = await expected(() => whoIsThere().catch(() => null))
  if (!before || now?.accountId !== before.accountId || now.me?.address !== before.me?.address)
    return forgetEverything()
  queryClient.setQueryData(KEY, now)
  setEnded(false)
  void queryClient.invalidateQueries()
}

const otherTabs = new BroadcastChannel('souk-session')
otherTabs.addEventListener('message', () => {
  const before = known()?.accountId
  void follow().then(() => {
    if (before !== undefined && known()?.accountId !== before)
      tell({ message: 'You signed out, or in as another account, in another tab. This page follows.', isKept: true })
  })
})

/** After signing in or out: this tab and all others look again who is there. */
export async function sessionChanged(): Promise<void> {
  otherTabs.postMessage('changed')
  await follow()
}

/** @param run what ends it on purpose, such as signing out */
export async function endSession<T>(run: () => Promise<T>): Promise<T> {
  return expected(async () => {
    const done = await run()
    await sessionChanged()
    return done
  })
}
