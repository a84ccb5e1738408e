// DNS that changes its answer between a registration and an attempt, under a resolver and a clock of the test.
import { describe, expect, it } from 'vitest'
import { createDirectLink } from '../../../gateway/link/direct.ts'
import { createNameWatch, NAME_WATCH } from '../../../gateway/link/name-watch.ts'
import { LinkRefused } from '../../../gateway/link/node-link.ts'
import { systemRandom } from '../../../gateway/core/clock.ts'
import { newNodeId } from '../../../protocol/units.ts'

const PUBLIC = ['93.184.216.34', '2606:4700::1111']
const INNER = ['169.254.169.254']

/** A look behind a call has come back. */
const looked = () => new Promise((resolve) => setTimeout(resolve))

/** A watch whose names lead to `answers`, and what it asked. */
function aWatch(answers: readonly string[] | Error) {
  const state = { answers, now: 1_000_000, asked: [] as string[] }
  const judge = createNameWatch({
    resolve: (name) => {
      state.asked.push(name)
      return state.answers instanceof Error ? Promise.reject(state.answers) : Promise.resolve(state.answers)
    },
    policy: { allowLocal: false },
    clock: () => state.now,
  })
  return { state, judge: (url = 'https://node.example.com') => judge(new URL(url)) }
}

describe('createNameWatch', () => {
  it('lets calls go to a name that is public, and looks once in half a minute', async () => {
    const { state, judge } = aWatch(PUBLIC)
    expect(await judge()).toBeNull()
    state.now += NAME_WATCH.freshMs - 1
    expect(await judge()).toBeNull()
    expect(state.asked).toEqual(['node.example.com'])
    state.now += 1
    await judge()
    expect(state.asked).toHaveLength(2)
  })

  it('refuses a name at once that leads inside when this isolate first sees it', async () => {
    const { judge } = aWatch([...PUBLIC, ...INNER])
    expect(await judge()).toBe('Its name leads to an address that is not public.')
  })

  it('finds a change with the first call behind half a minute, and the next one is refused', async () => {
    const { state, judge } = aWatch(PUBLIC)
    await judge()
    state.answers = INNER
    state.now += NAME_WATCH.freshMs - 1
    expect(await judge()).toBeNull()
    state.now += 1
    await judge()
    await looked()
    expect(await judge()).not.toBeNull()
  })

  it('lets calls go again when the name is public again', async () => {
    const { state, judge } = aWatch(INNER)
    expect(await judge()).not.toBeNull()
    state.answers = PUBLIC
    state.now += NAME_WATCH.freshMs
    await judge()
    await looked()
    expect(await judge()).toBeNull()
  })

  it('stops nobody while the resolver is away or knows nothing, and asks it every five seconds only', async () => {
    for (const answers of [new Error('away'), []]) {
      const { state, judge } = aWatch(answers)
      expect(await judge()).toBeNull()
      expect(await judge()).toBeNull()
      expect(state.asked).toHaveLength(1)
      state.now += NAME_WATCH.lookMs
      state.answers = INNER
      expect(await judge()).not.toBeNull()
    }
  })

  it('keeps what it knows of a name when the resolver fails', async () => {
    const { state, judge } = aWatch(INNER)
    await judge()
    state.answers = new Error('away')
    state.now += NAME_WATCH.freshMs
    await judge()
    await looked()
    expect(await judge()).not.toBeNull()
  })

  it('waits half a second at most for its first look', async () => {
    const judge = createNameWatch({
      resolve: () => new Promise(() => undefined),
      policy: { allowLocal: false },
      clock: () => 0,
    })
    expect(await judge(new URL('https://node.example.com'))).toBeNull()
  })

  it('looks up no address', async () => {
    const { state, judge } = aWatch(INNER)
    expect(await judge('https://8.8.8.8')).toBeNull()
    expect(state.asked).toEqual([])
  })
})

describe('a direct link under a resolver', () => {
  it('sends nothing to a name that leads inside by now', async () => {
    const { state, judge } = aWatch(PUBLIC)
    const sent: string[] = []
    const fake = (url: string) => {
      sent.push(url)
      return Promise.resolve(new Response('ok'))
    }
    const link = createDirectLink({
      allowLocal: false,
      judgeName: ({ href }) => judge(href),
      fetch: fake as typeof fetch,
    })
    const request = {
      nodeId: newNodeId(systemRandom),
      endpoint: 'https://node.example.com',
      wireVersion: 1,
      path: '/v1/chat/completions',
      body: '{}',
      ticket: 'a.b.c',
      signal: AbortSignal.timeout(5_000),
    }
    await link.send(request)
    state.answers = INNER
    state.now += NAME_WATCH.freshMs
    await link.send(request)
    await looked()
    await expect(link.send(request)).rejects.toBeInstanceOf(LinkRefused)
    expect(sent).toHaveLength(2)
  })
})
