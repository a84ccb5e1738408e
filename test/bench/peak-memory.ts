// The most memory that processes have had resident, as the kernel counts it (VmHWM of /proc, Linux).
import { readFileSync } from 'node:fs'

/** ms between two looks; the kernel keeps the peak, so nothing between them is missed but the last moment */
const LOOK_MS = 100

/** @returns stop: the sum of the processes' peaks until now, megabytes */
export function peakMemory(pids: readonly number[]): { stop(): number } {
  const peaks = new Map<number, number>()
  const look = () => pids.forEach((pid) => peaks.set(pid, Math.max(peaks.get(pid) ?? 0, peakOf(pid))))
  look()
  const timer = setInterval(look, LOOK_MS)
  return {
    stop() {
      clearInterval(timer)
      look()
      return [...peaks.values()].reduce((sum, peak) => sum + peak, 0)
    },
  }
}

function peakOf(pid: number): number {
  try {
    const kilobytes = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
    return Number(kilobytes ?? 0) / 1000
  } catch {
    // It ended since.
    return 0
  }
}
