// A link client against a fake gateway, around whatever server a test writes; time stands still unless the test moves it.
import { generateKeyPair } from 'jose'
import { onTestFinished } from 'vitest'
import type { Caller } from '../../../provider-node/caller.ts'
import type { LinkClock } from '../../../provider-node/link/connection.ts'
import { createLink, type Link, type LinkNeeds } from '../../../provider-node/link/link-client.ts'
import { createLinkMetrics } from '../../../provider-node/link/link-metrics.ts'
import { createMetrics } from '../../../provider-node/metrics.ts'
import { aLog } from '../model-store/builders.ts'
import { aLinkGateway, type FakeLinkGateway } from './fake-gateway.ts'

export interface TestClock extends LinkClock {
  /** Waits of these ms, in the order they began, that are still waited for. */
  waits(): number[]
  /** Moves time: whoever waits no longer than so many ms goes on. */
  pass(ms: number): Promise<void>
}

/** What every draw gives: pauses of these tests are none of the link's own times. */
export const DRAW = 0.4

export function aClock(start = Date.now(), draw = () => DRAW): TestClock {
  let now = start
  const waiting = new Set<{ until: number; ms: number; done: () => void }>()
  return {
    now: () => now,
    draw,
    wait: (ms, signal) =>
      new Promise((resolve) => {
        if (signal.aborted || ms <= 0) return resolve()
        const entry = {
          until: now + ms,
          ms,
          done: () => {
            waiting.delete(entry)
            signal.removeEventListener('abort', entry.done)
            resolve()
          },
        }
        waiting.add(entry)
        signal.addEventListener('abort', entry.done)
      }),
    waits: () => [...waiting].map(({ ms }) => ms),
    async pass(ms) {
      now += ms
      for (const entry of [...waiting]) if (entry.until <= now) entry.done()
      // What they do next may need the event loop.
      await new Promise((resolve) => setTimeout(resolve, 5))
    },
  }
}

export interface TestLink {
  readonly link: Link
  readonly gateway: FakeLinkGateway
  readonly clock: TestClock
  readonly lines: ReturnType<typeof aLog>['lines']
  /** events of the log, with their `why` */
  told(): string[]
  metric(name: string): number
}

/** Gone with the test. */
export async function aLink(
  serve: (request: Request, caller: Caller) => Response | Promise<Response> = () => new Response('served'),
  overrides: Partial<LinkNeeds> & {
    readonly clock?: TestClock
    readonly before?: (gateway: FakeLinkGateway) => void
  } = {},
): Promise<TestLink> {
  const gateway = await aLinkGateway()
  overrides.before?.(gateway)
  const { privateKey: signingKey } = await generateKeyPair('EdDSA', { crv: 'Ed25519' })
  const metrics = createMetrics()
  const { log, lines } = aLog()
  const clock = overrides.clock ?? aClock()
  gateway.now = () => clock.now()
  const link = createLink({
    gateway: gateway.url,
    identity: { signingKey },
    nodeId: () => Promise.resolve('node_1'),
    serve,
    metrics: createLinkMetrics(metrics),
    log,
    ...overrides,
    clock,
  })
  onTestFinished(async () => {
    await link.close(0)
    await gateway.close()
  })
  return {
    link,
    gateway,
    clock,
    lines,
    told: () => lines.map(({ event, fields: { why } }) => (why === undefined ? event : `${event}: ${String(why)}`)),
    metric: (name) => Number(new RegExp(`^${name.replace(/[{}]/g, '\\$&')} (.+)$`, 'm').exec(metrics.text())?.[1]),
  }
}
