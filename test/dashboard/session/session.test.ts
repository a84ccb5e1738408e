// Who is signed in, as the page knows it: a request that is refused makes it look again, and only where nobody is there any more the page is covered. What a
// browser sends and gets is played here; what stands between is the page's own code.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

const ORIGIN = 'https://souk.example'
const ACCOUNT = { accountId: '0123456789abcdef', me: { address: '0x1', role: 'owner' }, wallets: [], roles: [] }

/** What the gateway says to whoever asks who is there, in this order; the last of it again and again. */
let there: (object | null)[] = []
let asked: string[] = []
/** said after everything that waits has had its turn */
const turn = () => new Promise((resolve) => setTimeout(resolve, 0))
const settled = async () => {
  for (let i = 0; i < 5; i++) await turn()
}

afterEach(() => vi.unstubAllGlobals())
beforeEach(() => {
  vi.resetModules()
  vi.stubGlobal('window', { location: { origin: ORIGIN } })
  asked = []
  vi.stubGlobal('fetch', (input: string) => {
    const { pathname } = new URL(input)
    asked.push(pathname)
    const who = pathname === '/api/account' ? (there.length > 1 ? there.shift() : there[0]) : null
    const body = who ?? { error: { code: 'not_signed_in', message: 'Sign in first.' } }
    return Promise.resolve(Response.json(body, { status: who ? 200 : 401 }))
  })
})

async function aPage() {
  const [session, { api, read }, { queryClient }] = await Promise.all([
    import('../../../gateway/dashboard/session/session.ts'),
    import('../../../gateway/dashboard/data/api.ts'),
    import('../../../gateway/dashboard/data/query-client.ts'),
  ])
  there = [ACCOUNT]
  await queryClient.fetchQuery(session.accountQuery)
  asked = []
  return {
    ...session,
    refused: () => read(api.api.keys.$get({ query: {} })).catch(() => 'refused'),
    account: () => queryClient.fetchQuery({ ...session.accountQuery, staleTime: 0 }),
  }
}

describe('a request that is refused', () => {
  it('covers the page when nobody is signed in any more', async () => {
    const page = await aPage()
    there = [null]
    await page.refused()
    expect(await page.hasEnded()).toBe(true)
    expect(page.sessionEnded.get()).toBe(true)
    expect(asked).toEqual(['/api/keys', '/api/account'])
  })

  it('covers nothing when it had only left with the cookie of before a fresh sign-in', async () => {
    const page = await aPage()
    await page.refused()
    expect(await page.hasEnded()).toBe(false)
    expect(asked).toEqual(['/api/keys', '/api/account'])
  })

  it('waits for a sign-in that is being sent before it looks again', async () => {
    const page = await aPage()
    there = [null]
    let answer: (value: string) => void = () => undefined
    void page.sendingSignIn(new Promise<string>((resolve) => (answer = resolve)))
    await page.refused()
    await settled()
    expect(asked).toEqual(['/api/keys'])
    there = [ACCOUNT]
    answer('signed in')
    expect(await page.hasEnded()).toBe(false)
    expect(asked).toEqual(['/api/keys', '/api/account'])
  })

  it('is looked after once, however many are refused at once, and leaves the page whose it was', async () => {
    const page = await aPage()
    there = [null]
    const [, , account] = await Promise.all([page.refused(), page.refused(), page.account()])
    expect(await page.hasEnded()).toBe(true)
    // Once by the page itself, and once again because of it.
    expect(asked.filter((path) => path === '/api/account')).toHaveLength(2)
    expect(account).toEqual(ACCOUNT)
  })

  it('is nothing new to who has just looked: the account stays the one that the second look found', async () => {
    const page = await aPage()
    there = [null, ACCOUNT]
    expect(await page.account()).toEqual(ACCOUNT)
    expect(page.sessionEnded.get()).toBe(false)
  })

  it('is expected by who signs out', async () => {
    const page = await aPage()
    there = [null]
    await page.endSession(() => page.refused())
    expect(page.sessionEnded.get()).toBe(false)
  })
})
