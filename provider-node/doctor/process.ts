// Whether a node runs on this state folder, and serves: from the note that a running process leaves there, and from what it says where it listens.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { boundedText } from './bounded-text.ts'
import type { Check, Facts } from './facts.ts'
import { note, ok, wrong, type Finding } from './finding.ts'

const Running = z.object({ pid: z.number().int().min(1), url: z.string().nullable().optional() })
type Running = z.infer<typeof Running>

const Health = z.object({
  status: z.string().max(32),
  models: z.array(z.object({ model: z.string().max(200), state: z.string().max(32) })).max(100),
})

/** Its name is that of the process that left it: souk-node start. */
export const RUNNING_FILE = 'running.json'

export const checkProcess: Check = async (facts, signal) => {
  const running = await runningNode(facts.home)
  if (!running) {
    const isRegistered = facts.config !== null && facts.config.nodeId !== null
    const says = 'no node runs on this state folder'
    return [isRegistered ? wrong(`${says}: nothing is served`, 'souk-node start') : note(says, 'souk-node start')]
  }
  const about = `a node runs (process ${running.pid})`
  if (!running.url) return [ok(about)]
  return [await healthFinding(running.url, about, facts.fetch, signal)]
}

/** null when there is none, or when the process that left the note is gone */
async function runningNode(home: string): Promise<Running | null> {
  const text = await readFile(join(home, RUNNING_FILE), 'utf8').catch(() => null)
  if (text === null) return null
  const parsed = Running.safeParse(parsedJson(text))
  return parsed.success && isAlive(parsed.data.pid) ? parsed.data : null
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

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (cause) {
    // It may belong to another user.
    return cause instanceof Error && 'code' in cause && cause.code === 'EPERM'
  }
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
