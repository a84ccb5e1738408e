// How much memory loaded models may take together, and who makes room: the least recently used of those that nobody is being served by. Counted
// by what manifests say, not by what the system measures: a graph's memory grows with its calls, and room must be made before it is needed.
import { once } from './once.ts'

/** A loaded model, as far as room is concerned. */
export interface Tenant {
  readonly bytes: number
  /** ms since the Unix epoch of its last call's end */
  usedAt(): number
  /** nobody is served by it, and nobody waits for it */
  isIdle(): boolean
  /** Its memory is free when this resolves; never rejects. */
  unload(): Promise<void>
}

export interface Memory {
  /** Room for this one, once others have gone for it; first come, first served. @throws the signal's reason, when nobody wants it any more */
  reserve(tenant: Tenant, signal: AbortSignal): Promise<void>
  release(tenant: Tenant): void
  /** A tenant may have become idle: whoever waits for room looks again. */
  changed(): void
  usedBytes(): number
  maxBytes(): number | null
  setMax(bytes: number | null): void
}

export function createMemory(initialMaxBytes: number | null): Memory {
  let max = initialMaxBytes
  const tenants = new Set<Tenant>()
  let wake: () => void = () => undefined
  let turn: Promise<unknown> = Promise.resolve()
  const used = () => [...tenants].reduce((sum, { bytes }) => sum + bytes, 0)

  async function makeRoom(tenant: Tenant, signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted()
      const leaving = max === null ? [] : leastRecentlyUsed([...tenants], tenant.bytes, max)
      if (leaving?.length === 0) return void tenants.add(tenant)
      if (leaving) await Promise.all(leaving.map((other) => other.unload()))
      else await once((resume) => (wake = resume), signal)
    }
  }

  return {
    reserve(tenant, signal) {
      const reserved = turn.then(() => makeRoom(tenant, signal))
      turn = reserved.catch(() => undefined)
      return reserved
    },
    release(tenant) {
      tenants.delete(tenant)
      wake()
    },
    changed: () => wake(),
    usedBytes: used,
    maxBytes: () => max,
    setMax(bytes) {
      max = bytes
      wake()
    },
  }
}

/**
 * Which of them must go so that `bytes` more fit, the longest unused first and no more than needed. @returns null when even all idle ones are not
 * enough: then nobody goes
 */
export function leastRecentlyUsed(tenants: readonly Tenant[], bytes: number, maxBytes: number): Tenant[] | null {
  let over = tenants.reduce((sum, tenant) => sum + tenant.bytes, bytes) - maxBytes
  const leaving: Tenant[] = []
  const idle = tenants.filter((tenant) => tenant.isIdle() && tenant.bytes > 0)
  for (const tenant of idle.sort((a, b) => a.usedAt() - b.usedAt())) {
    if (over <= 0) break
    leaving.push(tenant)
    over -= tenant.bytes
  }
  return over <= 0 ? leaving : null
}
