// Whether a node runs on this state folder, and serves: from the note that a running process leaves there, and from what it says where it listens.
import { hostname } from 'node:os'
import { z } from 'zod'
import { readClaim } from '../claim.ts'
import { boundedText } from './bounded-text.ts'
import type { Check, Facts } from './facts.ts'
import { note, ok, wrong, type Finding } from './finding.ts'

const Health = z.object({
  status: z.string().max(32),
  models: z.array(z.object({ model: z.string().max(200), state: z.string().max(32) })).max(100),
})

export const checkProcess: Check = async (facts, signal) => {
  const running = await readClaim(facts.home, facts.now)
  if (!running) {
    const isRegistered = facts.config !== null && facts.config.nodeId !== null
    const says = 'no node runs on this state folder'
    return [isRegistered ? wrong(`${says}: nothing is served`, 'souk-node start') : note(says, 'souk-node start')]
  }
  const about = `a node runs (process ${running.pid}${running.host === hostname() ? '' : ` on ${running.host}`})`
  if (running.url === null)
    return [ok(running.link === null ? `${about} and is starting` : `${about}, reached by its link`)]
  return [await healthFinding(running.url, about, facts.fetch, signal)]
}

async function healthFinding(url: string, about: string, send: Facts['fetch'], signal: AbortSignal): Promise<Finding> {
  const text = await send(`${url}/healthz`, { signal, redirect: 'manual' })
    .then(boundedText)
    .catch(() => null)
  const health = Health.safeParse(parsedJson(text ?? ''))
  if (!health.success) return wrong(`${about} and does not answer at ${url}`, 'restart it')
  const { status, models } = health.data
  if (status === 'draining') return note(`${about} and is draining: it takes no new calls and will end`)
  const failed = models.filter(({ state }) => state === 'failed').map(({ model }) => model)
  if (failed.length > 0)
    return wrong(`${about}, and could not load ${failed.join(', ')}`, 'its log says why (model failed)')
  if (status !== 'ok') return wrong(`${about} and says it is ${status}`, 'its log says why')
  return ok(`${about} and serves ${models.map(({ model }) => model).join(', ')}`)
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
