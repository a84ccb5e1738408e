// The node's link: opens it, keeps it, opens it again. Between two tries it waits a time drawn at random below a bound that doubles, and the bound
// shrinks back only when a link has stood for a minute, so that neither a thousand dropped nodes nor one that is dropped at once are a stampede.
import { randomBytes } from 'node:crypto'
import { LINK } from '../../protocol/link.ts'
import type { Identity } from '../identity.ts'
import { NODE_LIMITS } from '../limits.ts'
import type { Log } from '../log.ts'
import { MOVED, serveLink, type Connection, type LinkClock } from './connection.ts'
import { dial, linkUrl } from './dial.ts'
import { LINK_LIMITS } from './link-limits.ts'
import { createLinkLog } from './link-log.ts'
import type { LinkMetrics } from './link-metrics.ts'
import type { Serve } from './stream.ts'
import { judgeEnd, judgeFailure } from './verdict.ts'

export interface LinkNeeds {
  readonly gateway: string
  readonly identity: Pick<Identity, 'signingKey'>
  /** null until the node is registered */
  readonly nodeId: () => Promise<string | null>
  readonly serve: Serve
  readonly metrics: LinkMetrics
  readonly log: Log
  readonly clock: LinkClock
  /** told each time the link stands: what waits for the gateway may be tried at once */
  readonly up?: () => void
  /** absent: {@link LINK.streamsMax} */
  readonly streamsMax?: number
}

export interface Link {
  /** where it goes: ws or wss */
  readonly url: string
  /** Resolves when it stands for the first time; never rejects. */
  readonly stood: Promise<void>
  isUp(): boolean
  /** No new calls, and no new link; the running ones go on. */
  drain(): void
  /** Ends it for good; calls that are still there after `graceMs` are broken off. */
  close(graceMs: number): Promise<void>
}

export function createLink(needs: LinkNeeds): Link {
  const { gateway, clock, metrics, streamsMax = LINK.streamsMax } = needs
  const url = linkUrl(gateway)
  // The gateway lets this process, and no other one, take its own dead link over.
  const instance = randomBytes(24).toString('base64url')
  const stop = new AbortController()
  const tell = createLinkLog(needs.log, () => clock.now())
  let connection: Connection | null = null
  let stands = () => {}
  const stood = new Promise<void>((resolve) => (stands = resolve))
  let reconnected = -1
  let attempt = 0
  let isToldToRegister = false

  /** One try. @returns ms until the next */
  async function once(): Promise<number> {
    const nodeId = await needs.nodeId().catch(() => null)
    if (nodeId === null) return unregistered()
    const iat = Math.floor(clock.now() / 1_000)
    const claims = { use: 'souk-link', nodeId, iat, instance, streamsMax } as const
    const dialled = await dial({ url, identity: needs.identity, claims, signal: stop.signal })
    const circumstances = () => ({ gateway, now: clock.now(), attempt, draw: clock.draw() })
    if (!dialled.ok) {
      if (stop.signal.aborted) return 0
      const verdict = judgeFailure(dialled.failure, circumstances())
      attempt += 1
      tell.refused(verdict)
      return verdict.pauseMs
    }
    if (stop.signal.aborted) {
      dialled.socket.terminate()
      return 0
    }
    const { end, isSteady } = await kept(serveLink({ ...needs, ...dialled, streamsMax }), dialled.wire)
    if (stop.signal.aborted) return 0
    if (isSteady) attempt = 0
    const verdict = judgeEnd(end, circumstances())
    attempt += 1
    tell.down(verdict, isSteady)
    // Its moment was drawn already.
    return isSteady && end.reason === MOVED && end.by === 'node' ? 0 : verdict.pauseMs
  }

  /** Waiting for `register` is free. */
  function unregistered(): number {
    if (!isToldToRegister)
      needs.log('info', 'link_waits', {
        why: 'unregistered',
        message: 'run souk-node register: this node is not registered',
      })
    isToldToRegister = true
    return NODE_LIMITS.helloMs.first
  }

  /** Until it ends. */
  async function kept(standing: Connection, wire: number) {
    connection = standing
    reconnected += 1
    if (reconnected > 0) metrics.reconnected()
    tell.up({ wire, reconnected })
    stands()
    needs.up?.()
    const gone = new AbortController()
    let isSteady = false
    void clock.wait(LINK_LIMITS.steadyMs, gone.signal).then(() => {
      if (gone.signal.aborted) return
      isSteady = true
      tell.steady()
    })
    const end = await standing.ended
    gone.abort()
    connection = null
    return { end, isSteady }
  }

  async function run(): Promise<void> {
    while (!stop.signal.aborted) {
      const pauseMs = await once().catch((cause: unknown) => {
        needs.log('error', 'link_failed', { cause: cause instanceof Error ? cause.name : 'unknown' })
        return LINK.pauseMs.last
      })
      await clock.wait(pauseMs, stop.signal)
    }
  }

  metrics.watch({ isUp: () => connection !== null, streams: () => connection?.streams() ?? 0 })
  const over = run()
  return {
    url,
    stood,
    isUp: () => connection !== null,
    drain() {
      stop.abort()
      connection?.drain()
    },
    async close(graceMs) {
      stop.abort()
      await connection?.close(graceMs)
      await over
    },
  }
}

/** The machine's own. */
export const systemClock = (now: () => number): LinkClock => ({
  now,
  draw: Math.random,
  wait: (ms, signal) =>
    new Promise((resolve) => {
      if (signal.aborted) return resolve()
      const done = () => {
        clearTimeout(timer)
        signal.removeEventListener('abort', done)
        resolve()
      }
      const timer = setTimeout(done, ms)
      signal.addEventListener('abort', done, { once: true })
    }),
})
