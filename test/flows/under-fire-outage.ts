// An outage of one of two nodes while somebody calls twice a second: what became of each call, and when the node was asked again.
import { setTimeout as sleep } from 'node:timers/promises'
import type { FaultNode } from '../support/fault-node.ts'
import type { Told } from '../support/openai-caller.ts'

const CALLS_MS = 500
/** a node in probation gets a fifth of its weight, until it has served twenty */
const ESTABLISHED_CALLS = 25
const BEFORE_MS = 5_000
const OUTAGE_MS = 12_000
/** ms of its recovery that are waited for */
const BACK_MS = 35_000

export interface Outage {
  readonly told: readonly Told[]
  /** calls it served before */
  readonly servedBefore: number
  /** ms from when it was there again until it served a caller; null: it did not */
  readonly backAfterMs: number | null
}

/** Of two nodes that have served for a while, so that both are established, the first one goes down. @param ask one call */
export async function throughAnOutage(
  [node, other]: readonly [FaultNode, FaultNode],
  ask: (provider?: { readonly only: readonly string[] }) => Promise<Told>,
): Promise<Outage> {
  for (let n = 0; n < ESTABLISHED_CALLS; n++)
    await Promise.all([node, other].map(({ nodeId }) => ask({ only: [nodeId] })))
  const told: Told[] = []
  const running = new Set<Promise<void>>()
  let servedAt: number | null = null
  let upAt: number | null = null
  const call = async () => {
    const one = await ask()
    told.push(one)
    if (upAt !== null && one.souk?.node === node.nodeId) servedAt ??= Date.now()
  }
  const callFor = async (ms: number, isOver = () => false) => {
    for (const until = Date.now() + ms; Date.now() < until && !isOver(); await sleep(CALLS_MS)) {
      const one = call()
      running.add(one)
      void one.finally(() => running.delete(one))
    }
  }
  await callFor(BEFORE_MS)
  const servedBefore = told.filter(({ souk }) => souk?.node === node.nodeId).length
  await node.goDown()
  await callFor(OUTAGE_MS)
  await node.comeBack()
  upAt = Date.now()
  await callFor(BACK_MS, () => servedAt !== null)
  await Promise.all(running)
  return { told, servedBefore, backAfterMs: servedAt === null ? null : servedAt - upAt }
}
