// A resolver of the test's own (DNS over HTTPS, its JSON form), whose answers change while calls go on.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FaultNode } from '../support/fault-node.ts'
import type { Told } from '../support/openai-caller.ts'

export interface Names {
  readonly url: string
  /** of each name, from the next question on */
  answers: Readonly<Record<string, readonly string[]>>
  stop(): Promise<void>
}

const A = 1

export async function startNames(answers: Names['answers']): Promise<Names> {
  const state = { answers }
  const server = createServer((request, response) => {
    const { searchParams } = new URL(request.url ?? '', 'http://localhost')
    const addresses = searchParams.get('type') === 'A' ? (state.answers[searchParams.get('name') ?? ''] ?? []) : []
    response.end(JSON.stringify({ Status: 0, Answer: addresses.map((data) => ({ type: A, data })) }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo // it listens on a port, not on a pipe
  return Object.assign(state, {
    url: `http://127.0.0.1:${port}/dns-query`,
    stop: () => new Promise<void>((resolve) => server.close(() => resolve())),
  })
}

export interface Rebinding {
  readonly told: readonly Told[]
  /** the node served before its name changed */
  readonly servedBefore: boolean
  /** ms until a call no longer reached it; null: they all did */
  readonly noticedAfterMs: number | null
  /** calls that reached it afterwards */
  readonly callsAfter: number
}

/** ms after which waiting ends: three times what a look is good for */
const PATIENCE_MS = 90_000
const CALLS_MS = 1_000
const AFTERWARDS = 5

/** @param ask a call that would ask the node first */
export async function untilRefused(names: Names, node: FaultNode, ask: () => Promise<Told>): Promise<Rebinding> {
  const told = [await ask()]
  const servedBefore = told[0]?.souk?.node === node.nodeId
  names.answers = { localhost: ['169.254.169.254'] }
  const changedAt = Date.now()
  const noticed = async (): Promise<number | null> => {
    while (Date.now() - changedAt < PATIENCE_MS) {
      const before = node.seen.calls
      told.push(await ask())
      if (node.seen.calls === before) return Date.now() - changedAt
      await sleep(CALLS_MS)
    }
    return null
  }
  const noticedAfterMs = await noticed()
  const calls = node.seen.calls
  for (let n = 0; n < AFTERWARDS; n++) told.push(await ask())
  return { told, servedBefore, noticedAfterMs, callsAfter: node.seen.calls - calls }
}
